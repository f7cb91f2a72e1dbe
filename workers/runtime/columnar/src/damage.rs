//! What is wrong with a file: an error of the kind `InvalidData`, which is a fault of the file and not of the disk.

use std::fmt::Display;
use std::io;

/// Largest part of a file that is held in memory unpacked, in bytes: a column of a row group of Parquet, or a batch of an
/// Arrow file.
const LARGEST_PART: u64 = 128 << 20;

/// A file that is not what it says.
pub(crate) fn damaged(error: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// Refuses a part of so many bytes when it is too large to be held in memory.
pub(crate) fn sized(what: &str, size: u64) -> io::Result<()> {
    if size <= LARGEST_PART {
        return Ok(());
    }
    let message = format!(
        "{what} has {size} bytes, at most {LARGEST_PART} are read at once; write it with smaller ones"
    );
    Err(damaged(message))
}
