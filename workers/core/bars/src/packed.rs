//! How a file is packed, by its first bytes: its name says nothing, since servers and people rename.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Bytes that tell.
pub const TELLING: usize = 4;
/// Most of a Zstandard file that its unpacking looks back at, as a power of two: 32 MiB. The format allows gigabytes of
/// it, which nobody has the memory for.
pub const LARGEST_WINDOW: u32 = 25;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
}

impl Packed {
    /// By the first [`TELLING`] bytes, or all there are.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one to be skipped, which some programs write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
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
        Packed::Zstd => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn text(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        unpacked(bytes)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn the_content_tells_how_it_is_packed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"date,close\n").unwrap();
        let gzip = encoder.finish().unwrap();
        let frame = zstd::encode_all(b"date,close\n".as_slice(), 3).unwrap();
        let skipped = [b"\x51\x2a\x4d\x18\x02\x00\x00\x00ab".as_slice(), &frame].concat();
        let plain = b"date,close\n".to_vec();
        for bytes in [gzip, frame.clone(), skipped, plain] {
            assert_eq!(text(&bytes).unwrap(), "date,close\n");
        }
        let twice = [frame.as_slice(), &frame].concat();
        assert_eq!(text(&twice).unwrap(), "date,close\n".repeat(2));
        assert_eq!(text(b"").unwrap(), "");
    }

    #[test]
    fn what_is_cut_off_or_looks_back_too_far_is_an_error() {
        let frame = zstd::encode_all(b"date,close\n".as_slice(), 3).unwrap();
        assert!(text(&frame[..frame.len() - 1]).is_err());
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(LARGEST_WINDOW + 1).unwrap();
        encoder.write_all(b"date,close\n").unwrap();
        let far = encoder.finish().unwrap();
        let error = text(&far).unwrap_err().to_string();
        assert!(error.contains("memory"), "{error}");
    }
}
