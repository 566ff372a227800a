//! The digit unit alone, random stalls on each of its interfaces, against the recoding of `hw`.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::VecDeque;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use common::digits;
use tapeout_hw::msm::{CONFIG, EXTENDED_BITS, FIELDS, Pass, WORD_BITS};
use tapeout_sim::{Model, WORD, available};

/// Lanes that fill the word, one top bit each.
fn tops(width: u32, windows: u32) -> [u64; WORD] {
    let lane = width * windows;
    let mut tops = [0; WORD];
    for bit in (1..=WORD_BITS / lane).map(|i| i * lane - 1) {
        tops[bit as usize / 64] |= 1 << (bit % 64);
    }
    tops
}

fn random_pass(rng: &mut StdRng, width: u32) -> (Pass, Vec<[u64; WORD]>) {
    let log = rng.gen_range(0..=5u32);
    let per_base = 1 << log;
    let fit = (FIELDS / per_base).min(WORD_BITS / (per_base * width)).max(1);
    let reach = per_base.min(EXTENDED_BITS / width);
    let first_field = rng.gen_range(0..reach);
    let words = rng.gen_range(1..40);
    let pass = Pass {
        width,
        log_fields_per_base: log,
        bases_per_word: rng.gen_range(1..=fit),
        first_field,
        windows: rng
            .gen_range(1..=reach - first_field)
            .min(CONFIG.windows_per_pass(width)),
        words,
        first_base: rng.gen_range(0..1000),
        planes: rng.r#gen(),
        lane_tops: if rng.r#gen() {
            tops(width, rng.gen_range(1..=WORD_BITS / width))
        } else {
            [0; WORD]
        },
    };
    pass.check().unwrap();
    let word = |rng: &mut StdRng| match rng.gen_range(0..4) {
        0 => [0; WORD],
        1 => [u64::MAX; WORD],
        2 => std::array::from_fn(|_| rng.r#gen::<u64>() & rng.r#gen::<u64>() & rng.r#gen::<u64>() & rng.r#gen::<u64>()),
        _ => rng.r#gen(),
    };
    (pass, (0..words).map(|_| word(rng)).collect())
}

/// Bits that `windows` windows need.
fn log_up(windows: u32) -> u32 {
    windows.next_power_of_two().ilog2()
}

#[test]
fn digits_equal_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(9);
    for stalls in [0, 100, 200] {
        let mut dut = Model::new("digit_unit").unwrap();
        let port = |name: &str| dut.port(name).unwrap();
        let (valid, ready, stream) = (port("s_valid_i"), port("s_ready_o"), port("s_i"));
        let (request, request_ready, index) = (
            port("request_valid_o"),
            port("request_ready_i"),
            port("request_index_o"),
        );
        let (digit_valid, digit_ready, digit) = (port("digit_valid_o"), port("digit_ready_i"), port("digit_o"));
        let (reset, idle, fault) = (port("rst_ni"), port("idle_o"), port("fault_o"));
        for (name, value) in [("enable_i", 1), ("bank_free_i", 3), ("base_count_i", 1 << 20)] {
            let port = dut.port(name).unwrap();
            dut.set(port, &[value]);
        }
        dut.tick();
        dut.set(reset, &[1]);
        let passes: Vec<_> = (0..60).map(|i| random_pass(&mut rng, 4 + i % 10)).collect();
        let mut words = VecDeque::new();
        let (mut expected, mut requests) = (VecDeque::new(), VecDeque::new());
        for (i, (pass, body)) in passes.iter().enumerate() {
            words.extend(pass.header().map(|word| (word, false)));
            words.extend(body.iter().enumerate().map(|(i, word)| (*word, i + 1 == body.len())));
            let found = digits(pass, body);
            for (n, &(base, window, digit)) in found.iter().enumerate() {
                let k = pass.width - 1;
                let bucket = digit.unsigned_abs() & ((1 << k) - 1);
                let ends = found.get(n + 1).is_none_or(|next| next.0 != base);
                let slot = u64::from(bucket) << log_up(pass.windows) | window as u64;
                // rtl/pkg/types_pkg.sv, digit_t
                let fields = (i as u64 % 2) << 2 | u64::from(digit < 0) << 1 | u64::from(ends);
                expected.push_back(fields << CONFIG.slot_bits | slot);
                if requests.back() != Some(&(i, base as u64)) {
                    requests.push_back((i, base as u64));
                }
            }
        }
        let mut offered = false;
        let mut quiet = 0;
        while quiet < 20 {
            let mut stall = || rng.gen_range(0..256) < stalls;
            if !offered {
                offered = !words.is_empty() && !stall();
                dut.set(valid, &[u64::from(offered)]);
                if let (true, Some((word, end))) = (offered, words.front()) {
                    dut.set(stream, &[word[0], word[1], word[2], word[3], u64::from(*end)]);
                }
            }
            let takes = [!stall(), !stall()];
            dut.set(request_ready, &[u64::from(takes[0])]);
            dut.set(digit_ready, &[u64::from(takes[1])]);
            dut.settle();
            if offered && dut.bits(ready) == 1 {
                words.pop_front();
                offered = false;
            }
            if takes[0] && dut.bits(request) == 1 {
                assert_eq!(dut.bits(index), requests.pop_front().unwrap().1);
            }
            if takes[1] && dut.bits(digit_valid) == 1 {
                assert_eq!(dut.bits(digit), expected.pop_front().unwrap());
            }
            quiet = if words.is_empty() && dut.bits(idle) == 1 {
                quiet + 1
            } else {
                0
            };
            dut.tick();
            assert!(!dut.stopped() && dut.bits(fault) == 0);
        }
        assert!(expected.is_empty() && requests.is_empty());
    }
}
