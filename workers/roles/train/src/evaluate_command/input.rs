//! The Pipeline and the file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use foresail_bars::{Checker, CsvRows, RowOutcome};
use foresail_crds::Pipeline;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::DateRange;
use foresail_crds::worker_config::{IngestConfig, RoleConfig, TrainConfig};
use foresail_domain::Bar;
use foresail_runtime_base::{RoleError, clock};

use super::Request;
use crate::lake::Bars;

/// What was read.
pub(super) struct Input {
    pub config: TrainConfig,
    /// Good bars.
    pub bars: Bars,
    /// Rows of the file.
    pub rows: u64,
    /// Rows of other symbols.
    pub out_of_scope: u64,
    /// Refused rows by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Input {
    /// Every row accounted for, in a line.
    pub(super) fn counts(&self) -> String {
        let bars: usize = self.bars.iter().map(|(_, bars)| bars.len()).sum();
        let refused: Vec<String> = self
            .refused
            .iter()
            .map(|(reason, n)| format!("{n} {reason}"))
            .collect();
        format!(
            "{} rows: {bars} bars, {} of other symbols, refused: {}",
            self.rows,
            self.out_of_scope,
            if refused.is_empty() {
                "none".to_string()
            } else {
                refused.join(", ")
            }
        )
    }
}

/// Reads both.
///
/// # Errors
/// User errors `FileUnreadable`, `BadPipeline`, `CsvHeader`, `NoBars`.
pub(super) fn read(request: &Request) -> Result<Input, RoleError> {
    let text = String::from_utf8_lossy(&bytes(&request.pipeline)?).into_owned();
    let bad = |what: String| {
        let message = format!("{}: {what}", request.pipeline.display());
        RoleError::user("BadPipeline", message)
    };
    let pipeline: Pipeline =
        serde_saphyr::from_str(&text).map_err(|e| bad(format!("it is no Pipeline: {e}")))?;
    let name = pipeline.metadata.name.as_deref().unwrap_or("evaluated");
    let name = PipelineName::new("local", name);
    let mut ingest = IngestConfig::new(name.clone(), &pipeline.spec);
    // The whole file is history here: what is replayed live in a cluster is judged like the rest.
    ingest.source.backfill = DateRange::default();
    ingest.source.replay = None;
    let spec = ingest.source.csv.clone();
    let spec =
        spec.ok_or_else(|| bad("spec.source.csv must name the columns of the file".into()))?;
    let mut input = Input {
        bars: ingest
            .symbols()
            .into_iter()
            .map(|s| (s, Vec::new()))
            .collect(),
        rows: 0,
        out_of_scope: 0,
        refused: BTreeMap::new(),
        config: TrainConfig::new(name, &pipeline.spec),
    };
    let mut checker = Checker::new(&ingest, "csv")?;
    let now = clock::now_ms();
    for row in CsvRows::new(lines(&request.csv)?, &spec)? {
        let row = row?;
        input.rows += 1;
        match checker.check(&row, now) {
            RowOutcome::Bar(bar, rebasing) => {
                if let Some(rebasing) = rebasing {
                    tracing::warn!(%rebasing, "prices are on another level");
                }
                push(&mut input.bars, bar);
            }
            RowOutcome::Refused(refusal) => *input.refused.entry(refusal.reason).or_default() += 1,
            RowOutcome::OutOfScope => input.out_of_scope += 1,
        }
    }
    input.bars.retain(|(_, bars)| !bars.is_empty());
    input.bars.sort_by(|a, b| a.0.cmp(&b.0));
    if input.bars.is_empty() {
        let message = format!(
            "{} holds no bar of {}: {}",
            request.csv.display(),
            ingest.symbols().join(", "),
            input.counts()
        );
        return Err(RoleError::user("NoBars", message));
    }
    Ok(input)
}

fn push(bars: &mut Bars, bar: Bar) {
    if let Some((_, list)) = bars.iter_mut().find(|(symbol, _)| *symbol == bar.symbol) {
        list.push(bar);
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, RoleError> {
    fs::read(path).map_err(|e| unreadable(path, &e))
}

/// A file that is read bit by bit.
fn lines(path: &Path) -> Result<BufReader<File>, RoleError> {
    let open = || {
        let mut reader = BufReader::new(File::open(path)?);
        // A folder can be opened and not read.
        reader.fill_buf()?;
        Ok(reader)
    };
    open().map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &io::Error) -> RoleError {
    RoleError::user("FileUnreadable", format!("{}: {error}", path.display()))
}
