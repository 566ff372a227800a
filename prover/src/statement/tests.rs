//! Proof files: what is no file, what is a file of something else, what is a file and proves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::OnceLock;

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInteger, PrimeField};
use proptest::prelude::*;

use super::*;
use crate::{
    encoding::{DecodeError, G1_BYTES, SCALAR_BYTES},
    keys::VerifyingKey,
    kzg::KzgError,
    model::program::{Act, Source},
    plonk::tests::{CONTEXT, Fixture, gemm, hash::hashed_input, network, pool, read},
    plonk::verifier::Rejection,
};

/// A file and the key that it is for: a pool, whose columns are opened at one point and at two.
struct File {
    fixture: Fixture,
    bytes: Vec<u8>,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        // A second layer of two channels, so that the weight fold has a quotient.
        let mut layers = pool(4, vec![2, 1, 2], vec![2, 0, 1], false).layers;
        let one = 1 << 14;
        layers.push(gemm(
            vec![read(0, 0), read(0, 1)],
            &[&[one, 0], &[0, one]],
            Act::Requant,
        ));
        let fixture = Fixture::new(&network(4, layers), 1, false);
        let (public, proof) = fixture.honest(&[-9, -5, 70, 3]);
        assert_eq!(public, [-5, 70]);
        let key = fixture.key.verifying().digest();
        let bytes = Statement {
            key,
            public,
            hashes: Vec::new(),
            proof,
        }
        .to_bytes();
        File { fixture, bytes }
    })
}

impl File {
    fn key(&self) -> &VerifyingKey {
        self.fixture.key.verifying()
    }

    /// What becomes of the file with other bytes.
    fn check(&self, bytes: &[u8]) -> Result<(), VerifyError> {
        Statement::read(bytes, self.key())?.verify(self.key(), &CONTEXT)
    }

    /// Reading and verifying with the 32 bytes at `at` replaced.
    fn check_with(&self, at: usize, value: &[u8]) -> Result<(), VerifyError> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        self.check(&bytes)
    }

    /// Where the public words, the points and the evaluations begin.
    fn scalars(&self) -> Vec<usize> {
        let (words, points, opening) = (HEADER, self.points(), self.bytes.len() - 2 * G1_BYTES);
        let evals = points[points.len() - 3] + G1_BYTES;
        let words = (words..points[0]).step_by(SCALAR_BYTES);
        words.chain((evals..opening).step_by(SCALAR_BYTES)).collect()
    }

    /// Advice, quotient, opening.
    fn points(&self) -> Vec<usize> {
        let first = HEADER + 2 * SCALAR_BYTES;
        let count = self.key().constraints().advice.len() + 5;
        let opening = self.bytes.len() - 2 * G1_BYTES;
        let points = (0..count).map(|i| first + i * G1_BYTES);
        points.chain([opening, opening + G1_BYTES]).collect()
    }

    /// Whether the point at this place may be at infinity in a file that can be read.
    fn may_be_infinite(&self, index: usize) -> bool {
        let advice = &self.key().constraints().advice;
        match advice.get(index) {
            Some(column) => column.name.ends_with(".C") || ["E", "D"].contains(&column.name.as_str()),
            // The weight fold and the opening, but not the quotient.
            None => !(3..5).contains(&(index - advice.len())),
        }
    }
}

/// Magic, version, digest, number of words.
const HEADER: usize = 8 + 4 + 32 + 4;

fn assert_rejected(result: Result<(), VerifyError>) {
    let opening = matches!(
        result,
        Err(VerifyError::Rejected(Rejection::Opening(KzgError::Rejected)))
    );
    assert!(opening, "{result:?}");
}

fn assert_decode(result: Result<(), VerifyError>, expected: impl FnOnce(&DecodeError) -> bool) {
    match &result {
        Err(VerifyError::Unreadable(ReadError::Decode(error))) if expected(error) => {}
        _ => panic!("{result:?}"),
    }
}

fn big_endian(v: impl PrimeField) -> Vec<u8> {
    v.into_bigint().to_bytes_be()
}

/// The 32 bytes `bytes` plus the modulus of `F`, which fits: both are below `2^254`.
fn plus_modulus<F: PrimeField>(bytes: &[u8]) -> Vec<u8> {
    let modulus = F::MODULUS.to_bytes_be();
    let mut sum = vec![0; 32];
    let mut carry = 0;
    for i in (0..32).rev() {
        let digit = u16::from(bytes[i]) + u16::from(modulus[i]) + carry;
        (sum[i], carry) = (digit as u8, digit >> 8);
    }
    assert_eq!(carry, 0);
    sum
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let file = file();
    assert_eq!(file.bytes.len(), Statement::len(file.key()));
    let statement = Statement::read(&file.bytes, file.key()).unwrap();
    assert_eq!(statement.to_bytes(), file.bytes);
    statement.verify(file.key(), &CONTEXT).unwrap();
    let key = file.key().digest();
    let header = Header::read(&file.bytes).unwrap();
    assert_eq!(header, Header { key, public_words: 2 });
    assert_eq!(Header::read(&file.bytes[..HEADER]).unwrap(), header);
}

