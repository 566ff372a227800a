//! The verifier as a WebAssembly module. Bytes go in through the module's memory, JSON comes out.
//!
//! Four functions are all that a page needs, so that no generator of bindings is: `reserve` and `release` memory, [`load`] a key,
//! [`check`] a proof for it. An answer is `(address << 32) | length` of JSON text, to be released by who asked.

use std::sync::Mutex;

use serde::Serialize;
use tapeout_verifier::{
    Key, Trust,
    keys::Origin,
    statement::{Context, Hex},
};

static KEY: Mutex<Option<Key>> = Mutex::new(None);

/// What a verifying key says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// keccak256 of the model file, in hexadecimal.
    pub model_hash: String,
    /// keccak256 of the key.
    pub vk_digest: String,
    /// Whether its reference string stems from a ceremony.
    pub ceremony: bool,
    /// Shape of the model's input.
    pub input_shape: Vec<usize>,
    /// Shape of its output.
    pub output_shape: Vec<usize>,
}

/// What a proof says that verifies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofReport {
    /// The input, where it is public.
    pub input: Option<Vec<f64>>,
    /// The output, where it is public.
    pub outputs: Option<Vec<f64>>,
    /// The commitments to input and output that the proof shows.
    pub input_commitment: Option<String>,
    /// See [`ProofReport::input_commitment`].
    pub output_commitment: Option<String>,
    /// The Poseidon2 hashes of input and output that the proof shows.
    pub input_hash: Option<String>,
    /// See [`ProofReport::input_hash`].
    pub output_hash: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Ok(T),
    Error(String),
}

/// Loads the key that proofs are checked with, in the place of any that was.
///
/// # Errors
/// What is wrong with the bytes. No key is loaded then.
pub fn load(key: &[u8]) -> Result<KeyReport, String> {
    let mut loaded = KEY.lock().map_err(|error| error.to_string())?;
    *loaded = None;
    let key = Key::from_bytes(key).map_err(|error| error.to_string())?;
    let (first, last) = key.ends();
    let report = KeyReport {
        model_hash: Hex(key.model_hash()).to_string(),
        vk_digest: Hex(key.digest()).to_string(),
        ceremony: key.origin() == Origin::Ceremony,
        input_shape: first.model().input_shape.clone(),
        output_shape: last.model().output_shape.clone(),
    };
    *loaded = Some(key);
    Ok(report)
}

/// Verifies a proof file with the loaded key, bound to `context`. Keys of development strings are accepted: the page says that
/// they are.
///
/// # Errors
/// Why the proof is refused.
pub fn check(proof: &[u8], context: &Context) -> Result<ProofReport, String> {
    let key = KEY.lock().map_err(|error| error.to_string())?;
    let key = key.as_ref().ok_or("no verifying key is loaded")?;
    let verified = key.verify(proof, context, Trust::InsecureDev).map_err(|error| error.to_string())?;
    Ok(ProofReport {
        input: verified.input,
        outputs: verified.outputs,
        input_commitment: verified.input_commitment.map(|c| c.to_string()),
        output_commitment: verified.output_commitment.map(|c| c.to_string()),
        input_hash: verified.input_hash.map(|h| h.to_string()),
        output_hash: verified.output_hash.map(|h| h.to_string()),
    })
}

/// `len` bytes of memory, to be written by the page.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    Box::into_raw(vec![0u8; len].into_boxed_slice()).cast()
}

/// Gives memory back.
///
/// # Safety
/// `at` must be what [`reserve`] gave for `len`, or an answer's address and length, and not have been given back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(at: *mut u8, len: usize) {
    // SAFETY: the caller's promise; both kinds of memory are boxed slices of this length.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, len)) });
}

/// [`load`], for the page.
///
/// # Safety
/// `key` must point to `len` bytes that nobody changes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load_key(key: *const u8, len: usize) -> u64 {
    // SAFETY: the caller's promise.
    answer(load(unsafe { std::slice::from_raw_parts(key, len) }))
}

/// [`check`], for the page: `context` is 32 bytes.
///
/// # Safety
/// `proof` must point to `len` bytes and `context` to 32 that nobody changes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn check_proof(proof: *const u8, len: usize, context: *const u8) -> u64 {
    // SAFETY: the caller's promise.
    let (proof, context) = unsafe { (std::slice::from_raw_parts(proof, len), context.cast::<Context>().read()) };
    answer(check(proof, &context))
}

fn answer<T: Serialize>(result: Result<T, String>) -> u64 {
    let answer = match result {
        Ok(report) => Answer::Ok(report),
        Err(reason) => Answer::Error(reason),
    };
    let text = serde_json::to_vec(&answer).unwrap_or_default().into_boxed_slice();
    let len = text.len() as u64;
    let at: *mut u8 = Box::into_raw(text).cast();
    (at as usize as u64) << 32 | len
}
