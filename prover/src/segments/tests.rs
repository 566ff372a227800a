#![allow(clippy::unwrap_used, clippy::panic)]

use std::num::NonZeroUsize;

use rand::Rng;
use tapeout_verifier::{Key, Trust};

use super::{divide::divide, *};
use crate::{
    certificate::CertificateError,
    layout::{self, Disclosure, Visibility},
    model::{
        cut::Cuts,
        execute,
        program::{Composite, Program},
    },
    pipeline::SetupOptions,
    plonk::{
        tests::{CONTEXT, LIMBS, backend, primitives, small_input, small_network, srs},
        verifier::Rejection,
    },
    statement::VerifyError,
};

/// Every way to cut a program once, and at all places at once, gives what the whole gives.
#[test]
fn pieces_one_after_the_other_give_what_the_whole_gives() {
    let small = ("small network", small_network(), small_input());
    let mut cut = 0;
    for (name, program, input) in primitives().into_iter().chain([small]) {
        for (lanes, parts) in [(1, 1), (1, 2), (1, 3), (2, 9)] {
            let cuts = Cuts::new(&program, lanes, |_| parts);
            let layers = cuts.places();
            let whole = execute::exact(&program, &LIMBS, &input).unwrap().outputs;
            let run = |places: &[usize]| -> Option<Vec<i64>> {
                let starts = [&[0], places].concat();
                let ends = [places, &[layers]].concat();
                let pieces = starts.iter().zip(&ends).map(|(a, b)| cuts.piece(*a..*b));
                let pieces: Option<Vec<Program<i64>>> = pieces.collect();
                pieces?.iter().try_fold(input.clone(), |values, piece| {
                    piece.validate().unwrap();
                    Some(execute::exact(piece, &LIMBS, &values).unwrap().outputs)
                })
            };
            assert_eq!(cuts.piece(0..layers).unwrap(), program, "{name}: parts that are joined");
            let possible: Vec<usize> = (1..layers).filter(|at| run(&[*at]).is_some()).collect();
            for at in &possible {
                assert_eq!(run(&[*at]).unwrap(), whole, "{name} at {at}");
                cut += 1;
            }
            assert_eq!(run(&possible).unwrap(), whole, "{name}");
        }
    }
    assert!(cut > 40, "{cut} cuts");
}

struct Made {
    key: SegmentedKey,
    proving: Vec<ProvingKey>,
    certificates: Option<Certificates>,
}

/// The small network in as many segments as it has layers.
fn made(disclosure: Disclosure) -> Made {
    let program = small_network();
    let count = program.layers.len();
    let cuts = Cuts::new(&program, 1, |_| 1);
    let segment = |i: usize| {
        let between = Visibility::Committed;
        let disclosure = Disclosure {
            input: if i == 0 { disclosure.input } else { between },
            output: if i + 1 == count { disclosure.output } else { between },
            ..disclosure
        };
        let program = cuts.piece(i..i + 1).unwrap();
        let profile = SetupOptions::default().profile;
        let shape = layout::lanes(&program, LIMBS, disclosure, profile).next().unwrap();
        Segment {
            program,
            shape,
            disclosure,
        }
    };
    let segments: Vec<Segment> = (0..count).map(segment).collect();
    let model = ModelInfo {
        hash: [1; 32],
        input_shape: program.input_shape.clone(),
        output_shape: program.output_shape.clone(),
        input_scale: Scale(0),
        output_scale: Scale(0),
    };
    let mut proving = Vec::new();
    let mut keep = |_, key: &ProvingKey| -> Result<(), Error> {
        proving.push(key.clone());
        Ok(())
    };
    let mut source = |_| Ok(srs().clone());
    let source: Option<SrsSource<'_>> = Some(&mut source);
    let hidden = disclosure.hidden_weights.then_some(crate::plonk::tests::CONCEALED);
    let Keys {
        verifying: key,
        certificates,
        ..
    } = keys_of(
        &model,
        &segments,
        hidden,
        source,
        backend().as_ref(),
        &mut keep,
        &mut |_| {},
    )
    .unwrap();
    Made {
        key,
        proving,
        certificates,
    }
}

fn input(divisor: f64) -> Vec<f64> {
    small_input().iter().map(|v| (*v as f64 / divisor).round()).collect()
}

