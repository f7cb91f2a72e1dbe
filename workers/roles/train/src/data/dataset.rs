//! Feature rows of all symbols with their labels, in order of date.

use std::collections::BTreeMap;
use std::sync::Arc;

use foresail_crds::model_manifest::RefusedBars;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, Target};
use foresail_crds::records::Refusal;
use foresail_features::{FeatureError, FeatureRow, FeatureSet};
use foresail_model::Row;
use foresail_runtime_base::RoleError;

use crate::data::gaps::{Gaps, LongGaps};
use crate::data::labels::labels;
use crate::lake::Bars;

/// One row: what is known at a bar, and the changes after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Index of the symbol.
    pub symbol: usize,
    /// Bar end, milliseconds UTC.
    pub event_time: i64,
    /// Raw close.
    pub close: f64,
    /// Cumulative adjustment factor.
    pub adjustment_factor: f64,
    /// The last `lookback` bars of the symbol, this one last.
    pub window: Vec<Arc<FeatureSnapshot>>,
    /// Changes to the next bars of the symbol; `None` while they are unknown, and where the row reaches over a gap.
    pub labels: Option<Vec<f64>>,
    /// Event time of the last bar the labels look at.
    pub labels_end: Option<i64>,
}

/// Features and close of one bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeatureSnapshot {
    /// Feature values.
    pub values: Box<[f64]>,
    /// Adjusted close.
    pub close: f64,
}

impl FeatureSnapshot {
    pub(crate) fn new(values: &[f64], close: f64) -> Arc<Self> {
        Arc::new(Self {
            values: values.into(),
            close,
        })
    }
}

/// All rows, ordered by event time, then symbol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dataset {
    pub symbols: Vec<String>,
    pub names: Vec<String>,
    pub fingerprint: String,
    pub warm_up: u32,
    pub bars: u64,
    /// Bars that the features refuse, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Rows whose outcome is known and that reach over a gap.
    pub over_gaps: u64,
    pub samples: Vec<Sample>,
    /// Newest bar.
    pub data_through: i64,
}

/// User error `InvalidFeatures`.
pub(crate) fn invalid(error: FeatureError) -> RoleError {
    let message = format!("spec.features: {error}; correct the spec");
    RoleError::user("InvalidFeatures", message)
}

/// Which rows are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DatasetSpec<'a> {
    pub features: &'a [FeatureSpec],
    pub adjustment: Adjustment,
    /// Bars in the window of a sample, at least 1; a row with fewer before it is no sample.
    pub lookback: usize,
    /// Steps of a label.
    pub horizon: usize,
    pub target: Target,
    /// Gaps that no row with labels may reach over; none where labels do not count.
    pub gaps: Option<Gaps<'a>>,
}

/// Folds the feature implementation over the bars of each symbol.
///
/// # Errors
/// User error `InvalidFeatures`. A bar the features refuse is left out, as the stream worker does.
pub(crate) fn build(bars: &Bars, spec: &DatasetSpec) -> Result<Dataset, RoleError> {
    let template = FeatureSet::new(spec.features, spec.adjustment).map_err(invalid)?;
    let mut data = Dataset {
        names: template.names().to_vec(),
        fingerprint: template.fingerprint().to_string(),
        warm_up: template.warm_up(),
        ..Dataset::default()
    };
    for (index, (symbol, bars)) in bars.iter().enumerate() {
        data.symbols.push(symbol.clone());
        data.bars += bars.len() as u64;
        let (mut set, mut rows) = (template.clone(), Vec::new());
        let mut gaps = LongGaps::new(spec.gaps, data.warm_up);
        for bar in bars {
            match set.push(bar) {
                Ok(row) => {
                    gaps.push(bar.event_time, row.is_some());
                    rows.extend(row);
                }
                Err(refused) => data.leave_out(symbol, Refusal::from(refused)),
            }
            data.data_through = data.data_through.max(bar.event_time);
        }
        let closes: Vec<f64> = rows.iter().map(FeatureRow::adjusted_close).collect();
        let labels = labels(&closes, spec.horizon, spec.target);
        let ends: Vec<Option<i64>> = (0..rows.len())
            .map(|i| rows.get(i + spec.horizon).map(|r| r.event_time))
            .collect();
        let snapshots: Vec<Arc<FeatureSnapshot>> = rows
            .iter()
            .zip(&closes)
            .map(|(row, close)| FeatureSnapshot::new(&row.values, *close))
            .collect();
        let complete = rows.into_iter().zip(labels).zip(ends).enumerate();
        for (i, ((row, labels), labels_end)) in complete.skip(spec.lookback - 1) {
            let reach = i + 1 - spec.lookback..=i + spec.horizon;
            let over_gap = labels.is_some() && gaps.any(reach);
            data.over_gaps += u64::from(over_gap);
            data.samples.push(Sample {
                symbol: index,
                event_time: row.event_time,
                close: row.close,
                adjustment_factor: row.adjustment_factor,
                window: snapshots[i + 1 - spec.lookback..=i].to_vec(),
                labels: labels.filter(|_| !over_gap),
                labels_end,
            });
        }
    }
    data.samples.sort_by_key(|s| (s.event_time, s.symbol));
    Ok(data)
}

impl Dataset {
    /// Counts a bar that is left out; the first of each reason is logged.
    fn leave_out(&mut self, symbol: &str, refusal: Refusal) {
        let count = self.refused.entry(refusal.reason).or_default();
        *count += 1;
        if *count == 1 {
            let Refusal { reason, message } = refusal;
            tracing::warn!(
                symbol,
                reason,
                cause = message,
                "bar left out; others of the reason are only counted"
            );
        }
    }

    /// Bars and rows that are left out, as manifest and status say it.
    pub(crate) fn refused_bars(&self) -> Vec<RefusedBars> {
        let refused = self.refused.iter().map(|(reason, count)| (*reason, *count));
        let over_gaps = Some(("OverGap", self.over_gaps)).filter(|(_, rows)| *rows > 0);
        let counted = refused.chain(over_gaps).map(|(reason, count)| RefusedBars {
            reason: reason.into(),
            count,
        });
        counted.collect()
    }

    /// Samples whose labels are known, in order of time.
    pub(crate) fn known(&self) -> Vec<&Sample> {
        self.samples.iter().filter(|s| s.labels.is_some()).collect()
    }
}

impl Sample {
    /// Feature values at the bar itself.
    pub(crate) fn values(&self) -> &[f64] {
        self.window.last().map_or(&[], |row| &row.values)
    }

    /// The last `lookback` rows, oldest first; fewer when the sample holds fewer.
    pub(crate) fn rows(&self, lookback: usize) -> Vec<Row<'_>> {
        let start = self.window.len().saturating_sub(lookback);
        let rows = self.window[start..].iter().map(|snapshot| Row {
            values: &snapshot.values,
            close: snapshot.close,
        });
        rows.collect()
    }
}
