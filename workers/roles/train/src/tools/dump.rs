//! `foresail-trainer dump`: the feature rows a run would train on, as a Parquet file for any tool:
//! `symbol`, `event_time`, `close`, `adjustment_factor`, then a column per feature.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use foresail_crds::worker_config::TrainConfig;
use foresail_runtime_base::{Outside, RoleError};

use crate::data::dataset::{Dataset, Sample};
use crate::inputs::{Declared, parameters};
use crate::lake::{self, Bars, Reading};

/// Rows encoded at a time.
const CHUNK: usize = 8_192;

/// Writes one row per bar that has all features, ordered by event time and symbol; returns their
/// number.
///
/// # Errors
/// Those of reading the lake; `OutputFailed` when the file cannot be written.
pub async fn dump(
    config: &TrainConfig,
    outside: &Outside,
    reading: Reading,
    output: &Path,
) -> Result<u64, RoleError> {
    let data = rows(config, &lake::read(config, outside, reading).await?)?;
    write(&data, output).map_err(|e| {
        let message = format!("writing feature rows to {}: {e}", output.display());
        RoleError::outside("OutputFailed", message)
    })?;
    Ok(data.samples.len() as u64)
}

/// The feature rows of `bars`, as declared.
pub(crate) fn rows(config: &TrainConfig, bars: &Bars) -> Result<Dataset, RoleError> {
    let grid = config.model.bar_grid();
    let declared = Declared {
        features: &config.model.features,
        adjustment: config.model.adjustment,
        grid: &grid,
        parameters: &parameters(&config.model.training, &grid)?,
    };
    declared.feature_rows(bars, &[])
}

fn write(data: &Dataset, output: &Path) -> datafusion::error::Result<()> {
    let schema = batch(data, &[])?.schema();
    let mut writer = ArrowWriter::try_new(File::create(output)?, schema, None)?;
    for samples in data.samples.chunks(CHUNK) {
        writer.write(&batch(data, samples)?)?;
    }
    writer.close()?;
    Ok(())
}

/// `samples` as columns.
pub(crate) fn batch(data: &Dataset, samples: &[Sample]) -> datafusion::error::Result<RecordBatch> {
    let numbers = |get: &dyn Fn(&Sample) -> f64| -> ArrayRef {
        Arc::new(samples.iter().map(get).collect::<Float64Array>())
    };
    let name = |sample: &Sample| data.symbols.get(sample.symbol).cloned().unwrap_or_default();
    let symbols: StringArray = samples.iter().map(|s| Some(name(s))).collect();
    let times = samples.iter().map(|s| s.event_time);
    let times = TimestampMillisecondArray::from_iter_values(times);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(symbols)),
        ("event_time", Arc::new(times.with_timezone_utc())),
        ("close", numbers(&|s| s.close)),
        ("adjustment_factor", numbers(&|s| s.adjustment_factor)),
    ];
    for (index, feature) in data.names.iter().enumerate() {
        // A sample holds a value for every name.
        let value = move |s: &Sample| s.values().get(index).copied().unwrap_or(f64::NAN);
        columns.push((feature, numbers(&value)));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}