impl Made {
    fn prove(&self, input: &[f64], secret: u8, store: &mut dyn Store) -> Result<(SegmentedProven, Vec<Event>), Error> {
        let job = Job {
            key: &self.key,
            input,
            context: &CONTEXT,
            secret: &[secret; 32],
        };
        let mut events = Vec::new();
        let mut load = |i: usize| Ok::<_, Error>(self.proving[i].clone());
        let backend = backend();
        let mut observe = |event| events.push(event);
        let proven = prove(
            &job,
            Standing::default(),
            &mut load,
            store,
            backend.as_ref(),
            &mut observe,
        )?;
        Ok((proven, events))
    }

    fn verify(&self, statement: &SegmentedStatement) -> Result<(), VerifyError> {
        statement.verify(&self.key, &CONTEXT)
    }
}

#[test]
fn segments_verify_together_and_only_those_that_belong_together() {
    let made = made(Disclosure::default());
    let (proven, _) = made.prove(&input(1.0), 1, &mut ()).unwrap();
    let whole = execute::exact(&small_network(), &LIMBS, &small_input())
        .unwrap()
        .outputs;
    assert_eq!(proven.outputs, whole.iter().map(|v| *v as f64).collect::<Vec<_>>());
    let bytes = proven.statement.to_bytes();
    assert_eq!(bytes.len(), SegmentedStatement::len(&made.key));
    let key = Key::from_bytes(&made.key.to_bytes().unwrap()).unwrap();
    assert_eq!(key.digest(), made.key.digest());
    let verified = key.verify(&bytes, &CONTEXT, Trust::InsecureDev).unwrap();
    assert_eq!(verified.outputs.unwrap(), proven.outputs);
    assert_eq!(verified.words, whole);
    let ceremony = key.verify(&bytes, &CONTEXT, Trust::Ceremony);
    assert!(matches!(
        ceremony,
        Err(VerifyError::Rejected(Rejection::InsecureReferenceString))
    ));
    assert!(key.verify(&bytes, &[0; 32], Trust::InsecureDev).is_err());

    // Segments of another run are right, each by itself: only the boundary gives them away.
    let (other, _) = made.prove(&input(2.0), 2, &mut ()).unwrap();
    for segment in 0..made.key.keys().len() {
        let mut mixed = proven.statement.clone();
        mixed.segments[segment] = other.statement.segments[segment].clone();
        for (key, statement) in made.key.keys().iter().zip(&mixed.segments) {
            statement.verify(key, &CONTEXT).unwrap();
        }
        let boundary = made.verify(&mixed);
        assert!(matches!(
            boundary,
            Err(VerifyError::Rejected(Rejection::Boundary { .. }))
        ));
    }
    // The same values under other blinds are another point.
    let (again, _) = made.prove(&input(1.0), 3, &mut ()).unwrap();
    let mut mixed = proven.statement.clone();
    mixed.segments[0] = again.statement.segments[0].clone();
    assert!(made.verify(&mixed).is_err());

    let mut wrong = proven.statement.clone();
    wrong.segments.last_mut().unwrap().public[0] += 1;
    assert!(made.verify(&wrong).is_err());
    for segment in 0..wrong.segments.len() {
        let mut wrong = proven.statement.clone();
        let opening = &mut wrong.segments[segment].proof.opening;
        (opening.w, opening.w_prime) = (opening.w_prime, opening.w);
        assert!(made.verify(&wrong).is_err());
        let mut short = proven.statement.clone();
        short.segments.remove(segment);
        assert!(made.verify(&short).is_err());
    }
}

#[test]
fn ends_that_are_committed_are_opened_as_in_one_piece() {
    let made = made(Disclosure {
        input: Visibility::Committed,
        output: Visibility::Committed,
        ..Disclosure::default()
    });
    let (proven, _) = made.prove(&input(1.0), 1, &mut ()).unwrap();
    made.verify(&proven.statement).unwrap();
    let (first, last) = made.key.ends();
    let segments = &proven.statement.segments;
    let shown = [
        segments[0].input_commitment(first),
        segments[segments.len() - 1].output_commitment(last),
    ];
    let opened = [proven.input_opening, proven.output_opening].map(|o| o.map(|o| o.commitment()));
    assert!(shown[0].is_some() && shown[1].is_some());
    assert_eq!(shown, opened);
}

/// Keeps proofs, and fails when there is room for no more.
#[derive(Default)]
struct Kept {
    proofs: Vec<Option<Vec<u8>>>,
    room: usize,
}

