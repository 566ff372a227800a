#![allow(clippy::unwrap_used, clippy::panic)]

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};

use super::{Tag, Transcript};

fn hex(challenge: Fr) -> String {
    challenge
        .into_bigint()
        .to_bytes_be()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn start() -> Transcript {
    Transcript::new(b"tapeout/test/1")
}

// Computed by a separate implementation of the module's byte table, on another keccak (Python, pycryptodome).
#[test]
fn golden_vectors() {
    assert_eq!(
        hex(start().seal().draw(Tag(1))),
        "0daee5988a938245806c32c51858e500ac6205bc8b81ddd657f285ac569b0e20"
    );

    let mut transcript = start();
    transcript.absorb_bytes(Tag(0x10), b"statement");
    transcript.absorb_bytes(Tag(0x11), b"");
    let mut round = transcript.seal();
    assert_eq!(
        hex(round.draw(Tag(0x20))),
        "0b437bacc77192fe09c21473e2d62591fb39ab10de8130d8d342985793edc09f"
    );
    assert_eq!(
        hex(round.draw(Tag(0x21))),
        "0edb6cec894ce9cae533d07fdce672720b243952b7c90a4a6d9f44feb1722c13"
    );

    let mut transcript = round.next_round();
    transcript.absorb_scalars(Tag(0x12), &[Fr::ZERO, Fr::ONE, -Fr::ONE]);
    transcript.absorb_g1(
        Tag(0x13),
        &[G1Affine::generator(), -G1Affine::generator(), G1Affine::zero()],
    );
    transcript.absorb_g2(Tag(0x14), &[G2Affine::generator()]);
    let challenge = transcript.seal().draw(Tag(0x22));
    assert_eq!(
        hex(challenge),
        "292a85bc4ceae65581815833c72994dd5702fbbc16c2a01330bb0a9a5bb14e98"
    );
}

/// What each of these says is different, and so must the challenge be.
#[test]
fn boundaries_kinds_and_tags_bind() {
    let one = Fr::ONE;
    type Say = Box<dyn Fn(&mut Transcript)>;
    let said: Vec<Say> = vec![
        Box::new(|_| ()),
        Box::new(|t| t.absorb_bytes(Tag(1), b"")),
        Box::new(|t| t.absorb_bytes(Tag(2), b"")),
        Box::new(|t| t.absorb_bytes(Tag(1), b"ab")),
        Box::new(|t| {
            t.absorb_bytes(Tag(1), b"a");
            t.absorb_bytes(Tag(1), b"b");
        }),
        Box::new(|t| {
            t.absorb_bytes(Tag(1), b"");
            t.absorb_bytes(Tag(1), b"ab");
        }),
        Box::new(|t| {
            t.absorb_bytes(Tag(1), b"ab");
            t.absorb_bytes(Tag(1), b"");
        }),
        Box::new(move |t| t.absorb_scalars(Tag(1), &[one])),
        Box::new(move |t| t.absorb_scalars(Tag(1), &[one, one])),
        Box::new(move |t| {
            t.absorb_scalars(Tag(1), &[one]);
            t.absorb_scalars(Tag(1), &[one]);
        }),
        Box::new(move |t| t.absorb_bytes(Tag(1), &one.into_bigint().to_bytes_be())),
        // The same 64 bytes as scalars, as a point, as bytes.
        Box::new(move |t| t.absorb_scalars(Tag(1), &[one, one + one])),
        Box::new(|t| t.absorb_g1(Tag(1), &[G1Affine::generator()])),
        Box::new(|t| t.absorb_g2(Tag(1), &[G2Affine::generator()])),
    ];
    let mut challenges: Vec<Fr> = said
        .iter()
        .map(|say| {
            let mut transcript = start();
            say(&mut transcript);
            transcript.seal().draw(Tag(0))
        })
        .collect();
    // Drawing and absorbing are not confused either, nor are domains.
    let mut round = start().seal();
    round.draw(Tag(1));
    challenges.push(round.draw(Tag(0)));
    challenges.push(Transcript::new(b"tapeout/test/2").seal().draw(Tag(0)));
    challenges.push(start().seal().draw(Tag(1)));

    let count = challenges.len();
    challenges.sort();
    challenges.dedup();
    assert_eq!(challenges.len(), count);
}

#[test]
fn later_rounds_depend_on_challenges_drawn() {
    let drawn_once = {
        let mut round = start().seal();
        round.draw(Tag(1));
        round.next_round().seal().draw(Tag(2))
    };
    assert_ne!(drawn_once, start().seal().next_round().seal().draw(Tag(2)));
}
