//! Why a number cannot be given.

use thiserror::Error;

/// Input that has no answer. Nothing in this crate panics on data.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InputError {
    /// Too little data.
    #[error("{what}: {given} given, at least {needed} needed")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// How many there must be.
        needed: usize,
    },
    /// NaN or infinity, or a price that is not above zero where one is divided by it.
    #[error("{what} at index {index} is `{value}`; it must be {expected}")]
    BadValue {
        /// Which input.
        what: &'static str,
        /// Position in the input.
        index: usize,
        /// As printed.
        value: String,
        /// Range.
        expected: &'static str,
    },
    /// A setting out of range.
    #[error("{what} is `{value}`; it must be {expected}")]
    OutOfRange {
        /// Which setting.
        what: &'static str,
        /// As printed.
        value: String,
        /// Range.
        expected: &'static str,
    },
}

impl InputError {
    pub(crate) fn range(
        what: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> InputError {
        InputError::OutOfRange {
            what,
            value: value.to_string(),
            expected,
        }
    }
}

/// Every value is finite.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<(), InputError> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(InputError::BadValue {
            what,
            index,
            value: values
                .get(index)
                .map_or_else(String::new, ToString::to_string),
            expected: "finite",
        }),
    }
}

/// A share strictly between 0 and 1.
pub(crate) fn share(what: &'static str, value: f64) -> Result<(), InputError> {
    if value > 0.0 && value < 1.0 {
        Ok(())
    } else {
        Err(InputError::range(what, value, "above 0 and below 1"))
    }
}

/// Enough of something.
pub(crate) fn enough(what: &'static str, given: usize, needed: usize) -> Result<(), InputError> {
    if given >= needed {
        Ok(())
    } else {
        Err(InputError::TooFew {
            what,
            given,
            needed,
        })
    }
}
