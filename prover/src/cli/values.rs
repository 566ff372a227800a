//! Inputs, samples and claimed outputs as files: JSON in EZKL's form, or NumPy's `.npy`.
//!
//! No message holds a value: inputs are private.

use std::path::Path;

use anyhow::{Context, bail};
use npyz::{DType, NpyFile, Order, TypeChar};
use serde_json::Value;

use super::files;

const NPY_MAGIC: &[u8] = b"\x93NUMPY";

/// Where the values stand in a JSON object.
const INPUT_KEYS: &[&str] = &["input_data", "samples"];
const OUTPUT_KEYS: &[&str] = &["outputs"];

/// One input: all values of the file, row-major. The model checks how many there must be.
pub(crate) fn input(path: &Path) -> anyhow::Result<Vec<f64>> {
    read(path, INPUT_KEYS)
}

/// Claimed outputs, as `tapeout prove --json` prints them.
pub(crate) fn outputs(path: &Path) -> anyhow::Result<Vec<f64>> {
    read(path, OUTPUT_KEYS)
}

/// Several inputs of `len` values each, one behind the other.
pub(crate) fn samples(path: &Path, len: usize) -> anyhow::Result<Vec<Vec<f64>>> {
    let values = read(path, INPUT_KEYS)?;
    if values.is_empty() || !values.len().is_multiple_of(len.max(1)) {
        bail!(
            "'{}' holds {} values; samples of this model have {len} values each, so that a multiple of that was expected",
            path.display(),
            values.len()
        );
    }
    Ok(values.chunks_exact(len.max(1)).map(<[f64]>::to_vec).collect())
}

/// Whether a file is JSON or `.npy`, as far as its first bytes tell.
pub(crate) fn looks_like_values(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().first();
    bytes.starts_with(NPY_MAGIC) || matches!(first, Some(b'{' | b'['))
}

fn read(path: &Path, keys: &[&str]) -> anyhow::Result<Vec<f64>> {
    let bytes = files::read(path)?;
    let values = if bytes.starts_with(NPY_MAGIC) {
        npy(&bytes)
    } else {
        json(&bytes, keys)
    };
    values.with_context(|| format!("cannot read values from '{}'", path.display()))
}

fn json(bytes: &[u8], keys: &[&str]) -> anyhow::Result<Vec<f64>> {
    let parsed: Value = serde_json::from_slice(bytes).map_err(|error| {
        anyhow::anyhow!(
            "neither .npy nor JSON: JSON goes wrong at line {}, column {}",
            error.line(),
            error.column()
        )
    })?;
    let values = match &parsed {
        Value::Object(object) => keys.iter().find_map(|key| object.get(*key)),
        Value::Array(_) => Some(&parsed),
        _ => None,
    };
    let Some(values) = values else {
        bail!(
            "expected a JSON object with the list '{}', or a list of numbers",
            keys.join("' or '")
        );
    };
    let mut flat = Vec::new();
    flatten(values, &mut flat)?;
    Ok(flat)
}

/// The numbers of nested lists, in order.
fn flatten(value: &Value, flat: &mut Vec<f64>) -> anyhow::Result<()> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, flat)),
        Value::Number(number) => {
            flat.extend(number.as_f64());
            Ok(())
        }
        _ => bail!("value {} is no number", flat.len()),
    }
}

