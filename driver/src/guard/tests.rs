#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use ark_ec::AffineRepr;
use ark_ff::Field;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::conformance::{Scope, check_within};
use crate::sample::{Bases, field, fields, scalars};
use crate::{Dir, Fr, G1Projective, Scalars, Width, backend};

/// What a device does wrong, always or in its calls from a certain one on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    /// One base is another one, in its memory: wrong in every sum alike.
    Base,
    /// It leaves out the top bit of every full-width scalar.
    Scalars,
    Sum,
    OffCurve,
    Missing,
    Value,
    Length,
    Load,
    Stops,
}

struct Flawed {
    flaw: Flaw,
    /// The calls before this one are right.
    from: usize,
}

fn device(reason: &str) -> Error {
    Error::Device {
        backend: "flawed",
        reason: reason.into(),
    }
}

struct FlawedKernel<K: ?Sized> {
    flaw: Flaw,
    from: usize,
    calls: AtomicUsize,
    inner: Box<K>,
}

impl<K: ?Sized> FlawedKernel<K> {
    fn due(&self, flaw: Flaw) -> bool {
        self.flaw == flaw && self.calls.load(Ordering::Relaxed) > self.from
    }
}

impl Backend for Flawed {
    fn info(&self) -> Info {
        backend::open("arkworks").unwrap().info()
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        let mut bases = bases.to_vec();
        if self.flaw == Flaw::Load {
            return Err(device("no memory answers"));
        }
        if let (Flaw::Base, Some(base)) = (self.flaw, bases.get_mut(3)) {
            *base = G1Affine::generator();
        }
        Ok(Box::new(FlawedKernel {
            flaw: self.flaw,
            from: self.from,
            calls: AtomicUsize::new(0),
            inner: backend::open("arkworks")?.prepare_msm(&bases)?,
        }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        if self.flaw == Flaw::Load {
            return Err(device("no memory answers"));
        }
        Ok(Box::new(FlawedKernel {
            flaw: self.flaw,
            from: self.from,
            calls: AtomicUsize::new(0),
            inner: backend::open("arkworks")?.prepare_ntt(log_n)?,
        }))
    }
}

impl Msm for FlawedKernel<dyn Msm> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut items: Vec<_> = batch.iter().map(|item| item.values.to_vec()).collect();
        if self.due(Flaw::Scalars) {
            let top = Fr::from(2u64).pow([253]);
            let high = |v: &&mut Fr| ark_ff::PrimeField::into_bigint(**v).0[3] >> 61 & 1 == 1;
            items.iter_mut().flatten().filter(high).for_each(|value| *value -= top);
        }
        let items: Vec<_> = items
            .iter()
            .zip(batch)
            .map(|(values, item)| Scalars {
                values,
                width: item.width,
            })
            .collect();
        let mut run = self.inner.run(&items)?;
        let last = run.out.last_mut();
        match last {
            _ if self.due(Flaw::Stops) => return Err(device("it stopped")),
            Some(last) if self.due(Flaw::Sum) => *last += G1Affine::generator(),
            Some(last) if self.due(Flaw::OffCurve) => last.x.0.0[0] ^= 1,
            Some(_) if self.due(Flaw::Missing) => drop(run.out.pop()),
            _ => {}
        }
        Ok(run)
    }
}

impl Ntt for FlawedKernel<dyn Ntt> {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let run = self.inner.run(dir, coset, columns)?;
        match columns.last_mut() {
            _ if self.due(Flaw::Stops) => return Err(device("it stopped")),
            Some(last) if self.due(Flaw::Value) => last[1] += Fr::ONE,
            Some(last) if self.due(Flaw::Length) => drop(last.pop()),
            _ => {}
        }
        Ok(run)
    }
}

fn guarded(flaw: Flaw, from: usize, guard: &Guard) -> Box<dyn Backend> {
    guard.wrap(Box::new(Flawed { flaw, from }), "card 2 of backend flawed".into())
}

fn with_fallback() -> Guard {
    Guard::new(true, Some(Arc::from(backend::open("cpu").unwrap())))
}

/// Calls' results, each with what it should be.
type Results<T> = Vec<(Result<T>, T)>;

/// Sums of full-width, narrow and short items, each call with what it should give.
fn sums(backend: &dyn Backend, calls: usize) -> Results<Vec<G1Projective>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let bases = Bases::random(40, &mut rng);
    let msm = match backend.prepare_msm(&bases.points) {
        Ok(msm) => msm,
        Err(error) => return vec![(Err(error), Vec::new())],
    };
    let call = |call: usize| {
        let widths = [
            &[Width::Full][..],
            &[Width::Bits(9), Width::Signed(8), Width::Bits(1)],
            &[Width::Full, Width::Bits(64)],
        ][call % 3];
        let items: Vec<_> = widths
            .iter()
            .map(|width| scalars(40 - 9 * (call % 3), *width, &mut rng))
            .collect();
        let batch: Vec<_> = items
            .iter()
            .zip(widths)
            .map(|(values, width)| Scalars { values, width: *width })
            .collect();
        (
            msm.run(&batch).map(|run| run.out),
            items.iter().map(|values| bases.msm(values)).collect(),
        )
    };
    (0..calls).map(call).collect()
}

