//! The rounds of the protocol: what is absorbed, and which challenge may be drawn once it is.
//!
//! Prover and verifier both walk through this module, so there is one place where the order stands.
//!
//! | round | absorbed | drawn |
//! |---|---|---|
//! | 0 | digest of the verifying key, the caller's context, public words | |
//! | 1 | commitments of [`Phase::Trace`](super::cs::Phase) | `rho`, `s_0 .. s_4` |
//! | 2 | commitments of `Phase::Linear`, and of the mask where weights are hidden | `eta`, `beta`, `chi`, the weights of the three sums |
//! | 3 | commitments of `Phase::Bus` and of the weight fold | `alpha` |
//! | 4 | commitments of the quotient's two parts | `z` |
//! | 5, 6 | the opening ([`crate::kzg`]) | `v`, `u` |
//! | 7 | | the weight of (F1) beside the opening |

use ark_bn254::{Fr, G1Affine};
use ark_ff::Field;

use super::{
    expr::{Scalar, Scalars},
    linear::Point,
    proof::Folded,
};
use crate::{statement::Context, transcript::Transcript};

/// The bytes that tell messages and challenges apart.
pub mod tags {
    use crate::transcript::Tag;

    /// Names the protocol and its version; any change of rules changes it.
    pub const DOMAIN: &[u8] = b"tapeout plonk v3";

    /// The key's digest.
    pub const KEY: Tag = Tag(0x01);
    /// The public words.
    pub const PUBLIC: Tag = Tag(0x02);
    /// The caller's context.
    pub const CONTEXT: Tag = Tag(0x03);
    /// Commitments of the trace.
    pub const TRACE: Tag = Tag(0x10);
    /// Commitments of `C`, `E` (and `S`).
    pub const LINEAR: Tag = Tag(0x11);
    /// The mask's commitment.
    pub const MASK: Tag = Tag(0x15);
    /// Commitments of the bus.
    pub const BUS: Tag = Tag(0x12);
    /// Commitments of the weight fold.
    pub const FOLDED: Tag = Tag(0x14);
    /// Commitments of the quotient's parts.
    pub const QUOTIENT: Tag = Tag(0x13);
    /// `rho`.
    pub const RHO: Tag = Tag(0x20);
    /// `s_0 .. s_4`.
    pub const POSITION: Tag = Tag(0x21);
    /// `eta`.
    pub const ETA: Tag = Tag(0x22);
    /// `beta`.
    pub const BETA: Tag = Tag(0x23);
    /// `chi`.
    pub const CHI: Tag = Tag(0x24);
    /// The weights of the three sums.
    pub const WEIGHT: Tag = Tag(0x25);
    /// `alpha`.
    pub const ALPHA: Tag = Tag(0x26);
    /// `z`.
    pub const Z: Tag = Tag(0x27);
    /// The weight of (F1).
    pub const FOLD: Tag = Tag(0x28);
}

use tags::*;

/// The parts of the protocol whose absence tests show to be exploitable. Everything runs with [`Defences::ALL`] but
/// tests: without the feature `weaken` the verifier takes no other.
#[derive(Clone, Copy, Debug)]
pub struct Defences {
    /// The verifying key's digest is absorbed.
    pub bind_key: bool,
    /// The public words are absorbed.
    pub bind_public: bool,
    /// The trace is committed before `rho`.
    pub trace_before_rho: bool,
    /// `C` and `E` are committed before `eta`.
    pub linear_before_eta: bool,
    /// The mask is committed before `eta`.
    pub mask_before_eta: bool,
    /// Public words must be in the signed range of a slot.
    pub public_range: bool,
    /// The three sums of the linear argument have weights of their own.
    pub separate_sums: bool,
    /// The position axes have challenges of their own: a window's position is told from the position in the window.
    pub separate_axes: bool,
    /// What the bus carries is told apart by ids.
    pub bus_ids: bool,
    /// The caller's context is absorbed.
    pub bind_context: bool,
    /// (F1): what was folded are the key's weights.
    pub fold_division: bool,
    /// (F2): `kappa` is the value of what was folded.
    pub fold_value: bool,
    /// (F3): what was folded is a remainder.
    pub fold_degree: bool,
    /// The weight of (F1) is drawn after the opening.
    pub fold_weight_last: bool,
}

