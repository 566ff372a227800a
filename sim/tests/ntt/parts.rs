//! The engine's memory, its table and its output, each alone; they are built for columns of up to 2^8.

use std::collections::{HashMap, VecDeque};

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::field::{Field, from_limbs};
use tapeout_hw::ntt::{Config, bit_reversed, place};
use tapeout_sim::{Model, Port, WORD, available};

use super::engine::limbs;

const LANES: usize = 4;
const MAX_LOG: u32 = 8;

type Word = [u64; WORD];

fn ports<const N: usize>(model: &Model, names: [&str; N]) -> [Port; N] {
    names.map(|name| model.port(name).unwrap())
}

fn word(rng: &mut StdRng) -> Word {
    rng.r#gen()
}

/// Steps and single elements at random, every buffer with at most one reader and one writer.
#[test]
fn memory_gives_what_was_written_before() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(71);
    let mut m = Model::new("ntt_memory").unwrap();
    let [read, read_buffer, read_row, read_data] = ports(&m, ["read_i", "read_buffer_i", "read_row_i", "read_data_o"]);
    let [write, write_buffer, write_row, write_data] =
        ports(&m, ["write_i", "write_buffer_i", "write_row_i", "write_data_i"]);
    let load = ports(
        &m,
        ["load_i", "load_buffer_i", "load_row_i", "load_half_i", "load_lane_i"],
    );
    let unload = ports(
        &m,
        [
            "unload_i",
            "unload_buffer_i",
            "unload_row_i",
            "unload_half_i",
            "unload_lane_i",
        ],
    );
    let [load_data, unload_data] = ports(&m, ["load_data_i", "unload_data_o"]);
    let rows = 1u64 << (MAX_LOG - 3);
    // by buffer, row, half and lane
    let mut held: HashMap<(u64, u64, usize, usize), Word> = HashMap::new();
    let (mut steps, mut elements) = (VecDeque::from([None]), VecDeque::from([None, None]));
    for _ in 0..20_000 {
        let mut buffers = [0u64, 1, 2, 3];
        (1..4).for_each(|i| buffers.swap(i, rng.gen_range(0..=i)));
        let on: [bool; 4] = rng.r#gen();
        let mut at = || [rng.gen_range(0..rows), rng.gen_range(0..rows)];
        let [from, to, [in_row, out_row]] = [at(), at(), at()];
        let [in_half, in_lane, out_half, out_lane] = [2, LANES, 2, LANES].map(|bound| rng.gen_range(0..bound));
        // what is read and written in the same cycle lies in different buffers, or the old word is read
        let writer = if rng.r#gen() { buffers[0] } else { buffers[2] };
        for (port, value) in [
            (read, on[0].into()),
            (read_buffer, buffers[0]),
            (write, on[1].into()),
            (write_buffer, writer),
        ] {
            m.set(port, &[value]);
        }
        // rows are bytes, side by side
        m.set(read_row, &[from[0] | from[1] << 8]);
        m.set(write_row, &[to[0] | to[1] << 8]);
        let values: Vec<Word> = (0..2 * LANES).map(|_| word(&mut rng)).collect();
        m.set(write_data, values.as_flattened());
        for (port, value) in load
            .into_iter()
            .zip([on[2].into(), buffers[1], in_row, in_half as u64, in_lane as u64])
        {
            m.set(port, &[value]);
        }
        let element = word(&mut rng);
        m.set(load_data, &element);
        for (port, value) in
            unload
                .into_iter()
                .zip([on[3].into(), buffers[3], out_row, out_half as u64, out_lane as u64])
        {
            m.set(port, &[value]);
        }
        let cells = (0..2).flat_map(|h| (0..LANES).map(move |l| (h, l)));
        steps.push_back(on[0].then(|| {
            cells
                .clone()
                .map(|(h, l)| held.get(&(buffers[0], from[h], h, l)).copied())
                .collect::<Vec<_>>()
        }));
        elements.push_back(on[3].then(|| held.get(&(buffers[3], out_row, out_half, out_lane)).copied()));
        if on[1] {
            held.extend(cells.zip(values).map(|((h, l), value)| ((writer, to[h], h, l), value)));
        }
        if on[2] {
            held.insert((buffers[1], in_row, in_half, in_lane), element);
        }
        m.tick();
        let mut found = vec![0; 2 * LANES * WORD];
        m.get(read_data, &mut found);
        // a row comes two cycles after it was asked for, an element three
        if let Some(Some(expected)) = steps.pop_front() {
            for (got, expected) in found.chunks(WORD).zip(expected) {
                assert!(expected.is_none_or(|expected| got == expected));
            }
        }
        let mut found = [0; WORD];
        m.get(unload_data, &mut found);
        if let Some(Some(Some(expected))) = elements.pop_front() {
            assert_eq!(found, expected);
        }
    }
}