/// Trap T17.
#[test]
fn a_file_that_is_too_short_or_too_long_is_unreadable() {
    let file = file();
    for len in 0..file.bytes.len() {
        let result = file.check(&file.bytes[..len]);
        match len {
            ..8 => assert!(
                matches!(result, Err(VerifyError::Unreadable(ReadError::Magic { .. }))),
                "{result:?}"
            ),
            _ => assert_decode(result, |e| matches!(e, DecodeError::Truncated { .. })),
        }
    }
    let whole = file.bytes.len();
    for tail in [&[0][..], &[255], &[0; 32], &file.bytes] {
        let bytes = [&file.bytes, tail].concat();
        let len = bytes.len();
        assert_decode(file.check(&bytes), |e| {
            *e == DecodeError::Trailing {
                expected: whole,
                got: len,
            }
        });
    }
}

/// Trap T17: an element twice, or not at all.
#[test]
fn a_file_with_an_element_twice_or_not_at_all_is_unreadable() {
    let file = file();
    let elements = file.scalars().into_iter().map(|at| at..at + SCALAR_BYTES);
    let elements = elements.chain(file.points().into_iter().map(|at| at..at + G1_BYTES));
    for element in elements {
        let (start, end) = (element.start, element.end);
        let twice = [&file.bytes[..end], &file.bytes[start..]].concat();
        assert_decode(file.check(&twice), |_| true);
        let without = [&file.bytes[..start], &file.bytes[end..]].concat();
        assert_decode(file.check(&without), |_| true);
    }
}

/// Trap T18.
#[test]
fn numbers_at_or_above_their_modulus_are_unreadable() {
    let file = file();
    for at in file.scalars() {
        let value = plus_modulus::<Fr>(&file.bytes[at..at + 32]);
        let here = |e: &DecodeError| matches!(e, DecodeError::ScalarRange { offset, .. } if *offset == at);
        assert_decode(file.check_with(at, &value), here);
        assert_decode(file.check_with(at, &[255; 32]), here);
    }
    for at in file.points() {
        for (at, name, start) in [(at, "x", at), (at + 32, "y", at)] {
            let value = plus_modulus::<Fq>(&file.bytes[at..at + 32]);
            assert_decode(
                file.check_with(at, &value),
                |e| matches!(e, DecodeError::CoordinateRange { offset, coordinate, .. } if (*offset, *coordinate) == (start, name)),
            );
        }
    }
}

/// Trap T19.
#[test]
fn points_off_the_curve_or_at_infinity_prove_nothing() {
    let file = file();
    for (i, at) in file.points().into_iter().enumerate() {
        let y = Fq::from_be_bytes_mod_order(&file.bytes[at + 32..at + 64]) + Fq::from(1u8);
        let here = |e: &DecodeError| matches!(e, DecodeError::OffCurve { offset, .. } if *offset == at);
        assert_decode(file.check_with(at + 32, &big_endian(y)), here);
        let infinity = file.check_with(at, &[0; 64]);
        match file.may_be_infinite(i) {
            true => assert_rejected(infinity),
            false => assert_decode(
                infinity,
                |e| matches!(e, DecodeError::Infinity { offset, .. } if *offset == at),
            ),
        }
    }
}

#[test]
fn every_element_counts() {
    let file = file();
    for at in file.scalars() {
        let value = Fr::from_be_bytes_mod_order(&file.bytes[at..at + 32]) + Fr::from(1u8);
        assert_rejected(file.check_with(at, &big_endian(value)));
    }
    let points = file.points();
    for (i, at) in points.iter().enumerate() {
        let y = -Fq::from_be_bytes_mod_order(&file.bytes[at + 32..at + 64]);
        assert_rejected(file.check_with(at + 32, &big_endian(y)));
        let next = points[(i + 1) % points.len()];
        assert_rejected(file.check_with(*at, &file.bytes[next..next + 64]));
    }
}

/// Trap T12: one encoding of a negative number, and that is `r - |v|`.
#[test]
fn a_negative_word_has_one_encoding() {
    let file = file();
    file.check_with(HEADER, &big_endian(-Fr::from(5u8))).unwrap();
    for wrong in [
        (1u128 << 64) - 5,
        (1 << 63) - 5,
        (1 << 32) - 5,
        (1 << 14) - 5,
        1 << 13,
        1 << 127,
    ] {
        let result = file.check_with(HEADER, &big_endian(Fr::from(wrong)));
        let range = Rejection::PublicRange { index: 0, bits: 14 }.to_string();
        assert!(
            matches!(&result, Err(VerifyError::Rejected(e)) if e.to_string() == range),
            "{result:?}"
        );
    }
    // In range, and not what was proven.
    assert_rejected(file.check_with(HEADER, &big_endian(Fr::from(5u8))));
    assert_rejected(file.check_with(HEADER, &big_endian(Fr::from((1u64 << 13) - 5))));
}

