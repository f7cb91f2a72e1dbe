//! Bars as Arrow columns. The names and types here are the schema of the table.

use std::sync::Arc;

use deltalake_core::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use deltalake_core::arrow::compute::{CastOptions, cast_with_options};
use deltalake_core::arrow::datatypes::{DataType as ArrowType, Float64Type, Int32Type, Int64Type};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::kernel::{DataType, PrimitiveType, StructField};
use foresail_domain::{Bar, Interval};

/// A bar and where it stood in Kafka.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The bar.
    pub bar: Bar,
    /// Partition of its message.
    pub partition: i32,
    /// Offset of its message.
    pub offset: i64,
}

/// Column names, types and whether they may be null.
const COLUMNS: &[(&str, PrimitiveType, bool)] = &[
    ("symbol", PrimitiveType::String, false),
    ("interval", PrimitiveType::String, false),
    ("event_time", PrimitiveType::Long, false),
    ("open", PrimitiveType::Double, true),
    ("high", PrimitiveType::Double, true),
    ("low", PrimitiveType::Double, true),
    ("close", PrimitiveType::Double, false),
    ("volume", PrimitiveType::Double, true),
    ("split_factor", PrimitiveType::Double, false),
    ("dividend", PrimitiveType::Double, false),
    ("ingested_at", PrimitiveType::Long, false),
    ("provider", PrimitiveType::String, false),
    ("revision", PrimitiveType::Integer, false),
    ("kafka_partition", PrimitiveType::Integer, false),
    ("kafka_offset", PrimitiveType::Long, false),
];

/// Columns of a bar that are read back, in the order of the table.
pub const READ: [&str; 13] = [
    "symbol",
    "interval",
    "event_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "split_factor",
    "dividend",
    "ingested_at",
    "provider",
    "revision",
];

/// Columns of the Delta table.
pub(crate) fn fields() -> Vec<StructField> {
    let field = |(name, kind, nullable): &(&str, PrimitiveType, bool)| {
        StructField::new(*name, DataType::Primitive(kind.clone()), *nullable)
    };
    COLUMNS.iter().map(field).collect()
}

/// Bars and their places as one batch, in order: a row per bar, all columns.
pub(crate) fn placed_batch(placed: &[Placed]) -> Result<RecordBatch, ArrowError> {
    let bars: Vec<&Bar> = placed.iter().map(|p| &p.bar).collect();
    let mut columns = bar_columns(&bars);
    columns.push(Arc::new(Int32Array::from_iter_values(
        placed.iter().map(|p| p.partition),
    )));
    columns.push(Arc::new(Int64Array::from_iter_values(
        placed.iter().map(|p| p.offset),
    )));
    batch(columns)
}

/// Bars as one batch, in order: a row per bar, the columns that do not speak of Kafka.
///
/// # Errors
/// None that bars can cause.
pub fn bar_batch(bars: &[&Bar]) -> Result<RecordBatch, ArrowError> {
    batch(bar_columns(bars))
}

fn batch(columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let named = COLUMNS.iter().zip(columns);
    let named = named.map(|((name, _, nullable), array)| (*name, array, *nullable));
    RecordBatch::try_from_iter_with_nullable(named)
}

/// In the order of the table, up to the places in Kafka.
fn bar_columns(bars: &[&Bar]) -> Vec<ArrayRef> {
    let text = |get: fn(&Bar) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(bars.iter().map(|b| get(b))))
    };
    let long = |get: fn(&Bar) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(bars.iter().map(|b| get(b))))
    };
    let double = |get: fn(&Bar) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(bars.iter().map(|b| get(b))))
    };
    let int = |get: fn(&Bar) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(bars.iter().map(|b| get(b))))
    };
    vec![
        text(|b| &b.symbol),
        text(|b| b.interval.as_str()),
        long(|b| b.event_time),
        double(|b| b.open),
        double(|b| b.high),
        double(|b| b.low),
        double(|b| Some(b.close)),
        double(|b| b.volume),
        double(|b| Some(b.split_factor)),
        double(|b| Some(b.dividend)),
        long(|b| b.ingested_at),
        text(|b| &b.provider),
        int(|b| i32::try_from(b.revision).unwrap_or(i32::MAX)),
    ]
}

