//! Honest certificates, and key makers that cheat in each way that a check is for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ark_ff::{Field, UniformRand};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tapeout_driver::{Fr, G1Affine};

use super::{
    argument::{BLINDERS, SUMS},
    *,
};
use crate::{
    field::powers,
    layout::{Disclosure, Visibility},
    model::program::{Act, Composite, Source, Term},
    plonk::{
        fold::{Fold, Sparse, WeightTile, polynomials},
        hidden::Dummies,
        tests::{
            Fixture, backend, composite, fold::circuit, forge::SCALE, gemm, network, pool, primitives, read,
            small_network, srs,
        },
    },
};

fn certify(fixture: &Fixture) -> Result<Certificate, CertificateError> {
    Certificate::new(
        &fixture.key,
        srs(),
        backend().as_ref(),
        &mut ChaCha20Rng::seed_from_u64(4),
    )
}

#[test]
fn honest_keys_are_certified() {
    let programs = [small_network(), circuit(), pool(2, vec![1, 2], vec![0, 1], true)];
    let mut fixtures: Vec<Fixture> = programs.iter().map(|program| Fixture::hidden(program, 2)).collect();
    // Columns of hashes hold field elements of any size.
    let hashed = Disclosure {
        input: Visibility::Hashed,
        hidden_weights: true,
        ..Disclosure::default()
    };
    fixtures.push(Fixture::committed(&circuit(), hashed, |_| {}));
    for fixture in fixtures {
        let certificate = certify(&fixture).unwrap();
        certificate.verify(&fixture.key.verifying, Trust::InsecureDev).unwrap();
        let certificates = Certificates(vec![certificate]);
        let bytes = certificates.to_bytes().unwrap();
        assert_eq!(Certificates::from_bytes(&bytes).unwrap(), certificates);
        let [certificate] = &certificates.0[..] else { panic!() };
        // Nothing of the weights is in the network that it states.
        for layer in &certificate.skeleton.layers {
            assert!(layer.terms.iter().flat_map(|t| &t.taps).all(Vec::is_empty));
            assert!(layer.bias.iter().all(|b| [0, 1].contains(b)) && layer.name.starts_with("layer "));
        }
    }
}

/// Every kind of layer is certified, and the weights that settle advice are stated; a raw product that a layer with hidden weights
/// reads is refused, and says so.
#[test]
fn every_kind_of_layer_is_certified() {
    let mut stated = 0;
    for (name, program, _) in primitives() {
        let fixture = Fixture::hidden(&program, 1);
        let result = certify(&fixture);
        if name == "products" {
            assert!(matches!(result, Err(CertificateError::Unsettled { .. })), "{result:?}");
            continue;
        }
        let certificate = result.unwrap();
        certificate.verify(&fixture.key.verifying, Trust::InsecureDev).unwrap();
        let settling = fixture.key.quantised.settling().unwrap();
        for (i, layer) in certificate.skeleton.layers.iter().enumerate() {
            let own = &program.layers[i];
            let same = |(a, b): (&Term<i64>, &Term<i64>)| a.taps == b.taps;
            assert_eq!(settling[i], own.act == Act::Floor, "{name} {i}");
            if settling[i] {
                assert!(layer.terms.iter().zip(&own.terms).all(same) && layer.bias == own.bias);
                stated += 1;
            } else {
                assert!(
                    layer.terms.iter().flat_map(|t| &t.taps).all(Vec::is_empty),
                    "{name} {i}"
                );
            }
        }
    }
    assert!(stated >= 6, "{stated}");
    let open = Fixture::new(&circuit(), 1, false);
    assert!(matches!(certify(&open), Err(CertificateError::NotHidden)));
}

