//! The proof system on small programs: honest proofs, and malicious provers that recompute all that follows from a lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batch;
mod binding;
mod blinding;
mod bus;
mod commitment;
mod composite;
pub(crate) mod fold;
pub(crate) mod forge;
mod function;
pub(crate) mod hash;
mod hidden;
mod honest;
mod linear;
mod matrix;
pub(crate) mod mutation;
mod pool;
mod ports;
mod product;
mod programs;
mod random;
mod ranges;

use std::sync::OnceLock;

use rand::{CryptoRng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::{Backend, Fr, Width};

pub(crate) use blinding::rank;
pub(crate) use programs::*;

use super::{
    cs::{Columns, ConstraintSystem, Draft, MAX_PORTS, Shape},
    fold::prepare,
    hidden::Secret,
    kernels::Kernels,
    proof::Proof,
    prover::{Forger, Honest, Instance, Phases, ProveError, Witness, prove},
    rounds::Defences,
    verifier::{Rejection, Weights},
};
use crate::{
    hash::Hash,
    keys::{Concealed, ModelInfo, ProvingKey},
    layout::{self, Disclosure, Public, Trace, Visibility},
    model::{
        Limbs, Scale, execute,
        program::{Act, Function, Layer, Program, Rule, Source, Term},
    },
    srs::Srs,
    statement::{Context, Statement, VerifyError},
};

/// What proofs of tests are bound to.
pub(crate) const CONTEXT: Context = [9; 32];

/// 128 rows; values of 14 bits, a shift of 14.
pub(crate) const LIMBS: Limbs = Limbs { bits: 7, hi: 2, lo: 2 };

pub(crate) fn backend() -> Box<dyn Backend> {
    tapeout_driver::backend::open("arkworks").unwrap()
}

pub(crate) fn srs() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::insecure_from_seed(4096, 257, &[7; 32]).unwrap())
}

/// A second port is for what reads more than one has rows for.
pub(crate) fn shape(program: &Program<i64>, lanes: usize) -> Shape {
    let disclosure = Disclosure::default();
    let acts = program.layers.iter().map(|l| l.act);
    let shape = layout::shape_for(LIMBS, lanes, acts, program.functions.len(), disclosure);
    let many = layout::demand(program, lanes, disclosure).reads > shape.n();
    Shape {
        ports: if many && !shape.one_port() { MAX_PORTS } else { 1 },
        ..shape
    }
}

/// A public output, and an input that is public or private.
pub(crate) fn disclosure(public_input: bool) -> Disclosure {
    Disclosure {
        input: if public_input {
            Visibility::Public
        } else {
            Visibility::Private
        },
        output: Visibility::Public,
        hidden_weights: false,
    }
}

/// What hides the weights of [`Fixture::hidden`].
pub(crate) const CONCEALED: Concealed = Concealed {
    secret: Secret([3; 32]),
    model_hash: [1; 32],
};

/// A prepared circuit, whose constraint system may have been weakened.
pub(crate) struct Fixture {
    pub(crate) key: ProvingKey,
    pub(crate) defences: Defences,
    /// The hashes among the public words.
    pub(crate) hashes: Vec<Hash>,
}

impl Fixture {
    pub(crate) fn new(program: &Program<i64>, lanes: usize, public_input: bool) -> Self {
        Self::weakened(program, lanes, public_input, |_| {})
    }

    /// With `weaken` applied to the constraint system before its mechanical part is added.
    pub(crate) fn weakened(
        program: &Program<i64>,
        lanes: usize,
        public_input: bool,
        weaken: impl FnOnce(&mut Draft),
    ) -> Self {
        Self::shaped(program, &shape(program, lanes), public_input, weaken)
    }

    /// With commitments or hashes, in two lanes.
    pub(crate) fn committed(program: &Program<i64>, disclosure: Disclosure, weaken: impl FnOnce(&mut Draft)) -> Self {
        let committed = Visibility::is_committed;
        let shape = Shape {
            committed_input: committed(disclosure.input),
            committed_output: committed(disclosure.output),
            hashed_input: disclosure.input == Visibility::Hashed,
            hashed_output: disclosure.output == Visibility::Hashed,
            hidden_weights: disclosure.hidden_weights,
            ..shape(program, 2)
        };
        Self::disclosed(program, &shape, disclosure, weaken)
    }

    /// With hidden weights.
    pub(crate) fn hidden(program: &Program<i64>, lanes: usize) -> Self {
        let shape = Shape {
            hidden_weights: true,
            ..shape(program, lanes)
        };
        let disclosure = Disclosure {
            hidden_weights: true,
            ..Disclosure::default()
        };
        Self::disclosed(program, &shape, disclosure, |_| {})
    }

