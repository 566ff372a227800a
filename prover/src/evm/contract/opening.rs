//! The second half of a contract: the gates at `z`, the opening and the weight fold, once the first inversions are done.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{Field, PrimeField};
use tapeout_driver::Fr;

use super::{
    super::ir::{Graph, Node, hex_integer},
    Writer,
};
use crate::{
    encoding::{G1_BYTES, G2_BYTES, SCALAR_BYTES},
    plonk::{
        at::root_of_unity,
        cs::ConstraintSystem,
        expr::{Expr, Scalar},
        rounds::tags,
    },
    transcript::Kind,
};

impl Writer<'_> {
    pub(super) fn finish(&mut self, known: Known<'_>) {
        let Known {
            cs,
            alpha,
            z,
            z_n,
            z_h_inverse,
            first,
            z_inverse,
            eta_minus_z,
            k,
            matrices,
            tiles,
            written,
            at,
            eta,
            rho,
        } = known;
        let n = self.key.interface.shape.n();
        let mut evals = (0..).map(|i| at.evals + SCALAR_BYTES * i);
        let mut next = |g: &mut Graph| g.word(evals.next().unwrap_or_default());
        let g = &mut self.graph;
        let mut values: Vec<Vec<Node>> = cs
            .advice
            .iter()
            .map(|c| (0..1 + usize::from(c.rotated)).map(|_| next(g)).collect())
            .collect();
        let fixed: Vec<Node> = cs.fixed.iter().map(|_| next(g)).collect();
        let [kappa, at_z] = [0, 1].map(|i| g.word(at.fold_evals + SCALAR_BYTES * i));

        // The gates at z.
        let read = g.add(kappa, matrices);
        let read = g.mul(self.scalars[Scalar::WeightInputs as usize], read);
        let outputs = g.mul(self.scalars[Scalar::WeightOutputs as usize], k);
        let bus: Vec<Node> = written.iter().map(|(count, inverse)| g.mul(*count, *inverse)).collect();
        let bus = g.sum(bus);
        let total = g.sum([read, outputs]);
        let total = g.sub(total, bus);
        let per_row = g.constant(Fr::from(n as u64).inverse().unwrap_or_default());
        self.scalars[Scalar::TotalPerRow as usize] = g.mul(total, per_row);
        let leaves = Leaves {
            advice: &values,
            fixed: &fixed,
            scalars: &self.scalars,
            z,
            first,
        };
        let zero = g.int(0);
        let numerator = cs.gates.iter().fold(zero, |sum, gate| {
            let scaled = g.mul(sum, alpha);
            let value = leaves.lower(g, &gate.expr);
            g.add(scaled, value)
        });
        let t = g.mul(numerator, z_h_inverse);
        let back = g.pow(z_inverse, self.key.fold().width as u64 - 1);
        let reversed = g.mul(at_z, back);

        // The evaluations as the opening absorbs them, those that the verifier computed in their places.
        let columns = (at.fold_evals - at.evals) / SCALAR_BYTES;
        let message = self.memory.words(columns + 4);
        let tail = message + columns * SCALAR_BYTES;
        let roots = [(t, tail), (kappa, tail + 32), (at_z, tail + 64), (reversed, tail + 96)];
        self.line("// The gates at z.");
        self.store(&roots);
        self.line(format!(
            "mcopy({message:#x}, {:#x}, {:#x})",
            at.evals,
            columns * SCALAR_BYTES
        ));
        let [t, reversed] = [tail, tail + 96].map(|at| self.graph.word(at));
        self.line("// The opening (SHPLONK), with the weight fold's division beside it.");
        self.absorb(
            Kind::Scalars,
            crate::kzg::EVALUATIONS,
            message,
            (columns + 4) * SCALAR_BYTES,
        );
        let v = self.draw(crate::kzg::BATCHING);
        self.absorb(Kind::G1, crate::kzg::QUOTIENT, at.opening, G1_BYTES);
        let u = self.draw(crate::kzg::POINT);
        self.absorb(Kind::G1, crate::kzg::OPENING, at.opening + G1_BYTES, G1_BYTES);
        let r = self.draw(tags::FOLD);

        let g = &mut self.graph;
        let omega_back = g.constant(root_of_unity(n).inverse().unwrap_or_default());
        let z_back = g.mul(z, omega_back);
        let differences = [z, z_back, eta, z_inverse].map(|point| g.sub(u, point));
        // z - z/w is z times a constant, so that its inverse is one of 1/z.
        let inverted = self.invert(differences.to_vec());
        let [at_one, at_back, at_eta, at_reversed] = [inverted[0], inverted[1], inverted[2], inverted[3]];
        let g = &mut self.graph;
        let gap = (Fr::from(1u8) - root_of_unity(n).inverse().unwrap_or_default()).inverse();
        let gap = g.constant(gap.unwrap_or_default());
        let gap = g.mul(z_inverse, gap);
        // (1/Z_S(u), the weight of each value) for each set.
        let pair = |g: &mut Graph, a: Node, b: Node, gap: Node| {
            let (first, second) = (g.mul(a, gap), g.mul(b, gap));
            (g.mul(a, b), vec![first, g.neg(second)])
        };
        let single = (at_one, vec![at_one]);
        let double = pair(g, at_one, at_back, gap);
        let of_fold = pair(g, at_eta, at_one, eta_minus_z);
        let of_reversed = (at_reversed, vec![at_reversed]);

        let mut claims: Vec<Claim<'_>> = Vec::new();
        let one = g.int(1);
        for (i, values) in values.drain(..).enumerate() {
            let set = if values.len() == 2 { &double } else { &single };
            claims.push((vec![(one, Point::Memory(at.points + i * G1_BYTES))], values, set));
        }
        // A key that is read begins with the transcript's state.
        let shared = self.shared.map(|at| at + 32);
        let committed = |index: usize, point: &G1Affine| match shared {
            Some(at) => Point::Memory(at + index * G1_BYTES),
            None => Point::Constant(*point),
        };
        for (i, (point, value)) in self.key.fixed.iter().zip(&fixed).enumerate() {
            claims.push((vec![(one, committed(i, point))], vec![*value], &single));
        }
        let quotient = [0, 1].map(|i| Point::Memory(at.quotient + i * G1_BYTES));
        claims.push((vec![(one, quotient[0]), (z_n, quotient[1])], vec![t], &single));
        let fold = [0, 1, 2].map(|i| Point::Memory(at.fold + i * G1_BYTES));
        claims.push((vec![(one, fold[0])], vec![kappa, at_z], &of_fold));
        claims.push((vec![(one, fold[1])], vec![reversed], &of_reversed));

        // Everything with its sign turned, so that no point needs to be negated:
        // -(A + r ([U] - [V] + rho [q])) = sum of the terms below + W.
        let mut terms: Vec<(Node, Point)> = Vec::new();
        let (mut power, mut constant) = (one, g.int(0));
        for (subjects, values, (vanishing, weights)) in claims {
            for (scalar, point) in subjects {
                let scalar = g.product([power, *vanishing, scalar]);
                terms.push((g.neg(scalar), point));
            }
            let interpolated: Vec<Node> = values.iter().zip(weights).map(|(v, w)| g.mul(*v, *w)).collect();
            let interpolated = g.sum(interpolated);
            let interpolated = g.mul(power, interpolated);
            constant = g.add(constant, interpolated);
            power = g.mul(power, v);
        }
        terms.push((constant, Point::Constant(G1Affine::generator())));
        terms.push((g.neg(u), Point::Memory(at.opening + G1_BYTES)));
        for (i, (point, c)) in self.key.weights.tiles.iter().zip(tiles).enumerate() {
            let c = g.mul(c, r);
            terms.push((g.neg(c), committed(self.key.fixed.len() + i, point)));
        }
        if let Some(hidden) = self.key.fold().hidden {
            let c = g.pow(eta, hidden.mask as u64);
            let c = g.mul(c, r);
            terms.push((g.neg(c), Point::Memory(at.mask)));
        }
        terms.push((r, fold[0]));
        terms.retain(|(_, point)| !matches!(point, Point::Constant(p) if p.is_zero()));
        // One multiplication for all terms of a point: [V] is opened too, and recurrent models have the same tile at every step.
        let terms = terms
            .into_iter()
            .fold(Vec::new(), |mut merged: Vec<(Node, Point)>, (scalar, point)| {
                match merged.iter_mut().find(|(_, known)| *known == point) {
                    Some((sum, _)) => *sum = g.add(*sum, scalar),
                    None => merged.push((scalar, point)),
                }
                merged
            });
        let minus_rho = g.neg(rho);

        let scalars = self.memory.words(terms.len() + 2);
        let mut roots: Vec<(Node, usize)> = vec![(r, scalars), (minus_rho, scalars + 32)];
        roots.extend(
            terms
                .iter()
                .enumerate()
                .map(|(i, (node, _))| (*node, scalars + 64 + 32 * i)),
        );
        self.store(&roots);

        // Pairs for the last precompile: [-lhs, 1], [W', tau], [r q, tau^width].
        let pairs = self.memory.words(18);
        let scratch = self.memory.words(6);
        self.line(format!("let work := {scratch:#x}"));
        let shifted = pairs + 2 * 192;
        self.line(format!("mcopy(work, {:#x}, 0x40)", at.fold + 2 * G1_BYTES));
        self.line(format!("multiply(work, mload({scalars:#x}), {shifted:#x})"));
        // The sum starts with W: a precompile checks it like any other point.
        self.line(format!("mcopy(add(work, 0x60), {:#x}, 0x40)", at.opening));
        self.line(format!("mcopy(work, {shifted:#x}, 0x40)"));
        self.line(format!("accumulate(work, mload({:#x}))", scalars + 32));
        let mut rest = terms.iter().map(|(_, point)| *point).enumerate().peekable();
        while let Some((i, point)) = rest.next() {
            let scalar = scalars + 64 + 32 * i;
            match point {
                Point::Memory(from) => {
                    let mut count = 1;
                    while rest
                        .next_if(|(_, next)| *next == Point::Memory(from + count * G1_BYTES))
                        .is_some()
                    {
                        count += 1;
                    }
                    self.line(format!(
                        "accumulate_all(work, {from:#x}, {scalar:#x}, {:#x})",
                        scalar + 32 * count
                    ));
                }
                Point::Constant(p) => {
                    let (x, y) = p.xy().unwrap_or_default();
                    let (x, y) = (hex_integer(&x.into_bigint()), hex_integer(&y.into_bigint()));
                    self.line(format!("mstore(work, {x}) mstore(add(work, 0x20), {y})"));
                    self.line(format!("accumulate(work, mload({scalar:#x}))"));
                }
            }
        }
        self.line(format!("mcopy({pairs:#x}, add(work, 0x60), 0x40)"));
        self.line(format!("mcopy({:#x}, {:#x}, 0x40)", pairs + 192, at.opening + G1_BYTES));
        let g2 = [G2Affine::generator(), self.key.opening.tau_g2(), self.key.weights.shift];
        let points = self.key.fixed.len() + self.key.weights.tiles.len();
        for (i, point) in g2.iter().enumerate() {
            if let (Some(at), 1..) = (shared, i) {
                let from = at + points * G1_BYTES + (i - 1) * G2_BYTES;
                self.line(format!("mcopy({:#x}, {from:#x}, {G2_BYTES:#x})", pairs + 192 * i + 64));
                continue;
            }
            let (x, y) = point.xy().unwrap_or_default();
            for (j, v) in [x.c1, x.c0, y.c1, y.c0].iter().enumerate() {
                let at = pairs + 192 * i + 64 + 32 * j;
                self.line(format!("mstore({at:#x}, {})", hex_integer(&v.into_bigint())));
            }
        }
        self.line(format!("pairing({pairs:#x})"));
    }
}