/// A quotient with another bound than its rule's leaves the prover a choice: with another weight in the key, or a stated one.
#[test]
fn weights_that_settle_advice_are_those_stated() {
    let program = composite(Composite::Divide, 2, 4);
    let honest = Fixture::hidden(&program, 1);
    let right = certify(&honest).unwrap();
    let key = &honest.key.verifying;
    let (fold, layers) = (&key.weights.fold, &key.interface.linear);
    for l in (0..program.layers.len()).filter(|l| program.layers[*l].act == Act::Floor) {
        for (t, operand) in layers[l].tiles.iter().enumerate() {
            let tile = fold.tiles.iter().position(|tile| tile.parts.contains(&(l, t))).unwrap();
            let first = &fold.tiles[tile];
            let at = fold.width * (layers[l].offset - first.channel) + operand.read - first.read;
            let cheat = cheat(&program, |tiles, _| tiles[tile][at] += Fr::from(1u8));
            let refused = cheat.certify();
            assert!(
                matches!(refused, Err(CertificateError::Open(_))),
                "{l} {t}: {refused:?}"
            );
            let mut other = right.clone();
            other.key = cheat.fixture.key.verifying.digest;
            let refused = other.verify(&cheat.fixture.key.verifying, Trust::InsecureDev);
            assert!(
                matches!(refused, Err(CertificateError::Opening(_))),
                "{l} {t}: {refused:?}"
            );
        }
        let mut loose = program.clone();
        loose.layers[l].bias[0] += 1;
        let refused = certify(&Fixture::hidden(&loose, 1));
        assert!(
            matches!(refused, Err(CertificateError::Unsettled { .. })),
            "{l}: {refused:?}"
        );
        // Stated rightly of a key that has it otherwise.
        let fixture = Fixture::hidden(&loose, 1);
        let mut other = right.clone();
        other.key = fixture.key.verifying.digest;
        let refused = other.verify(&fixture.key.verifying, Trust::InsecureDev);
        assert!(
            matches!(
                refused,
                Err(CertificateError::OtherCircuit | CertificateError::Opening(_))
            ),
            "{l}: {refused:?}"
        );
    }
}

/// A key like another one whose weights are changed behind the layout's back: `change` gets the tiles' coefficients.
struct Cheat {
    fixture: Fixture,
    tiles: Vec<Vec<Fr>>,
}

fn dense(fold: &Fold, tiles: &[Sparse]) -> Vec<Vec<Fr>> {
    let dense = |(tile, sparse): (&WeightTile, &Sparse)| {
        let mut out = vec![Fr::from(0u8); fold.width * tile.rows];
        sparse.iter().for_each(|(power, c)| out[*power] = *c);
        out
    };
    fold.tiles.iter().zip(tiles).map(dense).collect()
}

fn sparse(tile: &[Fr]) -> Sparse {
    let all = tile.iter().copied().enumerate();
    all.filter(|(_, c)| *c != Fr::from(0u8)).collect()
}

fn cheat(program: &Program<i64>, change: impl FnOnce(&mut Vec<Vec<Fr>>, &Fold)) -> Cheat {
    let mut fixture = Fixture::hidden(program, 1);
    let key = &fixture.key;
    let (fold, layers) = (&key.verifying.weights.fold, &key.verifying.interface.linear);
    let sparse = polynomials(fold, layers, &key.wiring.weights, &key.dummies);
    let mut tiles = dense(fold, &sparse);
    change(&mut tiles, fold);
    let commit = |p: &Vec<Fr>| -> G1Affine {
        let msm = backend().prepare_msm(&srs().powers_g1()[..p.len()]).unwrap();
        let scalars = tapeout_driver::Scalars {
            values: p,
            width: tapeout_driver::Width::Full,
        };
        msm.run(&[scalars]).unwrap().out[0].into()
    };
    let commitments = tiles.iter().map(commit).collect();
    let key = &mut fixture.key.verifying;
    let bytes = {
        let mut changed = key.clone();
        changed.weights.tiles = commitments;
        changed.to_bytes().unwrap()
    };
    *key = VerifyingKey::from_bytes(&bytes).unwrap();
    Cheat { fixture, tiles }
}

impl Cheat {
    /// What a prover gets who follows the argument all the same.
    fn certify(&self) -> Result<Certificate, CertificateError> {
        self.claiming(|_| {})
    }

