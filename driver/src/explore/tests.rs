#![allow(clippy::unwrap_used)]

use super::*;
use crate::Width;
use crate::trace::{Call, Item};

fn trace(ms: f64) -> Trace {
    let item = |len, width, nonzero| Item {
        len,
        width,
        nonzero,
        distinct: nonzero.min(200),
    };
    let call = |work| Call {
        work,
        host_before_s: 1e-3,
        wall_s: ms / 1e3,
        cycles: None,
    };
    let (full, narrow) = (
        item(1 << 12, Width::Full, 1 << 12),
        item(1 << 12, Width::Signed(8), 1 << 11),
    );
    Trace {
        version: 1,
        backend: "cpu".into(),
        bases: vec![1 << 12],
        calls: vec![
            call(Work::Msm {
                bases: 0,
                items: vec![full.clone(), full],
            }),
            call(Work::Msm {
                bases: 0,
                items: vec![narrow; 9],
            }),
            call(Work::Ntt {
                log_n: 12,
                inverse: true,
                coset: false,
                columns: 30,
            }),
        ],
        host_after_s: 2e-3,
    }
}

fn part(name: &str) -> Part {
    Part::built_in().find(|part| part.name == name).unwrap()
}

#[test]
fn larger_designs_on_the_front_are_faster_and_the_host_remains() {
    for part in Part::built_in() {
        let report = explore(&trace(50.0), &part, None).unwrap();
        assert!((report.recorded.whole_s() - 0.155).abs() < 1e-9);
        assert!(
            report.front.len() > 3,
            "{}: {} of {}",
            part.name,
            report.front.len(),
            report.fit
        );
        assert_eq!(
            (report.front[0].design.adders, report.front[0].design.butterflies),
            (0, 0)
        );
        for pair in report.front.windows(2) {
            assert!(pair[0].share < pair[1].share && pair[0].time.whole_s() > pair[1].time.whole_s());
        }
        let best = report.front.last().unwrap();
        assert!(best.time.host_s >= 5e-3 && best.share <= 1.0, "{best:?}");
        let card = best.time.msm_s + best.time.ntt_s;
        let bounds = best.bounds;
        assert!((card - bounds.compute_s - bounds.memory_s - bounds.link_s - bounds.latency_s).abs() < 1e-9);
    }
}

#[test]
fn what_starves_the_card_is_named() {
    let mut slow = part("vu9p");
    slow.link_bytes_per_s.value = 1e6;
    let bounds = explore(&trace(1e6), &slow, None).unwrap().front.last().unwrap().bounds;
    assert!(bounds.link_s > 0.9 * (bounds.compute_s + bounds.memory_s + bounds.link_s));
    let mut slow = part("vu9p");
    slow.channel_bytes_per_s.value = 1e6;
    let last = explore(&trace(1e6), &slow, None).unwrap().front.pop().unwrap();
    assert!(last.bounds.memory_s > last.bounds.compute_s);
    assert_eq!(last.design.channels, 4);
}

#[test]
fn a_fast_host_needs_no_card() {
    let front = explore(&trace(1e-6), &part("u250"), None).unwrap().front;
    assert_eq!((front.len(), front[0].design.adders), (1, 0));
}

#[test]
fn a_faster_clock_makes_compute_shorter() {
    let at = |hz| {
        explore(&trace(50.0), &part("u55c"), Some(hz))
            .unwrap()
            .front
            .pop()
            .unwrap()
    };
    assert!(at(400e6).time.whole_s() < at(100e6).time.whole_s());
}

/// The time of a simulation is not the host's.
#[test]
fn traces_of_simulated_devices_are_refused() {
    let mut simulated = trace(1.0);
    simulated.backend = "rtl".into();
    simulated.calls[1].cycles = Some(5);
    let message = explore(&simulated, &part("vu9p"), None).unwrap_err().to_string();
    assert!(
        message.contains("call 1") && message.contains("backend rtl"),
        "{message}"
    );
}

#[test]
fn long_transforms_are_cut_and_travel_twice() {
    let config = ntt::CONFIG;
    let longest = ntt_need(&config, config.max_log_n, 3).unwrap();
    let cut = ntt_need(&config, config.max_log_n + 1, 3).unwrap();
    assert!(cut.cycles > 2 * longest.cycles && cut.link_bytes[0] == 4 * longest.link_bytes[0]);
    assert!(ntt_need(&config, config.min_log_n() - 1, 1).is_none() && ntt_need(&config, 29, 1).is_none());
}