impl Defences {
    /// The protocol.
    pub const ALL: Self = Self {
        bind_key: true,
        bind_public: true,
        trace_before_rho: true,
        linear_before_eta: true,
        mask_before_eta: true,
        public_range: true,
        separate_sums: true,
        separate_axes: true,
        bus_ids: true,
        bind_context: true,
        fold_division: true,
        fold_value: true,
        fold_degree: true,
        fold_weight_last: true,
    };
}

/// Round 0.
pub fn start(defences: &Defences, digest: &[u8; 32], context: &Context, public: &[Fr]) -> Transcript {
    let mut transcript = Transcript::new(DOMAIN);
    if defences.bind_key {
        transcript.absorb_bytes(KEY, digest);
    }
    if defences.bind_context {
        transcript.absorb_bytes(CONTEXT, context);
    }
    if defences.bind_public {
        transcript.absorb_scalars(PUBLIC, public);
    }
    transcript
}

/// Round 1.
pub fn trace(
    defences: &Defences,
    mut transcript: Transcript,
    commitments: &[G1Affine],
    scalars: &mut Scalars,
) -> (Point, Transcript) {
    let early = transcript.clone();
    transcript.absorb_g1(TRACE, commitments);
    let mut round = if defences.trace_before_rho {
        transcript.clone().seal()
    } else {
        early.seal()
    };
    let mut point = Point {
        rho: round.draw(RHO),
        s: std::array::from_fn(|_| round.draw(POSITION)),
    };
    if !defences.separate_axes {
        (point.s[2], point.s[3]) = (point.s[0], point.s[1]);
    }
    scalars[Scalar::Rho] = point.rho;
    scalars[Scalar::MatrixColumn] = point.s[1];
    let next = if defences.trace_before_rho {
        round.next_round()
    } else {
        transcript
    };
    (point, next)
}

/// Round 2, of a circuit of `n` rows.
pub fn linear(
    defences: &Defences,
    mut transcript: Transcript,
    n: usize,
    commitments: &[G1Affine],
    mask: Option<&G1Affine>,
    scalars: &mut Scalars,
) -> Transcript {
    let mask = mask.filter(|_| defences.mask_before_eta);
    if !defences.linear_before_eta {
        let mut round = transcript.clone().seal();
        scalars[Scalar::Eta] = round.draw(ETA);
    }
    transcript.absorb_g1(LINEAR, commitments);
    if let Some(mask) = mask {
        transcript.absorb_g1(MASK, std::slice::from_ref(mask));
    }
    let mut round = transcript.seal();
    if defences.linear_before_eta {
        scalars[Scalar::Eta] = round.draw(ETA);
    }
    scalars[Scalar::EtaToRows] = scalars[Scalar::Eta].pow([n as u64]);
    scalars[Scalar::Beta] = round.draw(BETA);
    scalars[Scalar::Chi] = round.draw(CHI);
    for weight in [Scalar::WeightLinear, Scalar::WeightInputs, Scalar::WeightOutputs] {
        scalars[weight] = round.draw(WEIGHT);
    }
    if !defences.bus_ids {
        scalars[Scalar::Chi] = Fr::from(0u8);
    }
    if !defences.separate_sums {
        scalars[Scalar::WeightOutputs] = scalars[Scalar::WeightInputs];
    }
    round.next_round()
}

/// Round 3: `alpha`.
pub fn bus(mut transcript: Transcript, commitments: &[G1Affine], fold: &Folded<G1Affine>) -> (Fr, Transcript) {
    transcript.absorb_g1(BUS, commitments);
    transcript.absorb_g1(FOLDED, &fold.to_array());
    let mut round = transcript.seal();
    (round.draw(ALPHA), round.next_round())
}

/// Round 4: `z`.
pub fn quotient(mut transcript: Transcript, commitments: &[G1Affine]) -> (Fr, Transcript) {
    transcript.absorb_g1(QUOTIENT, commitments);
    let mut round = transcript.seal();
    (round.draw(Z), round.next_round())
}

/// Round 7: the weight of (F1) in the last pairing equation.
pub fn fold(transcript: Transcript) -> Fr {
    transcript.seal().draw(FOLD)
}
