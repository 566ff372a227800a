//! The prover: from a filled trace to a proof.

use std::time::Instant;

use ark_ff::Zero;
use cpu_time::ProcessTime;
use rand::CryptoRng;
use rayon::prelude::*;
use serde::Serialize;
use tapeout_driver::{
    Dir, Fr, G1Affine, Width,
    kernels::{invert, multiply},
};

use super::{
    at::root_of_unity,
    cs::{ConstraintSystem, Phase},
    eval::{Compiled, Table},
    expr::{Expr, Scalar, Scalars},
    fold::{self, Fold, reversed_value},
    hash,
    hidden::{Dummies, Mask},
    kernels::Kernels,
    linear::{self, Point},
    matrix,
    proof::{Folded, Proof},
    quotient::quotient,
    rounds::{self, Defences},
    verifier::{FoldPoints, bus_total, hash_scalars},
};
use crate::{
    field::{horner, powers, random, signed},
    kzg::{self, Claim, OpenError},
    layout::{Interface, Public, Trace, Wiring},
    statement::Context,
};

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The backend failed.
    #[error(transparent)]
    Driver(#[from] tapeout_driver::Error),
    /// The opening failed.
    #[error(transparent)]
    Opening(#[from] OpenError),
    /// The trace does not satisfy the circuit.
    #[error("the trace does not satisfy the circuit: {0}")]
    Unsatisfied(String),
    /// A challenge hit a value that it must not be, which happens once in 2^240 proofs.
    #[error("a challenge coincides with a value of the trace; prove again")]
    UnluckyChallenge,
}

/// How long a part of the work took.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseTime {
    /// Which part.
    pub name: &'static str,
    /// Wall time, seconds.
    pub wall_s: f64,
    /// CPU time of the whole process, seconds.
    pub cpu_s: f64,
}

/// Measures phases one after the other and tells an observer as each begins.
pub struct Phases<'a> {
    done: Vec<PhaseTime>,
    current: Option<(&'static str, Instant, ProcessTime)>,
    observe: &'a mut dyn FnMut(&'static str),
}

impl<'a> Phases<'a> {
    /// No phase yet; `observe` is called with the name of each phase as it begins.
    pub fn new(observe: &'a mut dyn FnMut(&'static str)) -> Self {
        Self {
            done: Vec::new(),
            current: None,
            observe,
        }
    }

    /// Ends the current phase and begins the next.
    pub fn begin(&mut self, name: &'static str) {
        self.end();
        (self.observe)(name);
        self.current = Some((name, Instant::now(), ProcessTime::now()));
    }

    /// Ends the current phase.
    fn end(&mut self) {
        if let Some((name, wall, cpu)) = self.current.take() {
            let (wall_s, cpu_s) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
            self.done.push(PhaseTime { name, wall_s, cpu_s });
        }
    }

    /// Ends the current phase and returns all.
    pub fn finish(mut self) -> Vec<PhaseTime> {
        self.end();
        self.done
    }
}

/// What a malicious prover does differently: every method may change columns before they are committed, knowing what a real
/// prover would know then. Tests forge; the prover proper is [`Honest`].
pub(crate) trait Forger {
    /// Whether a trace that does not satisfy the circuit is proven all the same.
    fn reckless(&self) -> bool {
        true
    }
    /// Before the trace is committed. `point` is known only where the protocol was weakened to leak it.
    fn trace(&mut self, _columns: &mut [Vec<Fr>], _point: Option<&Point>) {}
    /// Before `C` and `E` are committed. `eta` as above.
    fn linear(&mut self, _columns: &mut [Vec<Fr>], _eta: Option<Fr>) {}
    /// Before the mask is committed, where there is one. `eta` as above.
    fn mask(&mut self, _mask: &mut Vec<Fr>, _eta: Option<Fr>) {}
    /// Before the weight fold is sent: `V`, its commitments, and `kappa`.
    fn fold(&mut self, _fold: &mut FoldMessage, _point: &Point, _scalars: &Scalars) {}
    /// Before the bus columns are committed.
    fn bus(&mut self, _columns: &mut [Vec<Fr>], _scalars: &Scalars) {}
    /// Before the opening's W is sent. `weight`, that of (F1), as above.
    fn opening(&mut self, _w: &mut G1Affine, _weight: Option<Fr>) {}
}

