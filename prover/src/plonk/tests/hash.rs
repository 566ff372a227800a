//! Hashes of the input and the output: honest ones of any length, and provers who show others.

use rand::Rng;

use super::{forge::count_limbs, *};
use crate::{
    field::signed,
    hash::{Packing, hash},
    kzg::KzgError,
    plonk::{
        check,
        cs::{HashColumns, Phase},
        expr::{Expr, Scalars},
        hash::{fill, fill_rows},
        linear::Point,
        verifier::hash_scalars,
    },
};

const HASHED_INPUT: Disclosure = Disclosure {
    input: Visibility::Hashed,
    output: Visibility::Public,
    hidden_weights: false,
};

/// An input of so many elements, of which the last one is read and given.
pub(crate) fn last_of(inputs: usize) -> Program<i64> {
    let last = Source::Input(inputs as u32 - 1);
    network(inputs, vec![gemm(vec![last], &[&[1 << LIMBS.shift()]], Act::Requant)])
}

/// A circuit that hashes an input of `inputs` elements in 128 rows, and the trace of this input.
pub(crate) fn hashed_input(input: &[i64], weaken: impl FnOnce(&mut Draft)) -> (Fixture, Trace, Vec<i64>) {
    let mut fixture = Fixture::committed(&last_of(input.len()), HASHED_INPUT, weaken);
    fixture.hashes = vec![hash(input, &LIMBS)];
    let (trace, public) = fixture.run(input);
    (fixture, trace, public)
}

fn columns(fixture: &Fixture) -> HashColumns {
    fixture.cs().columns.hash.unwrap()
}

/// A trace in any limbs: run by the executor that provers have.
fn run(program: &Program<i64>, limbs: Limbs, disclosure: Disclosure, input: &[i64]) -> (Fixture, Trace, Vec<i64>) {
    let acts = program.layers.iter().map(|l| l.act);
    let shape = layout::shape_for(limbs, 1, acts, 0, disclosure);
    let mut fixture = Fixture::disclosed(program, &shape, disclosure, |_| {});
    let execution = execute::exact(program, &limbs, input).unwrap();
    for (seen, values) in [(disclosure.input, input), (disclosure.output, &execution.outputs[..])] {
        if seen == Visibility::Hashed {
            fixture.hashes.push(hash(values, &limbs));
        }
    }
    let (interface, wiring) = (&fixture.key.verifying.interface, &fixture.key.wiring);
    let trace = layout::trace(interface, wiring, fixture.cs(), input, &execution);
    let public = match disclosure.output {
        Visibility::Public => execution.outputs,
        _ => Vec::new(),
    };
    (fixture, trace, public)
}

#[test]
fn hashed_statements_hold() {
    let limbs = Limbs { bits: 8, hi: 2, lo: 1 };
    let wide = Limbs { bits: 10, hi: 4, lo: 1 };
    for (limbs, inputs) in [(limbs, 3), (wide, 30)] {
        let scale = 1 << limbs.shift();
        let all: Vec<_> = (0..inputs as u32).map(Source::Input).collect();
        let weights: Vec<Vec<i64>> = [scale, -scale].iter().map(|w| vec![*w; inputs]).collect();
        let weights: Vec<&[i64]> = weights.iter().map(Vec::as_slice).collect();
        let program = network(inputs, vec![gemm(all, &weights, Act::Relu)]);
        let input: Vec<i64> = (0..inputs as i64).map(|i| i * 7 - 20).collect();
        for (input_seen, output_seen) in [
            (Visibility::Hashed, Visibility::Public),
            (Visibility::Hashed, Visibility::Private),
            (Visibility::Private, Visibility::Hashed),
            (Visibility::Committed, Visibility::Hashed),
            (Visibility::Hashed, Visibility::Hashed),
        ] {
            let disclosure = Disclosure {
                input: input_seen,
                output: output_seen,
                hidden_weights: false,
            };
            let (mut fixture, trace, public) = run(&program, limbs, disclosure, &input);
            assert_eq!(fixture.key.verifying.interface.disclosure(), disclosure);
            let proof = fixture.prove(trace, &public, &mut Honest).unwrap();
            fixture.verify(&public, &proof).unwrap();
            for at in 0..fixture.hashes.len() {
                let honest = fixture.hashes[at];
                fixture.hashes[at].0 += signed(1);
                assert_rejected(fixture.verify(&public, &proof));
                fixture.hashes[at] = honest;
            }
            fixture.hashes.push(Hash(signed(0)));
            let result = fixture.verify(&public, &proof);
            assert!(matches!(result, Err(Rejection::HashCount { .. })), "{result:?}");
        }
    }
}

