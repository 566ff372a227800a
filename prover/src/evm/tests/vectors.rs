//! One set of proof files, right and wrong, that every verifier is tested with: this module writes it and runs it in the EVM,
//! `prover/verifier/tests/vectors.rs` natively, `examples/web/test.mjs` in a browser.

use serde::{Deserialize, Serialize};

use super::*;
use crate::{field::signed, statement::Context};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier/tests/vectors.json");
/// Magic, version, digest of the key, number of public words.
const HEADER: usize = 8 + 4 + 32 + 4;

/// The set, bytes in hexadecimal.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vectors {
    /// Verifying keys.
    keys: Vec<String>,
    /// Proof files.
    proofs: Vec<String>,
    vectors: Vec<Vector>,
}

/// A proof file with some bytes replaced.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    name: String,
    key: usize,
    proof: usize,
    at: usize,
    removed: usize,
    inserted: String,
    context: String,
    /// Why the native verifier refuses it; none if it accepts.
    reason: Option<String>,
    /// The error that a contract reverts with; none if it accepts. What is wrong in the file's header never reaches a contract.
    evm: Option<String>,
    /// Whether a contract can be asked.
    header: bool,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

/// Adds vectors for one key and one proof.
struct Builder<'a> {
    set: &'a mut Vectors,
    key: &'a VerifyingKey,
    key_index: usize,
    proof_index: usize,
    file: Vec<u8>,
}

impl<'a> Builder<'a> {
    fn new(set: &'a mut Vectors, key: &'a VerifyingKey, statement: &Statement) -> Self {
        let file = statement.to_bytes();
        let text = hex(&key.to_bytes().unwrap());
        let key_index = set.keys.iter().position(|k| *k == text).unwrap_or_else(|| {
            set.keys.push(text);
            set.keys.len() - 1
        });
        set.proofs.push(hex(&file));
        Self {
            key,
            key_index,
            proof_index: set.proofs.len() - 1,
            file,
            set,
        }
    }

    fn add(
        &mut self,
        name: impl Into<String>,
        at: usize,
        removed: usize,
        inserted: &[u8],
        context: Context,
        evm: Option<&str>,
    ) {
        let name = name.into();
        let file = [&self.file[..at], inserted, &self.file[at + removed..]].concat();
        let verdict = crate::pipeline::verify(self.key, &file, &context, crate::pipeline::Trust::InsecureDev);
        let header = at < HEADER;
        assert_eq!(verdict.is_ok(), evm.is_none(), "{name}: {verdict:?}");
        self.set.vectors.push(Vector {
            name,
            key: self.key_index,
            proof: self.proof_index,
            at,
            removed,
            inserted: hex(inserted),
            context: hex(&context),
            reason: verdict.err().map(|error| error.to_string()),
            evm: evm.filter(|_| !header).map(str::to_owned),
            header,
        });
    }

    /// Bytes replaced by as many others.
    fn with(&mut self, name: impl Into<String>, at: usize, other: &[u8], evm: &str) {
        self.add(name, at, other.len(), other, CONTEXT, Some(evm));
    }

    fn word(&self, at: usize) -> [u8; 32] {
        self.file[at..at + 32].try_into().unwrap()
    }
}

