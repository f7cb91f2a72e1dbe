//! Messages of Protocol Buffers, field by field and without copies: what is read borrows from the message, so a message takes no
//! more memory than its bytes, however many fields it has.

use crate::answer::Failure;

/// Value of a field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer, a boolean or an enumeration.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64([u8; 8]),
    /// A text, a message, bytes or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, little-endian.
    Fixed32([u8; 4]),
}

/// The fields of a message, in the order in which they stand.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field, by its number; `None` at the end.
    ///
    /// # Errors
    /// Bytes that are no field.
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Failure> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        // Groups have not been written for many years, and the other wire types do not exist.
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed()?),
            2 => Value::Bytes(self.bytes()?),
            5 => Value::Fixed32(self.fixed()?),
            _ => return Err(malformed("unknown wire type")),
        };
        match key >> 3 {
            0 => Err(malformed("a field without a number")),
            number => Ok(Some((number, value))),
        }
    }

    /// An integer of up to 64 bits, seven of them in each byte, the lowest first.
    ///
    /// # Errors
    /// One that does not end, or has more bits.
    pub fn varint(&mut self) -> Result<u64, Failure> {
        let mut found = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or_else(truncated)?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            found |= bits << shift;
            if first & 0x80 == 0 {
                return Ok(found);
            }
        }
        Err(malformed("an integer of more than 64 bits"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Failure> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| truncated())?;
        let (own, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(own)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (own, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*own)
    }
}

impl<'a> Value<'a> {
    /// A text, a message or bytes.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn bytes(self) -> Result<&'a [u8], Failure> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(malformed("a field of another wire type")),
        }
    }

    /// Hands on integers, one alone or many packed.
    ///
    /// # Errors
    /// Another kind of value; what `take` refuses.
    pub fn integers(self, mut take: impl FnMut(u64) -> Result<(), Failure>) -> Result<(), Failure> {
        match self {
            Self::Varint(value) => take(value),
            Self::Bytes(packed) => {
                let mut packed = Fields(packed);
                while !packed.0.is_empty() {
                    take(packed.varint()?)?;
                }
                Ok(())
            }
            _ => Err(malformed("a field of another wire type")),
        }
    }
}

/// A message that cannot be read.
pub fn malformed(what: &str) -> Failure {
    Failure::invalid(format!("failed to parse the request message: {what}"))
}

fn truncated() -> Failure {
    malformed("it ends within a field")
}

/// Appends a message field by field. Values that are zero or empty are left out, as the protocol has it.
#[derive(Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// Appends an integer, a boolean or an enumeration.
    pub fn varint(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.0.push(field << 3);
            varint(value, |byte| self.0.push(byte));
        }
    }

    /// Appends a text or bytes.
    pub fn bytes(&mut self, field: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.length(field, bytes.len());
            self.0.extend_from_slice(bytes);
        }
    }

    /// Appends many integers, packed.
    pub fn integers(&mut self, field: u8, values: &[i64]) {
        self.nested(field, |packed| {
            for value in values {
                varint(value.cast_unsigned(), |byte| packed.0.push(byte));
            }
        });
    }

    /// Appends many 32-bit floats: as packed numbers or as bytes, which are the same.
    pub fn floats(&mut self, field: u8, values: &[f32]) {
        self.length(field, size_of_val(values));
        self.0.extend(crate::oip::binary::raw(values));
    }

    /// Appends a message, also an empty one.
    pub fn nested(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        write(self);
        let mut inner = Self::default();
        inner.length(field, self.0.len() - begin);
        self.0.splice(begin..begin, inner.0);
    }

    fn length(&mut self, field: u8, length: usize) {
        self.0.push(field << 3 | 2);
        varint(length as u64, |byte| self.0.push(byte));
    }
}

fn varint(mut value: u64, mut push: impl FnMut(u8)) {
    while value >= 0x80 {
        push(value as u8 | 0x80);
        value >>= 7;
    }
    push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
        let (mut fields, mut found) = (Fields(bytes), Vec::new());
        while let Some(field) = fields.next().map_err(|f| f.message)? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let mut message = Message::default();
        message.varint(1, 300);
        message.varint(2, 0);
        message.bytes(3, b"ab");
        message.bytes(4, b"");
        message.integers(5, &[-1, 128]);
        message.nested(6, |_| {});
        message.floats(7, &[1.0]);
        let packed = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x80, 1,
        ];
        let expected = [
            (1, Value::Varint(300)),
            (3, Value::Bytes(b"ab")),
            (5, Value::Bytes(&packed)),
            (6, Value::Bytes(b"")),
            (7, Value::Bytes(&[0, 0, 0x80, 0x3f])),
        ];
        assert_eq!(all(&message.0).unwrap(), expected);
        let mut integers = Vec::new();
        let take = |value: u64| {
            integers.push(value.cast_signed());
            Ok(())
        };
        Value::Bytes(&packed).integers(take).unwrap();
        assert_eq!(integers, [-1, 128]);
        assert_eq!(
            all(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x15, 2, 0, 0, 0]).unwrap(),
            [
                (1, Value::Fixed64([1, 0, 0, 0, 0, 0, 0, 0])),
                (2, Value::Fixed32([2, 0, 0, 0]))
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_field_are_refused() {
        let begin = "failed to parse the request message: ";
        for (bytes, what) in [
            (&[0x0a][..], "it ends within a field"),
            (&[0x0a, 2, 1], "it ends within a field"),
            (&[0x80], "it ends within a field"),
            (&[0x0d, 1, 2, 3], "it ends within a field"),
            (&[0x0b], "unknown wire type"),
            (&[0x00, 1], "a field without a number"),
            (
                &[
                    0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
                ],
                "an integer of more than 64 bits",
            ),
            (&[0x08, 0x80], "it ends within a field"),
            (
                &[
                    0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
                ],
                "it ends within a field",
            ),
        ] {
            assert_eq!(all(bytes).unwrap_err(), format!("{begin}{what}"));
        }
    }
}
