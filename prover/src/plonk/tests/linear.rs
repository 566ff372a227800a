//! The global linear argument: its order of rounds, and the columns that both sides can compute.

use ark_ff::{BigInteger, PrimeField};

use super::{forge::*, *};
use crate::{
    field::signed,
    kzg::KzgError,
    plonk::{
        cs::Port,
        expr::{Scalar, Scalars},
        linear::Point,
        rounds,
    },
};

/// Two inputs, one output; the lie says that the output is one more, in a slot that is all right.
fn one_more() -> Attack {
    let layer = gemm(
        vec![Source::Input(0), Source::Input(1)],
        &[&[3 * SCALE, -SCALE]],
        Act::Requant,
    );
    let attack = Attack::new(network(2, vec![layer]), &[50, 20]).lie(|_, u, y| {
        u[0] += SCALE;
        y[0] += signed(1);
    });
    assert_eq!(attack.public(), [131]);
    attack
}

/// What the lie adds to (L1), `E dU`, and a row with `x != 0` to make up for it.
fn imbalance(fixture: &Fixture, columns: &[Vec<Fr>]) -> Fr {
    let (row, _) = fixture.slot(0, 0);
    columns[fixture.cs().columns.e][row] * signed(SCALE)
}

/// The rows that read the two inputs.
const READ: usize = 0;

/// A row that reads the constant zero.
const IDLE: usize = 100;

/// Trap T4: a prover that knows `rho` before it commits to the outputs changes two of them so that the sum stays.
#[test]
fn outputs_chosen_after_rho_are_rejected() {
    // Limbs so many, 252 bits in all, that one field element in three is a pre-activation that they hold.
    let limbs = Limbs { bits: 7, hi: 34, lo: 2 };
    let layer = gemm(vec![Source::Input(0)], &[&[SCALE], &[2 * SCALE]], Act::Requant);
    let mut program = network(1, vec![layer]);
    program.outputs.pop();
    program.output_shape = vec![1];
    let shape = Shape {
        limbs,
        ..shape(&program, 1)
    };
    let mut fixture = Fixture::shaped(&program, &shape, false, |_| {});
    // Words are 64 bits: the range check has nothing to say here, and no 238 bits to say it with.
    fixture.defences.public_range = false;
    let mut attack = |known: bool| {
        fixture.defences.trace_before_rho = !known;
        // The public word is absorbed first, so every lie meets a rho of its own.
        let columns = || vec![vec![Fr::from(0u8); 128]; fixture.cs().columns.m + 1];
        let rho = |lie| {
            let start = rounds::start(
                &fixture.defences,
                &fixture.key.verifying.digest,
                &CONTEXT,
                &[signed(INPUT + lie)],
            );
            rounds::trace(&fixture.defences, start, &[], &mut Scalars::default())
                .0
                .rho
        };
        let mut forgers = (1..200).map(|lie| EarlyRho {
            fixture: &fixture,
            lie,
            rho: rho(lie),
        });
        let mut forger = forgers.find(|f| f.fill_outputs(&mut columns())).unwrap();
        let words = [INPUT + forger.lie];
        let trace = vec![vec![0; 128]; fixture.cs().columns.m + 1];
        let proof = fixture.prove(trace, &words, &mut forger).unwrap();
        fixture.verify(&words, &proof)
    };
    assert!(matches!(attack(false), Err(Rejection::Opening(KzgError::Rejected))));
    attack(true).unwrap();
}

/// The private input of that program.
const INPUT: i64 = 100;

/// Claims the first output to be larger by `lie`, and hides that in the second. In the real protocol `rho` is not known, and
/// what it is taken for is as good as any guess.
struct EarlyRho<'a> {
    fixture: &'a Fixture,
    lie: i64,
    rho: Fr,
}

