//! Rows of one partition through a kernel.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, Float64Type, TimestampMillisecondType};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::logical_expr::PartitionEvaluator;
use foresail_crds::pipeline::spec::FeatureSpec;
use foresail_features::adjust::AdjustedBar;
use foresail_features::{Feature, Reads, reads};

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
            reads: reads(spec.function),
        })
    }

    fn whole(mut kernel: Feature, columns: &[ArrayRef], rows: usize) -> Result<Float64Array> {
        let [open, high, low, close, volume] = columns else {
            return Err(internal_datafusion_err!(
                "{} columns of a bar",
                columns.len()
            ));
        };
        let [open, high, low, close, volume] = [open, high, low, close, volume].map(numbers);
        let mut before = None;
        let value = |row| {
            let close = at(close, row)?;
            // A bar without one of the two has the close for both, as in `adjust`.
            let range = at(high, row).zip(at(low, row));
            let (high, low) = range.unwrap_or((close, close));
            kernel.push(&AdjustedBar {
                open: at(open, row),
                high,
                low,
                volume: at(volume, row),
                ..flat(close, &mut before)
            })
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
        let first = columns.first();
        let first = first.ok_or_else(|| internal_datafusion_err!("no column"))?;
        Ok(Arc::new(match self.reads {
            Reads::Bar => Self::whole(kernel, columns, rows)?,
            Reads::Date => {
                let times = first.as_primitive::<TimestampMillisecondType>();
                finite((0..rows).map(|row| {
                    kernel.push(&AdjustedBar {
                        event_time: known(times, row)?,
                        ..flat(1.0, &mut None)
                    })
                }))
            }
            _ => {
                let values = numbers(first);
                let mut before = None;
                finite((0..rows).map(|row| kernel.push(&flat(at(values, row)?, &mut before))))
            }
        }))
    }
}

/// A bar that is its close; it becomes the one before the next.
fn flat(close: f64, before: &mut Option<f64>) -> AdjustedBar {
    let before = before.replace(close);
    AdjustedBar {
        change: before.map(|before| (close / before).ln()),
        event_time: 0,
        open: None,
        close,
        high: close,
        low: close,
        share_price: close,
        volume: None,
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
