//! What is wrong with a document.

use std::fmt;

/// What is wrong with a document. The words are those of TensorFlow Serving, where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No JSON, or deeper or longer than is read.
    Syntax {
        /// What was found, as a sentence.
        what: &'static str,
        /// Byte at which it was found.
        offset: usize,
    },
    /// Not a number.
    Type {
        /// The value as written, shortened.
        value: String,
        /// What it is.
        kind: &'static str,
    },
    /// A finite number that 32-bit floats do not reach.
    Overflow {
        /// The number as written, shortened.
        value: String,
    },
    /// A value where a list was expected.
    Value {
        /// The value as written, shortened.
        value: String,
        /// Level at which it stands, from 0.
        level: usize,
        /// Dimensions of the tensor.
        rank: usize,
    },
    /// A list where a value was expected.
    List {
        /// Level at which it stands, from 0.
        level: usize,
        /// Dimensions of the tensor.
        rank: usize,
    },
    /// A list that is longer or shorter than the first one of its level.
    Size {
        /// Its elements.
        found: usize,
        /// Level at which it stands, from 0.
        level: usize,
        /// Elements of the first one.
        expected: usize,
    },
    /// More values than are read.
    TooMany {
        /// Most that are read.
        most: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { what, offset } => write!(f, "{what} at offset: {offset}"),
            Self::Type { value, kind } => write!(
                f,
                "JSON Value: {value} Type: {kind} is not of expected type: float"
            ),
            Self::Overflow { value } => write!(
                f,
                "Cannot convert JSON value: {value} to float without loss of precision."
            ),
            Self::Value { value, level, rank } => write!(
                f,
                "JSON Value: {value} found at incorrect level: {} in the JSON DOM. Expected at level: {rank}",
                level + 1
            ),
            Self::List { level, rank } => write!(
                f,
                "Encountered list at unexpected level: {level} expected < {rank}"
            ),
            Self::Size {
                found,
                level,
                expected,
            } => write!(
                f,
                "Encountered list at unexpected size: {found} at level: {level} expected size: {expected}"
            ),
            Self::TooMany { most } => write!(f, "more than {most} values are not read"),
        }
    }
}
