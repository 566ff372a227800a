//! Random small programs: what the reference execution gives is what is proven.

use rand::Rng;

use super::*;
use crate::plonk::{check::violations, expr::Scalars};

/// Rows that a random program may take.
const ROWS: usize = 1 << 7;

/// A program of one to four layers of any kind. In each channel the absolute weights add up to at most `2^s`, so that no
/// activation is larger than the input.
fn random_program(rng: &mut impl Rng) -> Program<i64> {
    let inputs = rng.random_range(1..8);
    let mut layers: Vec<Layer<i64>> = Vec::new();
    for l in 0..rng.random_range(1..=4) {
        let sources: Vec<Source<i64>> = (0..inputs as u32)
            .map(Source::Input)
            .chain((0..layers.len()).flat_map(|l| (0..layers[l].outputs()).map(move |i| read(l as u32, i))))
            .chain([Source::Const(0), Source::Const(1), Source::Const(-77)])
            .collect();
        layers.push(random_layer(rng, l, &sources));
    }
    let last = layers.len() as u32 - 1;
    let count = layers[last as usize].outputs();
    // The last layer's outputs backwards, one of them twice, and one of the first layer's.
    let outputs: Vec<_> = (0..count)
        .rev()
        .chain([0])
        .map(|i| read(last, i))
        .chain([read(0, 0)])
        .collect();
    Program {
        input_shape: vec![inputs],
        output_shape: vec![outputs.len()],
        layers,
        outputs,
        ..Program::default()
    }
}

fn random_layer(rng: &mut impl Rng, l: usize, sources: &[Source<i64>]) -> Layer<i64> {
    let act = match rng.random_range(0..4) {
        0 => Act::Requant,
        1 => Act::Relu,
        pool => Act::MaxPool { relu: pool == 2 },
    };
    let axes = match act {
        Act::MaxPool { .. } => rng.random_range(2..=4),
        _ => rng.random_range(0..=3),
    };
    let dims: Vec<usize> = (0..axes).map(|_| rng.random_range(1..=2)).collect();
    let channels = rng.random_range(1..=3);
    let mut budget = vec![1i64 << LIMBS.shift(); channels];
    let terms = (0..rng.random_range(1..=2))
        .map(|_| {
            let strides: Vec<usize> = dims.iter().map(|_| rng.random_range(0..=2)).collect();
            let slots = rng.random_range(1..=3usize);
            let reach: usize = dims.iter().zip(&strides).map(|(d, s)| (d - 1) * s).sum();
            let block = (0..slots + reach)
                .map(|_| sources[rng.random_range(0..sources.len())])
                .collect();
            let mut taps = |channel: usize| -> Vec<(u32, i64)> {
                let chosen: Vec<u32> = (0..slots as u32).filter(|_| rng.random_bool(0.8)).collect();
                chosen
                    .into_iter()
                    .map(|slot| {
                        let size = rng.random_range(0..=budget[channel]);
                        budget[channel] -= size;
                        (slot, if rng.random_bool(0.5) { size } else { -size })
                    })
                    .collect()
            };
            let taps = (0..channels).map(&mut taps).collect();
            Term { block, strides, taps }
        })
        .collect();
    // A bias in the first layers only: it adds to what an activation can be.
    let bias = (0..channels)
        .map(|_| if l == 0 { rng.random_range(-999..=999) } else { 0 })
        .collect();
    Layer {
        name: format!("layer {l}"),
        channels,
        dims,
        terms,
        bias,
        act,
        ..Layer::default()
    }
}

#[test]
fn random_programs_are_proven() {
    let rng = &mut ChaCha20Rng::seed_from_u64(2026);
    let (mut cases, mut kinds) = (0, std::collections::BTreeSet::new());
    while cases < 12 {
        let (program, lanes, public_input) = (random_program(rng), cases % 4 + 1, rng.random_bool(0.4));
        let demand = layout::demand(&program, lanes, disclosure(public_input));
        if demand.rows(shape(&program, lanes).ports) > ROWS {
            continue;
        }
        cases += 1;
        kinds.extend(program.layers.iter().map(|l| format!("{:?}", l.act)));
        let fixture = Fixture::new(&program, lanes, public_input);
        // The largest and the smallest values there are, among others.
        let extremes = [LIMBS.signed_range() - 8, 8 - LIMBS.signed_range(), 0];
        let inputs = program.input_shape[0];
        let input: Vec<i64> = (0..inputs)
            .map(|_| {
                if rng.random_bool(0.3) {
                    extremes[rng.random_range(0..3)]
                } else {
                    rng.random_range(-8000..8000)
                }
            })
            .collect();
        let (trace, public) = fixture.run(&input);
        let columns: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
        let fixed = fixture.key.wiring.fixed_columns();
        assert_eq!(
            violations(fixture.cs(), &fixed, &columns, &Scalars::default()),
            [],
            "{program:?}"
        );
        let proof = fixture.prove(trace, &public, &mut Honest).unwrap();
        fixture
            .verify(&public, &proof)
            .unwrap_or_else(|e| panic!("{e}: {program:?} on {input:?}"));
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}
