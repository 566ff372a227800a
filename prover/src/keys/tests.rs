//! Key files: what cannot be read is an error, and what can be read is exactly the key.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::{
    encoding::G1_BYTES,
    plonk::tests::{CONTEXT, Fixture, small_input, small_network},
    statement::Statement,
};

struct Files {
    fixture: Fixture,
    statement: Statement,
    proving: Vec<u8>,
    verifying: Vec<u8>,
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let fixture = Fixture::new(&small_network(), 3, true);
        let (public, proof) = fixture.honest(&small_input());
        let statement = Statement {
            key: fixture.key.verifying.digest,
            public,
            hashes: Vec::new(),
            proof,
        };
        let (proving, verifying) = (
            fixture.key.to_bytes().unwrap(),
            fixture.key.verifying.to_bytes().unwrap(),
        );
        Files {
            fixture,
            statement,
            proving,
            verifying,
        }
    })
}

/// With the checksum that the rest of the bytes asks for, which random damage would not have.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let covered = bytes.len() - 32;
    let checksum: [u8; 32] = Keccak256::digest(&bytes[..covered]).into();
    bytes[covered..].copy_from_slice(&checksum);
    bytes
}

/// A verifying key that was read may be another than the one that was written, but then it has another digest and accepts
/// nothing of this one.
fn check_verifying(bytes: &[u8]) {
    let files = files();
    let Ok(key) = VerifyingKey::from_bytes(bytes) else {
        return;
    };
    assert_eq!(key.to_bytes().unwrap(), bytes);
    assert_eq!(
        key.digest() == files.fixture.key.verifying.digest,
        bytes == files.verifying
    );
    if bytes != files.verifying {
        assert!(files.statement.verify(&key, &CONTEXT).is_err());
        let relabelled = Statement {
            key: key.digest(),
            ..files.statement.clone()
        }
        .to_bytes();
        assert!(
            Statement::read(&relabelled, &key)
                .and_then(|s| s.verify(&key, &CONTEXT))
                .is_err()
        );
    }
}

#[test]
fn keys_are_read_as_they_were_written() {
    let files = files();
    let key = VerifyingKey::from_bytes(&files.verifying).unwrap();
    assert_eq!(key.digest(), <[u8; 32]>::from(Keccak256::digest(&files.verifying)));
    assert_eq!(key.to_bytes().unwrap(), files.verifying);
    files.statement.verify(&key, &CONTEXT).unwrap();

    let key = ProvingKey::from_bytes(&files.proving).unwrap();
    assert_eq!(key.to_bytes().unwrap(), files.proving);
    assert_eq!(key.verifying.digest, files.fixture.key.verifying.digest);
    assert_eq!(key.quantised, files.fixture.key.quantised);
    assert_eq!(
        (key.wiring.fixed, key.wiring.reads),
        (
            files.fixture.key.wiring.fixed.clone(),
            files.fixture.key.wiring.reads.clone()
        )
    );
    assert_eq!(key.bases.lagrange, files.fixture.key.bases.lagrange);
    assert_eq!(key.bases.monomial, files.fixture.key.bases.monomial);
}

#[test]
fn a_key_that_is_too_short_or_too_long_is_refused() {
    let files = files();
    for len in 0..files.verifying.len() {
        assert!(VerifyingKey::from_bytes(&files.verifying[..len]).is_err(), "{len}");
    }
    for len in (0..files.proving.len()).step_by(61).chain([files.proving.len() - 1]) {
        assert!(ProvingKey::from_bytes(&files.proving[..len]).is_err(), "{len}");
        if len >= 32 {
            let bytes = with_checksum(files.proving[..len].to_vec());
            assert!(ProvingKey::from_bytes(&bytes).is_err(), "{len}");
        }
    }
    for tail in [&[0][..], &[0; 64], &files.verifying] {
        let result = VerifyingKey::from_bytes(&[&files.verifying, tail].concat());
        assert!(
            matches!(result, Err(KeyFormatError::Decode(DecodeError::Trailing { .. }))),
            "{:?}",
            result.err()
        );
        let bytes = [&files.proving, tail].concat();
        assert!(ProvingKey::from_bytes(&bytes).is_err());
        assert!(ProvingKey::from_bytes(&with_checksum(bytes)).is_err());
    }
}