impl EarlyRho<'_> {
    /// Fills a signed slot with the pre-activation `u`, if the limbs hold it.
    fn fill(&self, columns: &mut [Vec<Fr>], row: usize, u: Fr) -> bool {
        let lane = &self.fixture.cs().columns.lanes[0];
        let two = |bits: u64| ark_ff::Field::pow(&Fr::from(2u8), [bits]);
        let shifted = u + signed(LIMBS.half()) + two(251);
        let bits = shifted.into_bigint().to_bits_le();
        if bits[252..].contains(&true) {
            return false;
        }
        let limbs = lane.lo.iter().chain(&lane.hi);
        let mut value = Fr::from(0u8);
        for (i, (column, bits)) in limbs.zip(bits.chunks(7)).enumerate() {
            let limb = bits.iter().rev().fold(0u64, |acc, b| acc << 1 | u64::from(*b));
            columns[*column][row] = Fr::from(limb);
            if i >= 2 {
                value += Fr::from(limb) * two(7 * (i as u64 - 2));
            }
        }
        columns[lane.y][row] = value - two(237);
        true
    }

    /// `E` is 1 and `rho` on the rows of the two outputs: `dU_2 = -dU_1 / rho` must be in range.
    fn fill_outputs(&self, columns: &mut [Vec<Fr>]) -> bool {
        let (first, second) = (self.fixture.slot(0, 0).0, self.fixture.slot(0, 1).0);
        let du = signed(self.lie * SCALE);
        self.fill(columns, first, signed(INPUT * SCALE) + du)
            && self.fill(columns, second, signed(2 * INPUT * SCALE) - du / self.rho)
    }
}

impl Forger for EarlyRho<'_> {
    fn trace(&mut self, columns: &mut [Vec<Fr>], point: Option<&Point>) {
        assert!(point.is_none_or(|p| p.rho == self.rho));
        assert!(self.fill(columns, 0, signed(INPUT * SCALE)));
        columns[self.fixture.cs().columns.ports[0].x][READ] = signed(INPUT);
        assert!(self.fill_outputs(columns));
        count_limbs(self.fixture, columns);
    }
}

/// Trap T5: knowing `eta`, a prover moves coefficients so that their checksum stays.
#[test]
fn coefficients_chosen_after_eta_are_rejected() {
    let attack = one_more().linear(|fixture, columns, eta| {
        let Port { c, x, .. } = fixture.cs().columns.ports[0];
        let delta = imbalance(fixture, columns) / columns[x][READ];
        let eta = eta.unwrap_or(Fr::from(12345u64));
        columns[c][READ] += delta;
        columns[c][IDLE] -= delta / ark_ff::Field::pow(&eta, [(IDLE - READ) as u64]);
    });
    attack.needs_defence(|defences| defences.linear_before_eta = false);
}

/// Trap A4: with one weight for both checksums, what is added to `C` can be taken from `E`.
#[test]
fn coefficients_of_inputs_and_outputs_do_not_make_up_for_each_other() {
    let attack = one_more().linear(|fixture, columns, _| {
        let at = &fixture.cs().columns;
        let (row, _) = fixture.slot(0, 0);
        // On the output's row: C + delta and E - delta add delta (x + U) to (L1).
        let u = signed(131 * SCALE);
        let delta = imbalance(fixture, columns) / (columns[at.ports[0].x][row] + u);
        columns[at.ports[0].c][row] += delta;
        columns[at.e][row] -= delta;
    });
    attack.needs_defence(|defences| defences.separate_sums = false);
}