    /// As [`Self::certify`], but for the sums.
    fn claiming(&self, claim: impl FnOnce(&mut [Fr; SUMS])) -> Result<Certificate, CertificateError> {
        let key = &self.fixture.key.verifying;
        let quantised = &self.fixture.key.quantised;
        let skeleton = skeleton(&quantised.program, &settling(quantised)?);
        let rng = &mut ChaCha20Rng::seed_from_u64(4);
        let stated = Stated::new(&skeleton, key)?;
        let tiles: Vec<Sparse> = self.tiles.iter().map(|tile| sparse(tile)).collect();
        let argument = Argument::prove(key, &tiles, &stated, srs(), backend().as_ref(), rng, claim)?;
        Ok(Certificate {
            key: key.digest,
            skeleton,
            argument,
        })
    }
}

/// A key whose tiles are not changed but taken through the same machinery is certified: what the tests below see refused is what they changed.
#[test]
fn the_machinery_of_these_tests_is_right() {
    let same = cheat(&circuit(), |_, _| {});
    same.certify()
        .unwrap()
        .verify(&same.fixture.key.verifying, Trust::InsecureDev)
        .unwrap();
    // A dummy may be anything.
    let other = cheat(&circuit(), |tiles, fold| {
        let slot = fold.hidden.unwrap().slot(&fold.tiles[0]);
        tiles[0][slot] += Fr::from(12345u64);
    });
    other
        .certify()
        .unwrap()
        .verify(&other.fixture.key.verifying, Trust::InsecureDev)
        .unwrap();
}

/// Weights beyond the bound: quotients mod r, and integers that are too large. Whatever the prover says of its sums, some are out of range.
#[test]
fn weights_that_are_no_small_integers_are_refused() {
    let half = Fr::from(2u8).inverse().unwrap();
    for weight in [half, -half, Fr::from(3u8).inverse().unwrap(), Fr::from(2u8).pow([200])] {
        let cheat = cheat(&circuit(), |tiles, _| tiles[0][0] = weight);
        // The sums are what they are, out of range.
        let forged = cheat.certify().unwrap();
        let refused = forged.verify(&cheat.fixture.key.verifying, Trust::InsecureDev);
        assert!(matches!(refused, Err(CertificateError::Range)), "{refused:?}");
        // Sums that are put in range are not those of the weights: what they leave makes L too long.
        let refused = cheat.claiming(|sums| sums.fill(Fr::from(1u8)));
        assert!(matches!(refused, Err(CertificateError::Open(_))), "{refused:?}");
    }
}

/// A coefficient that no operand has would read other layers' rows.
#[test]
fn coefficients_that_no_operand_has_are_refused() {
    // Two gemms share a tile, so that each has slots of the other.
    let one = gemm(
        vec![Source::Input(0), Source::Input(1)],
        &[&[SCALE, 0], &[0, SCALE]],
        Act::Requant,
    );
    let two = gemm(vec![read(0, 0), read(0, 1)], &[&[SCALE, SCALE]], Act::Requant);
    let program = network(2, vec![one, two]);
    let fixture = Fixture::hidden(&program, 1);
    let honest = certify(&fixture).unwrap();
    let width = fixture.key.verifying.weights.fold.width;
    for at in [2, 2 * width] {
        let cheat = cheat(&program, |tiles, fold| {
            assert_eq!(fold.tiles.len(), 1);
            assert_eq!(tiles[0][at], Fr::from(0u8));
            tiles[0][at] = Fr::from(1u8);
        });
        let refused = cheat.certify();
        assert!(matches!(refused, Err(CertificateError::Open(_))), "{at}: {refused:?}");
        // Nor does the certificate of the key without that coefficient serve.
        let mut other = honest.clone();
        other.key = cheat.fixture.key.verifying.digest;
        let refused = other.verify(&cheat.fixture.key.verifying, Trust::InsecureDev);
        assert!(
            matches!(refused, Err(CertificateError::Opening(_))),
            "{at}: {refused:?}"
        );
    }
}

/// A tile that is longer than it should be has rows that belong to other layers: whether another tile is as long, or none.
#[test]
fn tiles_that_are_too_long_are_refused() {
    for beyond_all in [false, true] {
        let cheat = cheat(&pool(2, vec![1, 2], vec![0, 1], true), |tiles, _| {
            let longest = tiles.iter().map(Vec::len).fold(MASK_LEN, usize::max);
            if beyond_all {
                tiles[0].resize(longest, Fr::from(0u8));
            } else {
                assert!(tiles[0].len() < longest);
            }
            tiles[0].push(Fr::from(1u8));
        });
        let refused = cheat.certify();
        assert!(
            matches!(refused, Err(CertificateError::Open(_))),
            "{beyond_all}: {refused:?}"
        );
    }
}

