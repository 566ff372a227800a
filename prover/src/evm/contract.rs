//! The contract of one verifying key, written as a walk over the same description that prover and verifier read.

mod opening;

use std::fmt::Write;

use ark_ff::{Field, PrimeField};
use tapeout_driver::Fr;

use opening::{Known, Places};

use super::{
    ir::{Graph, Memory, Node, hex_integer},
    selector,
};
use crate::{
    encoding::{self, G1_BYTES, SCALAR_BYTES},
    field::signed,
    keys::VerifyingKey,
    layout::Input,
    plonk::{
        cs::{Committed, ConstraintSystem, Phase},
        expr::{SCALARS, Scalar},
        linear::LinearLayer,
        proof::Proof,
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
    /// Where the key is, if it is read.
    shared: Option<usize>,
    /// `rho`, `beta` and so on, by number; filled as they are drawn.
    scalars: [Node; SCALARS],
    /// The challenges of the position axes.
    position: Vec<Node>,
}

/// The name of contracts of [`Form::Single`].
pub const SINGLE_NAME: &str = "TapeoutVerifier";
/// The name of contracts of [`Form::Shared`].
pub const SHARED_NAME: &str = "TapeoutSharedVerifier";

/// How a contract gets its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of it is in the contract, which verifies proofs for this key alone.
    Single,
    /// What differs between models of one architecture is read from a contract that holds nothing else ([`key_data`]), whose
    /// address each call names. What follows from the architecture is in the contract.
    Shared,
}

/// What a contract of [`Form::Shared`] reads of a key: the transcript behind the key's digest, the commitments of the fixed columns
/// and of the weights, and two points of the reference string.
pub fn key_data(key: &VerifyingKey) -> Vec<u8> {
    let mut out = encoding::Writer::new();
    out.bytes(&initial_state(key));
    key.fixed
        .iter()
        .chain(&key.weights.tiles)
        .for_each(|point| out.g1(point));
    out.g2(&key.opening.tau_g2());
    out.g2(&key.weights.shift);
    out.finish()
}

/// The Solidity source of a contract that verifies proofs for `key`: for it alone, or for it and every key with the same
/// [`crate::layout::Interface`].
pub fn contract(key: &VerifyingKey, form: Form) -> String {
    let cs = &key.cs;
    let proof_len = Proof::len(cs);
    let words = key.interface.public_words();
    let longest = (cs.advice.len() * G1_BYTES).max((2 * cs.advice.len() + cs.fixed.len() + 8) * SCALAR_BYTES);
    let mut memory = Memory(TRANSCRIPT + 0x40 + longest.max(words * SCALAR_BYTES).next_multiple_of(32));
    let proof = memory.words(proof_len / 32);
    let words_at = memory.words(words);
    let scratch = memory.words(6);
    let data_len = key_data(key).len();
    let shared = (form == Form::Shared).then(|| memory.words(data_len / 32));
    let mut graph = Graph::default();
    let zero = graph.int(0);
    let mut writer = Writer {
        key,
        graph,
        memory,
        out: String::new(),
        proof,
        words: words_at,
        shared,
        scalars: [zero; SCALARS],
        position: Vec::new(),
    };
    writer.body();
    let body: String = writer.out.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "            {line}");
        text
    });
    let state = Hex(initial_state(key));
    let (load, head) = match shared {
        None => {
            let (digest, model) = (Hex(key.digest), Hex(key.model.hash));
            let head = format!(include_str!("single.sol.txt"), digest = digest, model = model);
            (format!("mstore({TRANSCRIPT}, 0x{state})"), head)
        }
        Some(at) => {
            let load = format!("extcodecopy(key, {at}, 1, {data_len})\n            mcopy({TRANSCRIPT}, {at}, 0x20)");
            (load, format!(include_str!("shared.sol.txt"), code_len = data_len + 1))
        }
    };
    format!(
        include_str!("contract.sol.txt"),
        head = head.trim_end().to_owned() + &commitments(cs),
        name = if shared.is_some() { SHARED_NAME } else { SINGLE_NAME },
        parameter = if shared.is_some() { "address key, " } else { "" },
        load = load,
        proof_len = proof_len,
        words = words,
        integers = key.interface.public_integers(),
        half = hex_integer(&Fr::from(key.interface.shape.limbs.signed_range() as u64).into_bigint()),
        range = hex_integer(&Fr::from(2 * key.interface.shape.limbs.signed_range() as u64).into_bigint()),
        r = hex_integer(&Fr::MODULUS),
        proof_at = proof,
        words_at = words_at,
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
    )
}