    /// As [`Self::weakened`], with limbs that may be others than [`LIMBS`].
    pub(crate) fn shaped(
        program: &Program<i64>,
        shape: &Shape,
        public_input: bool,
        weaken: impl FnOnce(&mut Draft),
    ) -> Self {
        Self::disclosed(program, shape, disclosure(public_input), weaken)
    }

    fn disclosed(
        program: &Program<i64>,
        shape: &Shape,
        disclosure: Disclosure,
        weaken: impl FnOnce(&mut Draft),
    ) -> Self {
        let mut draft = Draft::new(shape);
        weaken(&mut draft);
        let cs = draft.finish();
        let info = ModelInfo {
            hash: [1; 32],
            input_shape: program.input_shape.clone(),
            output_shape: program.output_shape.clone(),
            input_scale: Scale(0),
            output_scale: Scale(0),
        };
        let program = program.clone();
        let concealed = disclosure.hidden_weights.then_some(CONCEALED);
        let mut key =
            ProvingKey::generate(program, shape, disclosure, info, concealed, srs(), backend().as_ref()).unwrap();
        key.verifying.cs = cs;
        Self {
            key,
            defences: Defences::ALL,
            hashes: Vec::new(),
        }
    }

    pub(crate) fn cs(&self) -> &ConstraintSystem {
        &self.key.verifying.cs
    }

    /// Where nobody is left who reads what this fixed column names: neither slots nor constants are read so often.
    pub(crate) fn unread(self, read_id: usize) -> Self {
        self.rewired(|interface, wiring| {
            let (lanes, n) = (Self::columns(interface).lanes, interface.shape.n());
            for id in wiring.fixed[read_id].clone() {
                match interface.constants.iter_mut().find(|(_, w)| w.id == id as u64) {
                    Some((_, written)) => written.reads -= 1,
                    None => wiring.fixed[lanes[(id as usize - 1) / n].mu][(id as usize - 1) % n] -= 1,
                }
            }
        })
    }

    /// Changes the circuit and commits to its fixed columns anew: another key, under the digest of this one.
    pub(crate) fn rewired(mut self, change: impl FnOnce(&mut layout::Interface, &mut layout::Wiring)) -> Self {
        let key = &mut self.key;
        change(&mut key.verifying.interface, &mut key.wiring);
        let columns = key.wiring.fixed_columns();
        let batch: Vec<(&[Fr], Width, &[Fr])> = columns.iter().map(|c| (&c[..], Width::Full, &[][..])).collect();
        let mut kernels = Kernels::new(backend().as_ref(), &key.bases).unwrap();
        key.verifying.fixed = kernels.commit_columns(&batch).unwrap();
        let linear = &key.verifying.interface.linear;
        let fold = key.verifying.interface.fold();
        let (weights, powers) = (&key.wiring.weights, srs().powers_g1());
        let (tiles, cache) = prepare(&fold, linear, weights, &key.dummies, powers, backend().as_ref()).unwrap();
        let shift = srs().powers_g2()[fold.width];
        key.verifying.weights = Weights::new(fold, tiles, shift);
        key.bases.fold = cache;
        self
    }

    /// Where the columns of a circuit are.
    pub(crate) fn columns(interface: &layout::Interface) -> Columns {
        ConstraintSystem::new(&interface.shape).columns
    }

