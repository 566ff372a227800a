//! Every backend that can run here passes the suite, and the suite finds what is wrong with backends that are not right.
#![allow(clippy::unwrap_used, clippy::panic)]

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};
use tapeout_driver::backend::{self, Availability};
use tapeout_driver::conformance::{Scope, check_within};
use tapeout_driver::{Backend, Dir, Error, Fr, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars, Width};

#[test]
fn every_available_backend_conforms() {
    for entry in backend::TABLE
        .iter()
        .filter(|entry| entry.availability() == Availability::Ready)
    {
        let backend = entry.open().unwrap();
        // The reference takes time that grows with the square of a transform's size.
        let small = Scope {
            max_len: 1000,
            max_log_n: 7,
        };
        let scope = if entry.name == "reference" {
            small
        } else {
            Scope::default()
        };
        let report = check_within(backend.as_ref(), scope).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(report.backend, entry.name);
        assert_eq!(report.cases.len(), 21);
        if let Some(frugal) = backend.frugal() {
            check_within(frugal.as_ref(), small).unwrap_or_else(|failure| panic!("frugal: {failure}"));
        }
    }
}

/// Engines that share the bases give what one gives, in fewer cycles.
#[test]
fn engines_share_the_work() {
    let Ok(three) = backend::open("rtl:3") else {
        assert!(matches!(backend::open("rtl"), Err(Error::Unavailable { .. })));
        return;
    };
    let scope = Scope {
        max_len: 65,
        max_log_n: 6,
    };
    let report = check_within(three.as_ref(), scope).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.backend, "rtl:3");
    let bases: Vec<_> = (1..=900u64)
        .map(|k| (G1Affine::generator() * Fr::from(k)).into_affine())
        .collect();
    let values: Vec<_> = (1..=900u64).map(|k| Fr::from(k).inverse().unwrap()).collect();
    let run = |backend: &dyn Backend| {
        let scalars = Scalars {
            values: &values,
            width: Width::Full,
        };
        backend.prepare_msm(&bases).unwrap().run(&[scalars]).unwrap()
    };
    let (one, three) = (run(backend::open("rtl:1").unwrap().as_ref()), run(three.as_ref()));
    assert_eq!(one.out, three.out);
    assert!(three.cycles.unwrap() < one.cycles.unwrap() * 2 / 3);
    assert_eq!((one.activity.unwrap().adders, three.activity.unwrap().adders), (1, 3));
    assert!(matches!(backend::open("rtl:5"), Err(Error::Unsupported { .. })));
}

#[test]
fn a_narrow_scope_is_kept() {
    let watch = Broken(Fault::TooLarge);
    let scope = Scope {
        max_len: 33,
        max_log_n: 6,
    };
    check_within(&watch, scope).unwrap_or_else(|failure| panic!("{failure}"));
}

/// What a backend can get wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    // MSM
    LongLastBase,
    TopWindow,
    NarrowSign,
    UncheckedWidth,
    WrongIndex,
    EqualBases,
    EmptyItem,
    ShortItem,
    LongItem,
    BatchOrder,
    ItemDropped,
    // NTT
    ForwardPoint,
    IgnoredCoset,
    InverseScale,
    InverseCoset,
    SwappedPair,
    LastColumn,
    LengthTaken,
    LengthLate,
    ZeroCoset,
    AnyDomain,
    // none within a narrow scope
    TooLarge,
}

#[test]
fn each_fault_is_found_by_a_case_that_looks_for_it() {
    let faults: &[(Fault, &[&str])] = &[
        (Fault::LongLastBase, &["msm: lengths"]),
        (Fault::TopWindow, &["msm: edge scalars"]),
        (Fault::NarrowSign, &["msm: narrow scalars"]),
        (Fault::UncheckedWidth, &["msm: width violations"]),
        (Fault::WrongIndex, &["msm: width violations"]),
        (Fault::EqualBases, &["msm: related bases"]),
        (Fault::EmptyItem, &["msm: empty batches and items"]),
        (Fault::ShortItem, &["msm: items shorter than the bases"]),
        (Fault::LongItem, &["msm: items longer than the bases"]),
        (Fault::BatchOrder, &["msm: many items in one batch"]),
        (Fault::ItemDropped, &["msm: many items in one batch"]),
        (Fault::ForwardPoint, &["ntt: forward"]),
        (Fault::IgnoredCoset, &["ntt: forward on cosets"]),
        (Fault::InverseScale, &["ntt: inverse"]),
        (Fault::InverseCoset, &["ntt: inverse on cosets"]),
        (Fault::SwappedPair, &["ntt: forward"]),
        (Fault::LastColumn, &["ntt: many columns"]),
        (Fault::LengthTaken, &["ntt: columns of a wrong length"]),
        (Fault::LengthLate, &["ntt: columns of a wrong length"]),
        (Fault::ZeroCoset, &["ntt: the coset of zero"]),
        (Fault::AnyDomain, &["ntt: domains that do not exist"]),
    ];
    for (fault, cases) in faults {
        let failure = match check_within(
            &Broken(*fault),
            Scope {
                max_len: 300,
                max_log_n: 8,
            },
        ) {
            Err(failure) => failure,
            Ok(_) => panic!("{fault:?} was not found"),
        };
        assert!(
            cases.contains(&failure.case),
            "{fault:?} was found by '{}': {}",
            failure.case,
            failure.reason
        );
    }
}

