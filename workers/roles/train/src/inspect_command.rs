//! `foresail-trainer inspect`: how a file of bars is read, what it holds and what looks wrong, before anything is trained.
//! It reads as ingest does. What is found is an [`Inspection`]; text and page show the same of it.

mod inspection;
mod page;
mod text;
mod undescribed;

use std::path::PathBuf;

use foresail_runtime_base::RoleError;

pub use inspection::Inspection;

use crate::file::{self, Description};

/// What to look at.
#[derive(Clone, Debug)]
pub struct Request {
    /// File of daily bars.
    pub file: PathBuf,
    /// Pipeline as YAML, which says what its columns are and which symbols count. Without it every symbol counts, and
    /// columns have their usual names.
    pub pipeline: Option<PathBuf>,
}

/// Reads the file and describes it.
///
/// # Errors
/// User errors that name the file, and the column, the number or the date that cannot be read.
pub fn inspect(request: &Request) -> Result<Inspection, RoleError> {
    let path = &request.file;
    let Some(pipeline) = &request.pipeline else {
        return undescribed::inspect(path);
    };
    let how = Description::new(&file::pipeline(pipeline)?, "inspected")
        .map_err(|what| file::bad_pipeline(pipeline, what))?;
    let dialect = file::dialect(path, &how)?;
    let rows = file::read(path, &how)?;
    Ok(Inspection::new(path, dialect, how.grid(), rows))
}
