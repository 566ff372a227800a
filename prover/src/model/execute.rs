//! Exact integer execution.
/// What executing a program gave.
pub struct Trace {
    /// Per layer: pre-activations by (channel, positions), row-major.
    pub pre: Vec<Vec<i64>>,
    /// Per layer: outputs.
    pub out: Vec<Vec<i64>>,
}