/// The bars of a batch that holds the columns [`READ`], in any order and any type that casts to theirs.
///
/// # Errors
/// A column that is missing or does not cast, and a null where the schema has none.
pub fn bars(batch: &RecordBatch) -> Result<Vec<Bar>, ArrowError> {
    let to_error = |message: String| ArrowError::SchemaError(message);
    let column = |name: &str, kind: ArrowType| {
        let array = batch.column_by_name(name);
        let array = array.ok_or_else(|| to_error(format!("column {name} is missing")))?;
        // A value that does not cast is an error, not a null.
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let array = cast_with_options(array, &kind, &strict)
            .map_err(|e| to_error(format!("column {name}: {e}")))?;
        let nullable = COLUMNS.iter().any(|column| column.0 == name && column.2);
        if !nullable && array.null_count() > 0 {
            return Err(to_error(format!("column {name} holds a null")));
        }
        Ok(array)
    };
    let text = |name: &str| -> Result<StringArray, ArrowError> {
        Ok(column(name, ArrowType::Utf8)?.as_string::<i32>().clone())
    };
    let long = |name: &str| -> Result<Int64Array, ArrowError> {
        let array = column(name, ArrowType::Int64)?;
        Ok(array.as_primitive::<Int64Type>().clone())
    };
    let double = |name: &str| -> Result<Float64Array, ArrowError> {
        let array = column(name, ArrowType::Float64)?;
        Ok(array.as_primitive::<Float64Type>().clone())
    };
    let (symbols, providers) = (text("symbol")?, text("provider")?);
    let intervals = intervals(&text("interval")?)?;
    let (times, ingested) = (long("event_time")?, long("ingested_at")?);
    let revisions = column("revision", ArrowType::Int32)?;
    let revisions = revisions.as_primitive::<Int32Type>();
    let (open, high, low) = (double("open")?, double("high")?, double("low")?);
    let (close, volume) = (double("close")?, double("volume")?);
    let (splits, dividends) = (double("split_factor")?, double("dividend")?);
    let bar = |i: usize| {
        let number = |array: &Float64Array| array.is_valid(i).then(|| array.value(i));
        Bar {
            symbol: symbols.value(i).to_string(),
            interval: intervals[i],
            event_time: times.value(i),
            open: number(&open),
            high: number(&high),
            low: number(&low),
            close: close.value(i),
            volume: number(&volume),
            split_factor: splits.value(i),
            dividend: dividends.value(i),
            ingested_at: ingested.value(i),
            provider: providers.value(i).to_string(),
            revision: u32::try_from(revisions.value(i)).unwrap_or(0),
        }
    };
    Ok((0..batch.num_rows()).map(bar).collect())
}

/// The interval of each row.
fn intervals(names: &StringArray) -> Result<Vec<Interval>, ArrowError> {
    let read = |name: &str| {
        let unknown = || ArrowError::SchemaError(format!("column interval holds `{name}`"));
        Interval::named(name).ok_or_else(unknown)
    };
    names
        .iter()
        .map(|name| read(name.unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use deltalake_core::arrow::compute::cast;

    use super::*;

    fn bar(event_time: i64) -> Bar {
        Bar {
            symbol: "X".into(),
            interval: Interval::Session,
            event_time,
            open: None,
            high: Some(2.0),
            low: Some(1.0),
            close: 1.5,
            volume: Some(9.0),
            split_factor: 2.0,
            dividend: 0.25,
            ingested_at: 7,
            provider: "test".into(),
            revision: 3,
        }
    }

    fn without(batch: &RecordBatch, name: &str) -> RecordBatch {
        let schema = batch.schema();
        let kept = schema.fields().iter().enumerate();
        let kept: Vec<usize> = kept
            .filter(|(_, field)| field.name() != name)
            .map(|(i, _)| i)
            .collect();
        batch.project(&kept).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let minute = Bar {
            interval: Interval::OneMinute,
            ..bar(2)
        };
        let all = [bar(1), minute];
        let placed: Vec<Placed> = all
            .iter()
            .zip(0..)
            .map(|(bar, offset)| Placed {
                bar: bar.clone(),
                partition: 1,
                offset,
            })
            .collect();
        let batch = placed_batch(&placed).unwrap();
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _, _)| *name).collect();
        let schema = batch.schema();
        let found: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
        assert_eq!(found, names);
        assert_eq!(bars(&batch).unwrap(), all);
        assert_eq!(bars(&bar_batch(&[&all[0]]).unwrap()).unwrap(), all[..1]);
    }

    #[test]
    fn every_column_that_is_read_is_written_and_needed() {
        let batch = bar_batch(&[&bar(1)]).unwrap();
        for name in READ {
            assert!(batch.column_by_name(name).is_some(), "{name}");
            let error = bars(&without(&batch, name)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_null_or_a_text_that_is_no_number_is_an_error_and_no_bar() {
        let batch = bar_batch(&[&bar(1)]).unwrap();
        for (name, other) in [
            ("event_time", vec![Some("soon")]),
            ("event_time", vec![None]),
            ("dividend", vec![None]),
            ("symbol", vec![None]),
            ("interval", vec![Some("2m")]),
        ] {
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns());
            let columns = columns.map(|(field, array)| {
                let other: ArrayRef = Arc::new(StringArray::from(other.clone()));
                let replaced = field.name() == name;
                let array = if replaced { other } else { Arc::clone(array) };
                (field.name().clone(), array)
            });
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let error = bars(&batch).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn other_arrow_types_of_a_column_are_cast() {
        let batch = bar_batch(&[&bar(1)]).unwrap();
        let columns = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, array)| {
                let array = match array.data_type() {
                    ArrowType::Utf8 => cast(array, &ArrowType::Utf8View).unwrap(),
                    ArrowType::Int64 => cast(array, &ArrowType::Int32).unwrap(),
                    _ => Arc::clone(array),
                };
                (field.name().clone(), array)
            })
            .collect::<Vec<_>>();
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(bars(&batch).unwrap(), [bar(1)]);
    }
}