/// Another circuit than that of the stated network: another skeleton, or a key with other columns.
#[test]
fn the_circuit_is_the_stated_networks() {
    let fixture = Fixture::hidden(&small_network(), 2);
    let key = &fixture.key.verifying;
    let right = certify(&fixture).unwrap();
    let changes: [fn(&mut Program<i64>); 5] = [
        |p| p.input_shape = vec![usize::MAX],
        |p| p.layers[0].act = Act::Floor,
        |p| p.layers[0].terms[0].block[0] = Source::Const(1),
        |p| p.layers[0].bias.iter_mut().for_each(|b| *b = 1 - *b),
        |p| p.outputs.reverse(),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut other = right.clone();
        change(&mut other.skeleton);
        let refused = other.verify(key, Trust::InsecureDev);
        assert!(refused.is_err(), "{i}");
    }
    // A selector less in the key: another commitment under the same interface.
    let mut rewired = Fixture::hidden(&small_network(), 2).rewired(|_, wiring| {
        let row = wiring.fixed[2].iter().position(|v| *v == 1).unwrap();
        wiring.fixed[2][row] = 0;
    });
    rewired.key.verifying = VerifyingKey::from_bytes(&rewired.key.verifying.to_bytes().unwrap()).unwrap();
    let result = certify(&rewired).and_then(|c| c.verify(&rewired.key.verifying, Trust::InsecureDev));
    assert!(matches!(result, Err(CertificateError::Opening(_))), "{result:?}");
}

/// Every element of a certificate counts, and it is for one key.
#[test]
fn every_element_counts() {
    let fixture = Fixture::hidden(&circuit(), 1);
    let key = &fixture.key.verifying;
    let right = certify(&fixture).unwrap();
    let other_point = right.argument.opening.w;
    let points: [fn(&mut Argument) -> &mut G1Affine; 7] = [
        |a| &mut a.mask,
        |a| &mut a.low,
        |a| &mut a.reversed,
        |a| &mut a.high,
        |a| &mut a.degrees,
        |a| &mut a.opening.w,
        |a| &mut a.opening.w_prime,
    ];
    for (i, point) in points.into_iter().enumerate() {
        let mut other = right.clone();
        let point = point(&mut other.argument);
        *point = (*point + other_point).into();
        assert!(
            matches!(other.verify(key, Trust::InsecureDev), Err(CertificateError::Opening(_))),
            "{i}"
        );
    }
    for i in 0..2 {
        let mut other = right.clone();
        other.argument.values[i] += Fr::from(1u8);
        assert!(matches!(
            other.verify(key, Trust::InsecureDev),
            Err(CertificateError::Opening(_))
        ));
    }
    for i in [0, 77, SUMS - 1] {
        let mut other = right.clone();
        other.argument.sums[i] += Fr::from(1u8);
        assert!(matches!(
            other.verify(key, Trust::InsecureDev),
            Err(CertificateError::Opening(_))
        ));
    }
    let another = Fixture::hidden(&small_network(), 2);
    assert!(matches!(
        right.verify(&another.key.verifying, Trust::InsecureDev),
        Err(CertificateError::OtherKey)
    ));
    let mut relabelled = right;
    relabelled.key = another.key.verifying.digest;
    assert!(matches!(
        relabelled.verify(&another.key.verifying, Trust::InsecureDev),
        Err(CertificateError::OtherCircuit | CertificateError::Opening(_))
    ));
}

