//! How a program of Foresail ends: the class of its error as an exit code, which the failure policy of
//! a training Job and the operator's reading of a dead pod rest on.

use crate::pipeline::status::ErrorClass;

/// `ErrorClass::User` (`EX_USAGE`): the next pod would end the same way.
pub const USER: u8 = 64;
/// `ErrorClass::Outside` (`EX_TEMPFAIL`).
pub const OUTSIDE: u8 = 75;
/// `ErrorClass::Internal` (`EX_SOFTWARE`).
pub const INTERNAL: u8 = 70;
/// The kernel killed the process, as a rule for memory.
pub const KILLED: u8 = 137;

impl ErrorClass {
    /// Exit code of a program that ends with an error of this class.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::User => USER,
            Self::Outside => OUTSIDE,
            Self::Internal => INTERNAL,
        }
    }

    /// Class of the error that a program ended with; one of no class of ours is our fault.
    pub fn from_exit_code(code: i32) -> Self {
        [Self::User, Self::Outside]
            .into_iter()
            .find(|class| i32::from(class.exit_code()) == code)
            .unwrap_or(Self::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_back_from_its_exit_code() {
        for class in [ErrorClass::User, ErrorClass::Outside, ErrorClass::Internal] {
            assert_eq!(ErrorClass::from_exit_code(class.exit_code().into()), class);
        }
        let killed = ErrorClass::from_exit_code(KILLED.into());
        assert_eq!(killed, ErrorClass::Internal);
    }
}
