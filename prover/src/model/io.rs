//! Reads inputs and samples: EZKL's JSON, a list of samples, and numpy's `.npy`.

use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};
use serde_json::Value;

use super::error::{Error, Result};

/// Reads the one input that a file holds, row-major; see [`read_samples`] for the formats.
///
/// # Errors
/// Those of [`read_samples`], and [`Error::Input`] when the file holds several.
pub fn read_input(path: impl AsRef<Path>, expected: usize) -> Result<Vec<f64>> {
    let path = path.as_ref();
    let mut samples = read_samples(path, expected)?;
    match (samples.pop(), samples.len()) {
        (Some(one), 0) => Ok(one),
        (_, rest) => Err(input_error(
            path,
            format!("expected one input of {expected} values, got {}", rest + 1),
        )),
    }
}

/// Reads all samples that a file holds, each with `expected` values in row-major order. A file is one of
/// - `{"input_data": [...]}`, numbers nested to any depth: one sample, or several one behind the other,
/// - `{"samples": [[...], ...]}`,
/// - a numpy array (`.npy`) of floats or integers whose elements are one sample or several.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for another format, [`Error::Length`] for samples of another length, [`Error::NotFinite`] for
/// NaN and infinities. All name the file.
pub fn read_samples(path: impl AsRef<Path>, expected: usize) -> Result<Vec<Vec<f64>>> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    parse(&bytes, path, expected)
}

fn parse(bytes: &[u8], path: &Path, expected: usize) -> Result<Vec<Vec<f64>>> {
    let samples = if bytes.starts_with(b"\x93NUMPY") {
        split(npy(bytes, path)?, path, expected)?
    } else {
        json(bytes, path, expected)?
    };
    for (i, sample) in samples.iter().enumerate() {
        let what = || format!("{}, sample {i}", path.display());
        if sample.len() != expected {
            return Err(Error::Length {
                what: what(),
                expected,
                got: sample.len(),
            });
        }
        if let Some(index) = sample.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { what: what(), index });
        }
    }
    match samples.is_empty() {
        true => Err(input_error(
            path,
            format!("expected at least one input of {expected} values, got none"),
        )),
        false => Ok(samples),
    }
}

fn input_error(path: &Path, problem: impl Into<String>) -> Error {
    Error::Input {
        what: path.display().to_string(),
        problem: problem.into(),
    }
}

/// Values of one or several samples, one behind the other.
fn split(values: Vec<f64>, path: &Path, expected: usize) -> Result<Vec<Vec<f64>>> {
    match expected > 0 && values.len().is_multiple_of(expected) {
        true => Ok(values.chunks(expected).map(<[f64]>::to_vec).collect()),
        false => Err(Error::Length {
            what: path.display().to_string(),
            expected,
            got: values.len(),
        }),
    }
}

fn json(bytes: &[u8], path: &Path, expected: usize) -> Result<Vec<Vec<f64>>> {
    let formats = r#"expected {"input_data": [...]}, {"samples": [[...], ...]} or a .npy file"#;
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| input_error(path, format!("{formats}; as JSON: {e}")))?;
    let flat = |value: &Value| {
        let mut values = Vec::new();
        match flatten(value, &mut values) {
            true => Ok(values),
            false => Err(input_error(
                path,
                "expected lists of numbers, found something else among them",
            )),
        }
    };
    match (value.get("input_data"), value.get("samples").and_then(Value::as_array)) {
        (Some(data), None) => split(flat(data)?, path, expected),
        (None, Some(samples)) => samples.iter().map(flat).collect(),
        _ => Err(input_error(path, formats)),
    }
}

/// Appends all numbers; false when something is none. The parser bounds the depth of nesting.
fn flatten(value: &Value, into: &mut Vec<f64>) -> bool {
    match value {
        Value::Array(values) => values.iter().all(|v| flatten(v, into)),
        other => other.as_f64().map(|v| into.push(v)).is_some(),
    }
}