#[track_caller]
fn assert_rejected(result: Result<(), Rejection>) {
    assert!(
        matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
        "{result:?}"
    );
}

/// Of every length, values at both ends of their range among them: what the rows compute is what an implementation gives that has
/// nothing in common with them but the packing.
#[test]
fn the_rows_hash_as_the_library_does() {
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    for limbs in [Limbs { bits: 10, hi: 2, lo: 2 }, Limbs { bits: 12, hi: 4, lo: 1 }] {
        for inputs in 1..=60 {
            let ends = [-limbs.signed_range(), limbs.signed_range() - 1];
            let input: Vec<i64> = (0..inputs)
                .map(|_| match rng.random_range(0..4) {
                    end @ 0..2 => ends[end],
                    _ => rng.random_range(ends[0]..=ends[1]),
                })
                .collect();
            let shape = layout::shape_for(limbs, 1, [Act::Requant], 0, HASHED_INPUT);
            let program = last_of(inputs);
            let (_, wiring) = layout::compile(&program, &shape, HASHED_INPUT).unwrap();
            let cs = ConstraintSystem::new(&shape);
            let hashes = [hash(&input, &limbs)];
            let columns = cs.columns.hash.unwrap();
            let mut advice = vec![vec![Fr::from(0u8); shape.n()]; cs.phase(Phase::Trace).count()];
            for (row, source) in wiring.hashed.iter().enumerate() {
                if let Source::Input(i) = source {
                    advice[columns.values][row] = signed(input[*i as usize]);
                }
            }
            fill(&columns, &wiring.fixed_columns(), &mut advice);
            let mut scalars = Scalars::default();
            let public = Public {
                integers: &[],
                hashes: &hashes,
            };
            hash_scalars(&shape, public, &mut scalars);
            let fixed = wiring.fixed_columns();
            // Of the trace there are no more than the rows that hash.
            let mut cs = cs;
            cs.gates.retain(|gate| gate.name.starts_with("hash"));
            assert_eq!(check::violations(&cs, &fixed, &advice, &scalars), [], "{inputs}");
        }
    }
}

/// Changes columns of the trace.
struct Change<F>(F);

impl<F: FnMut(&mut [Vec<Fr>])> Forger for Change<F> {
    fn trace(&mut self, columns: &mut [Vec<Fr>], _point: Option<&Point>) {
        (self.0)(columns);
    }
}

const INPUT: [i64; 5] = [3, -7, 8191, -8192, 55];

/// What becomes of a changed trace if `hashes` are shown.
fn forged(
    fixture: &mut Fixture,
    (trace, public): (&Trace, &[i64]),
    hash: Option<Fr>,
    change: impl FnMut(&mut [Vec<Fr>]),
) -> Result<(), Rejection> {
    if let Some(hash) = hash {
        fixture.hashes = vec![Hash(hash)];
    }
    let proof = fixture.prove(trace.clone(), public, &mut Change(change)).unwrap();
    fixture.verify(public, &proof)
}

/// The column of the state's first cell on the row where the input's hash is.
fn end(fixture: &Fixture) -> (usize, usize) {
    let columns = columns(fixture);
    let end = &fixture.key.wiring.fixed[columns.input_end.unwrap()];
    (columns.state[0], end.iter().position(|v| *v == 1).unwrap())
}

