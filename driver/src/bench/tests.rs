#![allow(clippy::unwrap_used)]

use super::*;

fn plan(kernel: Kernel, backends: &[&str]) -> Plan {
    Plan {
        kernel,
        backends: backends.iter().map(|&name| name.to_owned()).collect(),
        log_sizes: 0..=5,
        scalars: Draw::Uniform(Width::Signed(8)),
        batch: 2,
        repetitions: 3,
        seed: 7,
    }
}

#[test]
fn every_backend_is_measured_at_every_size() {
    for kernel in [Kernel::Msm, Kernel::Ntt] {
        let mut seen = 0;
        let rows = run(&plan(kernel, &["cpu", "reference"]), |_| seen += 1).unwrap();
        let keys: Vec<_> = rows.iter().map(|row| (row.log_n, row.backend)).collect();
        let expected: Vec<_> = (0..=5)
            .flat_map(|log_n| [(log_n, "cpu"), (log_n, "reference")])
            .collect();
        assert_eq!(keys, expected);
        assert_eq!(seen, rows.len());
        assert!(
            rows.iter()
                .all(|row| row.scalars.is_some() == (kernel == Kernel::Msm) && row.cycles.is_none())
        );
    }
}

#[test]
fn a_card_says_what_its_cycles_were_spent_with() {
    if backend::open("rtl").is_err() {
        return;
    }
    let rows = run(&plan(Kernel::Msm, &["rtl"]), |_| ()).unwrap();
    for row in rows {
        let (cycles, activity) = (row.cycles.unwrap(), row.activity.unwrap());
        assert!(row.modelled_ms.is_some() && activity.work > 0 && activity.adds_issued > 0);
        assert!(activity.work.max(activity.adds_issued) < cycles && activity.bubbles < cycles);
    }
}

#[test]
fn wrong_plans_are_refused() {
    assert!(matches!(
        run(&plan(Kernel::Msm, &["gpu"]), |_| ()),
        Err(Error::UnknownBackend { .. })
    ));
    let wide = Plan {
        scalars: Draw::Uniform(Width::Bits(80)),
        ..plan(Kernel::Msm, &["cpu"])
    };
    assert!(matches!(run(&wide, |_| ()), Err(Error::Promise { bits: 80 })));
    for kernel in [Kernel::Msm, Kernel::Ntt] {
        let large = Plan {
            log_sizes: 70..=70,
            ..plan(kernel, &["cpu"])
        };
        assert!(matches!(run(&large, |_| ()), Err(Error::Length { got: 70, .. })));
    }
}

#[test]
fn a_wrong_result_is_reported() {
    let plan = plan(Kernel::Msm, &["cpu"]);
    let backends = [backend::open("cpu").unwrap()];
    let sample = || Sample {
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
        cycles: None,
        activity: None,
        bytes: [0; 2],
    };
    assert!(rounds(&plan, &backends, || Ok(vec![(sample(), true)])).is_ok());
    let wrong = rounds(&plan, &backends, || Ok(vec![(sample(), false)]));
    assert!(matches!(wrong, Err(Error::Wrong { backend: "cpu", .. })));
}

#[test]
fn mixed_scalars_are_mostly_zero_or_small() {
    assert_eq!("mixed".parse::<Draw>().unwrap().to_string(), "mixed");
    assert_eq!("i8".parse::<Draw>().unwrap(), Draw::Uniform(Width::Signed(8)));
    assert!("mix".parse::<Draw>().is_err());
    let n = 1 << 12;
    let values = Draw::Mixed.draw(n, &mut ChaCha8Rng::seed_from_u64(2));
    let count = |range: std::ops::RangeInclusive<i64>| {
        let small: Vec<Fr> = range.map(Fr::from).collect();
        values.iter().filter(|value| small.contains(value)).count() as f64 / n as f64
    };
    assert!((0.45..0.55).contains(&count(0..=0)) && (0.92..0.95).contains(&count(-128..=127)));
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(
        (
            median(vec![3, 1, 2]),
            median(vec![4, 1, 2, 3]),
            median(Vec::<u8>::new())
        ),
        (2, 3, 0)
    );
}