fn npy(bytes: &[u8]) -> anyhow::Result<Vec<f64>> {
    let file = NpyFile::new(bytes)?;
    if file.order() == Order::Fortran && file.shape().len() > 1 {
        bail!("the array is stored column by column; save it with numpy.ascontiguousarray");
    }
    let DType::Plain(element) = file.dtype() else {
        bail!("the array holds records, expected numbers");
    };
    let needed = file
        .shape()
        .iter()
        .try_fold(element.size_field(), |size, extent| size.checked_mul(*extent));
    if needed.is_none_or(|size| size > bytes.len() as u64) {
        bail!(
            "the file is shorter than the array of shape {:?} that it announces",
            file.shape()
        );
    }
    let values = match (element.type_char(), element.size_field()) {
        (TypeChar::Float, 8) => file.into_vec::<f64>()?,
        (TypeChar::Float, 4) => file.into_vec::<f32>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Int, 8) => file.into_vec::<i64>()?.into_iter().map(|v| v as f64).collect(),
        (TypeChar::Int, 4) => file.into_vec::<i32>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Int, 2) => file.into_vec::<i16>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Int, 1) => file.into_vec::<i8>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Uint, 8) => file.into_vec::<u64>()?.into_iter().map(|v| v as f64).collect(),
        (TypeChar::Uint, 4) => file.into_vec::<u32>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Uint, 2) => file.into_vec::<u16>()?.into_iter().map(f64::from).collect(),
        (TypeChar::Uint, 1) => file.into_vec::<u8>()?.into_iter().map(f64::from).collect(),
        _ => bail!("the array's type is {element}; expected float64, float32 or integers"),
    };
    Ok(values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn json_lists_are_flattened_in_order() {
        for text in [
            "[1, 2.5, -3]",
            r#"{"input_data": [[1, 2.5, -3]]}"#,
            r#"{"samples": [[1], [2.5, -3]], "outputs": [[9]]}"#,
        ] {
            assert_eq!(json(text.as_bytes(), INPUT_KEYS).unwrap(), [1.0, 2.5, -3.0], "{text}");
        }
        assert_eq!(json(br#"{"outputs": [4], "ok": true}"#, OUTPUT_KEYS).unwrap(), [4.0]);
    }

    #[test]
    fn bad_json_is_refused_without_showing_values() {
        for text in [
            "",
            "{",
            "nonsense 123456",
            r#"{"input": [1]}"#,
            r#"{"input_data": [1, "123456"]}"#,
            "123456",
            "[1, null]",
        ] {
            let message = format!("{:#}", json(text.as_bytes(), INPUT_KEYS).unwrap_err());
            assert!(!message.contains("123456"), "{message}");
        }
    }

    #[test]
    fn arrays_of_every_element_type_are_read() {
        // Version 1.0: magic, version, length of the header, header, data.
        let file = |element: &str, fortran: &str, shape: &str, data: &[u8]| {
            let mut header = format!("{{'descr': '{element}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
            while (10 + header.len() + 1) % 64 != 0 {
                header.push(' ');
            }
            header.push('\n');
            [
                b"\x93NUMPY\x01\x00",
                &(header.len() as u16).to_le_bytes()[..],
                header.as_bytes(),
                data,
            ]
            .concat()
        };
        let f64s: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let f32s: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(npy(&file("<f8", "False", "(1, 2)", &f64s)).unwrap(), [1.5, -2.0]);
        assert_eq!(npy(&file(">f4", "False", "(2,)", &f32s)).unwrap(), [1.5, -2.0]);
        assert_eq!(
            npy(&file("|u1", "False", "(3,)", &[0, 7, 255])).unwrap(),
            [0.0, 7.0, 255.0]
        );
        assert_eq!(
            npy(&file("<i2", "True", "(2,)", &[255, 255, 1, 0])).unwrap(),
            [-1.0, 1.0]
        );
        assert!(
            npy(&file("<f8", "True", "(1, 2)", &f64s))
                .unwrap_err()
                .to_string()
                .contains("ascontiguousarray")
        );
        assert!(
            npy(&file("<c16", "False", "(1,)", &f64s))
                .unwrap_err()
                .to_string()
                .contains("float64")
        );
        assert_eq!(npy(&file("<i8", "False", "()", &[255; 8])).unwrap(), [-1.0]);
        for shape in ["(3,)", "(4294967296, 4294967296)"] {
            assert!(
                npy(&file("<f8", "False", shape, &f64s))
                    .unwrap_err()
                    .to_string()
                    .contains("shorter"),
                "{shape}"
            );
        }
        assert!(npy(&file("<f8", "False", "(1, 2)", &f64s)[..40]).is_err());
    }
}
