//! Rows of one partition through a kernel.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, Float64Type, TimestampMillisecondType};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::logical_expr::PartitionEvaluator;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, Reads};
use foresail_domain::{Bar, Interval};
use foresail_features::Feature;
use foresail_features::adjust::Adjuster;

/// A kernel that starts empty with every partition.
#[derive(Debug)]
pub(crate) struct Evaluator {
    fresh: Feature,
    reads: Reads,
}

impl Evaluator {
    /// # Errors
    /// A parameter out of range.
    pub(crate) fn new(spec: FeatureSpec) -> Result<Self> {
        let fresh = Feature::new(&spec).map_err(|e| DataFusionError::Plan(e.to_string()))?;
        Ok(Self {
            fresh,
            reads: spec.function.describe().reads,
        })
    }

    fn of_bars(mut kernel: Feature, columns: &[ArrayRef], rows: usize) -> Result<Float64Array> {
        let [open, high, low, close, volume] = columns else {
            return Err(internal_datafusion_err!(
                "{} columns of a bar",
                columns.len()
            ));
        };
        let [open, high, low, close, volume] = [open, high, low, close, volume].map(numbers);
        let mut adjuster = unadjusted();
        let value = |row| {
            let bar = Bar {
                open: at(open, row),
                high: at(high, row),
                low: at(low, row),
                volume: at(volume, row),
                ..flat(at(close, row)?)
            };
            kernel.push(&adjuster.push(&bar))
        };
        Ok(finite((0..rows).map(value)))
    }
}

impl PartitionEvaluator for Evaluator {
    fn is_causal(&self) -> bool {
        true
    }

    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut kernel = self.fresh.clone();
        let mut adjuster = unadjusted();
        let first = columns.first();
        let first = first.ok_or_else(|| internal_datafusion_err!("no column"))?;
        Ok(Arc::new(match self.reads {
            Reads::Bar => Self::of_bars(kernel, columns, rows)?,
            Reads::Date => {
                let times = first.as_primitive::<TimestampMillisecondType>();
                finite((0..rows).map(|row| {
                    let bar = Bar {
                        event_time: known(times, row)?,
                        ..flat(1.0)
                    };
                    kernel.push(&adjuster.push(&bar))
                }))
            }
            // An expression is no function of SQL; its one column would be numbers too.
            Reads::Close | Reads::Column | Reads::Features => {
                let values = numbers(first);
                let value = |row| kernel.push(&adjuster.push(&flat(at(values, row)?)));
                finite((0..rows).map(value))
            }
        }))
    }
}

/// What stands in for missing prices, and the change from bar to bar, are the features' own rules; the
/// numbers of a query are taken as they are.
fn unadjusted() -> Adjuster {
    Adjuster::new(Adjustment::None)
}

/// A bar of which only the close is known.
fn flat(close: f64) -> Bar {
    Bar {
        symbol: String::new(),
        interval: Interval::default(),
        event_time: 0,
        open: None,
        high: None,
        low: None,
        close,
        volume: None,
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 0,
        provider: String::new(),
        revision: 0,
    }
}

fn numbers(array: &ArrayRef) -> &Float64Array {
    array.as_primitive::<Float64Type>()
}

/// Nulls and numbers that are not finite are no observations: the row has no value, and the kernel
/// does not see it.
fn at(values: &Float64Array, row: usize) -> Option<f64> {
    known(values, row).filter(|value| value.is_finite())
}

fn known<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    values.is_valid(row).then(|| values.value(row))
}

/// Numbers that no bar of a lake holds, as a close of zero, can lead to values that are not finite.
fn finite(values: impl Iterator<Item = Option<f64>>) -> Float64Array {
    values.map(|v| v.filter(|v| v.is_finite())).collect()
}
