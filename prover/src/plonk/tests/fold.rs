//! The weight fold: a prover that forges each of its three parts, and the check that stops it.

use ark_ff::Field;
use tapeout_driver::G1Affine;

use super::{forge::*, *};
use crate::{
    field::signed,
    kzg::{KzgError, OpenError},
    plonk::{
        expr::{Scalar, Scalars},
        linear::Point,
        prover::FoldMessage,
    },
};

/// What of the fold is a lie. Each makes `kappa` what a forged `C` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Another polynomial than that of the key's weights, of the right degree.
    Division,
    /// Another value than the polynomial's.
    Value,
    /// A polynomial that is no remainder, `V + (X^width - rho) e`: more powers of tau than the fold needs are no secret.
    Degree,
}

impl Lie {
    pub(crate) const ALL: [Self; 3] = [Self::Division, Self::Value, Self::Degree];

    fn drop_defence(self, defences: &mut Defences) {
        match self {
            Self::Division => defences.fold_division = false,
            Self::Value => defences.fold_value = false,
            Self::Degree => defences.fold_degree = false,
        }
    }
}

/// Two inputs, two outputs, so that the fold has a quotient.
pub(crate) fn circuit() -> Program<i64> {
    let reads = vec![Source::Input(0), Source::Input(1)];
    network(
        2,
        vec![gemm(reads, &[&[3 * SCALE, -SCALE], &[SCALE, SCALE]], Act::Requant)],
    )
}

/// Its input.
pub(crate) const INPUT: [i64; 2] = [50, 20];

/// Makes the first output of [`circuit`] one more.
pub(super) fn raise_output(fixture: &Fixture, columns: &mut [Vec<Fr>]) {
    let (row, lane) = fixture.slot(0, 0);
    let mut slots = Slots { fixture, columns };
    let mut slot = slots.at(row, lane);
    let y = slot.y() + signed(1);
    slot.set_y(y);
    let hi = slot.hi() + 1;
    slot.set_hi(signed(hi));
    count_limbs(fixture, columns);
}

/// Changes `C` on row 0 so that (L1) holds all the same, and says by how much.
pub(super) fn cover_up(fixture: &Fixture, columns: &mut [Vec<Fr>]) -> Fr {
    let at = &fixture.cs().columns;
    let (row, _) = fixture.slot(0, 0);
    let delta = columns[at.e][row] * signed(SCALE) / columns[at.ports[0].x][0];
    columns[at.ports[0].c][0] += delta;
    delta
}

/// Claims that the first output is one more, and covers it up in `C` and in `kappa`.
struct FalseChecksum<'a> {
    fixture: &'a Fixture,
    lie: Lie,
    /// By how much `C` misses its checksum before it is multiplied by a power of `eta`; the row is 0.
    delta: Fr,
}

impl Forger for FalseChecksum<'_> {
    fn trace(&mut self, columns: &mut [Vec<Fr>], _point: Option<&Point>) {
        raise_output(self.fixture, columns);
    }

    fn linear(&mut self, columns: &mut [Vec<Fr>], _eta: Option<Fr>) {
        self.delta = cover_up(self.fixture, columns);
    }

    fn fold(&mut self, fold: &mut FoldMessage, point: &Point, scalars: &Scalars) {
        let width = self.fixture.key.verifying.weights.fold.width;
        let powers = srs().powers_g1();
        let plus = |p: G1Affine, power: usize, c: Fr| -> G1Affine { (p + powers[power] * c).into() };
        let miss = self.delta;
        fold.kappa += miss;
        match self.lie {
            Lie::Value => {}
            Lie::Division => {
                fold.remainder[0] += miss;
                fold.reversed[width - 1] += miss;
                fold.points.remainder = plus(fold.points.remainder, 0, miss);
                fold.points.reversed = plus(fold.points.reversed, width - 1, miss);
            }
            Lie::Degree => {
                let e = miss / (scalars[Scalar::Eta].pow([width as u64]) - point.rho);
                fold.remainder[0] -= point.rho * e;
                fold.remainder.push(e);
                fold.points.remainder = plus(fold.points.remainder, 0, -point.rho * e);
                fold.points.remainder = plus(fold.points.remainder, width, e);
                fold.points.quotient = plus(fold.points.quotient, 0, -e);
            }
        }
    }
}

/// The fixture, the words and the proof of a forger that knows how to get past all but one check.
pub(crate) fn forged(lie: Lie) -> (Fixture, Vec<i64>, Proof) {
    let mut fixture = Fixture::new(&circuit(), 1, false);
    let (trace, mut public) = fixture.run(&INPUT);
    public[0] += 1;
    lie.drop_defence(&mut fixture.defences);
    let mut forger = FalseChecksum {
        fixture: &fixture,
        lie,
        delta: Fr::from(0u8),
    };
    let proof = fixture.prove(trace, &public, &mut forger).unwrap();
    fixture.verify(&public, &proof).unwrap();
    (fixture, public, proof)
}

/// (F1), (F2), (F3), and trap T20: without its check each forgery is accepted, and with it refused.
#[test]
fn each_check_stops_its_forgery() {
    for lie in Lie::ALL {
        let (mut fixture, public, proof) = forged(lie);
        fixture.defences = Defences::ALL;
        let result = fixture.verify(&public, &proof);
        assert!(
            matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
            "{lie:?}: {result:?}"
        );
    }
}

