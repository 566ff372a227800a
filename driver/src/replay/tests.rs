#![allow(clippy::unwrap_used)]

use super::*;
use crate::backend::open;
use crate::trace::tests::recorded;

#[test]
fn every_backend_runs_every_call() {
    let backends: Vec<_> = ["cpu", "reference"]
        .map(|name| open(name).unwrap())
        .into_iter()
        .collect();
    let plan = Plan {
        backends: &backends,
        repetitions: 2,
        seed: 3,
    };
    let mut steps = 0;
    let rows = run(&recorded(), &plan, || steps += 1).unwrap();
    assert_eq!(steps, 2 * 2 * 3);
    let seen: Vec<_> = rows
        .iter()
        .map(|r| (r.backend, r.kind.kernel, r.kind.what.as_str(), r.kind.log_n, r.calls))
        .collect();
    let kinds = |name| [(name, "msm", "mixed", 3, 1), (name, "ntt", "inverse, coset", 1, 1)];
    assert_eq!(seen, [kinds("cpu"), kinds("reference")].concat());
    assert!(
        rows.iter()
            .all(|row| row.took.is_some_and(|took| took.cycles.is_none()))
    );
}

#[test]
fn data_has_the_recorded_shape() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let item = Item {
        len: 100,
        width: Width::Full,
        nonzero: 60,
        distinct: 7,
    };
    let values = draw(&item, &mut rng);
    assert_eq!(
        (values.len(), values.iter().filter(|v| **v != Fr::ZERO).count()),
        (100, 60)
    );
    let distinct: std::collections::HashSet<_> = values.iter().filter(|v| **v != Fr::ZERO).collect();
    assert_eq!(distinct.len(), 7);
    let empty = Item {
        len: 3,
        width: Width::Bits(1),
        nonzero: 0,
        distinct: 0,
    };
    assert_eq!(draw(&empty, &mut rng), [Fr::ZERO; 3]);
}

/// A backend that computes nothing.
struct Lazy;

impl Backend for Lazy {
    fn info(&self) -> crate::Info {
        open("cpu").unwrap().info()
    }
    fn prepare_msm(&self, _: &[crate::G1Affine]) -> Result<Box<dyn Msm>> {
        Err(Error::Unsupported {
            backend: "lazy",
            reason: "no".into(),
        })
    }
    fn prepare_ntt(&self, _: u32) -> Result<Box<dyn Ntt>> {
        Ok(Box::new(Lazy))
    }
}

impl Ntt for Lazy {
    fn run(&self, _: Dir, _: Fr, _: &mut [Vec<Fr>]) -> Result<crate::Run<()>> {
        Ok(crate::Run {
            out: (),
            wall: Duration::ZERO,
            cycles: None,
            activity: None,
            bytes_in: 0,
            bytes_out: 0,
        })
    }
}

#[test]
fn wrong_results_are_noticed_and_missing_kernels_reported() {
    let backends: Vec<Box<dyn Backend>> = vec![Box::new(Lazy)];
    let plan = Plan {
        backends: &backends,
        repetitions: 1,
        seed: 3,
    };
    let mut trace = recorded();
    assert!(matches!(run(&trace, &plan, || ()), Err(Error::Wrong { what, .. }) if what.contains("call 1")));
    trace.calls.pop();
    let rows = run(&trace, &plan, || ()).unwrap();
    assert_eq!((rows.len(), rows[0].took), (1, None));
}