/// A right backend with one fault.
struct Broken(Fault);

struct BrokenMsm(Fault, Vec<G1Affine>, Box<dyn Msm>);

struct BrokenNtt(Fault, u32, Box<dyn Ntt>);

impl Backend for Broken {
    fn info(&self) -> Info {
        backend::open("arkworks").unwrap().info()
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        assert!(self.0 != Fault::TooLarge || bases.len() <= 33);
        Ok(Box::new(BrokenMsm(
            self.0,
            bases.to_vec(),
            backend::open("arkworks")?.prepare_msm(bases)?,
        )))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        assert!(self.0 != Fault::TooLarge || log_n <= 6 || log_n > 28);
        let known = if self.0 == Fault::AnyDomain {
            log_n.min(12)
        } else {
            log_n
        };
        Ok(Box::new(BrokenNtt(
            self.0,
            log_n,
            backend::open("arkworks")?.prepare_ntt(known)?,
        )))
    }
}

impl Msm for BrokenMsm {
    fn len(&self) -> usize {
        self.1.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let BrokenMsm(fault, bases, right) = self;
        let mut items: Vec<(Vec<Fr>, Width)> = batch.iter().map(|item| (item.values.to_vec(), item.width)).collect();
        for (values, width) in &mut items {
            match fault {
                Fault::LongLastBase if values.len() == 257 => values[256] = Fr::ZERO,
                Fault::TopWindow => {
                    let top = -Fr::ONE;
                    values
                        .iter_mut()
                        .filter(|value| **value == top)
                        .for_each(|value| *value = Fr::ONE);
                }
                Fault::NarrowSign if *width == Width::Signed(33) => values.iter_mut().for_each(|v| *v = v.square()),
                Fault::UncheckedWidth if *width == Width::Signed(17) => *width = Width::Full,
                Fault::LongItem => values.truncate(bases.len()),
                Fault::ShortItem if values.len() == 31 && bases.len() > 31 => values[30] = Fr::ZERO,
                _ => {}
            }
            if *fault == Fault::NarrowSign && *width == Width::Signed(33) {
                *width = Width::Full;
            }
        }
        let batch: Vec<Scalars<'_>> = items
            .iter()
            .map(|(values, width)| Scalars { values, width: *width })
            .collect();
        let mut run = right.run(&batch).map_err(|error| match error {
            Error::Width { item, index, width } if *fault == Fault::WrongIndex => Error::Width {
                item,
                index: index.saturating_sub(1),
                width,
            },
            error => error,
        })?;
        match fault {
            Fault::EqualBases if bases.len() > 2 && bases[0] == bases[1] => run.out[0] += bases[0],
            Fault::EmptyItem if bases.len() == 5 => {
                for (sum, item) in run
                    .out
                    .iter_mut()
                    .zip(&batch)
                    .filter(|(_, item)| item.values.is_empty())
                {
                    *sum = bases[item.values.len()].into();
                }
            }
            Fault::BatchOrder if batch.len() == 9 => run.out.reverse(),
            Fault::ItemDropped if batch.len() == 40 => drop(run.out.pop()),
            _ => {}
        }
        Ok(run)
    }
}

impl Ntt for BrokenNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let BrokenNtt(fault, log_n, right) = self;
        let done = Run {
            out: (),
            wall: std::time::Duration::ZERO,
            cycles: None,
            activity: None,
            bytes_in: 0,
            bytes_out: 0,
        };
        match fault {
            Fault::IgnoredCoset if dir == Dir::Forward => return right.run(dir, Fr::ONE, columns),
            Fault::InverseCoset if dir == Dir::Inverse => return right.run(dir, Fr::ONE, columns),
            Fault::LengthTaken if columns.iter().any(|column| column.len() != 1 << log_n) => return Ok(done),
            Fault::ZeroCoset if coset == Fr::ZERO => return right.run(dir, Fr::ONE, columns),
            Fault::LengthLate => {
                for column in columns.iter_mut() {
                    right.run(dir, coset, std::slice::from_mut(column))?;
                }
                return Ok(done);
            }
            _ => {}
        }
        let run = right.run(dir, coset, columns)?;
        match (fault, dir) {
            (Fault::ForwardPoint, Dir::Forward) if *log_n == 8 => columns[0][1 << 7] += Fr::ONE,
            (Fault::InverseScale, Dir::Inverse) => columns.iter_mut().flatten().for_each(|value| *value += *value),
            (Fault::SwappedPair, Dir::Forward) if *log_n == 3 => columns[0].swap(3, 6),
            (Fault::LastColumn, _) if columns.len() == 17 => columns[16].rotate_left(1),
            _ => {}
        }
        Ok(run)
    }
}
