//! Parts of a body that are bounded while they are parsed, so that a body cannot grow in memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::limits::{LONGEST_TEXT, MOST_POINTS};

/// A text of at most [`LONGEST_TEXT`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Short;
        impl Visitor<'_> for Short {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of at most {LONGEST_TEXT} bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                if text.len() > LONGEST_TEXT {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Short)
    }
}

/// A list of at most `MOST` elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Few<T, const MOST: usize>(pub(crate) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Few<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut taken = Vec::new();
                while let Some(element) = list.next_element()? {
                    if taken.len() == MOST {
                        return Err(A::Error::custom(format!("must hold at most {MOST}")));
                    }
                    taken.push(element);
                }
                Ok(Few(taken))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

/// The points of a series, one after the other: closes, or a list of values each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Points {
    /// Values per point; `None` when they are closes.
    pub(crate) width: Option<usize>,
    /// The values of all points; `None` where one is not known.
    pub(crate) values: Vec<Option<f64>>,
}

impl Points {
    /// The values of each point.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[Option<f64>]> {
        self.values.chunks_exact(self.width.unwrap_or(1).max(1))
    }
}

/// One element of a series.
enum Point {
    Close(f64),
    Values(Few<Option<f64>, { crate::limits::MOST_LEVELS }>),
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Point;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number, or a list with a value per column")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Point, E> {
                Ok(Point::Close(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Point, E> {
                Ok(Point::Close(value as f64))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Point, E> {
                Ok(Point::Close(value as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Point, A::Error> {
                let list = serde::de::value::SeqAccessDeserializer::new(list);
                Few::deserialize(list).map(Point::Values)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Series;
        impl<'de> Visitor<'de> for Series {
            type Value = Points;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of numbers, or of lists of numbers or null")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Points, A::Error> {
                let mut points = Points::default();
                let mut count = 0;
                while let Some(point) = list.next_element()? {
                    if count == MOST_POINTS {
                        let message = format!("must hold at most {MOST_POINTS} points");
                        return Err(A::Error::custom(message));
                    }
                    let width = match &point {
                        Point::Close(_) => None,
                        Point::Values(values) => Some(values.0.len()),
                    };
                    if count > 0 && width != points.width {
                        let message = "every point must have as many values as the first one";
                        return Err(A::Error::custom(message));
                    }
                    points.width = width;
                    match point {
                        Point::Close(close) => points.values.push(Some(close)),
                        Point::Values(values) => points.values.extend(values.0),
                    }
                    count += 1;
                }
                Ok(points)
            }
        }
        deserializer.deserialize_seq(Series)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn points(value: Value) -> Result<Points, String> {
        from_value(value).map_err(|e| e.to_string())
    }

    #[test]
    fn closes_and_bars_are_read_and_nothing_between() {
        let closes = points(json!([1, -2, 3.5])).unwrap();
        assert_eq!(closes.width, None);
        assert_eq!(closes.values, [Some(1.0), Some(-2.0), Some(3.5)]);
        let bars = points(json!([[1, null], [2.5, 3]])).unwrap();
        assert_eq!(bars.width, Some(2));
        let read: Vec<&[Option<f64>]> = bars.iter().collect();
        assert_eq!(read, [&[Some(1.0), None], &[Some(2.5), Some(3.0)]]);
        assert_eq!(points(json!([])).unwrap(), Points::default());
        for wrong in [
            json!([1, [2]]),
            json!([[1], 2]),
            json!([[1], [2, 3]]),
            json!(["a"]),
            json!([null]),
            json!([[true]]),
            json!(7),
        ] {
            assert!(points(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(points(json!(vec![1.0; MOST_POINTS])).is_ok());
        let error = points(json!(vec![1.0; MOST_POINTS + 1])).unwrap_err();
        assert_eq!(error, "must hold at most 20000 points");
        let wide = json!([vec![1.0; crate::limits::MOST_LEVELS + 1]]);
        assert_eq!(points(wide).unwrap_err(), "must hold at most 100");
        let few: Result<Few<u8, 2>, _> = from_value(json!([1, 2, 3]));
        assert_eq!(few.unwrap_err().to_string(), "must hold at most 2");
        assert!(from_value::<Text>(json!("x".repeat(LONGEST_TEXT))).is_ok());
        assert!(from_value::<Text>(json!("x".repeat(LONGEST_TEXT + 1))).is_err());
    }
}
