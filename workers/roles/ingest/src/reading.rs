//! Whether the source still reads as it did, and what of it is news.
//!
//! A reading counts rows by position. It goes on after a restart, and when rows were added, as long as every row up to
//! the last record is what it was: a digest in that record says so. Otherwise the file is another one (a window that slid,
//! a correction, other columns in the spec), and the next reading begins at its first row. There, positions of before mean
//! nothing, so a row is news when its session is newer than the newest bar sent of its symbol. A file with a row that was
//! refused because its session had not ended reads differently from then on, too, and so does one with a row of a day that the
//! calendar did not know, once a release does.

use foresail_bars::RawRow;
use foresail_crds::pipeline::spec::OnSuspicion;
use foresail_crds::records::SourceState;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::Calendar;
use foresail_runtime_base::RoleError;
use sha2::{Digest, Sha256};

use crate::position::Position;
use crate::source::Rows;

/// Digest of everything that decides what rows become, and of the rows so far.
#[derive(Clone)]
pub(crate) struct Trail(Sha256);

impl Trail {
    /// Before the first row. Where the file lies, and how fast it is played, decides nothing.
    pub(crate) fn new(config: &IngestConfig) -> Self {
        let source = &config.source;
        let csv = source.csv.as_ref();
        let csv = csv.map(|csv| {
            let columns = (&csv.columns, &csv.symbol, &csv.dialect);
            (columns, csv.zero_open_is_missing)
        });
        let to = source.replay.as_ref().map(|replay| &replay.to);
        let decides = (
            config.symbols(),
            &config.calendar,
            csv,
            &source.simulator,
            &source.backfill,
            to,
        );
        let seed = serde_json::to_vec(&decides).expect("plain data always serialises");
        let mut digest = Sha256::new_with_prefix(seed);
        // Not among the others: digests of before know nothing of these.
        if source.interval.is_intraday() {
            digest.update(source.interval.as_str());
        }
        if source.on_suspicion == Some(OnSuspicion::Quarantine) {
            digest.update("holds back");
        }
        Self(digest)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &RawRow) {
        if let Some(part) = row.part {
            let symbol = row.fields.symbol.as_deref().unwrap_or_default();
            self.0.update(symbol.as_bytes());
            self.0.update(part.to_le_bytes());
            // The bars of one line share its bytes.
            if part > 0 {
                return;
            }
        }
        self.0.update(row.length.to_le_bytes());
        self.0.update(&row.original);
    }

    /// Hexadecimal digest of the rows so far.
    pub(crate) fn digest(&self) -> String {
        hex::encode(self.0.clone().finalize())
    }
}

/// Where a connection begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Number of the reading.
    pub reading: u64,
    /// First position that is not committed.
    pub next: u64,
    /// What was counted up to there. None when nobody did: then the rows are counted again.
    pub counted: Option<SourceState>,
    /// Wall time of the newest record, milliseconds UTC.
    pub last_news: Option<i64>,
}

/// Compares the rows up to the last record with what they were. Reads them; nothing is kept. `now` is wall time in
/// milliseconds UTC, and `calendar` the one that rows are judged by.
///
/// # Errors
/// Those of reading the source.
pub(crate) fn start(
    position: &Position,
    mut trail: Trail,
    rows: &mut Rows,
    (now, calendar): (i64, &Calendar),
) -> Result<Start, RoleError> {
    let next = position.next;
    let Some(state) = &position.state else {
        // Nothing was written, or by a release that left no digest.
        return Ok(Start {
            reading: 0,
            next,
            counted: None,
            last_news: position.last_news,
        });
    };
    let mut seen = 0;
    while let Some(row) = rows.next_if(|row| row.position < next)? {
        trail.push(&row);
        seen = row.position + 1;
    }
    let has_ended = state.unfinished.is_some_and(|end| end <= now);
    let is_known = |end| !calendar.is_expired(calendar.session_date(end));
    let may_be_bars = has_ended || state.expired.is_some_and(is_known);
    if !may_be_bars && seen == next && trail.digest() == state.digest {
        return Ok(Start {
            reading: state.reading,
            next,
            counted: Some(state.clone()),
            last_news: position.last_news,
        });
    }
    Ok(Start {
        reading: state.reading + 1,
        next: 0,
        counted: Some(SourceState::default()),
        last_news: position.last_news,
    })
}