fn npy(bytes: &[u8], path: &Path) -> Result<Vec<f64>> {
    let error = |problem: String| input_error(path, problem);
    if !plain_header(bytes) {
        return Err(error(
            "expected a .npy file that holds one plain array; its header is damaged or of another kind".into(),
        ));
    }
    let file = NpyFile::new(bytes).map_err(|e| error(format!("not a .npy file: {e}")))?;
    let DType::Plain(kind) = file.dtype() else {
        return Err(error("expected an array of numbers, got one of records".into()));
    };
    if file.order() == Order::Fortran && file.shape().len() > 1 {
        return Err(error(
            "expected row-major order, got column-major; save numpy.ascontiguousarray(x)".into(),
        ));
    }
    let size = kind.size_field();
    let header = bytes.len() as u64 - remaining(bytes);
    if file.len().checked_mul(size).and_then(|n| n.checked_add(header)) != Some(bytes.len() as u64) {
        let got = remaining(bytes);
        return Err(error(format!(
            "expected {} elements of {size} bytes, got {got} bytes",
            file.len()
        )));
    }
    macro_rules! read {
        ($t:ty) => {
            file.into_vec::<$t>()
                .map(|v| v.into_iter().map(|x| x as f64).collect())
        };
    }
    match (kind.type_char(), size) {
        (TypeChar::Float, 4) => read!(f32),
        (TypeChar::Float, 8) => read!(f64),
        (TypeChar::Int, 1) => read!(i8),
        (TypeChar::Int, 2) => read!(i16),
        (TypeChar::Int, 4) => read!(i32),
        (TypeChar::Int, 8) => read!(i64),
        (TypeChar::Uint, 1) => read!(u8),
        (TypeChar::Uint, 2) => read!(u16),
        (TypeChar::Uint, 4) => read!(u32),
        (TypeChar::Uint, 8) => read!(u64),
        _ => {
            return Err(error(format!(
                "expected floats of 4 or 8 bytes or integers, got elements of type {kind}"
            )));
        }
    }
    .map_err(|e| error(format!("not a .npy file: {e}")))
}

/// Bytes behind the header of a file that [`plain_header`] has passed.
fn remaining(bytes: &[u8]) -> u64 {
    header(bytes).map_or(0, |(_, rest)| rest.len() as u64)
}

/// The header's text and the data behind it.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes.get(6)? {
        1 => (
            u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?).into(),
            bytes.get(10..)?,
        ),
        _ => (
            u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?) as usize,
            bytes.get(12..)?,
        ),
    };
    rest.split_at_checked(length)
}