/// What is opened, its values, and its set's `1/Z_S(u)` and weights of values.
type Claim<'a> = (Vec<(Node, Point)>, Vec<Node>, &'a (Node, Vec<Node>));

/// A point that a multiple is taken of.
#[derive(Clone, Copy, PartialEq)]
enum Point {
    Memory(usize),
    Constant(G1Affine),
}

/// Where the parts of a proof are in memory.
pub(super) struct Places {
    pub(super) points: usize,
    pub(super) mask: usize,
    pub(super) fold: usize,
    pub(super) quotient: usize,
    pub(super) evals: usize,
    pub(super) fold_evals: usize,
    pub(super) opening: usize,
}

/// What is known once the first inversions are done.
pub(super) struct Known<'a> {
    pub(super) cs: &'a ConstraintSystem,
    pub(super) alpha: Node,
    pub(super) z: Node,
    pub(super) z_n: Node,
    pub(super) z_h_inverse: Node,
    pub(super) first: Node,
    pub(super) z_inverse: Node,
    pub(super) eta_minus_z: Node,
    pub(super) k: Node,
    pub(super) matrices: Node,
    pub(super) tiles: Vec<Node>,
    pub(super) written: Vec<(Node, Node)>,
    pub(super) at: Places,
    pub(super) eta: Node,
    pub(super) rho: Node,
}

/// What a gate's leaves are.
struct Leaves<'a> {
    advice: &'a [Vec<Node>],
    fixed: &'a [Node],
    scalars: &'a [Node],
    z: Node,
    first: Node,
}

impl Leaves<'_> {
    fn lower(&self, g: &mut Graph, expr: &Expr) -> Node {
        let (a, b) = match expr {
            Expr::Const(v) => return g.constant(*v),
            Expr::Scalar(s) => return self.scalars[*s as usize],
            Expr::Fixed(i) => return self.fixed[*i],
            Expr::Advice(i) => return self.advice[*i][0],
            Expr::Prev(i) => return self.advice[*i][1],
            Expr::X => return self.z,
            Expr::First => return self.first,
            Expr::Add(a, b) | Expr::Sub(a, b) | Expr::Mul(a, b) => (self.lower(g, a), self.lower(g, b)),
        };
        match expr {
            Expr::Add(..) => g.add(a, b),
            Expr::Sub(..) => g.sub(a, b),
            _ => g.mul(a, b),
        }
    }
}
