//! `.ptau` files: one that snarkjs wrote, and ones that are written here and damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;

use ark_bn254::{Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use proptest::prelude::*;

use super::*;
use crate::{
    keys::Powers,
    model::Model,
    pipeline::{self, SetupOptions, Trust},
    plonk::verifier::Rejection,
    statement::{NO_CONTEXT, VerifyError},
};

/// Made by snarkjs 0.7.5: `powersoftau new bn128 4`, then one contribution.
const SNARKJS: &[u8] = include_bytes!("../../../tests/data/snarkjs.ptau");

const POWER: u32 = 3;

/// The sections of a file, by number.
#[derive(Clone)]
struct File {
    magic: [u8; 4],
    version: u32,
    sections: Vec<(u32, Vec<u8>)>,
}

fn montgomery(v: Fq) -> Vec<u8> {
    // The field element's limbs are its Montgomery form.
    v.0.0.iter().flat_map(|limb| limb.to_le_bytes()).collect()
}

fn g1_bytes(point: &G1Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or_default();
    [montgomery(x), montgomery(y)].concat()
}

fn g2_bytes(point: &G2Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or_default();
    [x.c0, x.c1, y.c0, y.c1].into_iter().flat_map(montgomery).collect()
}

fn header(modulus: &[u8], power: u32, ceremony: u32) -> Vec<u8> {
    let len = modulus.len() as u32;
    [
        &len.to_le_bytes()[..],
        modulus,
        &power.to_le_bytes(),
        &ceremony.to_le_bytes(),
    ]
    .concat()
}

impl File {
    fn new(srs: &Srs) -> Self {
        let power = srs.powers_g2().len().ilog2();
        let filler = |section| (section, vec![7; 64]);
        Self {
            magic: MAGIC,
            version: 1,
            sections: vec![
                (1, header(&Fq::MODULUS.to_bytes_le(), power, 28)),
                (2, srs.powers_g1().iter().flat_map(g1_bytes).collect()),
                (3, srs.powers_g2().iter().flat_map(g2_bytes).collect()),
                filler(4),
                filler(5),
                filler(6),
                filler(7),
            ],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.sections.len() as u32).to_le_bytes());
        for (number, data) in &self.sections {
            out.extend(number.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            out.extend(data);
        }
        out
    }

    fn section(&mut self, number: u32) -> &mut Vec<u8> {
        let section = self.sections.iter_mut().find(|(n, _)| *n == number);
        &mut section.unwrap().1
    }

    /// The file's points of one group replaced, one after the other.
    fn point(mut self, section: u32, index: usize, bytes: &[u8]) -> Vec<u8> {
        let at = index * bytes.len();
        self.section(section)[at..at + bytes.len()].copy_from_slice(bytes);
        self.bytes()
    }
}

fn srs() -> Srs {
    Srs::insecure_from_seed(15, 8, &[5; 32]).unwrap()
}

fn load(bytes: &[u8]) -> Result<Srs, SrsError> {
    let mut file = Ptau::open(Cursor::new(bytes))?;
    let (g1, g2) = (file.powers_g1(), file.powers_g2());
    file.powers(g1, g2, Origin::Ceremony)
}

#[track_caller]
fn refused(bytes: &[u8]) -> SrsError {
    load(bytes).expect_err("a damaged file was accepted")
}

#[test]
fn a_file_of_snarkjs_is_read() {
    let srs = load(SNARKJS).unwrap();
    assert_eq!((srs.powers_g1().len(), srs.powers_g2().len()), (31, 16));
    let mut file = Ptau::open(Cursor::new(SNARKJS)).unwrap();
    // As b2sum prints it.
    let hash = hex(&file.hash().unwrap());
    assert!(
        hash.starts_with("15d84c69060206a6912bfd885f4701540020ee420df95eb927bf9fb0ed387198"),
        "{hash}"
    );
    assert!(
        hash.ends_with("146677ff3159fbfb1767e8e76839ee948e5b498a463197318d62287c68a4c78f"),
        "{hash}"
    );
}

#[test]
fn what_is_written_is_read_in_any_order_of_sections() {
    let expected = srs();
    let mut file = File::new(&expected);
    let read = |file: &File| {
        let srs = load(&file.bytes()).unwrap();
        (srs.powers_g1().to_vec(), srs.powers_g2().to_vec())
    };
    let points = (expected.powers_g1().to_vec(), expected.powers_g2().to_vec());
    assert_eq!(read(&file), points);
    file.sections.reverse();
    assert_eq!(read(&file), points);
    // The first powers alone.
    let mut some = Ptau::open(Cursor::new(file.bytes())).unwrap();
    let first = some.powers(4, 2, Origin::InsecureDev).unwrap();
    assert_eq!(first.powers_g1(), &points.0[..4]);
    assert_eq!(
        (first.powers_g2(), first.origin()),
        (&points.1[..2], Origin::InsecureDev)
    );
    let error = some.powers(16, 8, Origin::Ceremony).unwrap_err();
    assert!(
        matches!(error, SrsError::TooFewPowers { g1: 16, got_g1: 15, .. }),
        "{error}"
    );
    let error = some.powers(15, 9, Origin::Ceremony).unwrap_err();
    assert!(
        matches!(error, SrsError::TooFewPowers { g2: 9, got_g2: 8, .. }),
        "{error}"
    );
    assert!(matches!(
        some.powers(1, 8, Origin::Ceremony),
        Err(SrsError::Count { group: "G1", got: 1 })
    ));
}

/// Trap T24: points that are wrong each by themselves.
#[test]
fn bad_points_are_refused_where_they_stand() {
    let file = File::new(&srs());
    let rng = &mut ark_std::test_rng();
    let bad = |bytes: Vec<u8>| match refused(&bytes) {
        SrsError::Ptau(PtauError::Point { section, index, source }) => (section, index, source),
        other => panic!("{other}"),
    };
    let (field, offset) = ("point", 0);
    for index in [0, 1, 14] {
        let off = [montgomery(Fq::from(1u8)), montgomery(Fq::from(1u8))].concat();
        let expected = DecodeError::OffCurve { field, offset };
        assert_eq!(bad(file.clone().point(2, index, &off)), (2, index, expected));
        let expected = DecodeError::Infinity { field, offset };
        assert_eq!(bad(file.clone().point(2, index, &[0; 64])), (2, index, expected));
        // The modulus is no second spelling of zero.
        let spelling = [Fq::MODULUS.to_bytes_le(), Fq::MODULUS.to_bytes_le()].concat();
        let coordinate = "x";
        let expected = DecodeError::CoordinateRange {
            field,
            offset,
            coordinate,
        };
        assert_eq!(bad(file.clone().point(2, index, &spelling)), (2, index, expected));
    }
    for index in [0, 7] {
        let expected = DecodeError::Infinity { field, offset };
        assert_eq!(bad(file.clone().point(3, index, &[0; 128])), (3, index, expected));
        let off = g2_bytes(&G2Affine::new_unchecked(Fq2::ONE, Fq2::ZERO));
        let expected = DecodeError::OffCurve { field, offset };
        assert_eq!(bad(file.clone().point(3, index, &off)), (3, index, expected));
        // On the twist, outside of the subgroup: all but one point in 2^254.
        let outside = std::iter::repeat_with(|| G2Affine::get_point_from_x_unchecked(Fq2::rand(rng), true));
        let outside = g2_bytes(&outside.flatten().next().unwrap());
        let expected = DecodeError::Subgroup { field, offset };
        assert_eq!(bad(file.clone().point(3, index, &outside)), (3, index, expected));
    }
}

/// Trap T24: points that are right by themselves and are not the powers of one tau.
#[test]
fn points_that_are_no_powers_are_refused() {
    let right = srs();
    let file = File::new(&right);
    let other = Srs::insecure_from_seed(15, 8, &[6; 32]).unwrap();
    for index in 1..15 {
        let wrong = file.clone().point(2, index, &g1_bytes(&other.powers_g1()[index]));
        assert!(matches!(refused(&wrong), SrsError::Inconsistent { .. }), "{index}");
    }
    for index in 1..8 {
        let wrong = file.clone().point(3, index, &g2_bytes(&other.powers_g2()[index]));
        assert!(matches!(refused(&wrong), SrsError::Inconsistent { .. }), "{index}");
    }
    // Two exchanged.
    let mut swapped = file.clone();
    let points = swapped.section(2);
    let (a, b) = (points[5 * 64..6 * 64].to_vec(), points[9 * 64..10 * 64].to_vec());
    points[5 * 64..6 * 64].copy_from_slice(&b);
    points[9 * 64..10 * 64].copy_from_slice(&a);
    assert!(matches!(
        refused(&swapped.bytes()),
        SrsError::Inconsistent { group: "G1" }
    ));
    // The groups of two strings.
    let mut mixed = file.clone();
    *mixed.section(3) = File::new(&other).section(3).clone();
    assert!(matches!(refused(&mixed.bytes()), SrsError::Inconsistent { .. }));
    // Another first power, and tau = 1.
    let double = (G1Affine::generator() + G1Affine::generator()).into_affine();
    let wrong = file.clone().point(2, 0, &g1_bytes(&double));
    assert!(matches!(refused(&wrong), SrsError::Generator { group: "G1" }));
    let wrong = file.clone().point(3, 0, &g2_bytes(&right.powers_g2()[1]));
    assert!(matches!(refused(&wrong), SrsError::Generator { group: "G2" }));
    let mut trivial = file;
    *trivial.section(2) = g1_bytes(&G1Affine::generator()).repeat(15);
    *trivial.section(3) = g2_bytes(&G2Affine::generator()).repeat(8);
    assert!(matches!(refused(&trivial.bytes()), SrsError::TrivialTau));
}

#[test]
fn damaged_frames_are_named() {
    let file = File::new(&srs());
    let bytes = file.bytes();
    let frame = |bytes: &[u8]| match refused(bytes) {
        SrsError::Ptau(error) => error,
        other => panic!("{other}"),
    };
    // Every length but the right one.
    for len in (0..bytes.len()).step_by(37).chain([1, 3, 11, 12, 24, bytes.len() - 1]) {
        assert!(matches!(frame(&bytes[..len]), PtauError::Truncated { .. }), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let (expected, got) = (bytes.len() as u64, longer.len() as u64);
    assert!(matches!(frame(&longer), PtauError::Trailing { expected: e, got: g } if (e, g) == (expected, got)));

    let change = |change: &dyn Fn(&mut File)| {
        let mut file = file.clone();
        change(&mut file);
        frame(&file.bytes())
    };
    assert!(matches!(change(&|f| f.magic = *b"zkey"), PtauError::Magic { got } if got == *b"zkey"));
    assert!(matches!(change(&|f| f.version = 2), PtauError::Version { got: 2 }));
    assert!(matches!(
        change(&|f| f.sections.resize(65, (9, vec![]))),
        PtauError::SectionCount { got: 65 }
    ));
    for section in 1..=3 {
        let without = change(&|f| f.sections.retain(|(n, _)| *n != section));
        assert!(matches!(without, PtauError::Section { section: s, got: 0, .. } if s == section));
        let twice = change(&|f| f.sections.push(f.sections[section as usize - 1].clone()));
        assert!(matches!(twice, PtauError::Section { section: s, got: 2, .. } if s == section));
        for longer in [true, false] {
            let error = change(&|f| {
                let data = f.section(section);
                data.resize(if longer { data.len() + 64 } else { data.len() - 32 }, 0);
            });
            assert!(
                matches!(error, PtauError::SectionLength { section: s, .. } if s == section),
                "{error}"
            );
        }
    }
    // The scalar field's modulus, and that of another curve's length.
    let wrong = change(&|f| *f.section(1) = header(&Fr::MODULUS.to_bytes_le(), POWER, 28));
    assert!(matches!(wrong, PtauError::Curve { bytes: 32 }));
    let wrong = change(&|f| f.section(1)[0] = 48);
    assert!(matches!(wrong, PtauError::Curve { bytes: 48 }));
    for (power, ceremony) in [(0, 28), (29, 29), (u32::MAX, u32::MAX), (3, 2), (3, 29)] {
        let wrong = change(&|f| *f.section(1) = header(&Fq::MODULUS.to_bytes_le(), power, ceremony));
        assert!(matches!(wrong, PtauError::Power { .. }), "{power} {ceremony}");
    }
    // A power that the points are not as many as.
    let wrong = change(&|f| *f.section(1) = header(&Fq::MODULUS.to_bytes_le(), POWER + 1, 28));
    assert!(matches!(wrong, PtauError::SectionLength { section: 2, .. }));
    // A length that no file has.
    let mut huge = bytes;
    huge[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(frame(&huge), PtauError::Truncated { .. }));
}

#[test]
fn a_file_is_a_ceremonys_by_its_hash_alone() {
    let mut file = Ptau::open(Cursor::new(SNARKJS)).unwrap();
    let hash = file.hash().unwrap();
    assert_eq!(origin(&hash, None).unwrap(), Origin::InsecureDev);
    assert_eq!(origin(&hash, Some(&hash)).unwrap(), Origin::Ceremony);
    let error = origin(&hash, Some(&[0; 64])).unwrap_err();
    assert!(
        matches!(&error, PtauError::Hash { got, .. } if **got == hash),
        "{error}"
    );
    assert!(error.to_string().contains(&hex(&hash)));
}

/// From a file to a proof that a verifier accepts who asks for a ceremony.
#[test]
fn keys_are_made_from_a_file() {
    let backend = tapeout_driver::backend::open("arkworks").unwrap();
    let model = Model::load("../examples/linreg/network.onnx").unwrap();
    let bytes = File::new(&Srs::insecure_from_seed((2 << 9) - 1, 1 << 9, &[8; 32]).unwrap()).bytes();
    let setup = |origin| {
        let mut source = |needed: Powers| Ptau::open(Cursor::new(&bytes))?.powers(needed.g1, needed.g2, origin);
        let options = SetupOptions::default();
        let key = pipeline::setup(&model, &[], options, Some(&mut source), backend.as_ref(), &mut |_| {});
        key.unwrap().proving
    };
    let key = setup(Origin::Ceremony);
    let proven = pipeline::prove(&key, &[0.5; 10], &NO_CONTEXT, backend.as_ref(), None, &mut |_| {}).unwrap();
    let proof = proven.statement.to_bytes();
    pipeline::verify(key.verifying(), &proof, &NO_CONTEXT, Trust::Ceremony).unwrap();
    // The origin is a part of the key, and so of what the proof is bound to.
    let other = setup(Origin::InsecureDev);
    assert_ne!(other.verifying().digest(), key.verifying().digest());
    assert!(pipeline::verify(other.verifying(), &proof, &NO_CONTEXT, Trust::InsecureDev).is_err());
    assert!(matches!(
        pipeline::verify(other.verifying(), &proof, &NO_CONTEXT, Trust::Ceremony),
        Err(VerifyError::Rejected(Rejection::InsecureReferenceString))
    ));
}

#[test]
fn pins_are_hashes_of_distinct_files() {
    let first = "d6a8fb3a04feb600096c3b791f936a578c4e664d262e4aa24beed1b7a9a96aa5\
                 eb72864d628db247e9293384b74b36ffb52ca8d148d6e1b8b51e279fdf57b583";
    let hash: Vec<u8> = (0..64)
        .map(|i| u8::from_str_radix(&first[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let hash = hash.try_into().unwrap();
    assert_eq!(origin(&hash, None).unwrap(), Origin::Ceremony);
    let known = pins::ceremony(&hash).unwrap();
    assert_eq!((known.file, known.power), ("powersOfTau28_hez_final_08.ptau", 8));
    let mut pins: Vec<_> = pins::PINS.iter().map(|(.., pin)| *pin).collect();
    assert!(
        pins.iter()
            .all(|pin| pin.len() == 128 && pin.bytes().all(|b| b.is_ascii_hexdigit()))
    );
    pins.sort_unstable();
    pins.dedup();
    assert_eq!(pins.len(), 21);
    assert!(pins::PINS.iter().zip(8..).all(|((file, power, _), expected)| {
        *power == expected && (expected == 28 || file.contains(&format!("_{expected:02}.")))
    }));
}

proptest! {
    /// Whatever the bytes, the answer is an error and no panic; no single bit of what is used can change.
    #[test]
    fn changed_bytes_are_refused_or_unused(at in 0usize..1 << 14, bit in 0u8..8) {
        let right = srs();
        let file = File::new(&right);
        let mut bytes = file.bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(read) = load(&bytes) {
            prop_assert_eq!(read.powers_g1(), right.powers_g1());
            prop_assert_eq!(read.powers_g2(), right.powers_g2());
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), marked: bool) {
        let bytes = if marked { [b"ptau\x01\0\0\0", &bytes[..]].concat() } else { bytes };
        prop_assert!(load(&bytes).is_err());
    }
}