#[test]
fn a_file_of_something_else_is_told_apart() {
    let file = file();
    let result = file.check_with(0, b"TAPEOUTV");
    assert!(
        matches!(result, Err(VerifyError::Unreadable(ReadError::Magic { .. }))),
        "{result:?}"
    );
    let result = file.check_with(8, &[0, 0, 0, 1]);
    assert!(
        matches!(result, Err(VerifyError::Unreadable(ReadError::Version { got: 1, .. }))),
        "{result:?}"
    );
    let result = file.check_with(12, &[7; 32]);
    let other =
        matches!(result, Err(VerifyError::Rejected(Rejection::OtherKey { got: Hex(got), .. })) if got == [7; 32]);
    assert!(other, "{result:?}");
    for count in [0, 1, 3, u32::MAX] {
        let result = file.check_with(44, &count.to_be_bytes());
        let wrong = |e: &ReadError| matches!(e, ReadError::PublicWords { expected: 2, got } if *got == count as usize);
        assert!(
            matches!(&result, Err(VerifyError::Unreadable(e)) if wrong(e)),
            "{result:?}"
        );
    }
}

/// Traps T15 and T26: a file says which key it is for, and that is not only a label.
#[test]
fn a_file_for_another_key_is_rejected_under_any_label() {
    let program = |weight| network(1, vec![gemm(vec![Source::Input(0)], &[&[weight]], Act::Requant)]);
    let (right, other) = (
        Fixture::new(&program(1 << 14), 1, false),
        Fixture::new(&program((1 << 14) + 1), 1, false),
    );
    let (key, other_key) = (right.key.verifying(), other.key.verifying());
    let (public, proof) = other.honest(&[100]);
    let mut statement = Statement {
        key: other_key.digest(),
        public,
        hashes: Vec::new(),
        proof,
    };
    statement.verify(other_key, &CONTEXT).unwrap();
    let result = Statement::read(&statement.to_bytes(), key).map(|_| ());
    assert!(
        matches!(result, Err(VerifyError::Rejected(Rejection::OtherKey { .. }))),
        "{result:?}"
    );
    let result = statement.verify(key, &CONTEXT);
    assert!(
        matches!(result, Err(VerifyError::Rejected(Rejection::OtherKey { .. }))),
        "{result:?}"
    );
    statement.key = key.digest();
    assert_rejected(
        Statement::read(&statement.to_bytes(), key)
            .unwrap()
            .verify(key, &CONTEXT),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes_prove_nothing(bytes in prop::collection::vec(any::<u8>(), 0..6000), keep in 0usize..6000) {
        let file = file();
        prop_assert!(file.check(&bytes).is_err());
        prop_assert!(Header::read(&bytes).is_err());
        // A good beginning.
        let keep = keep.min(file.bytes.len() - 1);
        prop_assert!(file.check(&[&file.bytes[..keep], &bytes].concat()).is_err() || bytes == file.bytes[keep..]);
    }

    #[test]
    fn a_flipped_bit_proves_nothing(at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let file = file();
        let mut bytes = file.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(file.check(&bytes).is_err());
    }
}

/// A hash is a word behind the integers: any field element, in canonical form, one for each tensor that the key hashes.
#[test]
fn hashes_are_read_strictly() {
    let input = [3, -7, 100];
    let (fixture, ..) = hashed_input(&input, |_| {});
    let (public, proof) = fixture.honest(&input);
    let key = fixture.key.verifying();
    let statement = Statement {
        key: key.digest(),
        public,
        hashes: fixture.hashes.clone(),
        proof,
    };
    assert_eq!(statement.input_hash(key), Some(fixture.hashes[0]));
    assert_eq!(statement.output_hash(key), None);
    let bytes = statement.to_bytes();
    assert_eq!(bytes.len(), Statement::len(key));
    assert_eq!(Header::read(&bytes).unwrap().public_words, 2);
    let check = |bytes: &[u8]| Statement::read(bytes, key)?.verify(key, &CONTEXT);
    check(&bytes).unwrap();
    let at = HEADER + SCALAR_BYTES;
    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        check(&bytes)
    };
    assert_rejected(with(at, &big_endian(Fr::from(5u8))));
    assert_rejected(with(at, &big_endian(-Fr::from(1u8))));
    for large in [plus_modulus::<Fr>(&[0; 32]), vec![0xff; 32]] {
        assert_decode(with(at, &large), |e| matches!(e, DecodeError::ScalarRange { .. }));
    }
    // The integer in front of it is one of a slot.
    let hash = bytes[at..at + SCALAR_BYTES].to_vec();
    let result = with(HEADER, &hash);
    assert!(
        matches!(
            result,
            Err(VerifyError::Rejected(Rejection::PublicRange { index: 0, .. }))
        ),
        "{result:?}"
    );
    for cut in [at, at + 31, bytes.len() - 1] {
        assert!(matches!(check(&bytes[..cut]), Err(VerifyError::Unreadable(_))));
    }
    for words in [1u32, 3] {
        let result = with(HEADER - 4, &words.to_be_bytes());
        assert!(
            matches!(
                result,
                Err(VerifyError::Unreadable(ReadError::PublicWords { expected: 2, .. }))
            ),
            "{result:?}"
        );
    }
}
