//! Numbers, by the grammar of JSON and with the tokens that it has none for.

use super::{INVALID, Reader};
use crate::json::Fault;

impl Reader<'_> {
    /// Reads a number, `NaN`, `Infinity` or `-Infinity`.
    ///
    /// # Errors
    /// [`Fault::Syntax`].
    pub fn number(&mut self) -> Result<f64, Fault> {
        let begin = self.at;
        let negative = self.next_is(b'-');
        for (token, value) in [
            (&b"NaN"[..], f64::NAN),
            (b"Infinity", f64::INFINITY),
            (b"Inf", f64::INFINITY),
        ] {
            if self
                .bytes
                .get(self.at..)
                .unwrap_or_default()
                .starts_with(token)
            {
                self.at += token.len();
                return Ok(if negative { -value } else { value });
            }
        }
        if self.digits() == 0 {
            self.at = begin;
            return self.stuck(INVALID);
        }
        let whole = self.at - begin - usize::from(negative);
        let leads_with_zero = self.bytes.get(begin + usize::from(negative)) == Some(&b'0');
        if whole > 1 && leads_with_zero {
            self.at = begin;
            return self.stuck(INVALID);
        }
        if self.next_is(b'.') && self.digits() == 0 {
            return self.stuck("Miss fraction part in number.");
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            let _sign = self.next_is(b'+') || self.next_is(b'-');
            if self.digits() == 0 {
                return self.stuck("Miss exponent in number.");
            }
        }
        let written = self.bytes.get(begin..self.at).unwrap_or_default();
        let read = std::str::from_utf8(written).ok();
        match read.and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if number.is_finite() => Ok(number),
            Some(_) => {
                self.at = begin;
                self.stuck("Number too big to be stored in double.")
            }
            None => self.stuck(INVALID),
        }
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at - begin
    }
}
