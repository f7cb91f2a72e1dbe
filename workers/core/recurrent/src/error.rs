use crate::simd::InstructionSet;

/// Why shapes, weights or inputs are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size is zero or beyond what is supported.
    #[error("{what} must be in {least}..={most}, not {is}")]
    Size {
        /// Which size.
        what: &'static str,
        /// Its value.
        is: usize,
        /// Least allowed.
        least: usize,
        /// Most allowed.
        most: usize,
    },
    /// A slice has another length than its shape says.
    #[error("{what} has {is} values, expected {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// Its length.
        is: usize,
        /// The length it should have.
        expected: usize,
    },
    /// The processor lacks the instruction set asked for.
    #[error("this processor has no {}", .0.name())]
    Unavailable(InstructionSet),
    /// A probability or rate is out of range.
    #[error("{what} is out of range")]
    Range {
        /// Which one.
        what: &'static str,
    },
    /// A value is NaN or infinite.
    #[error("{what} holds a value that is not finite")]
    NotFinite {
        /// Where.
        what: String,
    },
    /// A safetensors file does not fit.
    #[error("weights: {0}")]
    Store(String),
    /// `backward` without a `forward` in training mode before it.
    #[error("backward needs a forward pass in training mode just before it")]
    NothingToGoBackTo,
}