#[test]
fn a_key_of_another_kind_or_version_is_named() {
    let files = files();
    let result = VerifyingKey::from_bytes(&files.proving);
    assert!(
        matches!(
            result,
            Err(KeyFormatError::Magic {
                kind: "verifying key",
                ..
            })
        ),
        "{:?}",
        result.err()
    );
    let result = ProvingKey::from_bytes(&files.verifying);
    assert!(
        matches!(
            result,
            Err(KeyError::Format(KeyFormatError::Magic {
                kind: "proving key",
                ..
            }))
        ),
        "{:?}",
        result.err()
    );
    let mut bytes = files.verifying.clone();
    bytes[11] += 1;
    let result = VerifyingKey::from_bytes(&bytes);
    assert!(
        matches!(result, Err(KeyFormatError::Version { expected: VERSION, got, .. }) if got == VERSION + 1),
        "{:?}",
        result.err()
    );
}

/// Lengths that promise more than there is are refused before anything of that size is made.
#[test]
fn a_length_beyond_the_end_is_refused() {
    let files = files();
    for len in [u64::MAX, 1 << 62, 1 << 40, files.proving.len() as u64] {
        for (bytes, read) in [
            (
                &files.verifying,
                (|b| VerifyingKey::from_bytes(b).err().map(KeyError::from)) as fn(&[u8]) -> Option<KeyError>,
            ),
            (&files.proving, |b| ProvingKey::from_bytes(b).err()),
        ] {
            let mut bytes = bytes.clone();
            bytes[12..20].copy_from_slice(&len.to_be_bytes());
            let error = read(&bytes);
            assert!(
                matches!(
                    error,
                    Some(KeyError::Format(KeyFormatError::Decode(DecodeError::Truncated { .. })))
                ),
                "{error:?}"
            );
        }
    }
    // The largest trace that there is, behind a key with no points.
    let mut interface = files.fixture.key.verifying.interface.clone();
    interface.shape.limbs = crate::model::Limbs { bits: 24, hi: 1, lo: 1 };
    interface.shape.lanes = 64;
    let verifying = &files.fixture.key.verifying;
    let description = postcard::to_stdvec(&(&verifying.model, &interface, verifying.origin)).unwrap();
    let mut out = Writer::new();
    out.bytes(b"TAPEOUTV");
    out.u32(VERSION);
    out.u64(description.len() as u64);
    out.bytes(&description);
    let error = VerifyingKey::from_bytes(&out.finish()).err();
    assert!(
        matches!(error, Some(KeyFormatError::Decode(DecodeError::Truncated { .. }))),
        "{error:?}"
    );
}

#[test]
fn points_of_a_key_are_checked() {
    let files = files();
    let points = files.fixture.key.verifying.fixed.len();
    let tau = files.verifying.len() - 128;
    for at in (0..points).map(|i| tau - (i + 1) * G1_BYTES).chain([tau]) {
        let mut bytes = files.verifying.clone();
        bytes[at + 63] ^= 1;
        let error = VerifyingKey::from_bytes(&bytes).err();
        assert!(
            matches!(error, Some(KeyFormatError::Decode(DecodeError::OffCurve { .. }))),
            "{error:?}"
        );
    }
}

#[test]
fn damage_to_a_proving_key_is_noticed() {
    let files = files();
    for at in (0..files.proving.len()).step_by(97) {
        let mut bytes = files.proving.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(ProvingKey::from_bytes(&bytes).is_err(), "{at}");
    }
}