/// What the prover says of the weight fold.
pub(crate) struct FoldMessage {
    /// The coefficients of `V`.
    pub(crate) remainder: Vec<Fr>,
    /// Those of `V*`.
    pub(crate) reversed: Vec<Fr>,
    /// The commitments.
    pub(crate) points: Folded<G1Affine>,
    /// `V(eta)`.
    pub(crate) kappa: Fr,
}

/// Does as the protocol says.
pub(crate) struct Honest;

impl Forger for Honest {
    fn reckless(&self) -> bool {
        false
    }
}

/// What the prover needs of a key.
pub(crate) struct Instance<'a> {
    pub(crate) cs: &'a ConstraintSystem,
    pub(crate) interface: &'a Interface,
    pub(crate) wiring: &'a Wiring,
    pub(crate) digest: &'a [u8; 32],
    pub(crate) fold: &'a Fold,
    pub(crate) dummies: &'a Dummies,
    pub(crate) public: Public<'a>,
    pub(crate) context: &'a Context,
    /// Blinds of columns whose commitment stands across proofs, by the column; where there are none, new ones are drawn.
    pub(crate) standing: &'a [(usize, Vec<Fr>)],
}

/// What a proof uses up.
pub(crate) struct Witness {
    pub(crate) trace: Trace,
    /// The weights of the instance's wiring, which may have dropped them.
    pub(crate) weights: fold::Weights,
}

/// How many of the bus's helper columns are computed at a time, each with a column of denominators.
const HELPERS: usize = 4;

/// The state of a proof under way.
struct Session<'a, 'k> {
    instance: &'a Instance<'a>,
    /// Values on the rows, in the constraint system's order, as far as they are known.
    columns: Vec<Vec<Fr>>,
    blinds: Vec<Vec<Fr>>,
    commitments: Vec<G1Affine>,
    scalars: Scalars,
    kernels: &'k mut Kernels,
}

