//! How a file is packed, by its first bytes: its name says nothing, since servers and people rename.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Bytes that tell.
pub const TELLING: usize = 4;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// gzip, of one member or several.
    Gzip,
}

impl Packed {
    /// By the first [`TELLING`] bytes, or all there are.
    pub fn of(start: &[u8]) -> Self {
        if start.starts_with(b"\x1f\x8b") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }
}

/// What a reader reads, unpacked.
///
/// # Errors
/// Those of `reader`.
pub fn unpacked<'a>(mut reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut start = Vec::new();
    (&mut reader).take(TELLING as u64).read_to_end(&mut start)?;
    let packed = Packed::of(&start);
    let whole = Cursor::new(start).chain(reader);
    Ok(match packed {
        Packed::Plain => Box::new(whole),
        Packed::Gzip => Box::new(MultiGzDecoder::new(whole)),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn the_content_tells_how_it_is_packed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"date,close\n").unwrap();
        let packed = encoder.finish().unwrap();
        for bytes in [packed.as_slice(), b"date,close\n"] {
            let mut text = String::new();
            unpacked(bytes).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "date,close\n");
        }
        let mut nothing = String::new();
        unpacked(b"".as_slice())
            .unwrap()
            .read_to_string(&mut nothing)
            .unwrap();
        assert_eq!(nothing, "");
    }
}