/// Damage that comes with a checksum of its own: the program and the circuit are still checked against each other.
#[test]
fn a_program_that_is_not_the_circuits_is_refused() {
    let files = files();
    let program = 12 + 8 + files.verifying.len() + 8;
    let end = files.proving.len()
        - 32
        - (files.fixture.key.bases.lagrange.len() + files.fixture.key.bases.monomial.len()) * G1_BYTES;
    for at in program..end {
        for mask in [1, 0x80, 0x55] {
            let mut bytes = files.proving.clone();
            bytes[at] ^= mask;
            if let Ok(key) = ProvingKey::from_bytes(&with_checksum(bytes)) {
                // Names and activations are not among what the verifying key states apart from its fixed columns.
                assert_eq!(
                    key.verifying.interface, files.fixture.key.verifying.interface,
                    "byte {at}"
                );
            }
        }
    }
}

/// An input that no trace holds, private or public, is refused before anything of its size is made.
#[test]
fn an_input_beyond_the_trace_is_refused() {
    for public_input in [false, true] {
        let mut key = Fixture::new(&small_network(), 3, public_input).key;
        if !public_input {
            let mut verifying = key.verifying.clone();
            verifying.interface.input = layout::Input::Private {
                len: usize::MAX,
                committed: 0,
            };
            let error = VerifyingKey::from_bytes(&verifying.to_bytes().unwrap()).err();
            assert!(matches!(error, Some(KeyFormatError::Inconsistent(_))), "{error:?}");
        }
        key.quantised.program.input_shape = vec![usize::MAX];
        let error = ProvingKey::from_bytes(&key.to_bytes().unwrap()).err();
        assert!(
            matches!(error, Some(KeyError::Format(KeyFormatError::Mismatch(what))) if what.contains("input")),
            "{error:?}"
        );
    }
}

/// The rows that hide weights lie behind all that is read and before the mask's, in circuits that hide weights and in no others.
#[test]
fn rows_that_hide_weights_have_their_place() {
    let fixture = Fixture::hidden(&small_network(), 3);
    let key = fixture.key.verifying;
    let right = key.interface.hidden_weights.unwrap();
    VerifyingKey::from_bytes(&key.to_bytes().unwrap()).unwrap();
    type Change = fn(&mut layout::Interface, usize);
    let changes: [(&str, Change); 6] = [
        ("no rows", |i, _| i.hidden_weights = None),
        ("no mask", |i, _| i.shape.hidden_weights = false),
        ("a row that is read", |i, right| i.hidden_weights = Some(right - 1)),
        ("the first row", |i, _| i.hidden_weights = Some(0)),
        ("rows of the mask", |i, _| i.hidden_weights = Some(i.shape.n() - 5)),
        ("rows beyond the trace", |i, _| i.hidden_weights = Some(usize::MAX)),
    ];
    for (name, change) in changes {
        let mut other = key.clone();
        change(&mut other.interface, right);
        let error = VerifyingKey::from_bytes(&other.to_bytes().unwrap()).err();
        assert!(
            matches!(error, Some(KeyFormatError::Inconsistent(_))),
            "{name}: {error:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn random_bytes_are_no_key(bytes in prop::collection::vec(any::<u8>(), 0..3000), keep in 0usize..3000) {
        let files = files();
        prop_assert!(VerifyingKey::from_bytes(&bytes).is_err());
        prop_assert!(ProvingKey::from_bytes(&bytes).is_err());
        // A good beginning.
        let keep = keep.min(files.verifying.len());
        check_verifying(&[&files.verifying[..keep], &bytes].concat());
        let bytes = [&files.proving[..keep], &bytes, &[0; 32]].concat();
        prop_assert!(ProvingKey::from_bytes(&with_checksum(bytes)).is_err());
    }

    #[test]
    fn a_changed_byte_is_another_key_or_none(at in any::<prop::sample::Index>(), mask in 1u8..) {
        let files = files();
        let mut bytes = files.verifying.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        check_verifying(&bytes);
    }
}