/// Transforms both ways, with and without a coset, and what they should give.
fn transforms(backend: &dyn Backend, calls: usize) -> Results<Vec<Vec<Fr>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let ntt = match backend.prepare_ntt(5) {
        Ok(ntt) => ntt,
        Err(error) => return vec![(Err(error), Vec::new())],
    };
    let right = backend::open("cpu").unwrap().prepare_ntt(5).unwrap();
    let call = |call: usize| {
        let dir = if call.is_multiple_of(2) {
            Dir::Forward
        } else {
            Dir::Inverse
        };
        let coset = if call % 4 < 2 { Fr::ONE } else { field(&mut rng) };
        let mut columns: Vec<Vec<Fr>> = (0..1 + call % 3).map(|_| fields(32, &mut rng)).collect();
        let mut expected = columns.clone();
        right.run(dir, coset, &mut expected).unwrap();
        (ntt.run(dir, coset, &mut columns).map(|_| columns), expected)
    };
    (0..calls).map(call).collect()
}

#[test]
fn right_devices_pass() {
    let guard = with_fallback();
    for (run, expected) in sums(guarded(Flaw::None, 0, &guard).as_ref(), 12) {
        assert_eq!(run.unwrap(), expected);
    }
    for (columns, expected) in transforms(guarded(Flaw::None, 0, &guard).as_ref(), 12) {
        assert_eq!(columns.unwrap(), expected);
    }
    let log = guard.log();
    assert_eq!((log.calls, log.checked, log.incidents.len()), (24, 24, 0));
}

/// Errors of the caller are those of the backend, and are no incidents.
#[test]
fn a_guarded_backend_conforms() {
    for guard in [Guard::new(true, None), with_fallback()] {
        let backend = guard.wrap(backend::open("arkworks").unwrap(), "backend arkworks".into());
        let scope = Scope {
            max_len: 300,
            max_log_n: 8,
        };
        check_within(backend.as_ref(), scope).unwrap_or_else(|failure| panic!("{failure}"));
        let log = guard.log();
        assert!(log.checked > 50 && log.incidents.is_empty(), "{log:?}");
    }
}

#[test]
fn every_flaw_is_noticed_and_named() {
    let reasons = [
        (Flaw::Base, "random check"),
        (Flaw::Scalars, "random check"),
        (Flaw::Sum, "random check"),
        (Flaw::OffCurve, "not on the curve"),
        (Flaw::Missing, "sums for"),
        (Flaw::Stops, "it stopped"),
        (Flaw::Load, "no memory answers"),
        (Flaw::Value, "random check"),
        (Flaw::Length, "length"),
    ];
    for (flaw, reason) in reasons {
        let guard = Guard::new(true, None);
        let backend = guarded(flaw, 0, &guard);
        let of_sums = sums(backend.as_ref(), 1).into_iter().map(|(run, _)| run.err());
        let of_columns = transforms(backend.as_ref(), 1).into_iter().map(|(run, _)| run.err());
        let errors: Vec<_> = of_sums.chain(of_columns).flatten().collect();
        assert!(!errors.is_empty(), "{flaw:?} was not noticed");
        for error in &errors {
            assert!(matches!(error, Error::Fault { .. }), "{flaw:?}: {error:?}");
            let message = error.to_string();
            assert!(
                message.contains("engine of card 2 of backend flawed failed"),
                "{message}"
            );
            assert!(message.contains(reason), "{message}");
        }
        assert_eq!(guard.log().incidents.len(), errors.len(), "{flaw:?}");
    }
}

/// Without the check the same flaws go through: it is the check that finds them.
#[test]
fn without_the_check_wrong_results_go_through() {
    let guard = Guard::new(false, Some(Arc::from(backend::open("cpu").unwrap())));
    for flaw in [Flaw::Base, Flaw::Scalars, Flaw::Sum] {
        let (run, expected) = sums(guarded(flaw, 0, &guard).as_ref(), 1).remove(0);
        assert_ne!(run.unwrap(), expected, "{flaw:?}");
    }
    let (columns, expected) = transforms(guarded(Flaw::Value, 0, &guard).as_ref(), 1).remove(0);
    assert_ne!(columns.unwrap(), expected);
    assert_eq!(guard.log().incidents.len(), 0);
}

#[test]
fn the_fallback_makes_good() {
    for flaw in [
        Flaw::Base,
        Flaw::Sum,
        Flaw::Missing,
        Flaw::Stops,
        Flaw::Load,
        Flaw::Value,
        Flaw::Length,
    ] {
        for from in [0, 3] {
            let guard = with_fallback();
            let backend = guarded(flaw, from, &guard);
            for (run, expected) in sums(backend.as_ref(), 7) {
                assert_eq!(run.unwrap(), expected, "{flaw:?}");
            }
            for (columns, expected) in transforms(backend.as_ref(), 7) {
                assert_eq!(columns.unwrap(), expected, "{flaw:?}");
            }
            let incidents = guard.log().incidents;
            assert!(!incidents.is_empty() && incidents.iter().all(|one| one.made_good_on == Some("cpu")));
        }
    }
}

#[test]
fn nothing_is_wrapped_for_nothing() {
    let guard = Guard::default();
    assert!(sums(guarded(Flaw::None, 0, &guard).as_ref(), 1)[0].0.is_ok());
    assert_eq!(guard.log().calls, 0);
}
