//! What can go wrong at the seam.

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a backend refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice has the wrong number of elements.
    #[error("{what}: expected {expected} elements, got {got}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// The length, or the largest length, that is right.
        expected: usize,
        /// The length that came.
        got: usize,
    },
    /// A scalar does not fit the width that the caller promised. The value is not shown: it may be secret.
    #[error("scalar {index} of batch item {item} does not fit the promised width {width:?}")]
    Width {
        /// The item of the batch.
        item: usize,
        /// The index of the scalar in the item.
        index: usize,
        /// The promise.
        width: crate::Width,
    },
    /// A width hint of more than 64 bits, which no backend has to know.
    #[error("a scalar width of {bits} bits cannot be promised: give at most 64, or `full`")]
    Promise {
        /// The bits promised.
        bits: u8,
    },
    /// The text names no width.
    #[error("'{text}' is no scalar width: give `full`, `u1` to `u64` (unsigned) or `i1` to `i64` (signed)")]
    ParseWidth {
        /// What came.
        text: String,
    },
    /// The coset's offset is zero, so the coset is no coset.
    #[error("the coset offset must not be zero")]
    Coset,
    /// The backend cannot do this at all.
    #[error("backend {backend}: {reason}")]
    Unsupported {
        /// The backend's name.
        backend: &'static str,
        /// What it cannot do, and what it can.
        reason: String,
    },
    /// No backend has this name.
    #[error("no backend is named '{name}'; there are: {known}")]
    UnknownBackend {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The device failed.
    #[error("backend {backend}: the device failed: {reason}")]
    Device {
        /// The backend's name.
        backend: &'static str,
        /// What it reported.
        reason: String,
    },
    /// An engine failed a call, or did not pass the check of its result.
    #[error("{engine} failed {call}: {reason}")]
    Fault {
        /// The engine and its device.
        engine: String,
        /// Which call it was, and of what size.
        call: String,
        /// What was noticed.
        reason: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// The backend is known, but cannot run here.
    #[error("backend {backend} is not available: {reason}; {remedy}")]
    Unavailable {
        /// The backend's name.
        backend: &'static str,
        /// What is missing.
        reason: String,
        /// How to get it.
        remedy: String,
    },
    /// A recorded trace contradicts itself.
    #[error("the trace cannot be run: call {call}: {what}")]
    Trace {
        /// Which call.
        call: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A backend returned a wrong result where it was checked.
    #[error("backend {backend}: wrong result for {what}")]
    Wrong {
        /// The backend's name.
        backend: &'static str,
        /// What it was given.
        what: String,
    },
}
