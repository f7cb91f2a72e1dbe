//! Tensors as JSON. Only finite numbers come here: [`crate::Outputs::new`] refuses others.

use std::fmt::Write;

/// Appends a number in the shortest form that reads back as the same float, with a fraction: `4.0`.
pub fn number(out: &mut String, value: f32) {
    // Writing to a text does not fail.
    let _done = write!(out, "{value:?}");
}

/// Appends the values in nested lists of this shape; a value alone for an empty one.
pub fn nested(out: &mut String, shape: &[usize], values: &[f32]) {
    let Some((size, inner)) = shape.split_first() else {
        number(out, values.first().copied().unwrap_or_default());
        return;
    };
    let width = values.len().checked_div(*size).unwrap_or(0).max(1);
    out.push('[');
    for (index, part) in values.chunks(width).take(*size).enumerate() {
        if index > 0 {
            out.push(',');
        }
        nested(out, inner, part);
    }
    out.push(']');
}

/// Appends a text in quotation marks.
pub fn text(out: &mut String, text: &str) {
    out.push('"');
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            sign if u32::from(sign) < 0x20 => {
                let _done = write!(out, "\\u{:04x}", u32::from(sign));
            }
            sign => out.push(sign),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let values = [1.0, -0.5, 3.4e38, 1e-45, 0.1, f32::EPSILON];
        let mut out = String::new();
        nested(&mut out, &[2, 3, 1], &values);
        let read: Vec<Vec<Vec<f32>>> = serde_json::from_str(&out).unwrap();
        let flat: Vec<f32> = read.into_iter().flatten().flatten().collect();
        assert_eq!(flat, values);
        let mut quoted = String::new();
        text(&mut quoted, "a\"\\\n\u{1}é");
        let read: String = serde_json::from_str(&quoted).unwrap();
        assert_eq!(read, "a\"\\\n\u{1}é");
        let mut empty = String::new();
        nested(&mut empty, &[0, 3], &[]);
        assert_eq!(empty, "[]");
    }
}
