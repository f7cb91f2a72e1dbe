//! The Pipeline and the file.

use std::path::Path;

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::OnSuspicion;
use foresail_crds::worker_config::{RoleConfig, TrainConfig};
use foresail_domain::Calendar;
use foresail_runtime_base::RoleError;

use super::Request;
use crate::file::{self, Description, Rows};

/// One refused row in so many is ordinary; more say that the file is not what the Pipeline describes.
const REFUSED_IN: u64 = 10;

/// A Pipeline without a name.
const NAME: &str = "evaluated";

/// What was read.
pub(super) struct Input {
    /// The file as it was named.
    pub file: String,
    pub config: TrainConfig,
    pub rows: Rows,
}

/// Reads both.
///
/// # Errors
/// User errors `FileUnreadable`, `BadPipeline`, `CsvHeader`, `NoBars`.
pub(super) fn read(request: &Request) -> Result<Input, RoleError> {
    let pipeline = file::pipeline(&request.pipeline)?;
    let how = Description::new(&pipeline, NAME)
        .map_err(|what| file::bad_pipeline(&request.pipeline, what))?;
    let rows = file::read(&request.csv, &how)?;
    if rows.bars.is_empty() {
        let message = format!(
            "{} holds no bar of {}: {}",
            request.csv.display(),
            how.symbols().join(", "),
            rows.counts()
        );
        return Err(RoleError::user("NoBars", message));
    }
    if !request.allow_refused {
        check(&request.csv, &rows, how.calendar())?;
    }
    let stops = matches!(how.on_suspicion(), None | Some(OnSuspicion::Stop));
    if stops && !request.allow_suspicious && !rows.suspicions.is_empty() {
        return Err(suspicious(&request.csv, &rows));
    }
    let name = pipeline.metadata.name.as_deref().unwrap_or(NAME);
    let config = TrainConfig::new(PipelineName::new("local", name), &pipeline.spec);
    let file = request.csv.display().to_string();
    Ok(Input { file, config, rows })
}

/// The moves may be true and may be mistakes, and a model would learn them either way: a person must say which.
fn suspicious(path: &Path, rows: &Rows) -> RoleError {
    let message = format!(
        "{}: {} moves may be mistakes of the file: {}\n{}, or go on with --allow-suspicious",
        path.display(),
        rows.suspicions.len(),
        rows.counts(),
        OnSuspicion::ADVICE
    );
    RoleError::user("SuspiciousMoves", message)
}

/// Whether the file is what the Pipeline describes.
fn check(path: &Path, rows: &Rows, calendar: &Calendar) -> Result<(), RoleError> {
    let on = "go on without these rows with --allow-refused";
    let (file, counts) = (path.display(), rows.counts());
    if let Some((off, fits)) = rows.off_session() {
        let message = format!(
            "{file}: {off} of {} rows are of days that are no session of the calendar {}: {counts}\nset spec.calendar, {} \
             has these days, or {on}",
            rows.read,
            calendar.name(),
            fits.name(),
        );
        return Err(RoleError::user("CalendarDoesNotFit", message));
    }
    if rows.all_refused() * REFUSED_IN > rows.read {
        let message = format!(
            "{file}: more than one row in {REFUSED_IN} is refused: {counts}\ncorrect the file or spec.source.csv, or {on}"
        );
        return Err(RoleError::user("RowsRefused", message));
    }
    Ok(())
}