/// The sums hide the weights: two certificates of one key have nothing in common, and the mask has a random coefficient for each
/// functional of it that is revealed.
#[test]
fn certificates_reveal_nothing() {
    let fixture = Fixture::hidden(&circuit(), 1);
    let [a, b] = [1, 2].map(|seed| {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        Certificate::new(&fixture.key, srs(), backend().as_ref(), rng)
            .unwrap()
            .argument
    });
    assert!(a.points().iter().all(|p| !b.points().contains(p)));
    assert!(
        a.sums
            .iter()
            .chain(&a.values)
            .all(|v| !b.sums.contains(v) && !b.values.contains(v))
    );

    let rng = &mut ark_std::test_rng();
    let [tau, z, beta] = [(); 3].map(|()| Fr::rand(rng));
    let back = tau.inverse().unwrap();
    let n = 500;
    let blinders = || (0..BLINDERS).chain(MASK_LEN - BLINDERS..MASK_LEN);
    let vector: Vec<Fr> = powers(beta, SUMS);
    // What coefficient e of the mask adds to L or H at a point: its product with A_Y, below or above X^(n-1).
    let part = |e: usize, at: Fr, high: bool| -> Fr {
        let terms = vector.iter().enumerate().map(|(k, b)| (e + n - 1 - BLINDERS - k, b));
        let kept = terms.filter(|(power, _)| if high { *power >= n } else { *power < n - 1 });
        kept.map(|(power, b)| *b * at.pow([power as u64])).sum()
    };
    let rows: Vec<Vec<Fr>> = vec![
        blinders().map(|e| tau.pow([e as u64])).collect(),
        blinders().map(|e| back.pow([e as u64])).collect(),
        blinders().map(|e| z.pow([e as u64])).collect(),
        blinders().map(|e| part(e, tau, true)).collect(),
        blinders().map(|e| part(e, back, false)).collect(),
        blinders().map(|e| part(e, z, false)).collect(),
    ];
    assert_eq!(crate::plonk::tests::rank(rows), 6);
}

/// Dummies do not count as weights, and the bits are those of the transcript: the vectors cover every coefficient once.
#[test]
fn dummies_are_free() {
    let fixture = Fixture::hidden(&circuit(), 1);
    let none = Dummies::default();
    let fold = &fixture.key.verifying.weights.fold;
    let layers = &fixture.key.verifying.interface.linear;
    let bare = polynomials(fold, layers, &fixture.key.wiring.weights, &none);
    let bare = dense(fold, &bare);
    let cheat = cheat(&circuit(), |tiles, _| *tiles = bare);
    cheat
        .certify()
        .unwrap()
        .verify(&cheat.fixture.key.verifying, Trust::InsecureDev)
        .unwrap();
}

fn bytes() -> &'static Vec<u8> {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| {
        let certificate = certify(&Fixture::hidden(&circuit(), 1)).unwrap();
        Certificates(vec![certificate]).to_bytes().unwrap()
    })
}

#[test]
fn damaged_files_are_refused() {
    let bytes = bytes();
    for len in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        assert!(Certificates::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    assert!(Certificates::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        Certificates::from_bytes(&bytes)
    };
    assert!(matches!(with(0, b"X"), Err(CertificateError::Magic)));
    assert!(matches!(with(11, &[9]), Err(CertificateError::Version { got: 9 })));
    for count in [0, 2, u32::MAX] {
        assert!(
            matches!(with(12, &count.to_be_bytes()), Err(CertificateError::Decode(_))),
            "{count}"
        );
    }
    assert!(matches!(with(48, &[0xff; 8]), Err(CertificateError::Decode(_))));
    let end = bytes.len();
    let (sums, opening) = (end - 128 - 32 * (SUMS + 2), end - 128);
    assert!(matches!(with(sums, &[0xff; 32]), Err(CertificateError::Decode(_))));
    assert!(matches!(with(sums - 64, &[0; 64]), Err(CertificateError::Decode(_))));
    assert!(matches!(with(opening, &[0xff; 32]), Err(CertificateError::Decode(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_changed_byte_certifies_nothing(at in any::<prop::sample::Index>(), mask in 1u8..) {
        static KEY: std::sync::OnceLock<Key> = std::sync::OnceLock::new();
        let key = KEY.get_or_init(|| Key::Whole(Fixture::hidden(&circuit(), 1).key.verifying.into()));
        let mut bytes = bytes().clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        if let Ok(certificates) = Certificates::from_bytes(&bytes) {
            prop_assert!(certificates.verify(key, Trust::InsecureDev).is_err(), "{at}");
        }
    }
}
