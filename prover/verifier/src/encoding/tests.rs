#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField, UniformRand};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use proptest::prelude::*;

use super::{DecodeError, G1_BYTES, G2_BYTES, Reader, SCALAR_BYTES, Writer};

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.finish()
}

fn read<T>(
    bytes: &[u8],
    read: impl for<'a> FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// The 32 bytes of a value plus a modulus, when they fit.
fn plus(bytes: &[u8], modulus: &[u8]) -> Option<Vec<u8>> {
    let mut carry = 0;
    let mut sum: Vec<u8> = bytes
        .iter()
        .zip(modulus)
        .rev()
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit as u8
        })
        .collect();
    sum.reverse();
    (carry == 0).then_some(sum)
}

/// A point of the twist's curve that is not in the subgroup (all but one in 2^254 are not).
fn outside_subgroup(rng: &mut StdRng) -> G2Affine {
    loop {
        if let Some(point) = G2Affine::get_point_from_x_unchecked(Fq2::rand(rng), bool::rand(rng)) {
            assert!(point.is_on_curve());
            return point;
        }
    }
}

#[test]
fn known_encodings() {
    let one = [&[0; 31][..], &[1]].concat();
    let two = [&[0; 31][..], &[2]].concat();
    assert_eq!(written(|out| out.scalar(&Fr::ONE)), one);
    assert_eq!(written(|out| out.g1(&G1Affine::generator())), [one, two].concat());
    assert_eq!(written(|out| out.g1(&G1Affine::zero())), [0; 64]);
    // EIP-197's generator of G2, imaginary parts first.
    let generator = concat!(
        "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2",
        "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed",
        "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b",
        "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa",
    );
    let bytes = written(|out| out.g2(&G2Affine::generator()));
    assert_eq!(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        generator
    );
    assert_eq!(written(|out| out.u32(0x01020304)), [1, 2, 3, 4]);
    assert_eq!(written(|out| out.u64(0x0102030405060708)), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn scalars() {
    let rng = &mut rng(1);
    let modulus = Fr::MODULUS.to_bytes_be();
    let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(u64::MAX), Fr::from(u128::MAX)];
    for value in edges.into_iter().chain((0..200).map(|_| Fr::rand(rng))) {
        let bytes = written(|out| out.scalar(&value));
        assert_eq!(bytes, value.into_bigint().to_bytes_be());
        assert_eq!(read(&bytes, |r| r.scalar("s")), Ok(value));
        let beyond = plus(&bytes, &modulus).unwrap();
        assert_eq!(
            read(&beyond, |r| r.scalar("s")),
            Err(DecodeError::ScalarRange { field: "s", offset: 0 })
        );
    }
    assert!(read(&modulus, |r| r.scalar("s")).is_err());
    assert!(read(&[0xff; SCALAR_BYTES], |r| r.scalar("s")).is_err());
}

#[test]
fn g1_points() {
    let rng = &mut rng(2);
    let modulus = Fq::MODULUS.to_bytes_be();
    for point in [G1Affine::generator()]
        .into_iter()
        .chain((0..50).map(|_| G1Affine::rand(rng)))
    {
        let bytes = written(|out| out.g1(&point));
        assert_eq!(read(&bytes, |r| r.g1("p")), Ok(point));
        assert_eq!(read(&bytes, |r| r.g1_or_infinity("p")), Ok(point));
        for (at, coordinate) in [(0, "x"), (32, "y")] {
            let mut beyond = bytes.clone();
            beyond[at..at + 32].copy_from_slice(&plus(&bytes[at..at + 32], &modulus).unwrap());
            let error = DecodeError::CoordinateRange {
                field: "p",
                offset: 0,
                coordinate,
            };
            assert_eq!(read(&beyond, |r| r.g1("p")), Err(error.clone()));
            assert_eq!(read(&beyond, |r| r.g1_or_infinity("p")), Err(error));
            let mut zeroed = bytes.clone();
            zeroed[at..at + 32].fill(0);
            assert_eq!(
                read(&zeroed, |r| r.g1("p")),
                Err(DecodeError::OffCurve { field: "p", offset: 0 })
            );
        }
        for byte in [31, 63] {
            let mut off = bytes.clone();
            off[byte] ^= 1;
            assert_eq!(
                read(&off, |r| r.g1("p")),
                Err(DecodeError::OffCurve { field: "p", offset: 0 })
            );
            assert_eq!(
                read(&off, |r| r.g1_or_infinity("p")),
                Err(DecodeError::OffCurve { field: "p", offset: 0 })
            );
        }
    }
}

#[test]
fn infinity_only_where_allowed() {
    let bytes = [0; G1_BYTES];
    assert_eq!(read(&bytes, |r| r.g1_or_infinity("w")), Ok(G1Affine::zero()));
    assert_eq!(
        read(&bytes, |r| r.g1("w")),
        Err(DecodeError::Infinity { field: "w", offset: 0 })
    );
    assert_eq!(
        read(&[0; G2_BYTES], |r| r.g2("w")),
        Err(DecodeError::Infinity { field: "w", offset: 0 })
    );
    // (q, q) is no second spelling of it.
    let modulus = Fq::MODULUS.to_bytes_be();
    let beyond = [modulus.clone(), modulus].concat();
    let error = DecodeError::CoordinateRange {
        field: "w",
        offset: 0,
        coordinate: "x",
    };
    assert_eq!(read(&beyond, |r| r.g1_or_infinity("w")), Err(error));
}

#[test]
fn g2_points() {
    let rng = &mut rng(3);
    let modulus = Fq::MODULUS.to_bytes_be();
    for point in [G2Affine::generator()]
        .into_iter()
        .chain((0..10).map(|_| G2Affine::rand(rng)))
    {
        let bytes = written(|out| out.g2(&point));
        assert_eq!(read(&bytes, |r| r.g2("p")), Ok(point));
        for (index, coordinate) in ["x_im", "x_re", "y_im", "y_re"].into_iter().enumerate() {
            let at = 32 * index;
            let mut beyond = bytes.clone();
            beyond[at..at + 32].copy_from_slice(&plus(&bytes[at..at + 32], &modulus).unwrap());
            let error = DecodeError::CoordinateRange {
                field: "p",
                offset: 0,
                coordinate,
            };
            assert_eq!(read(&beyond, |r| r.g2("p")), Err(error));
            let mut off = bytes.clone();
            off[at + 31] ^= 1;
            assert_eq!(
                read(&off, |r| r.g2("p")),
                Err(DecodeError::OffCurve { field: "p", offset: 0 })
            );
        }
    }
}

/// The library's fast test of the subgroup agrees with the definition, multiplication by r, on both sides.
#[test]
fn g2_points_outside_of_the_subgroup() {
    let rng = &mut rng(4);
    for _ in 0..20 {
        let point = outside_subgroup(rng);
        assert!(!point.mul_bigint(Fr::MODULUS).eq(&G2Affine::zero()));
        let bytes = written(|out| out.g2(&point));
        assert_eq!(
            read(&bytes, |r| r.g2("p")),
            Err(DecodeError::Subgroup { field: "p", offset: 0 })
        );
        // A point of the cofactor's part only: r times any.
        let cofactor_part = G2Affine::from(point.mul_bigint(Fr::MODULUS));
        let bytes = written(|out| out.g2(&cofactor_part));
        assert_eq!(
            read(&bytes, |r| r.g2("p")),
            Err(DecodeError::Subgroup { field: "p", offset: 0 })
        );
        let cleared = point.clear_cofactor();
        assert!(cleared.mul_bigint(Fr::MODULUS).eq(&G2Affine::zero()));
        assert_eq!(read(&written(|out| out.g2(&cleared)), |r| r.g2("p")), Ok(cleared));
    }
}

/// A record with one of everything.
fn record(seed: u64) -> Vec<u8> {
    let rng = &mut rng(seed);
    written(|out| {
        out.u8(1);
        out.u32(2);
        out.u64(3);
        out.bytes(b"abc");
        out.scalar(&Fr::rand(rng));
        out.g1(&G1Affine::rand(rng));
        out.g1(&G1Affine::zero());
        out.g2(&G2Affine::generator());
    })
}

fn read_record(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    read(bytes, |r| {
        let mut out = Writer::new();
        out.u8(r.u8("a")?);
        out.u32(r.u32("b")?);
        out.u64(r.u64("c")?);
        out.bytes(r.bytes("d", 3)?);
        out.scalar(&r.scalar("e")?);
        out.g1(&r.g1("f")?);
        out.g1(&r.g1_or_infinity("g")?);
        out.g2(&r.g2("h")?);
        Ok(out.finish())
    })
}

#[test]
fn every_truncation_names_its_field() {
    let bytes = record(6);
    assert_eq!(read_record(&bytes), Ok(bytes.clone()));
    let fields = [
        ("a", 0, 1),
        ("b", 1, 4),
        ("c", 5, 8),
        ("d", 13, 3),
        ("e", 16, SCALAR_BYTES),
        ("f", 48, G1_BYTES),
        ("g", 112, G1_BYTES),
        ("h", 176, G2_BYTES),
    ];
    for (field, offset, expected) in fields {
        for got in 0..expected {
            let error = DecodeError::Truncated {
                field,
                offset,
                expected,
                got,
            };
            assert_eq!(read_record(&bytes[..offset + got]), Err(error));
        }
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        read_record(&longer),
        Err(DecodeError::Trailing {
            expected: bytes.len(),
            got: bytes.len() + 1
        })
    );
}

proptest! {
    /// Whatever is accepted is the one encoding of what was read.
    #[test]
    fn accepted_bytes_are_canonical(seed: u64, flips in proptest::collection::vec((0usize..304, 0u8..8), 0..3)) {
        let mut bytes = record(seed);
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        if let Ok(again) = read_record(&bytes) {
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(again) = read_record(&bytes) {
            prop_assert_eq!(again, bytes.clone());
        }
        let _ = read(&bytes, |r| r.g2("p"));
        let _ = read(&bytes, |r| r.scalar("s"));
    }
}
