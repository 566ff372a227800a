//! The contract of one verifying key, written as a walk over the same description that prover and verifier read.

use std::fmt::Write;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{Field, PrimeField};
use tapeout_driver::Fr;

use super::{
    ir::{Graph, Memory, Node, hex_integer},
    selector,
};
use crate::{
    encoding::{G1_BYTES, SCALAR_BYTES},
    field::signed,
    keys::VerifyingKey,
    layout::Input,
    plonk::{
        cs::{ConstraintSystem, Phase},
        expr::{Expr, Scalar},
        linear::LinearLayer,
        proof::Proof,
        quotient::root_of_unity,
        rounds::tags,
    },
    statement::Hex,
    transcript::{Kind, Tag, Transcript},
};

/// Word 0 holds r while the verifier runs; words 2 and 3 are Solidity's.
const TRANSCRIPT: usize = 0x80;

/// State, header, and the longest message behind them.
struct Writer<'a> {
    key: &'a VerifyingKey,
    graph: Graph,
    memory: Memory,
    out: String,
    /// Where the proof is.
    proof: usize,
    /// Where the public words are.
    words: usize,
    scalars: [Node; crate::plonk::expr::SCALARS],
    /// `beta` and so on, by number; filled as they are drawn.
    position: Vec<Node>,
}

/// A key that no contract can be written for yet: products of matrices have a checksum of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model multiplies activations by activations (a product of matrices), which contracts cannot verify yet")]
pub struct Unsupported;

/// The Solidity source of a contract that verifies proofs for `key`.
///
/// # Errors
/// [`Unsupported`] for models with products of two matrices of activations.
pub fn contract(key: &VerifyingKey) -> Result<String, Unsupported> {
    if key.interface.linear.iter().any(|layer| layer.matrices.is_some()) {
        return Err(Unsupported);
    }
    let cs = &key.cs;
    let proof_len = Proof::len(cs);
    let words = key.interface.public_words();
    let longest = (cs.advice.len() * G1_BYTES).max((2 * cs.advice.len() + cs.fixed.len() + 8) * SCALAR_BYTES);
    let mut memory = Memory(TRANSCRIPT + 0x40 + longest.max(words * SCALAR_BYTES).next_multiple_of(32));
    let proof = memory.words(proof_len / 32);
    let words_at = memory.words(words);
    let scratch = memory.words(6);
    let mut graph = Graph::default();
    let zero = graph.int(0);
    let mut writer = Writer {
        key,
        graph,
        memory,
        out: String::new(),
        proof,
        words: words_at,
        scalars: [zero; crate::plonk::expr::SCALARS],
        position: Vec::new(),
    };
    writer.body();
    let body: String = writer.out.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "            {line}");
        text
    });
    Ok(format!(
        include_str!("contract.sol.txt"),
        digest = Hex(key.digest),
        model = Hex(key.model.hash),
        proof_len = proof_len,
        words = words,
        half = hex_integer(&Fr::from(key.interface.shape.limbs.signed_range() as u64).into_bigint()),
        range = hex_integer(&Fr::from(2 * key.interface.shape.limbs.signed_range() as u64).into_bigint()),
        r = hex_integer(&Fr::MODULUS),
        proof_at = proof,
        words_at = words_at,
        state = Hex(initial_state(key)),
        transcript = TRANSCRIPT,
        header = TRANSCRIPT + 32,
        data = TRANSCRIPT + 42,
        context_header = header(Kind::Bytes, tags::CONTEXT, 32),
        scratch = scratch,
        not_canonical = selector("NotCanonical()"),
        public_range = selector("PublicRange(uint256)"),
        challenge = selector("Challenge()"),
        precompile = selector("Precompile()"),
        rejected = selector("Rejected()"),
        body = body.trim_end(),
    ))
}

/// The transcript behind the key's digest, the same for every proof.
fn initial_state(key: &VerifyingKey) -> [u8; 32] {
    let mut transcript = Transcript::new(tags::DOMAIN);
    transcript.absorb_bytes(tags::KEY, &key.digest);
    transcript.state()
}