/// Proves that the witness satisfies the circuit of `instance`.
pub(crate) fn prove(
    instance: &Instance<'_>,
    Witness { trace, weights }: Witness,
    kernels: &mut Kernels,
    rng: &mut impl CryptoRng,
    phases: &mut Phases<'_>,
    defences: &Defences,
    forger: &mut dyn Forger,
) -> Result<Proof, ProveError> {
    let Instance {
        cs,
        interface,
        wiring,
        digest,
        fold,
        dummies,
        public,
        context,
        standing,
    } = instance;
    let n = interface.shape.n();
    let public_words = public.words();
    let mut blinds: Vec<Vec<Fr>> = cs
        .advice
        .iter()
        .map(|c| (0..c.blinds).map(|_| random(rng)).collect())
        .collect();
    for (column, given) in *standing {
        blinds[*column].clone_from(given);
    }
    let to_field = |column: &Vec<i64>| column.iter().map(|v| signed(*v)).collect();
    let mut session = Session {
        instance,
        columns: trace.par_iter().map(to_field).collect(),
        blinds,
        commitments: Vec::with_capacity(cs.advice.len()),
        scalars: Scalars::default(),
        kernels,
    };
    if let Some(columns) = &cs.columns.hash {
        hash::fill(columns, &wiring.fixed_columns(), &mut session.columns);
        hash_scalars(&interface.shape, *public, &mut session.scalars);
    }
    let transcript = rounds::start(defences, digest, context, &public_words);

    phases.begin("commit trace");
    let known = (!defences.trace_before_rho)
        .then(|| rounds::trace(defences, transcript.clone(), &[], &mut Scalars::default()).0);
    forger.trace(&mut session.columns, known.as_ref());
    let widths = if forger.reckless() {
        vec![Width::Full; trace.len()]
    } else {
        widths(cs, &trace)
    };
    drop(trace);
    session.commit(Phase::Trace, &widths)?;
    let (point, transcript) = rounds::trace(defences, transcript, &session.commitments, &mut session.scalars);

    phases.begin("linear argument");
    let mut mask = fold.hidden.map(|hidden| Mask::new(&hidden, rng));
    let reads = interface.shape.reads();
    let mut inputs = linear::input_coefficients(&interface.linear, &weights, reads, &point);
    dummies.add_to_inputs(fold, &point, &mut inputs);
    if let Some(mask) = &mask {
        mask.add_to_inputs(&mut inputs);
    }
    session.columns.extend(inputs.chunks_exact(n).map(<[Fr]>::to_vec));
    drop(inputs);
    session.columns.push(linear::output_coefficients(
        &interface.linear,
        interface.shape.lanes,
        n,
        &point,
    ));
    if let (Some(_), [port]) = (cs.columns.matrices, &cs.columns.ports[..]) {
        let [c, x] = [port.c, port.x].map(|i| &session.columns[i]);
        session
            .columns
            .push(matrix::running_sums(&interface.linear, c, x, &point));
    }
    let known = (!defences.linear_before_eta).then(|| {
        let mut scalars = session.scalars.clone();
        rounds::linear(defences, transcript.clone(), n, &[], None, &mut scalars);
        scalars[Scalar::Eta]
    });
    forger.linear(&mut session.columns, known);
    let first = session.commitments.len();
    session.commit(Phase::Linear, &vec![Width::Full; session.columns.len() - first])?;
    let commitments = &session.commitments[first..];
    let mask_point = match &mut mask {
        None => None,
        Some(mask) => {
            let known = (!defences.mask_before_eta).then(|| {
                let mut scalars = session.scalars.clone();
                rounds::linear(defences, transcript.clone(), n, commitments, None, &mut scalars);
                scalars[Scalar::Eta]
            });
            forger.mask(&mut mask.coefficients, known);
            session.kernels.commit_polynomials(&[&mask.coefficients])?.pop()
        }
    };
    let transcript = rounds::linear(
        defences,
        transcript,
        n,
        commitments,
        mask_point.as_ref(),
        &mut session.scalars,
    );

    phases.begin("weight fold");
    let eta = session.scalars[Scalar::Eta];
    let mut remainder = fold::remainder(fold, &interface.linear, &weights, dummies, &point, eta);
    let mut points = session.kernels.commit_fold(&fold::row_scalars(fold, &point, eta))?;
    if let Some(mask) = &mask {
        mask.add_to_fold(eta, &mut remainder, &mut points, session.kernels)?;
    }
    let mut folded = FoldMessage {
        reversed: remainder.iter().rev().copied().collect(),
        points,
        kappa: horner(&remainder, eta),
        remainder,
    };
    forger.fold(&mut folded, &point, &session.scalars);
    drop(weights);

    phases.begin("bus");
    session.bus_columns(&point, folded.kappa, public.integers, forger)?;
    let first = session.commitments.len();
    let widths = vec![Width::Full; cs.advice.len() - first];
    session.commit(Phase::Bus, &widths)?;
    let (alpha, transcript) = rounds::bus(transcript, &session.commitments[first..], &folded.points);

    phases.begin("quotient");
    let Session {
        columns: mut advice,
        blinds,
        commitments,
        scalars,
        kernels,
        ..
    } = session;
    kernels.transform(Dir::Inverse, Fr::from(1u8), &mut advice)?;
    let fixed_coefficients = |kernels: &mut Kernels| {
        let mut fixed = wiring.fixed_columns();
        kernels.transform(Dir::Inverse, Fr::from(1u8), &mut fixed)?;
        Ok::<_, ProveError>(fixed)
    };
    let fixed = fixed_coefficients(kernels)?;
    for (p, blinds) in advice.iter_mut().zip(&blinds) {
        // f + Z_H (r_0 + r_1 X + ...): the same values on the rows.
        p.reserve_exact(blinds.len());
        p.extend_from_slice(blinds);
        blinds.iter().enumerate().for_each(|(i, r)| p[i] -= r);
    }
    let mut t0 = quotient(cs, &advice, &fixed, &scalars, alpha, kernels)?;
    // Where memory is short they are computed once more for the opening.
    let fixed = (kernels.parts() == 1).then_some(fixed);
    let mut t1 = t0.split_off(n);
    let c = random(rng);
    t0.push(c);
    t1[0] -= c;
    let quotient_points = kernels.commit_polynomials(&[&t0, &t1])?;
    let quotient_points = [quotient_points[0], quotient_points[1]];
    let (z, transcript) = rounds::quotient(transcript, &quotient_points);

    phases.begin("open");
    let fixed = fixed.map_or_else(|| fixed_coefficients(kernels), Ok)?;
    let w = root_of_unity(n);
    let back = ark_ff::Field::inverse(&w).ok_or(ProveError::UnluckyChallenge)?;
    let (one_point, two_points) = ([z], [z, z * back]);
    let points = |i: usize| {
        if cs.advice[i].rotated {
            &two_points[..]
        } else {
            &one_point[..]
        }
    };
    let z_n = ark_ff::Field::pow(&z, [n as u64]);
    t1.iter_mut().for_each(|c| *c *= z_n);
    t1.iter_mut().zip(&t0).for_each(|(a, b)| *a += b);
    let values = |p: &Vec<Fr>, points: &[Fr]| points.iter().map(|x| horner(p, *x)).collect::<Vec<_>>();
    let advice_evals: Vec<Vec<Fr>> = advice
        .par_iter()
        .enumerate()
        .map(|(i, p)| values(p, points(i)))
        .collect();
    let fixed_evals: Vec<Vec<Fr>> = fixed.par_iter().map(|p| values(p, &one_point)).collect();
    let mut claims: Vec<kzg::PolynomialClaim<'_>> = Vec::with_capacity(advice.len() + fixed.len() + 1);
    for (i, (p, evals)) in advice.iter().zip(&advice_evals).enumerate() {
        claims.push(Claim {
            subject: p,
            points: points(i),
            evals: evals.clone(),
        });
    }
    for (p, evals) in fixed.iter().zip(&fixed_evals) {
        claims.push(Claim {
            subject: p,
            points: &one_point,
            evals: evals.clone(),
        });
    }
    claims.push(Claim {
        subject: &t1,
        points: &one_point,
        evals: values(&t1, &one_point),
    });
    let fold_points = FoldPoints::new(eta, z).ok_or(ProveError::UnluckyChallenge)?;
    let fold_evals = [folded.kappa, horner(&folded.remainder, z)];
    let back = reversed_value(fold_evals[1], z, fold.width).ok_or(ProveError::UnluckyChallenge)?;
    claims.extend(fold_points.claims(
        defences,
        &folded.remainder[..],
        &folded.reversed[..],
        [fold_evals.to_vec(), vec![back]],
    ));
    let weight = (!defences.fold_weight_last).then(|| rounds::fold(transcript.clone()));
    let combined = kzg::Combined::new(&claims, transcript)?;
    drop(claims);
    drop((advice, fixed, t0, t1));
    let mut first = true;
    let mut commit = |p: &[Fr]| {
        let mut point = kernels.commit_polynomials(&[p])?.swap_remove(0);
        if std::mem::take(&mut first) {
            forger.opening(&mut point, weight);
        }
        Ok(point)
    };
    let (opening, _) = combined.open(&mut commit)?;
    Ok(Proof {
        advice: commitments,
        mask: mask_point,
        fold: folded.points,
        quotient: quotient_points,
        advice_evals: advice_evals.concat(),
        fixed_evals: fixed_evals.concat(),
        fold_evals,
        opening,
    })
}