/// What the rows give for changed columns, all that follows computed anew.
fn rehashed(fixture: &Fixture, trace: &Trace, change: impl Fn(&mut [Vec<Fr>])) -> Fr {
    let mut columns: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
    change(&mut columns);
    fill(
        &self::columns(fixture),
        &fixture.key.wiring.fixed_columns(),
        &mut columns,
    );
    let (cell, row) = end(fixture);
    columns[cell][row]
}

#[test]
fn another_hash_is_refused() {
    let (mut honest, trace, public) = hashed_input(&INPUT, |_| {});
    let other = hash(&[3, -7, 8191, -8192, 54], &LIMBS).0;
    assert_rejected(forged(&mut honest, (&trace, &public), Some(other), |_| {}));
    let (mut weak, ..) = hashed_input(&INPUT, |draft| {
        draft.gates.retain(|gate| gate.name != "hash of the input")
    });
    forged(&mut weak, (&trace, &public), Some(other), |_| {}).unwrap();
    // Nor can it be changed behind the proof, even where no gate looks at it.
    let proof = weak.prove(trace, &public, &mut Honest).unwrap();
    weak.hashes = vec![Hash(signed(1))];
    assert_rejected(weak.verify(&public, &proof));
    weak.defences.bind_public = false;
    let proof = weak.prove(weak.run(&INPUT).0, &public, &mut Honest).unwrap();
    weak.hashes = vec![Hash(signed(2))];
    weak.verify(&public, &proof).unwrap();
}

/// A value that is hashed and is not the input's, with all that follows from it.
#[test]
fn what_is_hashed_is_what_the_proof_is_about() {
    let change = |columns: &HashColumns| {
        let values = columns.values;
        move |advice: &mut [Vec<Fr>]| advice[values][2] += signed(1)
    };
    let cover = |fixture: &mut Fixture, trace: &Trace, public: &[i64]| {
        let columns = columns(fixture);
        let shown = rehashed(fixture, trace, change(&columns));
        let fixed = fixture.key.wiring.fixed_columns();
        forged(fixture, (trace, public), Some(shown), |advice| {
            change(&columns)(advice);
            fill(&columns, &fixed, advice);
        })
    };
    let (mut honest, trace, public) = hashed_input(&INPUT, |_| {});
    assert_rejected(cover(&mut honest, &trace, &public));
    let (weak, ..) = hashed_input(&INPUT, |draft| draft.bus.retain(|term| term.name != "hashed values"));
    let ids = columns(&weak).read_id;
    let mut weak = weak.unread(ids);
    cover(&mut weak, &trace, &public).unwrap();
}

/// Two elements of the input in each other's place.
#[test]
fn elements_are_hashed_in_their_places() {
    let cover = |fixture: &mut Fixture, trace: &Trace, public: &[i64]| {
        let columns = columns(fixture);
        let swap = |advice: &mut [Vec<Fr>]| advice[columns.values].swap(1, 2);
        let shown = rehashed(fixture, trace, swap);
        assert_eq!(shown, hash(&[-7, 3, 8191, -8192, 55], &LIMBS).0);
        let fixed = fixture.key.wiring.fixed_columns();
        forged(fixture, (trace, public), Some(shown), |advice| {
            swap(advice);
            fill(&columns, &fixed, advice);
        })
    };
    let (mut fixture, trace, public) = hashed_input(&INPUT, |_| {});
    assert_rejected(cover(&mut fixture, &trace, &public));
    fixture.defences.bus_ids = false;
    cover(&mut fixture, &trace, &public).unwrap();
}