/// The ten bytes between state and data, at the top of a word.
fn header(kind: Kind, tag: Tag, len: usize) -> String {
    format!("0x{:02x}{:02x}{:016x}{}", kind as u8, tag.0, len, "0".repeat(44))
}

impl Writer<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn cs(&self) -> &ConstraintSystem {
        &self.key.cs
    }

    fn store(&mut self, roots: &[(Node, usize)]) {
        self.graph.emit(roots, &mut self.memory, &mut self.out);
    }

    fn absorb(&mut self, kind: Kind, tag: Tag, from: usize, len: usize) {
        let header = header(kind, tag, len);
        self.line(format!("absorb({header}, {from:#x}, {len:#x})"));
    }

    /// Draws a challenge into a word of its own.
    fn draw(&mut self, tag: Tag) -> Node {
        let at = self.memory.words(1);
        let header = header(Kind::Challenge, tag, 0);
        self.line(format!("draw({header}, {at:#x})"));
        self.graph.word(at)
    }

    fn scalar(&self, scalar: Scalar) -> Node {
        self.scalars[scalar as usize]
    }

    /// Inverts all of `list` with one exponentiation; a zero among them is refused.
    fn invert(&mut self, list: Vec<Node>) -> Vec<Node> {
        let at = self.memory.words(list.len());
        let products = self.memory.words(list.len() + 1);
        let roots: Vec<_> = list.iter().enumerate().map(|(i, node)| (*node, at + 32 * i)).collect();
        self.store(&roots);
        self.line(format!("invert({at:#x}, {:#x}, {products:#x})", list.len() * 32));
        (0..list.len()).map(|i| self.graph.word(at + 32 * i)).collect()
    }

    fn body(&mut self) {
        let cs = self.cs().clone();
        let key = self.key;
        let n = key.interface.shape.n();
        let (advice, fixed) = (cs.advice.len(), cs.fixed.len());
        let rotated = cs.rotated().count();
        let points = self.proof;
        let fold = points + advice * G1_BYTES;
        let quotient = fold + 3 * G1_BYTES;
        let evals = quotient + 2 * G1_BYTES;
        let fold_evals = evals + (advice + rotated + fixed) * SCALAR_BYTES;
        let opening = fold_evals + 2 * SCALAR_BYTES;

        self.line("// Decoding: scalars below r, no blinded commitment at infinity. The precompiles check the points.");
        let end = opening;
        self.line(format!("canonical({evals:#x}, {end:#x})"));
        for (i, column) in cs.advice.iter().enumerate().filter(|(_, c)| c.blinds > 0) {
            let _ = column;
            self.line(format!("finite({:#x})", points + i * G1_BYTES));
        }
        for i in 0..2 {
            self.line(format!("finite({:#x})", quotient + i * G1_BYTES));
        }

        self.line("// Rounds.");
        let words = key.interface.public_words();
        let words_at = self.words;
        self.absorb(Kind::Scalars, tags::PUBLIC, words_at, words * SCALAR_BYTES);
        let mut at = points;
        let mut phase = |writer: &mut Self, phase: Phase, tag: Tag| {
            let len = cs.phase(phase).count() * G1_BYTES;
            writer.absorb(Kind::G1, tag, at, len);
            at += len;
        };
        phase(self, Phase::Trace, tags::TRACE);
        self.scalars[Scalar::Rho as usize] = self.draw(tags::RHO);
        self.position = (0..crate::model::program::MAX_DIMS)
            .map(|_| self.draw(tags::POSITION))
            .collect();
        phase(self, Phase::Linear, tags::LINEAR);
        self.scalars[Scalar::Eta as usize] = self.draw(tags::ETA);
        self.scalars[Scalar::Beta as usize] = self.draw(tags::BETA);
        self.scalars[Scalar::Chi as usize] = self.draw(tags::CHI);
        for weight in [Scalar::WeightLinear, Scalar::WeightInputs, Scalar::WeightOutputs] {
            self.scalars[weight as usize] = self.draw(tags::WEIGHT);
        }
        phase(self, Phase::Bus, tags::BUS);
        self.absorb(Kind::G1, tags::FOLDED, fold, 3 * G1_BYTES);
        let alpha = self.draw(tags::ALPHA);
        self.absorb(Kind::G1, tags::QUOTIENT, quotient, 2 * G1_BYTES);
        let z = self.draw(tags::Z);

        // What both sides know of the statement and the layout; everything that is inverted is inverted at once.
        let g = &mut self.graph;
        let one = g.int(1);
        let (eta, rho) = (self.scalars[Scalar::Eta as usize], self.scalars[Scalar::Rho as usize]);
        let z_n = g.pow(z, n as u64);
        let z_h = g.sub(z_n, one);
        let z_minus_one = g.sub(z, one);
        let eta_minus_z = g.sub(eta, z);
        let mut inverses = vec![z_h, z_minus_one, z, eta_minus_z];
        let written = self.bus_terms();
        inverses.extend(written.iter().map(|(_, denominator)| *denominator));
        let mut sums = Geometric::default();
        for pass in 0..2 {
            if pass == 1 {
                let denominators: Vec<Node> = sums.list.iter().map(|(d, _)| *d).collect();
                let count = inverses.len();
                inverses.extend(denominators);
                let inverted = self.invert(std::mem::take(&mut inverses));
                sums.inverted = inverted[count..].to_vec();
                inverses = inverted;
            }
            // The first pass collects the denominators, the second has their inverses.
            let k = self.output_checksum(&key.interface.linear, &mut sums);
            let tiles = self.tile_scalars(&mut sums);
            if pass == 1 {
                let scale = self.graph.constant(Fr::from(n as u64).inverse().unwrap_or_default());
                let first = self.graph.product([scale, z_h, inverses[1]]);
                self.finish(Known {
                    cs: &cs,
                    alpha,
                    z,
                    z_n,
                    z_h_inverse: inverses[0],
                    first,
                    z_inverse: inverses[2],
                    eta_minus_z: inverses[3],
                    k,
                    tiles,
                    written: written
                        .iter()
                        .zip(&inverses[4..])
                        .map(|((count, _), inverse)| (*count, *inverse))
                        .collect(),
                    at: Places {
                        points,
                        fold,
                        quotient,
                        evals,
                        fold_evals,
                        opening,
                    },
                    eta,
                    rho,
                });
                return;
            }
        }
    }

    /// Multiplicities and denominators of what the verifier itself has on the bus.
    fn bus_terms(&mut self) -> Vec<(Node, Node)> {
        let interface = &self.key.interface;
        let (beta, chi) = (self.scalar(Scalar::Beta), self.scalar(Scalar::Chi));
        let g = &mut self.graph;
        let mut terms: Vec<(Fr, Node, u64)> = Vec::new();
        for (value, written) in &interface.constants {
            terms.push((Fr::from(written.reads), g.constant(signed(*value)), written.id));
        }
        let mut words = (0..).map(|i| self.words + 32 * i);
        if let Input::Public(written) = &interface.input {
            for (w, at) in written.iter().zip(words.by_ref()) {
                terms.push((Fr::from(w.reads), g.word(at), w.id));
            }
        }
        for (id, at) in interface.outputs.iter().zip(words) {
            terms.push((-Fr::from(1u8), g.word(at), *id));
        }
        terms
            .into_iter()
            .map(|(count, value, id)| {
                let id = g.int(id);
                let tagged = g.mul(chi, id);
                let message = g.add(value, tagged);
                (g.constant(count), g.add(beta, message))
            })
            .collect()
    }

    fn output_checksum(&mut self, layers: &[LinearLayer], sums: &mut Geometric) -> Node {
        let lanes = self.key.interface.shape.lanes as u64;
        let (eta, rho) = (self.scalar(Scalar::Eta), self.scalar(Scalar::Rho));
        let g = &mut self.graph;
        let lane_step = g.pow(rho, lanes);
        let layers: Vec<Node> = layers
            .iter()
            .map(|layer| {
                let step = g.pow(eta, layer.group_stride as u64);
                let group = g.mul(lane_step, step);
                let mut factors = vec![
                    g.pow(rho, layer.offset as u64),
                    g.pow(eta, layer.row as u64),
                    sums.of(g, group, layer.groups),
                ];
                for (axis, s) in layer.axes.iter().zip(&self.position) {
                    let step = g.pow(eta, axis.row_stride as u64);
                    let q = g.mul(*s, step);
                    factors.push(sums.of(g, q, axis.count));
                }
                g.product(factors)
            })
            .collect();
        g.sum(layers)
    }

    fn tile_scalars(&mut self, sums: &mut Geometric) -> Vec<Node> {
        let (eta, rho) = (self.scalar(Scalar::Eta), self.scalar(Scalar::Rho));
        let g = &mut self.graph;
        self.key
            .fold()
            .tiles
            .iter()
            .map(|tile| {
                let mut factors = vec![g.pow(rho, tile.channel as u64), g.pow(eta, tile.read as u64)];
                for step in &tile.steps {
                    let shift = g.pow(eta, step.stride as u64);
                    let q = g.mul(self.position[step.axis], shift);
                    factors.push(sums.of(g, q, step.count));
                }
                g.product(factors)
            })
            .collect()
    }

    fn finish(&mut self, known: Known<'_>) {
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
        let read = g.mul(self.scalars[Scalar::WeightInputs as usize], kappa);
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
        for (point, value) in self.key.fixed.iter().zip(&fixed) {
            claims.push((vec![(one, Point::Constant(*point))], vec![*value], &single));
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
        for (point, c) in self.key.weights.tiles.iter().zip(tiles) {
            let c = g.mul(c, r);
            terms.push((g.neg(c), Point::Constant(*point)));
        }
        // [V] is opened too: one multiplication for both.
        for (scalar, point) in &mut terms {
            if *point == fold[0] {
                *scalar = g.add(*scalar, r);
            }
        }
        terms.retain(|(_, point)| !matches!(point, Point::Constant(p) if p.is_zero()));
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
        for (i, (_, point)) in terms.iter().enumerate() {
            match point {
                Point::Memory(from) => self.line(format!("mcopy(work, {from:#x}, 0x40)")),
                Point::Constant(p) => {
                    let (x, y) = p.xy().unwrap_or_default();
                    let (x, y) = (hex_integer(&x.into_bigint()), hex_integer(&y.into_bigint()));
                    self.line(format!("mstore(work, {x}) mstore(add(work, 0x20), {y})"));
                }
            }
            self.line(format!("accumulate(work, mload({:#x}))", scalars + 64 + 32 * i));
        }
        self.line(format!("mcopy({pairs:#x}, add(work, 0x60), 0x40)"));
        self.line(format!("mcopy({:#x}, {:#x}, 0x40)", pairs + 192, at.opening + G1_BYTES));
        let g2 = [G2Affine::generator(), self.key.opening.tau_g2(), self.key.weights.shift];
        for (i, point) in g2.iter().enumerate() {
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
struct Places {
    points: usize,
    fold: usize,
    quotient: usize,
    evals: usize,
    fold_evals: usize,
    opening: usize,
}

/// What is known once the first inversions are done.
struct Known<'a> {
    cs: &'a ConstraintSystem,
    alpha: Node,
    z: Node,
    z_n: Node,
    z_h_inverse: Node,
    first: Node,
    z_inverse: Node,
    eta_minus_z: Node,
    k: Node,
    tiles: Vec<Node>,
    written: Vec<(Node, Node)>,
    at: Places,
    eta: Node,
    rho: Node,
}

/// Geometric sums, whose denominators are inverted together: listed by a first walk, used by a second.
#[derive(Default)]
struct Geometric {
    list: Vec<(Node, Node)>,
    inverted: Vec<Node>,
}

impl Geometric {
    /// `sum_(i < count) q^i`.
    fn of(&mut self, g: &mut Graph, q: Node, count: usize) -> Node {
        let one = g.int(1);
        if count == 1 {
            return one;
        }
        let denominator = g.sub(q, one);
        let index = self.list.iter().position(|(_, known)| *known == q).unwrap_or_else(|| {
            self.list.push((denominator, q));
            self.list.len() - 1
        });
        let Some(inverse) = self.inverted.get(index).copied() else {
            return one;
        };
        let power = g.pow(q, count as u64);
        let numerator = g.sub(power, one);
        g.mul(numerator, inverse)
    }
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