/// Trap T20 once more: the forged remainder opened by a prover that follows the protocol otherwise, with any `V*` it likes.
#[test]
fn no_reversed_polynomial_belongs_to_one_that_is_too_long() {
    let mut fixture = Fixture::new(&circuit(), 1, false);
    let (trace, mut public) = fixture.run(&INPUT);
    public[0] += 1;
    let mut forger = FalseChecksum {
        fixture: &fixture,
        lie: Lie::Degree,
        delta: Fr::from(0u8),
    };
    // The prover cannot open V* as asked for, so that it finds no proof.
    let result = fixture.prove(trace.clone(), &public, &mut forger);
    assert!(matches!(
        result,
        Err(ProveError::Opening(OpenError::WrongEvaluation { .. }))
    ));
    Lie::Degree.drop_defence(&mut fixture.defences);
    let mut forger = FalseChecksum {
        fixture: &fixture,
        lie: Lie::Degree,
        delta: Fr::from(0u8),
    };
    assert!(fixture.prove(trace, &public, &mut forger).is_ok());
}

/// Trap T16: a prover that knows the weight of (F1) before it sends W makes up in W for what the division lacks.
#[test]
fn the_weight_of_the_division_binds_the_opening() {
    struct KnowsWeight<'a>(FalseChecksum<'a>);
    impl Forger for KnowsWeight<'_> {
        fn trace(&mut self, columns: &mut [Vec<Fr>], point: Option<&Point>) {
            self.0.trace(columns, point);
        }
        fn linear(&mut self, columns: &mut [Vec<Fr>], eta: Option<Fr>) {
            self.0.linear(columns, eta);
        }
        fn fold(&mut self, fold: &mut FoldMessage, point: &Point, scalars: &Scalars) {
            self.0.fold(fold, point, scalars);
        }
        fn opening(&mut self, w: &mut G1Affine, weight: Option<Fr>) {
            // Where it does not know the weight, it guesses.
            let lacking = weight.unwrap_or(Fr::from(7u8)) * self.0.delta;
            *w = (*w - srs().powers_g1()[0] * lacking).into();
        }
    }
    for known in [true, false] {
        let mut fixture = Fixture::new(&circuit(), 1, false);
        fixture.defences.fold_weight_last = !known;
        let (trace, mut public) = fixture.run(&INPUT);
        public[0] += 1;
        let mut forger = KnowsWeight(FalseChecksum {
            fixture: &fixture,
            lie: Lie::Division,
            delta: Fr::from(0u8),
        });
        let proof = fixture.prove(trace, &public, &mut forger).unwrap();
        assert_eq!(fixture.verify(&public, &proof).is_ok(), known);
        fixture.defences = Defences::ALL;
        assert!(fixture.verify(&public, &proof).is_err());
    }
}

/// Trap T21: a key whose tiles are exchanged, moved or scaled is another key's.
#[test]
fn tiles_have_their_places() {
    let program = small_network();
    let fixture = Fixture::new(&program, 2, false);
    let (public, proof) = fixture.honest(&small_input());
    fixture.verify(&public, &proof).unwrap();
    assert!(fixture.key.verifying.weights.tiles.len() > 1);
    let changes: [fn(&mut Weights); 6] = [
        |w| w.tiles.swap(0, 1),
        |w| w.fold.tiles[0].channel += 1,
        |w| w.fold.tiles[1].read += 1,
        |w| w.fold.tiles[0].steps.iter_mut().for_each(|step| step.stride += 1),
        |w| w.fold.width += 1,
        |w| w.tiles[0] = (w.tiles[0] + w.tiles[0]).into(),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut other = Fixture::new(&program, 2, false);
        change(&mut other.key.verifying.weights);
        let result = other.verify(&public, &proof);
        assert!(
            matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
            "{i}: {result:?}"
        );
    }
}

/// One weight more makes another key (trap T26), and no proof of the one is one of the other even under the same digest.
#[test]
fn a_proof_is_of_the_committed_weights() {
    let fixture = Fixture::new(&circuit(), 1, false);
    let (public, proof) = fixture.honest(&INPUT);
    let mut program = circuit();
    program.layers[0].terms[0].taps[0][0].1 += 1;
    let mut other = Fixture::new(&program, 1, false);
    assert_ne!(other.key.verifying.digest, fixture.key.verifying.digest);
    other.key.verifying.digest = fixture.key.verifying.digest;
    assert!(matches!(
        other.verify(&public, &proof),
        Err(Rejection::Opening(KzgError::Rejected))
    ));
}

/// Trap T30: a proof is of no use in another context.
#[test]
fn a_proof_is_bound_to_its_context() {
    let fixture = Fixture::new(&circuit(), 1, false);
    let (public, proof) = fixture.honest(&INPUT);
    let other = [8; 32];
    let rejected = fixture.verify_in(&other, &public, &proof);
    assert!(matches!(rejected, Err(Rejection::Opening(KzgError::Rejected))));
    let mut unbound = Fixture::new(&circuit(), 1, false);
    unbound.defences.bind_context = false;
    let (public, proof) = unbound.honest(&INPUT);
    unbound.verify_in(&other, &public, &proof).unwrap();
}