/// A state that is not zero where the chain starts gives any hash a preimage.
#[test]
fn a_chain_starts_from_zero() {
    for cell in 0..4 {
        let cover = |fixture: &mut Fixture, trace: &Trace, public: &[i64]| {
            let columns = columns(fixture);
            // The chain stands behind row 0: what follows from another state there, all else being as it is.
            let fixed = fixture.key.wiring.fixed_columns();
            let from = |advice: &mut [Vec<Fr>]| {
                advice[columns.state[cell]][0] = signed(5);
                let state = columns.state.map(|cell| advice[cell][0]);
                fill_rows(&columns, &fixed, advice, 1..128, state);
            };
            let mut probe: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
            from(&mut probe);
            let (first, row) = end(fixture);
            let shown = probe[first][row];
            assert_ne!(shown, hash(&INPUT, &LIMBS).0);
            forged(fixture, (trace, public), Some(shown), from)
        };
        let (mut honest, trace, public) = hashed_input(&INPUT, |_| {});
        assert_rejected(cover(&mut honest, &trace, &public));
        let name = format!("hash: s{cell}");
        let (mut weak, ..) = hashed_input(&INPUT, |draft| {
            for gate in draft.gates.iter_mut().filter(|gate| gate.name == name) {
                gate.expr = (Expr::X - Expr::int(1)) * gate.expr.clone();
            }
        });
        cover(&mut weak, &trace, &public).unwrap();
    }
}

/// Another square, or another fifth power, in an S-box, and all that follows from it.
#[test]
fn an_s_box_gives_the_fifth_power() {
    for name in ["hash: square", "hash: fifth power"] {
        let cover = |fixture: &mut Fixture, trace: &Trace, public: &[i64]| {
            let columns = columns(fixture);
            let fixed = fixture.key.wiring.fixed_columns();
            let wiring = &fixture.key.wiring.fixed;
            let rotates = |row: &usize| wiring[columns.q_sbox][*row] == 1 && wiring[columns.q_rot][*row] == 1;
            let row = (0..128).find(rotates).unwrap();
            let lie = |advice: &mut [Vec<Fr>]| {
                fill(&columns, &fixed, advice);
                let x = advice[columns.state[0]][row - 1] + fixed[columns.round][row];
                if name == "hash: square" {
                    advice[columns.square][row] += signed(1);
                }
                let square = advice[columns.square][row];
                advice[columns.power][row] = square * square * x;
                if name == "hash: fifth power" {
                    advice[columns.power][row] += signed(1);
                }
                // The cell that the S-box gives is the last one of a row that rotates.
                advice[columns.state[3]][row] = advice[columns.power][row];
                let state = columns.state.map(|cell| advice[cell][row]);
                fill_rows(&columns, &fixed, advice, row + 1..128, state);
            };
            let mut probe: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
            lie(&mut probe);
            let (cell, end) = end(fixture);
            let shown = probe[cell][end];
            assert_ne!(shown, hash(&INPUT, &LIMBS).0);
            forged(fixture, (trace, public), Some(shown), lie)
        };
        let (mut honest, trace, public) = hashed_input(&INPUT, |_| {});
        assert_rejected(cover(&mut honest, &trace, &public));
        let (mut weak, ..) = hashed_input(&INPUT, |draft| draft.gates.retain(|gate| gate.name != name));
        cover(&mut weak, &trace, &public).unwrap();
    }
}

/// Makes another circuit of one.
type Rewire = dyn Fn(&mut layout::Wiring);

/// Rows are what the key commits to: those of another permutation give another hash, which only another key accepts.
#[test]
fn no_round_can_be_left_out() {
    let (honest, trace, public) = hashed_input(&INPUT, |_| {});
    let columns = columns(&honest);
    let (_, last) = end(&honest);
    let is_set = |column: usize, row: &usize| honest.key.wiring.fixed[column][*row] == 1;
    let first = |column: usize| (0..128).find(|row| is_set(column, row)).unwrap();
    let constants = [first(columns.q_mix), first(columns.q_part), last];
    let mut changes: Vec<Box<Rewire>> = Vec::new();
    for row in constants {
        changes.push(Box::new(move |wiring| wiring.wide[0].1[row] += signed(1)));
    }
    for column in [
        columns.q_sbox,
        columns.q_hold,
        columns.q_rot,
        columns.q_mix,
        columns.q_part,
    ] {
        let row = first(column);
        changes.push(Box::new(move |wiring| wiring.fixed[column][row] = 0));
    }
    changes.push(Box::new(|wiring| wiring.wide[1].1[1] += signed(1)));
    assert_eq!(honest.key.wiring.wide[0].0, columns.round);
    for change in changes {
        let mut wiring = honest.key.wiring.clone();
        change(&mut wiring);
        let fixed = wiring.fixed_columns();
        let mut probe: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
        fill(&columns, &fixed, &mut probe);
        let (cell, row) = end(&honest);
        let shown = probe[cell][row];
        assert_ne!(shown, hash(&INPUT, &LIMBS).0);
        let change_all = |advice: &mut [Vec<Fr>]| fill(&columns, &fixed, advice);
        let (mut right, ..) = hashed_input(&INPUT, |_| {});
        assert_rejected(forged(&mut right, (&trace, &public), Some(shown), change_all));
        let mut other = right.rewired(|_, wiring| change(wiring));
        forged(&mut other, (&trace, &public), Some(shown), change_all).unwrap();
    }
}