/// Whether the header lies within the file and states one shape whose product is a number: what the parser takes for granted.
fn plain_header(bytes: &[u8]) -> bool {
    let Some((text, _)) = header(bytes) else { return false };
    let mut shapes = text.split(|&b| b == b'(').skip(1);
    let (Some(shape), None) = (shapes.next(), shapes.next()) else {
        return false;
    };
    let digits = shape
        .split(|&b| b == b')')
        .next()
        .unwrap_or_default()
        .split(|b| !b.is_ascii_digit());
    let numbers = digits
        .filter(|d| !d.is_empty())
        .map(|d| std::str::from_utf8(d).ok()?.parse::<u64>().ok());
    // Strides are products too, of all lengths but one: a zero must not hide them.
    numbers
        .into_iter()
        .try_fold(1u64, |n, d| n.checked_mul(d?.max(1)))
        .is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use npyz::WriterBuilder;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn read(bytes: &[u8], expected: usize) -> std::result::Result<Vec<Vec<f64>>, String> {
        parse(bytes, Path::new("file"), expected).map_err(|e| e.to_string())
    }

    fn write<T: npyz::AutoSerialize + Copy>(values: &[T], shape: &[u64], order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut out).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        out
    }

    #[test]
    fn json_forms() {
        let two = vec![vec![1.0, -2.0], vec![0.5, 3e2]];
        assert_eq!(read(br#"{"input_data": [[1, -2]]}"#, 2).unwrap(), two[..1]);
        assert_eq!(
            read(br#"{"input_data": [1, -2.0], "output_data": [[0]]}"#, 2).unwrap(),
            two[..1]
        );
        assert_eq!(read(br#"{"input_data": [[1, -2, 0.5, 3e2]]}"#, 2).unwrap(), two);
        assert_eq!(read(br#"{"input_data": [[[1], [-2]]]}"#, 2).unwrap(), two[..1]);
        assert_eq!(read(br#"{"samples": [[1, -2], [0.5, 300]]}"#, 2).unwrap(), two);
        for (bad, message) in [
            (r#"{"input_data": [[1, 2, 3]]}"#, "file: expected 2 values, got 3"),
            (r#"{"input_data": []}"#, "at least one input of 2 values, got none"),
            (
                r#"{"samples": [[1, 2], [3]]}"#,
                "file, sample 1: expected 2 values, got 1",
            ),
            (r#"{"samples": 3}"#, "expected {\"input_data\""),
            (r#"{"input_data": [["1", 2]]}"#, "expected lists of numbers"),
            (r#"{"input_data": [[1, null]]}"#, "expected lists of numbers"),
            (r#"{"input_data": [[1, NaN]]}"#, "as JSON"),
            (r#"{"input_data": [[1, 1e999]]}"#, "as JSON"),
            (r#"[1, 2]"#, "expected {\"input_data\""),
            ("", "as JSON"),
        ] {
            let error = read(bad.as_bytes(), 2).unwrap_err();
            assert!(error.starts_with("file") && error.contains(message), "{bad}: {error}");
        }
        let deep = format!("{{\"input_data\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(deep.as_bytes(), 1).is_err());
    }

    #[test]
    fn numpy_arrays_of_every_number_type() {
        let expected = vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]];
        macro_rules! check {
            ($($t:ty)*) => { $(
                let values: Vec<$t> = (1..=6u8).map(|v| v as $t).collect();
                assert_eq!(read(&write(&values, &[2, 3], Order::C), 3).unwrap(), expected);
                assert_eq!(read(&write(&values, &[6], Order::C), 3).unwrap(), expected);
            )* };
        }
        check!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64);
    }

    #[test]
    fn bad_numpy_arrays_give_errors() {
        let good = write(&[1f32, 2.0, 3.0, 4.0], &[2, 2], Order::C);
        assert_eq!(read(&good, 3).unwrap_err(), "file: expected 3 values, got 4");
        assert!(
            read(&write(&[1f32, 2.0, 3.0, 4.0], &[2, 2], Order::Fortran), 4)
                .unwrap_err()
                .contains("row-major")
        );
        assert!(
            read(&write(&[1f32, f32::NAN], &[2], Order::C), 2)
                .unwrap_err()
                .contains("value 1 is not a finite")
        );
        assert!(
            read(&write(&[true], &[1], Order::C), 1)
                .unwrap_err()
                .contains("got elements of type")
        );
        for len in 0..good.len() {
            assert!(read(&good[..len], 4).is_err(), "cut to {len} bytes");
        }
        assert!(
            read(&[&good[..], &[0]].concat(), 4)
                .unwrap_err()
                .contains("got 17 bytes")
        );
        let huge = String::from_utf8_lossy(&good[10..128]).replace("2, 2", "4294967296, 4294967296");
        let mut huge = [&good[..10], huge.as_bytes(), &good[128..]].concat();
        let length = (huge.len() - 10 - 16) as u16;
        huge[8..10].copy_from_slice(&length.to_le_bytes());
        assert!(read(&huge, 4).unwrap_err().contains("header is damaged"));
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for _ in 0..20_000 {
            let mut damaged = good.clone();
            let at = rng.random_range(0..damaged.len());
            damaged[at] = rng.random();
            let _ = read(&damaged, 4);
        }
    }

    #[test]
    fn a_single_input_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.json");
        std::fs::write(&path, r#"{"input_data": [[1, 2, 3, 4]]}"#).unwrap();
        assert_eq!(read_input(&path, 4).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert!(
            read_input(&path, 2)
                .unwrap_err()
                .to_string()
                .contains("expected one input of 2 values, got 2")
        );
        assert!(matches!(
            read_samples(folder.path().join("none"), 2),
            Err(Error::Io { .. })
        ));
    }
}
