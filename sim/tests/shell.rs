//! The fetching of bases and the performance counters, each alone.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_sim::{LINE, Model, available};

const ORIGIN: u64 = 77;

/// What memory holds at an address.
fn line_at(address: u64) -> [u64; LINE] {
    std::array::from_fn(|i| address.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32))
}

/// Every base comes once and in order whatever holds it up; after a clear nothing asked for before comes, and errors are of
/// kept reads only.
#[test]
fn bases_come_in_order() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(12);
    for (stalls, latency) in [(0, 1), (0, 100), (100, 30), (220, 7)] {
        let mut m = Model::new("base_fetch").unwrap();
        let port = |name: &str| m.port(name).unwrap();
        let (reset, clear, origin, error) = (port("rst_ni"), port("clear_i"), port("origin_i"), port("error_o"));
        let [request, request_ready, index] = ["request_valid_i", "request_ready_o", "request_index_i"].map(port);
        let [base, base_ready, data] = ["base_valid_o", "base_ready_i", "base_o"].map(port);
        let [ask, answer] = ["m_o", "m_i"].map(port);
        m.set(origin, &[ORIGIN]);
        m.tick();
        m.set(reset, &[1]);
        let (mut asked, mut reads) = (VecDeque::new(), VecDeque::<(u64, u64, u32)>::new());
        let (mut offered, mut shown, mut clears, mut got) = (None, None, 0, 0);
        for cycle in 0..20_000u64 {
            let mut stall = || rng.gen_range(0..256) < stalls;
            let clearing = cycle % 997 == 996;
            if offered.is_none() && !stall() {
                offered = Some(cycle & 0xffff_ffff);
            }
            m.set(clear, &[u64::from(clearing)]);
            m.set(request, &[u64::from(offered.is_some())]);
            m.set(index, &[offered.unwrap_or(0)]);
            // now and then nobody takes bases for so long that the buffer fills
            let takes = !stall() && cycle / 400 % 4 != 3;
            m.set(base_ready, &[u64::from(takes)]);
            let ar_ready = !stall();
            // (due, address, clears so far)
            let due = reads.front().copied().filter(|&(due, ..)| due <= cycle && !stall());
            let broken = due.is_some_and(|_| cycle % 501 == 0);
            // rtl/pkg/types_pkg.sv, memory_answer_t and memory_ask_t
            let mut line = [0; LINE + 1];
            line[LINE] = u64::from(ar_ready) << 3 | u64::from(due.is_some()) << 2 | if broken { 2 } else { 0 };
            if let Some((_, address, _)) = due {
                reads.pop_front();
                line[..LINE].copy_from_slice(&line_at(address));
            }
            m.set(answer, &line);
            m.settle();
            let asked_now = m.bits(ask);
            let (ar, r_ready, address) = (asked_now >> 39 & 1, asked_now >> 38 & 1, asked_now & ((1 << 38) - 1));
            assert_eq!(r_ready, 1);
            let kept = due.is_some_and(|(.., asked_at)| asked_at == clears) && !clearing;
            assert_eq!(m.bits(error), u64::from(broken && kept));
            if let Some(before) = shown {
                // AXI4: an address that is shown stays until it is taken
                assert_eq!((ar, address), (1, before));
            }
            if ar == 1 {
                shown = Some(address);
                if ar_ready {
                    // the age of a read is that of its request
                    reads.push_back((cycle + latency, address, clears));
                    shown = None;
                }
            }
            if m.bits(base) == 1 && m.bits(base_ready) == 1 && !clearing {
                let mut found = [0; LINE];
                m.get(data, &mut found);
                assert_eq!(found, line_at((ORIGIN + asked.pop_front().unwrap()) * 64));
                got += 1;
            }
            if offered.is_some() && m.bits(request_ready) == 1 {
                asked.extend(offered.take());
            }
            if clearing {
                asked.clear();
                clears += 1;
                // an address that is still shown was asked for before
                if shown.is_some() {
                    line[LINE] |= 1 << 3;
                    m.set(answer, &line);
                    m.settle();
                    reads.push_back((cycle + latency, address, clears - 1));
                    shown = None;
                }
            }
            m.tick();
            assert!(!m.stopped());
        }
        assert!(got > 1_000, "only {got} bases came");
    }
}

#[test]
fn counters_count_and_keep_a_snapshot() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(13);
    let mut m = Model::new("perf_counters").unwrap();
    let [reset, clear, snapshot, events, out] =
        ["rst_ni", "clear_i", "snapshot_i", "events_i", "snapshot_o"].map(|name| m.port(name).unwrap());
    m.tick();
    m.set(reset, &[1]);
    let (mut count, mut kept) = (0u64, None);
    for _ in 0..5_000 {
        let [clears, copies, event] = [rng.gen_range(0..500) == 0, rng.gen_range(0..20) == 0, rng.r#gen()];
        for (port, value) in [(clear, clears), (snapshot, copies), (events, event)] {
            m.set(port, &[u64::from(value)]);
        }
        m.tick();
        // the snapshot is of what was counted before this cycle
        if copies {
            kept = Some(count);
        }
        count = if clears { 0 } else { count + u64::from(event) };
        assert!(kept.is_none_or(|kept| m.bits(out) == kept));
    }
}
