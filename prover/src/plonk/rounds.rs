//! The rounds of the protocol: what is absorbed, and which challenge may be drawn once it is.
//!
//! Prover and verifier both walk through this module, so there is one place where the order stands.
//!
//! | round | absorbed | drawn |
//! |---|---|---|
//! | 0 | digest of the verifying key, the caller's context, public words | |
//! | 1 | commitments of [`Phase::Trace`](super::cs::Phase) | `rho`, `s_0 .. s_3` |
//! | 2 | commitments of `Phase::Linear` | `eta`, `beta`, `chi`, the weights of the three sums |
//! | 3 | commitments of `Phase::Bus` and of the weight fold | `alpha` |
//! | 4 | commitments of the quotient's two parts | `z` |
//! | 5, 6 | the opening ([`crate::kzg`]) | `v`, `u` |
//! | 7 | | the weight of (F1) beside the opening |

use tapeout_driver::{Fr, G1Affine};

use super::{
    expr::{Scalar, Scalars},
    linear::Point,
    proof::Folded,
};
use crate::{statement::Context, transcript::Transcript};

/// The bytes that tell messages and challenges apart.
pub(crate) mod tags {
    use crate::transcript::Tag;

    /// Names the protocol and its version; any change of rules changes it.
    pub(crate) const DOMAIN: &[u8] = b"tapeout plonk v2";

    pub(crate) const KEY: Tag = Tag(0x01);
    pub(crate) const PUBLIC: Tag = Tag(0x02);
    pub(crate) const CONTEXT: Tag = Tag(0x03);
    pub(crate) const TRACE: Tag = Tag(0x10);
    pub(crate) const LINEAR: Tag = Tag(0x11);
    pub(crate) const BUS: Tag = Tag(0x12);
    pub(crate) const FOLDED: Tag = Tag(0x14);
    pub(crate) const QUOTIENT: Tag = Tag(0x13);
    pub(crate) const RHO: Tag = Tag(0x20);
    pub(crate) const POSITION: Tag = Tag(0x21);
    pub(crate) const ETA: Tag = Tag(0x22);
    pub(crate) const BETA: Tag = Tag(0x23);
    pub(crate) const CHI: Tag = Tag(0x24);
    pub(crate) const WEIGHT: Tag = Tag(0x25);
    pub(crate) const ALPHA: Tag = Tag(0x26);
    pub(crate) const Z: Tag = Tag(0x27);
    pub(crate) const FOLD: Tag = Tag(0x28);
}

use tags::*;

/// The parts of the protocol whose absence tests show to be exploitable. Everything but tests runs with [`Defences::ALL`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defences {
    /// The verifying key's digest is absorbed.
    pub(crate) bind_key: bool,
    /// The public words are absorbed.
    pub(crate) bind_public: bool,
    /// The trace is committed before `rho`.
    pub(crate) trace_before_rho: bool,
    /// `C` and `E` are committed before `eta`.
    pub(crate) linear_before_eta: bool,
    /// Public words must be in the signed range of a slot.
    pub(crate) public_range: bool,
    /// The three sums of the linear argument have weights of their own.
    pub(crate) separate_sums: bool,
    /// The position axes have challenges of their own: a window's position is told from the position in the window.
    pub(crate) separate_axes: bool,
    /// What the bus carries is told apart by ids.
    pub(crate) bus_ids: bool,
    /// The caller's context is absorbed.
    pub(crate) bind_context: bool,
    /// (F1): what was folded are the key's weights.
    pub(crate) fold_division: bool,
    /// (F2): `kappa` is the value of what was folded.
    pub(crate) fold_value: bool,
    /// (F3): what was folded is a remainder.
    pub(crate) fold_degree: bool,
}

impl Defences {
    /// The protocol.
    pub(crate) const ALL: Self = Self {
        bind_key: true,
        bind_public: true,
        trace_before_rho: true,
        linear_before_eta: true,
        public_range: true,
        separate_sums: true,
        separate_axes: true,
        bus_ids: true,
        bind_context: true,
        fold_division: true,
        fold_value: true,
        fold_degree: true,
    };
}

/// Round 0.
pub(crate) fn start(defences: &Defences, digest: &[u8; 32], context: &Context, public: &[Fr]) -> Transcript {
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
pub(crate) fn trace(
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

/// Round 2.
pub(crate) fn linear(
    defences: &Defences,
    mut transcript: Transcript,
    commitments: &[G1Affine],
    scalars: &mut Scalars,
) -> Transcript {
    if !defences.linear_before_eta {
        let mut round = transcript.clone().seal();
        scalars[Scalar::Eta] = round.draw(ETA);
    }
    transcript.absorb_g1(LINEAR, commitments);
    let mut round = transcript.seal();
    if defences.linear_before_eta {
        scalars[Scalar::Eta] = round.draw(ETA);
    }
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
pub(crate) fn bus(mut transcript: Transcript, commitments: &[G1Affine], fold: &Folded<G1Affine>) -> (Fr, Transcript) {
    transcript.absorb_g1(BUS, commitments);
    transcript.absorb_g1(FOLDED, &fold.to_array());
    let mut round = transcript.seal();
    (round.draw(ALPHA), round.next_round())
}

/// Round 4: `z`.
pub(crate) fn quotient(mut transcript: Transcript, commitments: &[G1Affine]) -> (Fr, Transcript) {
    transcript.absorb_g1(QUOTIENT, commitments);
    let mut round = transcript.seal();
    (round.draw(Z), round.next_round())
}

/// Round 7: the weight of (F1) in the last pairing equation.
pub(crate) fn fold(transcript: Transcript) -> Fr {
    transcript.seal().draw(FOLD)
}