/// The narrowest width that holds each trace column. Limbs share theirs, and so do the columns that hold activations: columns
/// of one width go to the backend in one batch.
fn widths(cs: &ConstraintSystem, trace: &Trace) -> Vec<Width> {
    let covering = |columns: Vec<usize>| {
        let signed = |c: &usize| Width::covering(&trace[*c]);
        let bits = columns
            .iter()
            .map(signed)
            .map(|w| if let Width::Signed(b) = w { b } else { 64 })
            .max()
            .unwrap_or(1);
        let unsigned = columns.iter().all(|c| trace[*c].iter().all(|v| *v >= 0));
        if unsigned {
            Width::Bits(bits.saturating_sub(1).max(1))
        } else {
            Width::Signed(bits.max(1))
        }
    };
    let (lanes, products, functions) = (&cs.columns.lanes, &cs.columns.products, &cs.columns.functions);
    let mut widths = vec![Width::Full; trace.len()];
    let segments = || lanes.iter().filter_map(|l| l.function);
    let groups = [
        lanes
            .iter()
            .flat_map(|l| l.hi.iter().chain(&l.lo))
            .copied()
            .collect::<Vec<_>>(),
        lanes.iter().map(|l| l.flag).collect(),
        lanes
            .iter()
            .map(|l| l.y)
            .chain(cs.columns.ports.iter().map(|port| port.x))
            .chain(products.map(|p| p.x2))
            .chain(
                [cs.columns.committed_input, cs.columns.committed_output]
                    .into_iter()
                    .flatten()
                    .map(|c| c.values),
            )
            .chain(cs.columns.hash.map(|c| c.values))
            .collect(),
        segments().map(|s| s.value).collect(),
        segments().map(|s| s.rise).collect(),
        vec![cs.columns.m],
        functions.iter().map(|f| f.m).collect(),
    ];
    for group in groups {
        let width = covering(group.clone());
        group.iter().for_each(|c| widths[*c] = width);
    }
    widths
}