/// The big-endian sum, where 32 bytes hold it.
fn plus(bytes: [u8; 32], modulus: &[u8]) -> Option<[u8; 32]> {
    let mut carry = 0u16;
    let mut out = [0; 32];
    for i in (0..32).rev() {
        let sum = u16::from(bytes[i]) + u16::from(modulus[i]) + carry;
        out[i] = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(out)
}

/// Encodings (traps T15 to T19, A2), contexts (T30).
fn encodings(set: &mut Vectors) {
    let fixture = fixture();
    let key = fixture.key.verifying();
    let statement = statement(&fixture, &[-9, -5, 70, 3]);
    let mut b = Builder::new(set, key, &statement);
    let (words, points) = (HEADER, HEADER + 64);
    let advice = key.cs.advice.len();
    let evals = points + (advice + 5) * 64;
    let end = b.file.len();
    let opening = end - 128;
    let (r, q) = (Fr::MODULUS.to_bytes_be(), Fq::MODULUS.to_bytes_be());

    b.add("right", end, 0, &[], CONTEXT, None);
    // The header.
    b.with("another magic", 0, b"TAPEOUTX", "");
    b.with("another version", 8, &[0, 0, 0, 9], "");
    b.with("another key's digest", 12, &[7; 32], "");
    b.with("three words", 44, &[0, 0, 0, 3], "");
    // Lengths (T17).
    for len in [points + 1, evals, end - 32, end - 1] {
        b.add(
            format!("cut at {len}"),
            len,
            end - len,
            &[],
            CONTEXT,
            Some("Malformed()"),
        );
    }
    b.add("a byte more", end, 0, &[0], CONTEXT, Some("Malformed()"));
    b.add("a word more", end, 0, &[0; 32], CONTEXT, Some("Malformed()"));
    b.add("a point left out", points, 64, &[], CONTEXT, Some("Malformed()"));
    let first = b.file[points..points + 64].to_vec();
    b.add("a point twice", points, 0, &first, CONTEXT, Some("Malformed()"));
    // Scalars (T18).
    for at in (evals..opening).step_by(32) {
        if let Some(value) = plus(b.word(at), &r) {
            b.with(format!("evaluation at {at} plus r"), at, &value, "NotCanonical()");
        }
        let mut other = b.word(at);
        other[31] ^= 1;
        b.with(format!("another evaluation at {at}"), at, &other, "Rejected()");
    }
    // Points (T18, T19).
    for at in (points..evals).step_by(64).chain([opening, opening + 64]) {
        let index = (at - points) / 64;
        let blinded = index < advice && key.cs.advice[index].blinds > 0
            || (advice + 3..advice + 5).contains(&index) && at < evals;
        for coordinate in [at, at + 32] {
            if let Some(value) = plus(b.word(coordinate), &q) {
                b.with(
                    format!("coordinate at {coordinate} plus q"),
                    coordinate,
                    &value,
                    "Precompile()",
                );
            }
        }
        let mut off = b.word(at + 32);
        off[31] ^= 1;
        b.with(format!("off the curve at {at}"), at + 32, &off, "Precompile()");
        let error = if blinded { "NotCanonical()" } else { "Rejected()" };
        if b.file[at..at + 64] != [0; 64] {
            b.with(format!("infinity at {at}"), at, &[0; 64], error);
        }
        let other = if at == opening { points } else { opening };
        let other = b.file[other..other + 64].to_vec();
        b.with(format!("another point at {at}"), at, &other, "Rejected()");
    }
    // Public words: out of range (A2), not canonical (T18), others (T15).
    for value in [1i64 << 13, -(1 << 13) - 1, i64::MAX] {
        let mut out = Writer::new();
        out.scalar(&signed(value));
        b.with(
            format!("public word {value}"),
            words,
            &out.finish(),
            "PublicRange(uint256)",
        );
    }
    if let Some(value) = plus(b.word(words + 32), &r) {
        b.with("public word plus r", words + 32, &value, "NotCanonical()");
    }
    let mut other = b.word(words + 32);
    other[31] ^= 1;
    b.with("another public word", words + 32, &other, "Rejected()");
    let exchanged = [b.word(words + 32), b.word(words)].concat();
    b.with("public words exchanged", words, &exchanged, "Rejected()");
    // Contexts (T30).
    b.add("another context", end, 0, &[], [8; 32], Some("Rejected()"));
    b.add("no context", end, 0, &[], NO_CONTEXT, Some("Rejected()"));
}

/// A key with hidden weights, and its proof's mask.
fn hidden(set: &mut Vectors) {
    let fixture = Fixture::hidden(&fold::circuit(), 1);
    let statement = statement(&fixture, &fold::INPUT);
    let key = fixture.key.verifying();
    let mut b = Builder::new(set, key, &statement);
    let end = b.file.len();
    b.add("hidden weights, right", end, 0, &[], CONTEXT, None);
    let mask = HEADER + 32 * statement.public.len() + 64 * key.cs.advice.len();
    let (other, two) = (b.file[mask + 64..mask + 128].to_vec(), b.word(mask + 32));
    b.with("mask: another point", mask, &other, "Rejected()");
    b.with("mask: at infinity", mask, &[0; 64], "NotCanonical()");
    b.with("mask: off the curve", mask, &two, "Precompile()");
    b.with("mask: not canonical", mask, &[0xff; 32], "Precompile()");
}

/// Hashes: any field element, in canonical form, and the right one.
fn hashes(set: &mut Vectors) {
    let input = [3, -7, 100];
    let (fixture, ..) = hashed_input(&input, |_| {});
    let mut b = Builder::new(set, fixture.key.verifying(), &statement(&fixture, &input));
    let (hash, end) = (HEADER + 32, b.file.len());
    b.add("hash, right", end, 0, &[], CONTEXT, None);
    let mut other = b.word(hash);
    other[31] ^= 1;
    b.with("another hash", hash, &other, "Rejected()");
    b.with("a hash of zero", hash, &[0; 32], "Rejected()");
    let r = Fr::MODULUS.to_bytes_be();
    b.with("a hash of r", hash, &r, "NotCanonical()");
    let large = plus(b.word(hash), &r).unwrap_or([0xff; 32]);
    b.with("hash plus r", hash, &large, "NotCanonical()");
    let word = b.word(hash);
    b.with("an integer as large as a hash", HEADER, &word, "PublicRange(uint256)");
    b.add("no hash", hash, 32, &[], CONTEXT, Some("Malformed()"));
}

/// Two read ports: their points and coefficients belong to one of them each.
fn ports(set: &mut Vectors) {
    let fixture = Fixture::new(&two_ports(), 1, false);
    let statement = statement(&fixture, &[100, -70, 33, 500]);
    let key = fixture.key.verifying();
    let mut b = Builder::new(set, key, &statement);
    let end = b.file.len();
    b.add("two ports, right", end, 0, &[], CONTEXT, None);
    let at = |column: usize| HEADER + 32 * statement.public.len() + 64 * column;
    let [first, second] = [0, 1].map(|port| &key.cs.columns.ports[port]);
    for (name, first, second) in [("x", first.x, second.x), ("C", first.c, second.c)] {
        let (here, there) = (at(first), at(second));
        let other = b.file[there..there + 64].to_vec();
        b.with(format!("{name} of one port as the other's"), here, &other, "Rejected()");
    }
}

fn generate() -> Vectors {
    let mut set = Vectors {
        keys: Vec::new(),
        proofs: Vec::new(),
        vectors: Vec::new(),
    };
    encodings(&mut set);
    hidden(&mut set);
    hashes(&mut set);
    ports(&mut set);
    // (F1), (F2), (F3): each gets past a verifier without its check.
    for lie in fold::Lie::ALL {
        let (mut fixture, public, proof) = fold::forged(lie);
        let forged = Statement {
            key: fixture.key.verifying.digest,
            public,
            hashes: Vec::new(),
            proof,
        };
        forged
            .verify_weakened(fixture.key.verifying(), &CONTEXT, &fixture.defences)
            .unwrap();
        fixture.defences = Defences::ALL;
        let honest = statement(&fixture, &fold::INPUT);
        let key = fixture.key.verifying();
        let mut right = Builder::new(&mut set, key, &honest);
        let end = right.file.len();
        right.add(format!("weight fold, right ({lie:?})"), end, 0, &[], CONTEXT, None);
        let mut wrong = Builder::new(&mut set, key, &forged);
        wrong.add(
            format!("weight fold, forged ({lie:?})"),
            end,
            0,
            &[],
            CONTEXT,
            Some("Rejected()"),
        );
    }
    set
}

/// `TAPEOUT_BLESS=1` writes the file anew.
#[test]
fn the_vectors_are_what_provers_make() {
    let set = generate();
    if std::env::var_os("TAPEOUT_BLESS").is_some() {
        std::fs::write(FILE, serde_json::to_string_pretty(&set).unwrap() + "\n").unwrap();
    }
    let committed: Vectors = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert!(
        set == committed,
        "the protocol's bytes changed: TAPEOUT_BLESS=1 writes {FILE} anew"
    );
    assert!(set.vectors.iter().filter(|v| v.reason.is_some()).count() > 100);
}

/// Both forms of contract agree with the native verifier on every vector, and say why.
#[test]
fn contracts_agree_on_the_vectors() {
    let Some(tools) = tools() else { return };
    let set: Vectors = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    for (index, key) in set.keys.iter().enumerate() {
        let key = VerifyingKey::from_bytes(&bytes(key)).unwrap();
        let asked: Vec<&Vector> = set.vectors.iter().filter(|v| v.key == index && !v.header).collect();
        let statement = |v: &Vector| {
            let base = bytes(&set.proofs[v.proof]);
            let file = [&base[..v.at], &bytes(&v.inserted), &base[v.at + v.removed..]].concat();
            let words = HEADER + 32 * key.interface.public_words();
            (file[HEADER..words].to_vec(), file[words..].to_vec(), bytes(&v.context))
        };
        let calls = |address: Option<[u8; 20]>| {
            let data = asked.iter().map(|v| {
                let (words, proof, context) = statement(v);
                call(&encoded(address, &proof, &words, &context))
            });
            data.collect::<Vec<_>>()
        };
        for form in [Form::Single, Form::Shared] {
            let address = (form == Form::Shared).then(|| deployed_address(1));
            let outcomes = ask_form(&tools, &key, form, calls(address));
            for (v, outcome) in asked.iter().zip(outcomes) {
                match &v.evm {
                    None => assert!(
                        outcome.ok && outcome.output == TRUE,
                        "{form:?}, {}: {outcome:?}",
                        v.name
                    ),
                    Some(error) => {
                        let right = !outcome.ok && outcome.output.starts_with(&selector(error));
                        assert!(right, "{form:?}, {}: expected {error}, got {outcome:?}", v.name);
                    }
                }
            }
        }
    }
}

/// The calldata for bytes that need not be a proof.
fn encoded(address: Option<[u8; 20]>, proof: &[u8], words: &[u8], context: &[u8]) -> Vec<u8> {
    let signature = match address {
        Some(_) => "verify(address,bytes,uint256[],bytes32)",
        None => "verify(bytes,uint256[],bytes32)",
    };
    let number = |v: usize| [&[0; 24][..], &(v as u64).to_be_bytes()].concat();
    let head = if address.is_some() { 128 } else { 96 };
    let padded = proof.len().next_multiple_of(32);
    let mut out = selector_bytes(signature).to_vec();
    if let Some(address) = address {
        out.extend([0; 12]);
        out.extend(address);
    }
    out.extend(number(head));
    out.extend(number(head + 32 + padded));
    out.extend(context);
    out.extend(number(proof.len()));
    out.extend(proof);
    out.extend(vec![0; padded - proof.len()]);
    out.extend(number(words.len() / 32));
    out.extend(words);
    out
}
