//! Nested lists of numbers into one contiguous tensor. Its shape is that of the first element of each level, as
//! TensorFlow Serving reads it. A list that does not fit is read a second time, slowly, to say what is wrong.

use super::Fault;
use super::reader::{Kind, Reader};
use crate::limits::{MOST_DIMENSIONS, MOST_VALUES};
use crate::tensor::Tensor;

/// Reads the next value as a tensor: a number, or lists of lists of numbers that are all equally long.
///
/// # Errors
/// [`Fault::Syntax`]; or another fault, after which the reader stands behind the value.
pub fn tensor(reader: &mut Reader<'_>) -> Result<Tensor, Fault> {
    let mut values = Vec::new();
    let shape = append(reader, &mut values)?;
    let count = values.len();
    Tensor::new(shape, values).ok_or(Fault::TooMany { most: count })
}

/// Reads the next value as a tensor whose values are appended; its shape.
///
/// # Errors
/// As [`tensor`]; what was appended by then is to be thrown away.
pub fn append(reader: &mut Reader<'_>, values: &mut Vec<f32>) -> Result<Vec<usize>, Fault> {
    reader.spaces();
    let begin = reader.at();
    let mut found = Found::default();
    match read(reader, 0, &mut found, values) {
        Ok(()) => Ok(found.shape()),
        Err(Stop::Fault(fault)) => Err(fault),
        Err(Stop::Irregular) => {
            reader.back(begin);
            // Whatever stands behind it must be JSON for anything else to be said of it.
            reader.skip()?;
            let end = reader.at();
            reader.back(begin);
            let shape = first_shape(&mut reader.clone())?;
            let explained = explain(reader, 0, &shape);
            reader.back(end);
            explained?;
            // It was irregular at first sight, and is not: deeper than is read.
            Err(Fault::List {
                level: MOST_DIMENSIONS,
                rank: MOST_DIMENSIONS,
            })
        }
    }
}

/// What is known of the shape so far.
#[derive(Default)]
struct Found {
    sizes: [Option<usize>; MOST_DIMENSIONS],
    rank: Option<usize>,
}

impl Found {
    fn shape(&self) -> Vec<usize> {
        let rank = self.rank.unwrap_or(0);
        let known = self.sizes.iter().take(rank);
        known.map(|size| size.unwrap_or(0)).collect()
    }
}

enum Stop {
    /// It is to be looked at once more.
    Irregular,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn read(
    reader: &mut Reader<'_>,
    level: usize,
    found: &mut Found,
    values: &mut Vec<f32>,
) -> Result<(), Stop> {
    match reader.kind()? {
        Kind::List if level >= found.rank.unwrap_or(MOST_DIMENSIONS) => Err(Stop::Irregular),
        Kind::List => {
            let size = reader.list(|reader, _| read(reader, level + 1, found, values))?;
            // The first empty list is where the shape ends.
            found.rank.get_or_insert(level + 1);
            let Some(known) = found.sizes.get_mut(level) else {
                return Err(Stop::Irregular);
            };
            match *known.get_or_insert(size) == size {
                true => Ok(()),
                false => Err(Stop::Irregular),
            }
        }
        Kind::Number => {
            let number = reader.number()?;
            let value = number as f32;
            if *found.rank.get_or_insert(level) != level
                || (number.is_finite() && !value.is_finite())
            {
                return Err(Stop::Irregular);
            }
            if values.len() >= MOST_VALUES {
                return Err(Fault::TooMany { most: MOST_VALUES }.into());
            }
            values.push(value);
            Ok(())
        }
        Kind::Object | Kind::Text | Kind::True | Kind::False | Kind::Null => Err(Stop::Irregular),
    }
}

/// Sizes along the first element of each level.
fn first_shape(reader: &mut Reader<'_>) -> Result<Vec<usize>, Fault> {
    let mut shape = Vec::new();
    while reader.kind()? == Kind::List {
        let begin = reader.at();
        let size = reader.list(|reader, _| reader.skip())?;
        shape.push(size);
        if size == 0 {
            break;
        }
        reader.back(begin);
        reader.next_is(b'[');
    }
    Ok(shape)
}

/// The first thing that does not fit, in the order in which TensorFlow Serving looks.
fn explain(reader: &mut Reader<'_>, level: usize, shape: &[usize]) -> Result<(), Fault> {
    let rank = shape.len();
    let kind = reader.kind()?;
    let begin = reader.at();
    if kind != Kind::List {
        reader.skip()?;
        let value = reader.quote(begin);
        if level != rank {
            return Err(Fault::Value { value, level, rank });
        }
        if kind != Kind::Number {
            let kind = kind.name();
            return Err(Fault::Type { value, kind });
        }
        reader.back(begin);
        let number = reader.number()?;
        return match number.is_finite() && !(number as f32).is_finite() {
            true => Err(Fault::Overflow { value }),
            false => Ok(()),
        };
    }
    let Some(&expected) = shape.get(level) else {
        return Err(Fault::List { level, rank });
    };
    let found = reader.list(|reader, _| reader.skip())?;
    if found != expected {
        return Err(Fault::Size {
            found,
            level,
            expected,
        });
    }
    reader.back(begin);
    reader
        .list(|reader, _| explain(reader, level + 1, shape))
        .map(|_| ())
}

#[cfg(test)]
#[path = "nested_tests.rs"]
mod tests;
