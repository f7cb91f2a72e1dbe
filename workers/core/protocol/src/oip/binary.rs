//! Raw little-endian tensors as floats, and floats as raw tensors: behind the JSON of REST, and in the messages of gRPC.

use crate::tensor::{Tensor, count};

/// Datatypes whose numbers are taken for 32-bit floats, with the bytes of a value. The others, BOOL and BYTES, are no numbers.
const NUMBERS: [(&str, usize); 11] = [
    ("FP32", 4),
    ("FP64", 8),
    ("FP16", 2),
    ("INT8", 1),
    ("INT16", 2),
    ("INT32", 4),
    ("INT64", 8),
    ("UINT8", 1),
    ("UINT16", 2),
    ("UINT32", 4),
    ("UINT64", 8),
];

/// Bytes of a value of a datatype; `None` for one whose values are no numbers, or that is not known.
pub(super) fn width(datatype: &str) -> Option<usize> {
    let found = NUMBERS.iter().find(|(name, _)| *name == datatype);
    found.map(|(_, width)| *width)
}

/// Where a tensor stands, as messages name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) model: &'a str,
    pub(super) name: &'a str,
}

impl Place<'_> {
    /// What is said of a datatype whose values are no numbers.
    pub(super) fn no_number(self, datatype: &str) -> String {
        let Self { model, name } = self;
        format!(
            "inference input '{name}' data-type is '{datatype}', but model '{model}' expects 'FP32'"
        )
    }

    /// What is said of a raw tensor that has not the bytes of its shape.
    pub(super) fn wrong_size(self, datatype: &str, shape: &[usize]) -> String {
        let Self { model, name } = self;
        let expected = size(datatype, shape);
        let expected = expected.map_or("more".into(), |bytes| bytes.to_string());
        format!(
            "unexpected size for input '{name}', expecting {expected} bytes for model '{model}'"
        )
    }
}

/// What is said of raw tensors that belong to no input.
pub(super) fn additional(model: &str) -> String {
    format!("unexpected additional input data for model '{model}'")
}

/// Bytes of a tensor; `None` on overflow, and where its values are no numbers.
fn size(datatype: &str, shape: &[usize]) -> Option<usize> {
    count(shape)?.checked_mul(width(datatype)?)
}

/// A raw tensor.
///
/// # Errors
/// Another number of bytes than its shape takes.
pub(super) fn tensor(
    place: Place<'_>,
    datatype: &str,
    shape: Vec<usize>,
    bytes: &[u8],
) -> Result<Tensor, String> {
    if size(datatype, &shape) != Some(bytes.len()) {
        return Err(place.wrong_size(datatype, &shape));
    }
    let tensor = floats(datatype, bytes).and_then(|values| Tensor::new(shape, values));
    tensor.ok_or_else(|| format!("unexpected size for input '{}'", place.name))
}

/// The values of a raw tensor; `None` when its bytes are no whole number of them.
pub(super) fn floats(datatype: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    macro_rules! read {
        ($kind:ty) => {{
            let (values, rest) = bytes.as_chunks();
            let read = |value: &[u8; size_of::<$kind>()]| <$kind>::from_le_bytes(*value) as f32;
            rest.is_empty().then(|| values.iter().map(read).collect())
        }};
    }
    match datatype {
        "FP32" => read!(f32),
        "FP64" => read!(f64),
        "FP16" => {
            let (values, rest) = bytes.as_chunks();
            let read = |value: &[u8; 2]| half(u16::from_le_bytes(*value));
            rest.is_empty().then(|| values.iter().map(read).collect())
        }
        "INT8" => read!(i8),
        "INT16" => read!(i16),
        "INT32" => read!(i32),
        "INT64" => read!(i64),
        "UINT8" => read!(u8),
        "UINT16" => read!(u16),
        "UINT32" => read!(u32),
        "UINT64" => read!(u64),
        _ => None,
    }
}

/// A float of 16 bits (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    let exponent = i32::from((bits >> 10) & 0x1f);
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

/// FP32, raw.
pub(super) fn raw(values: &[f32]) -> impl Iterator<Item = u8> {
    values.iter().flat_map(|value| value.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_with_its_width() {
        assert_eq!(floats("FP32", &1.5_f32.to_le_bytes()), Some(vec![1.5]));
        assert_eq!(floats("FP64", &(-0.1_f64).to_le_bytes()), Some(vec![-0.1]));
        assert_eq!(floats("INT64", &(-7_i64).to_le_bytes()), Some(vec![-7.0]));
        assert_eq!(
            floats("UINT16", &[0xff, 0xff, 1, 0]),
            Some(vec![65_535.0, 1.0])
        );
        assert_eq!(floats("INT8", &[0x80]), Some(vec![-128.0]));
        for (name, width) in NUMBERS {
            assert_eq!(
                floats(name, &vec![0; width * 3]),
                Some(vec![0.0; 3]),
                "{name}"
            );
            assert_eq!(
                width == 1,
                floats(name, &vec![0; width * 2 + 1]).is_some(),
                "{name}"
            );
            assert_eq!(super::width(name), Some(width));
        }
        assert_eq!(floats("BYTES", &[]), None);
        assert_eq!(width("BOOL"), None);
    }

    #[test]
    fn halves_are_those_of_the_standard() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7c01).is_nan());
    }
}
