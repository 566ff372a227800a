//! What a batch can have wrong, and that nothing of it stays.

use std::collections::VecDeque;

use ark_bn254::Fr;
use ark_ff::Field as _;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use tapeout_hw::field::Field;
use tapeout_hw::ntt::Batch;
use tapeout_hw::regs::Fault;
use tapeout_sim::{WORD, available};

use super::engine::{Engine, batch, check, limbs, random_columns};

/// Steps an engine until it stops.
fn fault(engine: &mut Engine) -> Option<Fault> {
    let port = engine.model.port("fault_o").unwrap();
    for _ in 0..4_000 {
        engine.step();
    }
    assert_eq!(engine.model.bits(engine.model.port("ready_o").unwrap()), 0);
    assert_eq!(engine.model.bits(engine.model.port("s_ready_o").unwrap()), 0);
    Fault::of_status((engine.model.bits(port) as u32) << 8)
}

/// Resets an engine, and forgets what was on its way.
fn clear(engine: &mut Engine) {
    let clear = engine.model.port("clear_i").unwrap();
    engine.model.set(clear, &[1]);
    engine.words.clear();
    engine.offered = false;
    engine.step();
    engine.model.set(clear, &[0]);
    engine.step();
    engine.received.clear();
}

#[test]
fn faults_stop_the_engine_until_it_is_cleared() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(6);
    let mut engine = Engine::fast([0, 0]);
    let columns = random_columns(32, 2, &mut rng);
    let good = batch(5, true, 2);
    let word = |f: &dyn Fn(&mut u64)| {
        let mut header = good.header();
        f(&mut header[0]);
        header
    };
    type Break<'a> = Box<dyn Fn(&mut VecDeque<([u64; WORD], bool)>) + 'a>;
    let header = |header: [u64; WORD]| -> Break<'_> { Box::new(move |words| words[0].0 = header) };
    let value = |i: usize| -> Break<'_> { Box::new(move |words| words[i].0 = limbs(Field::fr().modulus())) };
    let kept = Batch {
        table: false,
        inverse: false,
        ..good
    };
    let shorter = Batch {
        table: false,
        ..batch(4, true, 2)
    };
    let cases: Vec<(Break<'_>, Fault)> = vec![
        (header(word(&|low| *low ^= 1)), Fault::Header),
        (header(word(&|low| *low = *low & !0x1f00 | 3 << 8)), Fault::Header),
        (header(word(&|low| *low = *low & !0x1f00 | 16 << 8)), Fault::Header),
        (header(word(&|low| *low |= 1 << 20)), Fault::Header),
        (header(word(&|low| *low &= 0xffff_ffff)), Fault::Header),
        (header(word(&|low| *low |= 1 << 13)), Fault::Header),
        (header([good.header()[0], 1, 0, 0]), Fault::Header),
        (header([good.header()[0], 0, 0, 1 << 63]), Fault::Header),
        (header(kept.header()), Fault::Header),
        // the table before it is of another length
        (header(shorter.header()), Fault::Header),
        (header([0; WORD]), Fault::Header),
        (Box::new(|words| words[0].1 = true), Fault::Length),
        (Box::new(|words| words[3].1 = true), Fault::Length),
        (Box::new(|words| words[40].1 = true), Fault::Length),
        (Box::new(|words| words.back_mut().unwrap().1 = false), Fault::Length),
        (value(3), Fault::Value),
        (value(50), Fault::Value),
        (Box::new(|words| words.truncate(60)), Fault::Watchdog),
    ];
    for (i, (break_it, expected)) in cases.into_iter().enumerate() {
        engine.send(&good, Fr::ONE, &columns);
        break_it(&mut engine.words);
        assert_eq!(fault(&mut engine), Some(expected), "case {i}");
        clear(&mut engine);
        check(&mut engine, good, Fr::ONE, &columns);
    }
    // a host that takes nothing
    let columns = random_columns(32, 4, &mut rng);
    engine.stalls[1] = 256;
    engine.send(&batch(5, false, 4), Fr::ONE, &columns);
    assert_eq!(fault(&mut engine), Some(Fault::Watchdog));
    assert!(engine.received.is_empty());
    // a table does not outlive a reset
    engine.stalls[1] = 0;
    clear(&mut engine);
    let kept = Batch {
        table: false,
        ..batch(5, false, 4)
    };
    engine.send(&kept, Fr::ONE, &columns);
    assert_eq!(fault(&mut engine), Some(Fault::Header));
}
