//! `foresail-trainer dump`: the feature rows a run would train on, as JSON lines of the stream's own
//! records, so that anyone can compare the bits.

use std::io::Write;

use foresail_crds::records::FeatureRecord;
use foresail_crds::worker_config::WorkerConfig;
use foresail_runtime_base::RoleError;

use crate::{dataset, lake};

/// Writes one line per row, ordered by event time and symbol.
///
/// # Errors
/// Those of reading the lake; `OutputFailed` when the lines cannot be written.
pub async fn dump(
    config: &WorkerConfig,
    delta_version: u64,
    out: &mut impl Write,
) -> Result<u64, RoleError> {
    let bars = lake::read(config, delta_version).await?;
    let horizon = usize::try_from(config.training.horizon).unwrap_or(1);
    let target = config.training.target;
    let data = dataset::build(
        &bars,
        &config.features,
        config.source.adjustment,
        (1, horizon),
        target,
    )?;
    let failed =
        |e: String| RoleError::outside("OutputFailed", format!("writing feature rows: {e}"));
    for sample in &data.samples {
        let record = FeatureRecord {
            symbol: data.symbols.get(sample.symbol).cloned().unwrap_or_default(),
            event_time: sample.event_time,
            close: sample.close,
            adjustment_factor: sample.adjustment_factor,
            values: sample.values().to_vec(),
        };
        let line = serde_json::to_string(&record).map_err(|e| failed(e.to_string()))?;
        writeln!(out, "{line}").map_err(|e| failed(e.to_string()))?;
    }
    Ok(data.samples.len() as u64)
}