impl Store for Kept {
    fn load(&mut self, segment: usize) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.proofs.get(segment).cloned().flatten())
    }

    fn save(&mut self, segment: usize, proof: &[u8]) -> std::io::Result<()> {
        if segment >= self.room {
            return Err(std::io::Error::other("no room"));
        }
        self.proofs.resize(self.proofs.len().max(segment + 1), None);
        self.proofs[segment] = Some(proof.to_vec());
        Ok(())
    }
}

/// Hidden weights are certified segment by segment, each for its own key and all of them or nothing.
#[test]
fn segments_are_certified() {
    assert!(made(Disclosure::default()).certificates.is_none());
    let hidden = Disclosure {
        hidden_weights: true,
        ..Disclosure::default()
    };
    let Made { key, certificates, .. } = made(hidden);
    let (key, certificates) = (Key::Segmented(key), certificates.unwrap());
    let bytes = certificates.to_bytes().unwrap();
    let read = Certificates::from_bytes(&bytes).unwrap();
    assert_eq!(read, certificates);
    read.verify(&key, Trust::InsecureDev).unwrap();
    let refused = read.verify(&key, Trust::Ceremony);
    assert!(matches!(refused, Err(CertificateError::InsecureReferenceString)));

    let mut swapped = certificates.clone();
    swapped.0.swap(0, 1);
    let refused = swapped.verify(&key, Trust::InsecureDev);
    assert!(matches!(refused, Err(CertificateError::OtherKey)), "{refused:?}");
    let mut fewer = certificates.clone();
    fewer.0.pop();
    let refused = fewer.verify(&key, Trust::InsecureDev);
    assert!(matches!(refused, Err(CertificateError::Count { .. })), "{refused:?}");
    let last = certificates.0.len() - 1;
    let mut other = certificates;
    other.0[last].skeleton.layers[0].bias[0] ^= 1;
    assert!(other.verify(&key, Trust::InsecureDev).is_err());
}

/// Advice and what settles it stay in one segment, so that the segment's certificate can say so.
#[test]
fn no_cut_parts_advice_from_what_settles_it() {
    let program = crate::plonk::tests::composite(Composite::Divide, 2, 4);
    let cuts = Cuts::new(&program, 1, |_| 1);
    for at in 1..cuts.places() {
        assert!(
            cuts.piece(0..at).is_none() && cuts.piece(at..cuts.places()).is_none(),
            "{at}"
        );
    }
    assert!(cuts.piece(0..cuts.places()).is_some());
}

#[test]
fn a_proof_goes_on_from_what_was_finished() {
    let made = made(Disclosure::default());
    let segments = made.key.keys().len();
    let bytes = made.prove(&input(1.0), 1, &mut ()).unwrap().0.statement.to_bytes();
    let mut kept = Kept::default();
    for room in 0..segments {
        kept.room = room;
        assert!(made.prove(&input(1.0), 1, &mut kept).is_err());
        assert_eq!(kept.proofs.len(), room);
    }
    kept.room = segments;
    let (proven, _) = made.prove(&input(1.0), 1, &mut kept).unwrap();
    assert_eq!(proven.finished_before, (0..segments - 1).collect::<Vec<_>>());
    assert_eq!(proven.statement.to_bytes(), bytes);

    // Whatever becomes of what was kept is noticed, and the proof is the same.
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let good = kept.proofs.clone();
    for segment in 0..segments {
        for damage in 0..4 {
            kept.proofs.clone_from(&good);
            let proof = kept.proofs[segment].as_mut().unwrap();
            match damage {
                0 => proof.truncate(100),
                1 => proof.push(0),
                2 => proof.clone_from(good[(segment + 1) % segments].as_ref().unwrap()),
                _ => {
                    let at = rng.random_range(0..proof.len());
                    proof[at] ^= 1 << rng.random_range(0..8);
                }
            }
            let (proven, events) = made.prove(&input(1.0), 1, &mut kept).unwrap();
            let damaged = |event: &Event| match event {
                Event::Damaged(i, _) => Some(*i),
                _ => None,
            };
            assert_eq!(events.iter().filter_map(damaged).collect::<Vec<_>>(), [segment]);
            assert_eq!(proven.statement.to_bytes(), bytes);
        }
    }
    // A proof of the same segment about other values verifies, and is not taken.
    let other = made.prove(&input(2.0), 2, &mut ()).unwrap().0;
    kept.proofs.clone_from(&good);
    kept.proofs[1] = Some(other.statement.segments[1].to_bytes());
    let again = made.prove(&input(1.0), 1, &mut kept).unwrap().0;
    assert_eq!(again.statement.to_bytes(), bytes);
}

