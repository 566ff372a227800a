//! The Fiat-Shamir transcript: keccak256 over everything that was said, in rounds.
//!
//! # Bytes
//! The state is 32 bytes. Every step, absorbing a message or drawing a challenge, is one hash:
//!
//! ```text
//! state := keccak256( state (32) || kind (1) || tag (1) || length (8, big-endian) || data (length bytes) )
//! ```
//!
//! | step | kind | data |
//! |---|---|---|
//! | start, from the state of 32 zero bytes, tag 0 | 0 | the domain's bytes |
//! | absorb bytes | 1 | the bytes |
//! | absorb scalars | 2 | 32 bytes each |
//! | absorb G1 points | 3 | 64 bytes each |
//! | absorb G2 points | 4 | 128 bytes each |
//! | draw a challenge | 5 | none |
//!
//! in the encoding of [`crate::encoding`]. A challenge is the new state, read as a big-endian integer, mod r; its
//! min-entropy is above 253 bits. Since each step is a hash of its own over a prefix of fixed length, two different
//! sequences of steps hash different inputs: no boundary between messages can be moved.
//!
//! # Rounds
//! [`Transcript`] takes messages and has no challenges; [`Transcript::seal`] ends the round and turns it into
//! [`Challenges`], which has challenges and takes no messages. So a challenge cannot be drawn while a message of its round is
//! still to come, which is the order that soundness rests on.

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};

use crate::encoding::Writer;

/// What a message or a challenge is, one byte chosen by the protocol. `0xf0..=0xff` are those of [`crate::kzg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u8);

/// A round that takes messages.
#[derive(Clone, Debug)]
pub struct Transcript {
    state: [u8; 32],
}

/// A sealed round, which gives challenges.
#[derive(Clone, Debug)]
pub struct Challenges {
    state: [u8; 32],
}

/// The kind of a step, as hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The start.
    Domain = 0,
    /// Bytes are absorbed.
    Bytes = 1,
    /// Scalars are absorbed.
    Scalars = 2,
    /// G1 points are absorbed.
    G1 = 3,
    /// G2 points are absorbed.
    G2 = 4,
    /// A challenge is drawn.
    Challenge = 5,
}

impl Transcript {
    /// Starts a transcript of the protocol that `domain` names, which should carry a version.
    pub fn new(domain: &[u8]) -> Self {
        let state = step(&[0; 32], Kind::Domain, Tag(0), domain);
        Self { state }
    }

    /// Absorbs bytes as one message.
    pub fn absorb_bytes(&mut self, tag: Tag, bytes: &[u8]) {
        self.absorb(Kind::Bytes, tag, bytes);
    }

    /// Absorbs scalars as one message.
    pub fn absorb_scalars(&mut self, tag: Tag, scalars: &[Fr]) {
        let mut data = Writer::new();
        scalars.iter().for_each(|scalar| data.scalar(scalar));
        self.absorb(Kind::Scalars, tag, &data.finish());
    }

    /// Absorbs G1 points as one message.
    pub fn absorb_g1(&mut self, tag: Tag, points: &[G1Affine]) {
        let mut data = Writer::new();
        points.iter().for_each(|point| data.g1(point));
        self.absorb(Kind::G1, tag, &data.finish());
    }

    /// Absorbs G2 points as one message.
    pub fn absorb_g2(&mut self, tag: Tag, points: &[G2Affine]) {
        let mut data = Writer::new();
        points.iter().for_each(|point| data.g2(point));
        self.absorb(Kind::G2, tag, &data.finish());
    }

    /// The state behind what was absorbed.
    pub fn state(&self) -> [u8; 32] {
        self.state
    }

    /// Ends the round: no message is taken any more, challenges can be drawn.
    pub fn seal(self) -> Challenges {
        Challenges { state: self.state }
    }

    fn absorb(&mut self, kind: Kind, tag: Tag, data: &[u8]) {
        self.state = step(&self.state, kind, tag, data);
    }
}

impl Challenges {
    /// Draws the next challenge.
    pub fn draw(&mut self, tag: Tag) -> Fr {
        self.state = step(&self.state, Kind::Challenge, tag, &[]);
        Fr::from_be_bytes_mod_order(&self.state)
    }

    /// Starts the next round, which depends on everything before it.
    pub fn next_round(self) -> Transcript {
        Transcript { state: self.state }
    }
}

fn step(state: &[u8; 32], kind: Kind, tag: Tag, data: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    hasher.update(state);
    hasher.update([kind as u8, tag.0]);
    hasher.update((data.len() as u64).to_be_bytes());
    hasher.update(data);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