impl Session<'_, '_> {
    /// Commits to the columns of a phase, in order.
    fn commit(&mut self, phase: Phase, widths: &[Width]) -> Result<(), ProveError> {
        let columns: Vec<(&[Fr], Width, &[Fr])> = self
            .instance
            .cs
            .phase(phase)
            .zip(widths)
            .map(|(i, width)| (self.columns[i].as_slice(), *width, self.blinds[i].as_slice()))
            .collect();
        let points = self.kernels.commit_columns(&columns)?;
        self.commitments.extend(points);
        Ok(())
    }

    /// `D`, the bus's helpers, the range table's side, and the cyclic sum.
    fn bus_columns(
        &mut self,
        point: &Point,
        kappa: Fr,
        public: &[i64],
        forger: &mut dyn Forger,
    ) -> Result<(), ProveError> {
        let cs = self.instance.cs;
        let interface = self.instance.interface;
        let n = interface.shape.n();
        self.columns.push(powers(self.scalars[Scalar::Eta], n));
        let x = powers(root_of_unity(n), n);
        let mut first = vec![Fr::zero(); n];
        first[0] = Fr::from(1u8);
        let beta = || Expr::from(Scalar::Beta);
        let one = || Expr::int(1);
        // Per helper: its denominator and its numerator.
        let mut parts = Vec::with_capacity(2 * cs.columns.helpers.len() + 2);
        for pair in cs.bus.chunks(2) {
            let a = &pair[0];
            let (da, na) = (beta() + a.message.clone(), a.numerator.clone());
            let (db, nb) = pair.get(1).map_or((one(), Expr::int(0)), |b| {
                (beta() + b.message.clone(), b.numerator.clone())
            });
            parts.push(da.clone() * db.clone());
            parts.push(na * db + nb * da);
        }
        parts.push(beta() + Expr::Fixed(cs.columns.table));
        parts.push(Expr::Advice(cs.columns.m));
        let fixed = self.instance.wiring.fixed_columns();
        let table = Table {
            fixed: &fixed,
            advice: &self.columns,
            x: &x,
            first: &first,
            back: None,
        };
        let mut helpers = Vec::with_capacity(parts.len() / 2);
        for parts in parts.chunks(2 * HELPERS) {
            let mut parts = Compiled::new(parts, &self.scalars).run(table);
            parts.par_chunks_mut(2).try_for_each(|pair| {
                let [denominator, numerator] = pair else { return Ok(()) };
                if denominator.iter().any(Zero::is_zero) {
                    return Err(ProveError::UnluckyChallenge);
                }
                invert(denominator);
                multiply(numerator, denominator);
                Ok(())
            })?;
            helpers.extend(parts.into_iter().skip(1).step_by(2));
        }
        self.columns.extend(helpers);
        forger.bus(&mut self.columns, &self.scalars);
        self.scalars[Scalar::TotalPerRow] =
            bus_total(interface, public, point, kappa, &self.scalars).ok_or(ProveError::UnluckyChallenge)?;
        let table = Table {
            fixed: &fixed,
            advice: &self.columns,
            x: &x,
            first: &first,
            back: None,
        };
        let mut phi = Compiled::new([&cs.increment], &self.scalars).run(table).swap_remove(0);
        let mut sum = Fr::zero();
        for v in &mut phi {
            sum += *v;
            *v = sum;
        }
        if !sum.is_zero() && !forger.reckless() {
            let what = "the sums over all rows do not balance";
            return Err(ProveError::Unsatisfied(what.into()));
        }
        self.columns.push(phi);
        Ok(())
    }
}