    /// Where all values are.
    pub(crate) fn slots(&self) -> layout::Slots<'_> {
        layout::Slots::new(&self.key.verifying.interface, &self.key.wiring)
    }

    /// Row and lane of an output of a layer.
    pub(crate) fn slot(&self, layer: usize, index: usize) -> (usize, usize) {
        self.slots().output(layer, index)
    }

    /// Trace and public words of an honest execution.
    pub(crate) fn run(&self, input: &[i64]) -> (Trace, Vec<i64>) {
        let execution = reference_run(&self.key.quantised.program, input);
        let disclosure = self.key.verifying.interface.disclosure();
        let mut public = Vec::new();
        for (visibility, values) in [(disclosure.input, input), (disclosure.output, &execution.outputs[..])] {
            if visibility == Visibility::Public {
                public.extend_from_slice(values);
            }
        }
        let trace = layout::trace(
            &self.key.verifying.interface,
            &self.key.wiring,
            self.cs(),
            input,
            &execution,
        );
        (trace, public)
    }

    pub(crate) fn prove(&self, trace: Trace, public: &[i64], forger: &mut dyn Forger) -> Result<Proof, ProveError> {
        self.prove_seeded(trace, public, forger, 1)
    }

    pub(crate) fn prove_seeded(
        &self,
        trace: Trace,
        public: &[i64],
        forger: &mut dyn Forger,
        seed: u64,
    ) -> Result<Proof, ProveError> {
        self.prove_with(trace, public, forger, &mut ChaCha20Rng::seed_from_u64(seed))
    }

    pub(crate) fn prove_with(
        &self,
        trace: Trace,
        public: &[i64],
        forger: &mut dyn Forger,
        rng: &mut impl CryptoRng,
    ) -> Result<Proof, ProveError> {
        self.prove_in(&CONTEXT, trace, public, forger, rng)
    }

    pub(crate) fn prove_in(
        &self,
        context: &Context,
        trace: Trace,
        public: &[i64],
        forger: &mut dyn Forger,
        rng: &mut impl CryptoRng,
    ) -> Result<Proof, ProveError> {
        self.prove_standing(&[], context, trace, public, forger, rng)
    }

    pub(crate) fn prove_standing(
        &self,
        standing: &[(usize, Vec<Fr>)],
        context: &Context,
        trace: Trace,
        public: &[i64],
        forger: &mut dyn Forger,
        rng: &mut impl CryptoRng,
    ) -> Result<Proof, ProveError> {
        let verifying = &self.key.verifying;
        let instance = Instance {
            cs: &verifying.cs,
            interface: &verifying.interface,
            wiring: &self.key.wiring,
            digest: &verifying.digest,
            fold: &verifying.weights.fold,
            dummies: &self.key.dummies,
            public: Public {
                integers: public,
                hashes: &self.hashes,
            },
            context,
            standing,
        };
        let mut kernels = Kernels::new(backend().as_ref(), &self.key.bases)?;
        let mut quiet = |_| {};
        prove(
            &instance,
            Witness {
                trace,
                weights: self.key.wiring.weights.clone(),
            },
            &mut kernels,
            rng,
            &mut Phases::new(&mut quiet),
            &self.defences,
            forger,
        )
    }

    pub(crate) fn verify(&self, public: &[i64], proof: &Proof) -> Result<(), Rejection> {
        self.verify_in(&CONTEXT, public, proof)
    }

    pub(crate) fn verify_in(&self, context: &Context, public: &[i64], proof: &Proof) -> Result<(), Rejection> {
        let verifying = &self.key.verifying;
        let statement = Statement {
            key: verifying.digest,
            public: public.to_vec(),
            hashes: self.hashes.clone(),
            proof: proof.clone(),
        };
        match statement.verify_weakened(verifying, context, &self.defences) {
            Ok(()) => Ok(()),
            Err(VerifyError::Rejected(rejection)) => Err(rejection),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn honest(&self, input: &[i64]) -> (Vec<i64>, Proof) {
        let (trace, public) = self.run(input);
        let proof = self.prove(trace, &public, &mut Honest).unwrap();
        (public, proof)
    }
}

fn value<T: Copy + From<Small>>(source: &Source<i64>, input: &[T], out: &[Vec<T>]) -> T {
    match *source {
        Source::Input(i) => input[i as usize],
        Source::Layer { layer, index } => out[layer as usize][index as usize],
        Source::Const(v) => Small(v).into(),
    }
}

/// A value that is small, as a number.
pub(crate) trait ToSmall {
    fn to_small(self) -> i64;
}

impl ToSmall for i64 {
    fn to_small(self) -> i64 {
        self
    }
}

impl ToSmall for Fr {
    fn to_small(self) -> i64 {
        crate::field::to_signed(self).unwrap()
    }
}

/// A constant of a program, to be lifted to what the program is run over.
pub(crate) struct Small(i64);

impl From<Small> for i64 {
    fn from(v: Small) -> Self {
        v.0
    }
}

impl From<Small> for Fr {
    fn from(v: Small) -> Self {
        crate::field::signed(v.0)
    }
}

/// Every position of a layer, row-major.
fn positions(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![Vec::new()], |all, count| {
        all.iter()
            .flat_map(|p| (0..*count).map(move |i| [p.clone(), vec![i]].concat()))
            .collect()
    })
}

/// The program's semantics, written down as plainly as can be and apart from the executor proper.
pub(crate) fn reference_run(program: &Program<i64>, input: &[i64]) -> execute::Trace<i64> {
    let (mut pre, mut out) = (Vec::new(), Vec::new());
    for layer in &program.layers {
        let u = pre_activations(layer, input, &out);
        out.push(activate(program, layer, &u));
        pre.push(u);
    }
    let outputs = program.outputs.iter().map(|s| value(s, input, &out)).collect();
    execute::Trace { pre, out, outputs }
}