#[test]
fn a_key_of_another_segment_is_refused() {
    let made = made(Disclosure::default());
    let swapped = Made {
        proving: made.proving.iter().rev().cloned().collect(),
        key: made.key,
        certificates: None,
    };
    let refused = swapped.prove(&input(1.0), 1, &mut ());
    assert!(matches!(refused, Err(Error::OtherKey { segment: 0 })));
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let made = made(Disclosure::default());
    let keys = made.key.keys().to_vec();
    assert!(SegmentedKey::new(keys.clone()).is_ok());
    let mut swapped = keys.clone();
    swapped.swap(1, 2);
    assert!(SegmentedKey::new(swapped).is_err());
    assert!(SegmentedKey::new(keys[..1].to_vec()).is_err());
    let mut gap = keys.clone();
    gap.remove(1);
    assert!(SegmentedKey::new(gap).is_err());
    let open = self::made(Disclosure {
        input: Visibility::Public,
        output: Visibility::Public,
        ..Disclosure::default()
    });
    let ends = [keys[3].clone(), open.key.keys()[0].clone()];
    assert!(SegmentedKey::new(ends.to_vec()).is_err());
}

#[test]
fn damaged_bytes_are_refused() {
    let made = made(Disclosure::default());
    let key = made.key.to_bytes().unwrap();
    let proof = made.prove(&input(1.0), 1, &mut ()).unwrap().0.statement.to_bytes();
    let read = |bytes: &[u8]| SegmentedStatement::read(bytes, &made.key);
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let mut flip = |bytes: &[u8]| {
        let mut changed = bytes.to_vec();
        changed[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8);
        changed
    };
    for _ in 0..100 {
        // What can still be read is another key.
        let changed = SegmentedKey::from_bytes(&flip(&key));
        assert!(changed.is_err() || changed.is_ok_and(|k| k.digest() != made.key.digest()));
        assert!(read(&flip(&proof)).and_then(|s| made.verify(&s)).is_err());
    }
    for _ in 0..200 {
        assert!(SegmentedKey::from_bytes(&key[..rng.random_range(0..key.len())]).is_err());
        assert!(read(&proof[..rng.random_range(0..proof.len())]).is_err());
        let noise: Vec<u8> = (0..rng.random_range(0..300)).map(|_| rng.random()).collect();
        assert!(SegmentedKey::from_bytes(&noise).is_err() && read(&noise).is_err());
        assert!(SegmentedKey::from_bytes(&[&key[..16], &noise].concat()).is_err());
    }
    assert!(SegmentedKey::from_bytes(&[&key[..], &[0]].concat()).is_err());
    assert!(read(&[&proof[..], &[0]].concat()).is_err());
}

/// As many segments as are asked for at most, the fewest that memory allows, and none where nothing does.
#[test]
fn a_program_is_cut_as_it_is_asked_for() {
    let program = small_network();
    let of = |division| divide(&program, LIMBS, SetupOptions::default(), division);
    let count = |segments: usize| Division::Count(NonZeroUsize::new(segments).unwrap());
    let rows = |s: &Segment| layout::demand(&s.program, 4, s.disclosure).slots;
    let longest = |asked| of(count(asked)).unwrap().iter().map(rows).max().unwrap();
    for (asked, got) in [(1, 1), (2, 2), (4, 4), (9, 4)] {
        assert!(of(count(asked)).unwrap().len() <= got);
        assert!(longest(asked + 1) <= longest(asked));
    }
    assert!(longest(2) < longest(1) && of(count(2)).unwrap().len() == 2);
    let outputs = |segments: &[Segment]| segments.last().unwrap().program.outputs.len();
    assert_eq!(outputs(&of(count(3)).unwrap()), program.outputs.len());
    let most = of(count(1)).unwrap().iter().map(|s| memory(&s.shape)).max().unwrap();
    assert_eq!(of(Division::Memory(most)).unwrap().len(), 1);
    assert!(of(Division::Memory(1 << 20)).is_none());
    for segment in of(count(4)).unwrap() {
        assert_eq!(segment.shape.log_n(), LIMBS.bits);
        layout::compile(&segment.program, &segment.shape, segment.disclosure).unwrap();
    }
}