/// Rows of the first stages and of the others, written and read at random.
#[test]
fn tables_give_what_was_written_before() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(72);
    let mut m = Model::new("ntt_twiddles").unwrap();
    let [read, read_low, read_row, read_data] = ports(&m, ["read_i", "read_low_i", "read_row_i", "read_data_o"]);
    let [write, write_low, write_row, write_data] =
        ports(&m, ["write_i", "write_low_i", "write_row_i", "write_data_i"]);
    let mut held: HashMap<(bool, u64), Vec<Word>> = HashMap::new();
    let mut reads = VecDeque::from([None]);
    for _ in 0..20_000 {
        let on: [bool; 2] = rng.r#gen();
        let mut at = || {
            let low = rng.r#gen::<bool>();
            (low, rng.gen_range(0..if low { 4 } else { 1 << (MAX_LOG - 2) }))
        };
        let (from, to) = (at(), at());
        for (port, value) in [(read, on[0].into()), (read_low, from.0.into()), (read_row, from.1)] {
            m.set(port, &[value]);
        }
        for (port, value) in [(write, on[1].into()), (write_low, to.0.into()), (write_row, to.1)] {
            m.set(port, &[value]);
        }
        let values: Vec<Word> = (0..LANES).map(|_| word(&mut rng)).collect();
        m.set(write_data, values.as_flattened());
        reads.push_back(on[0].then(|| held.get(&from).cloned()));
        if on[1] {
            held.insert(to, values);
        }
        m.tick();
        let mut found = vec![0; LANES * WORD];
        m.get(read_data, &mut found);
        if let Some(Some(Some(expected))) = reads.pop_front() {
            assert_eq!(found, expected.as_flattened());
        }
    }
}

/// A column comes out canonical and in the order asked for, whatever holds the host up, with elements at the ends of their range.
#[test]
fn columns_come_out_canonical_and_in_order() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(73);
    let field = Field::fr();
    let (p, bound) = (field.modulus().clone(), field.reduced_bound());
    let config = Config {
        log_lanes: 2,
        max_log_n: MAX_LOG,
    };
    let mut m = Model::new("ntt_output").unwrap();
    let [reset, start, log, reversed, last] = ports(&m, ["rst_ni", "start_i", "log_i", "reversed_i", "last_i"]);
    let [free, idle, unload, row, half, lane] = ports(
        &m,
        [
            "free_o",
            "idle_o",
            "unload_o",
            "unload_row_o",
            "unload_half_o",
            "unload_lane_o",
        ],
    );
    let [data, valid, ready, out] = ports(&m, ["unload_data_i", "o_valid_o", "o_ready_i", "o_o"]);
    m.tick();
    m.set(reset, &[1]);
    for stalls in [0, 100, 220] {
        for log_n in 4..=MAX_LOG {
            let n = 1usize << log_n;
            let edges = [BigUint::ZERO, &p - 1u8, p.clone(), &p + 1u8, &bound - 1u8];
            let column: Vec<BigUint> = (0..n)
                .map(|i| {
                    edges
                        .get(i)
                        .cloned()
                        .unwrap_or_else(|| from_limbs(&word(&mut rng)) % &bound)
                })
                .collect();
            let [turned, ends]: [bool; 2] = rng.r#gen();
            let at: HashMap<_, _> = (0..n).map(|i| (place(&config, log_n, i), i)).collect();
            for (port, value) in [
                (log, log_n.into()),
                (reversed, turned.into()),
                (last, ends.into()),
                (start, 1),
            ] {
                m.set(port, &[value]);
            }
            m.settle();
            assert_eq!((m.bits(free), m.bits(idle)), (1, 1));
            m.tick();
            m.set(start, &[0]);
            // memory answers three cycles after it was asked
            let mut asked = VecDeque::from([None, None, None]);
            let (mut count, mut cycles) = (0, 0);
            while count < n || m.bits(idle) == 0 {
                m.set(ready, &[u64::from(rng.gen_range(0..256) >= stalls)]);
                let answer: Option<usize> = asked.pop_front().unwrap();
                m.set(data, &answer.map_or_else(|| word(&mut rng), |i| limbs(&column[i])));
                m.settle();
                let place = (m.bits(row) as usize, m.bits(half) as usize, m.bits(lane) as usize);
                asked.push_back((m.bits(unload) == 1).then(|| at[&place]));
                if m.bits(valid) == 1 && m.bits(ready) == 1 {
                    let mut found = [0; WORD + 1];
                    m.get(out, &mut found);
                    let index = if turned { bit_reversed(log_n, count) } else { count };
                    assert_eq!(from_limbs(&found[..WORD]), &column[index] % &p);
                    assert_eq!(found[WORD], u64::from(ends && count + 1 == n));
                    count += 1;
                }
                m.tick();
                cycles += 1;
                assert!(!m.stopped() && cycles < 20 * n + 200);
            }
            assert_eq!(count, n);
        }
    }
}