/// Where a proof has its commitments, for contracts that compare them.
fn commitments(cs: &ConstraintSystem) -> String {
    let columns = [
        ("input", "INPUT", cs.columns.committed_input),
        ("output", "OUTPUT", cs.columns.committed_output),
    ];
    let line = |(what, name, columns): (&str, &str, Option<Committed>)| {
        let offset = columns?.values * G1_BYTES;
        Some(format!(
            "\n    /// Where the commitment to the {what} begins in a proof: x and y, 32 bytes each.\n    \
             uint256 public constant {name}_COMMITMENT = {offset};"
        ))
    };
    columns.into_iter().filter_map(line).collect()
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
        let mask = points + advice * G1_BYTES;
        let fold = mask + usize::from(cs.hides_weights()) * G1_BYTES;
        let quotient = fold + 3 * G1_BYTES;
        let evals = quotient + 2 * G1_BYTES;
        let fold_evals = evals + (advice + rotated + fixed) * SCALAR_BYTES;
        let opening = fold_evals + 2 * SCALAR_BYTES;

        self.line("// Decoding: scalars below r, no blinded commitment at infinity. The precompiles check the points.");
        let end = opening;
        self.line(format!("canonical({evals:#x}, {end:#x})"));
        for (i, _) in cs.advice.iter().enumerate().filter(|(_, column)| column.blinds > 0) {
            self.line(format!("finite({:#x})", points + i * G1_BYTES));
        }
        let mask_if_any = (mask..fold).step_by(G1_BYTES);
        for point in mask_if_any.chain([quotient, quotient + G1_BYTES]) {
            self.line(format!("finite({point:#x})"));
        }

        self.line("// Rounds.");
        let words = key.interface.public_words();
        let words_at = self.words;
        let hashes = (key.interface.public_integers()..).map(|i| words_at + SCALAR_BYTES * i);
        let shape = &key.interface.shape;
        let shown = [
            (shape.hashed_input, Scalar::InputHash),
            (shape.hashed_output, Scalar::OutputHash),
        ];
        let shown = shown.into_iter().filter(|(hashed, _)| *hashed);
        for ((_, scalar), at) in shown.zip(hashes) {
            self.scalars[scalar as usize] = self.graph.word(at);
        }
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
        self.scalars[Scalar::MatrixColumn as usize] = self.position[1];
        phase(self, Phase::Linear, tags::LINEAR);
        if mask < fold {
            self.absorb(Kind::G1, tags::MASK, mask, G1_BYTES);
        }
        self.scalars[Scalar::Eta as usize] = self.draw(tags::ETA);
        if shape.ports > 1 {
            self.scalars[Scalar::EtaToRows as usize] = self.graph.pow(self.scalar(Scalar::Eta), n as u64);
        }
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
            let matrices = self.matrix_checksum(&key.interface.linear, &mut sums);
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
                    matrices,
                    tiles,
                    written: written
                        .iter()
                        .zip(&inverses[4..])
                        .map(|((count, _), inverse)| (*count, *inverse))
                        .collect(),
                    at: Places {
                        points,
                        mask,
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
                if layer.matrices.is_some() {
                    factors.push(self.position[1]);
                }
                g.product(factors)
            })
            .collect();
        g.sum(layers)
    }

    /// What products of matrices add to (L2) beside the weights.
    fn matrix_checksum(&mut self, layers: &[LinearLayer], sums: &mut Geometric) -> Node {
        let (eta, rho) = (self.scalar(Scalar::Eta), self.scalar(Scalar::Rho));
        let g = &mut self.graph;
        let channel_step = g.mul(rho, eta);
        let mut terms = Vec::new();
        for layer in layers {
            let Some(m) = &layer.matrices else { continue };
            let pitch = g.pow(eta, m.pitch() as u64);
            let batch_step = g.pow(pitch, m.inner as u64);
            let batch_step = g.mul(self.position[0], batch_step);
            let factors = [
                g.constant(signed(m.factor)),
                g.pow(rho, layer.offset as u64),
                g.pow(eta, m.row as u64),
                sums.of(g, batch_step, m.batch),
                sums.of(g, pitch, m.inner),
                sums.of(g, channel_step, m.rows),
            ];
            terms.push(g.product(factors));
        }
        g.sum(terms)
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