fn pre_activations<T>(layer: &Layer<i64>, input: &[T], out: &[Vec<T>]) -> Vec<T>
where
    T: Copy + From<Small> + ToSmall + std::ops::AddAssign + std::ops::Mul<Output = T>,
{
    let operand = |o: usize, i: usize| value(&layer.operands[o][i], input, out);
    let elements = layer.channels * layer.positions();
    match layer.act {
        Act::Product { factor } => {
            return (0..elements)
                .map(|i| T::from(Small(factor)) * operand(0, i) * operand(1, i))
                .collect();
        }
        Act::RawProduct => return (0..elements).map(|i| operand(0, i) * operand(1, i)).collect(),
        Act::MatMul { factor } => return matrix_product(layer, factor, operand),
        Act::Advice(rule) => {
            let value = |i: usize| advice(rule, |o| operand(o, i).to_small());
            return (0..elements).map(|i| T::from(Small(value(i)))).collect();
        }
        _ => {}
    }
    let mut u = Vec::new();
    for channel in 0..layer.channels {
        for p in positions(&layer.dims) {
            let mut sum = T::from(Small(layer.bias[channel]));
            for term in &layer.terms {
                let shift: usize = p.iter().zip(&term.strides).map(|(p, s)| p * s).sum();
                for (slot, w) in &term.taps[channel] {
                    sum += T::from(Small(*w)) * value(&term.block[*slot as usize + shift], input, out);
                }
            }
            u.push(sum);
        }
    }
    u
}

/// `y[i, b, j]`.
fn matrix_product<T>(layer: &Layer<i64>, factor: i64, operand: impl Fn(usize, usize) -> T) -> Vec<T>
where
    T: Copy + From<Small> + std::ops::AddAssign + std::ops::Mul<Output = T>,
{
    let (rows, batch, columns) = (layer.channels, layer.dims[0], layer.dims[1]);
    let inner = layer.operands[0].len() / (rows * batch);
    let mut out = Vec::new();
    for i in 0..rows {
        for b in 0..batch {
            for j in 0..columns {
                let mut sum = T::from(Small(0));
                for k in 0..inner {
                    sum += operand(0, (b * rows + i) * inner + k) * operand(1, (b * inner + k) * columns + j);
                }
                out.push(T::from(Small(factor)) * sum);
            }
        }
    }
    out
}

/// The largest value that the assertions allow, by trying.
fn advice(rule: Rule, operand: impl Fn(usize) -> i64) -> i64 {
    let allowed = |q: i64| match rule {
        Rule::Quotient { numerator, denominator } => {
            let b = operand(1) << denominator;
            q * b <= (operand(0) << numerator) + b / 2
        }
        Rule::SquareRoot { shift } => q * q <= operand(0) << shift,
        Rule::ReciprocalSquareRoot { shift } => q * q * operand(0) <= 1 << shift,
    };
    let least = if matches!(rule, Rule::Quotient { .. }) {
        -LIMBS.signed_range()
    } else {
        0
    };
    (least..LIMBS.signed_range())
        .take_while(|q| allowed(*q))
        .last()
        .unwrap_or(least)
}

fn activate(program: &Program<i64>, layer: &Layer<i64>, u: &[i64]) -> Vec<i64> {
    let round = |u: i64| (u + LIMBS.half()).div_euclid(1 << LIMBS.shift());
    match layer.act {
        Act::Requant => u.iter().map(|u| round(*u)).collect(),
        Act::Relu => u.iter().map(|u| round(*u).max(0)).collect(),
        Act::MaxPool { relu } => u
            .chunks(layer.window())
            .map(|w| round(*w.iter().max().unwrap()).max(if relu { 0 } else { i64::MIN }))
            .collect(),
        Act::Product { .. } | Act::MatMul { .. } => u.iter().map(|u| round(*u)).collect(),
        Act::RawProduct | Act::Advice(_) => u.to_vec(),
        Act::Floor => u.iter().map(|u| u.div_euclid(1 << LIMBS.shift())).collect(),
        Act::Zero => Vec::new(),
        Act::Function(f) => {
            let Function::Table(rows) = &program.functions[f as usize] else {
                panic!("a table")
            };
            // 128 keys of the top limb of four; two limbs of position, the lowest one left out.
            let entry = |u: &i64| {
                let (value, rise) = rows[(u >> 21) as usize];
                (value << 14) + rise * ((u >> 7) & 0x3fff)
            };
            u.iter().map(entry).collect()
        }
        Act::Composite(_) => panic!("not quantised"),
    }
}

/// As many field elements as `values`.
pub(crate) fn field(values: &[i64]) -> Vec<Fr> {
    values.iter().map(|v| crate::field::signed(*v)).collect()
}
