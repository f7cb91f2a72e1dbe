//! The Pipeline and the file.

use std::path::Path;

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::DateRange;
use foresail_crds::worker_config::{IngestConfig, RoleConfig, TrainConfig};
use foresail_domain::TradingCalendar;
use foresail_runtime_base::RoleError;

use super::Request;
use crate::file::{self, Rows};

/// One refused row in so many is ordinary; more say that the file is not what the Pipeline describes.
const REFUSED_IN: u64 = 10;

/// What was read.
pub(super) struct Input {
    pub config: TrainConfig,
    pub rows: Rows,
}

/// Reads both.
///
/// # Errors
/// User errors `FileUnreadable`, `BadPipeline`, `CsvHeader`, `NoBars`.
pub(super) fn read(request: &Request) -> Result<Input, RoleError> {
    let pipeline = file::pipeline(&request.pipeline)?;
    let name = pipeline.metadata.name.as_deref().unwrap_or("evaluated");
    let name = PipelineName::new("local", name);
    let mut ingest = IngestConfig::new(name.clone(), &pipeline.spec);
    // The whole file is history here: what is replayed live in a cluster is judged like the rest.
    ingest.source.backfill = DateRange::default();
    ingest.source.replay = None;
    let spec = ingest.source.csv.clone();
    let spec = spec.ok_or_else(|| {
        let what = "spec.source.csv must name the columns of the file";
        file::bad_pipeline(&request.pipeline, what)
    })?;
    let rows = file::read(&request.csv, &ingest, &spec)?;
    if rows.bars.is_empty() {
        let message = format!(
            "{} holds no bar of {}: {}",
            request.csv.display(),
            ingest.symbols().join(", "),
            rows.counts()
        );
        return Err(RoleError::user("NoBars", message));
    }
    if !request.allow_refused {
        check(&request.csv, &rows, ingest.calendar)?;
    }
    let config = TrainConfig::new(name, &pipeline.spec);
    Ok(Input { config, rows })
}

/// Whether the file is what the Pipeline describes.
fn check(path: &Path, rows: &Rows, calendar: TradingCalendar) -> Result<(), RoleError> {
    let on = "go on without these rows with --allow-refused";
    let (file, counts) = (path.display(), rows.counts());
    if let Some(off) = rows.off_session() {
        let fits = off.fits();
        let message = format!(
            "{file}: {} of {} rows are of days that are no session of the calendar {}: {counts}\nset spec.calendar, {} \
             has these days, or {on}",
            off.rows,
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