/// A channel that only fills up the lanes has an exponent of its own: were it the next layer's first, what is claimed of the
/// one could be taken back from the other.
#[test]
fn idle_lanes_of_a_layer_are_no_part_of_the_next() {
    let first = gemm(vec![Source::Input(0)], &[&[SCALE]], Act::Requant);
    let program = network(1, vec![first, gemm(vec![read(0, 0)], &[&[SCALE]], Act::Requant)]);
    let attack = Attack::new(program, &[100]).lanes(2).lie(|layer, u, y| {
        if layer == 1 {
            u[0] -= 30 * SCALE;
            y[0] -= signed(30);
        }
    });
    let attack = attack.slots(|slots| {
        let (row, _) = slots.fixture.slot(0, 0);
        let mut idle = slots.at(row, 1);
        idle.set_y(signed(30));
        idle.set_hi(signed(30 + LIMBS.signed_range()));
    });
    assert_eq!(attack.public(), [70]);
    attack.assert_rejected(&attack.fixture(|_| {}));
    let shared = attack.fixture(|_| {}).rewired(|interface, _| {
        assert_eq!(interface.linear[1].offset, 2);
        interface.linear[1].offset = 1;
    });
    attack.assert_accepted(&shared);
}

/// Two channels side by side in a row are told apart: an output of one is none of the other.
#[test]
fn channels_of_a_row_are_not_exchanged() {
    let layer = gemm(vec![Source::Input(0)], &[&[SCALE], &[2 * SCALE]], Act::Requant);
    for lanes in [1, 2] {
        let attack = Attack::new(network(1, vec![layer.clone()]), &[100])
            .lanes(lanes)
            .lie(|_, u, y| {
                u.swap(0, 1);
                y.swap(0, 1);
            });
        assert_eq!(attack.public(), [200, 100]);
        attack.assert_rejected(&attack.fixture(|_| {}));
    }
}

/// Trap T22: a forged `C` whose checksum is wrong by `miss`, to be made up for in `D`.
fn wrong_checksum() -> Attack {
    one_more().linear(|fixture, columns, _| {
        let at = &fixture.cs().columns;
        let delta = imbalance(fixture, columns) / columns[at.ports[0].x][READ];
        columns[at.ports[0].c][READ] += delta;
        // Something for the last row of D to multiply; the row reads zero.
        columns[at.ports[0].c][127] = Fr::from(1u8);
    })
}

/// The right-hand side of (L2) and (L3) together, and the left-hand side with the forged columns.
fn checksums(fixture: &Fixture, columns: &[Vec<Fr>], scalars: &Scalars) -> (Fr, Fr) {
    let at = &fixture.cs().columns;
    let weighted = |column: usize| -> Fr { columns[column].iter().zip(&columns[at.d]).map(|(v, d)| *v * d).sum() };
    let (inputs, outputs) = (scalars[Scalar::WeightInputs], scalars[Scalar::WeightOutputs]);
    let forged = inputs * weighted(at.ports[0].c) + outputs * weighted(at.e);
    let delta = imbalance(fixture, columns) / columns[at.ports[0].x][READ];
    let wrong = delta * columns[at.d][READ] + columns[at.d][127];
    (forged - inputs * wrong, forged)
}

#[test]
fn powers_of_eta_that_do_not_start_at_one_are_rejected() {
    let attack = wrong_checksum().bus(|fixture, columns, scalars| {
        let (right, forged) = checksums(fixture, columns, &scalars);
        let d = fixture.cs().columns.d;
        columns[d].iter_mut().for_each(|v| *v *= right / forged);
    });
    attack.needs_gate("D: starts at one");
}

#[test]
fn a_wrong_last_power_of_eta_is_rejected() {
    let attack = wrong_checksum().bus(|fixture, columns, scalars| {
        let (right, forged) = checksums(fixture, columns, &scalars);
        let d = fixture.cs().columns.d;
        columns[d][127] += (right - forged) / scalars[Scalar::WeightInputs];
    });
    attack.needs_gate("D: powers of eta");
}

#[test]
fn powers_of_eta_that_are_zero_or_doubled_are_rejected() {
    for factor in [0u8, 2] {
        let attack = one_more().bus(move |fixture, columns, _| {
            let d = fixture.cs().columns.d;
            columns[d].iter_mut().for_each(|v| *v *= Fr::from(factor));
        });
        attack.assert_rejected(&attack.fixture(|_| {}));
    }
}
