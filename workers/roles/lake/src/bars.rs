//! Bars as Arrow columns. The names and types here are the table's schema.

use std::sync::Arc;

use deltalake_core::arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::kernel::{DataType, PrimitiveType, StructField};
use foresail_domain::Bar;

/// A bar and where it stood in Kafka.
pub(crate) struct Placed {
    pub bar: Bar,
    pub partition: i32,
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

/// Columns of the Delta table.
pub(crate) fn schema() -> Vec<StructField> {
    let field = |(name, kind, nullable): &(&str, PrimitiveType, bool)| {
        StructField::new(*name, DataType::Primitive(kind.clone()), *nullable)
    };
    COLUMNS.iter().map(field).collect()
}

/// Bars as one batch, in order.
pub(crate) fn batch(bars: &[Placed]) -> Result<RecordBatch, ArrowError> {
    let text = |get: fn(&Bar) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            bars.iter().map(|p| get(&p.bar)),
        ))
    };
    let long = |get: fn(&Placed) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(bars.iter().map(get)))
    };
    let double = |get: fn(&Bar) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(bars.iter().map(|p| get(&p.bar))))
    };
    let int = |get: fn(&Placed) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(bars.iter().map(get)))
    };
    let columns = [
        text(|b| &b.symbol),
        text(|b| b.interval.as_str()),
        long(|p| p.bar.event_time),
        double(|b| b.open),
        double(|b| b.high),
        double(|b| b.low),
        double(|b| Some(b.close)),
        double(|b| b.volume),
        double(|b| Some(b.split_factor)),
        double(|b| Some(b.dividend)),
        long(|p| p.bar.ingested_at),
        text(|b| &b.provider),
        int(|p| i32::try_from(p.bar.revision).unwrap_or(i32::MAX)),
        int(|p| p.partition),
        long(|p| p.offset),
    ];
    RecordBatch::try_from_iter_with_nullable(
        COLUMNS
            .iter()
            .zip(columns)
            .map(|((name, _, nullable), array)| (*name, array, *nullable)),
    )
}