/// Values outside of their range pack to what those of another input do. It is the range of the slots that stops them.
#[test]
fn values_out_of_range_do_not_hash_as_others() {
    let step = 1i64 << Packing::of(&LIMBS).bits;
    let cover = |fixture: &mut Fixture, trace: &Trace, public: &[i64]| {
        let own = Fixture {
            key: fixture.key.clone(),
            defences: fixture.defences,
            hashes: fixture.hashes.clone(),
        };
        let columns = columns(fixture);
        let fixed = fixture.key.wiring.fixed_columns();
        forged(fixture, (trace, public), None, |advice| {
            for (element, change) in [(0, step), (1, -1)] {
                let (row, lane) = own.slots().input(element);
                let lane = &own.cs().columns.lanes[lane];
                advice[lane.y][row] += signed(change);
                advice[columns.values][1 + element] += signed(change);
                let (limb, weight) = match element {
                    0 => (lane.hi[1], 1 << LIMBS.bits),
                    _ => (lane.hi[0], 1),
                };
                advice[limb][row] += signed(change / weight);
            }
            fill(&columns, &fixed, advice);
            let (cell, row) = end(&own);
            assert_eq!(advice[cell][row], own.hashes[0].0);
            count_limbs(&own, advice);
        })
    };
    let (mut honest, trace, public) = hashed_input(&INPUT, |_| {});
    assert_rejected(cover(&mut honest, &trace, &public));
    let (_, lane) = honest.slots().input(0);
    let (mut weak, ..) = hashed_input(&INPUT, |draft| {
        draft.bus.retain(|term| term.name != format!("range of lane{lane}.hi1"))
    });
    cover(&mut weak, &trace, &public).unwrap();
}

#[test]
fn what_no_slot_bounds_is_not_hashed() {
    let program = network(
        2,
        vec![Layer {
            name: "square".into(),
            operands: vec![vec![Source::Input(0)], vec![Source::Input(1)]],
            channels: 1,
            act: Act::RawProduct,
            ..Layer::default()
        }],
    );
    let disclosure = Disclosure {
        input: Visibility::Private,
        output: Visibility::Hashed,
        hidden_weights: false,
    };
    let shape = layout::shape_for(LIMBS, 1, [Act::RawProduct], 0, disclosure);
    let result = layout::compile(&program, &shape, disclosure).map(drop);
    assert!(
        matches!(&result, Err(layout::Error::Unbounded { layer }) if layer == "square"),
        "{result:?}"
    );
}

#[test]
fn a_trace_too_short_for_the_hash_is_refused() {
    let (program, shape) = (last_of(200), |disclosure| {
        layout::shape_for(LIMBS, 4, [Act::Requant], 0, disclosure)
    });
    assert!(layout::compile(&program, &shape(Disclosure::default()), Disclosure::default()).is_ok());
    let result = layout::compile(&program, &shape(HASHED_INPUT), HASHED_INPUT).map(drop);
    assert!(
        matches!(result, Err(layout::Error::TooLarge { columns: 1004, .. })),
        "{result:?}"
    );
}
