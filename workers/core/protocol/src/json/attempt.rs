//! A value that cannot be used says something only where the document is JSON.

use super::Fault;
use super::reader::Reader;

/// Lets `read` take the next value. Where it cannot be used, the reader stands behind it all the same.
///
/// # Errors
/// [`Fault::Syntax`] when the value is no JSON, whatever `read` found.
pub fn attempt<'a, T, E>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, E>,
) -> Result<Result<T, E>, Fault> {
    let begin = reader.at();
    let taken = read(reader);
    if taken.is_err() {
        reader.back(begin);
        reader.skip()?;
    }
    Ok(taken)
}
