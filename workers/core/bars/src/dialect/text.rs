//! Bytes of a file: what it is when it is no table, and in which encoding its text is.

use foresail_crds::pipeline::spec::CsvEncoding;

/// Bytes looked at to tell text from something else.
const LOOK: usize = 4096;

/// How the bytes of a file become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// One byte for the signs that matter. What is not UTF-8 is read as Windows-1252, unless UTF-8 is declared.
    Bytes,
    /// Declared: bytes alone do not tell it from UTF-8.
    Windows1252,
    Utf16Le,
    Utf16Be,
}

/// What a file is in place of a text, in words for a message; `None` when it may be one.
pub(crate) fn no_text(head: &[u8]) -> Option<&'static str> {
    const STARTS: [(&[u8], &str); 11] = [
        (
            b"PK\x03\x04",
            "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
        ),
        (
            b"\xd0\xcf\x11\xe0",
            "an old Excel workbook; save the sheet as CSV",
        ),
        (b"PAR1", "a Parquet file that is packed; unpack it"),
        (b"ARROW1", "an Arrow file that is packed; unpack it"),
        (
            b"\x1f\x8b",
            "a gzip file that is packed twice; pack it once",
        ),
        (
            b"\x28\xb5\x2f\xfd",
            "a Zstandard file that is packed twice; pack it once",
        ),
        (b"BZh", "a bzip2 file; pack it with gzip, or not at all"),
        (b"\xfd7zXZ", "an xz file; pack it with gzip, or not at all"),
        (b"7z\xbc\xaf", "a 7z archive; unpack it"),
        (b"%PDF", "a PDF document"),
        (
            b"SQLite format 3",
            "an SQLite database; export the table as CSV",
        ),
    ];
    let found = STARTS.iter().find(|(start, _)| head.starts_with(start));
    found.map(|(_, what)| *what)
}

/// What a text is in place of a table, in words for a message; `None` when it may be one.
pub(crate) fn no_table(head: &[u8]) -> Option<&'static str> {
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    match text.first() {
        None => Some("an empty file"),
        // <DATE>,<CLOSE> is a header of some vendors.
        Some(b'<') if !is_header_of_angles(text) => {
            Some("a page of HTML or XML, as servers answer in place of a file")
        }
        Some(b'{') => Some("a JSON document, as servers answer in place of a file"),
        Some(b'[') => Some("a JSON list; export the table as CSV"),
        _ => None,
    }
}

/// `<TICKER>,<DATE>` and the like: names only, with something between them.
fn is_header_of_angles(text: &[u8]) -> bool {
    let end = memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len());
    let line = &text[..end];
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"<>,;\t|_ .".contains(b);
    line.iter().all(plain) && line.windows(3).any(|w| w[0] == b'>' && w[2] == b'<')
}

/// The encoding of a file by its first bytes, or the one that is declared.
///
/// # Errors
/// True when the file is no text in any of them.
pub(crate) fn encoding(head: &[u8], declared: Option<CsvEncoding>) -> Result<Encoding, NoText> {
    match declared {
        Some(CsvEncoding::Utf16Le) => return Ok(Encoding::Utf16Le),
        Some(CsvEncoding::Utf16Be) => return Ok(Encoding::Utf16Be),
        Some(CsvEncoding::Windows1252) => return Ok(Encoding::Windows1252),
        Some(CsvEncoding::Utf8) | None => {}
    }
    let found = found(head)?;
    match declared {
        Some(_) if found != Encoding::Bytes => Err(NoText),
        _ => Ok(found),
    }
}

fn found(head: &[u8]) -> Result<Encoding, NoText> {
    if head.starts_with(b"\xff\xfe") {
        return Ok(Encoding::Utf16Le);
    }
    if head.starts_with(b"\xfe\xff") {
        return Ok(Encoding::Utf16Be);
    }
    let head = &head[..head.len().min(LOOK)];
    let zeros = |odd: usize| {
        head.iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    // Dates and prices in UTF-16: every second byte is zero.
    let most = head.len() / 2 * 3 / 4;
    match (zeros(0), zeros(1)) {
        (0, 0) => Ok(Encoding::Bytes),
        (0, odd) if odd > most => Ok(Encoding::Utf16Le),
        (even, 0) if even > most => Ok(Encoding::Utf16Be),
        // Some zeros are damage of some rows, which are refused; many are something else.
        (even, odd) if (even + odd) * 20 < head.len() => Ok(Encoding::Bytes),
        _ => Err(NoText),
    }
}

/// The file holds bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoText;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_is_named() {
        let no_table = |head| no_text(head).or_else(|| no_table(head));
        for (head, word) in [
            (b"PK\x03\x04rest".as_slice(), "Excel"),
            (b"PAR1", "Parquet"),
            (b"<!DOCTYPE html>\n<html>", "HTML"),
            (b"\n  <?xml version=\"1.0\"?>", "XML"),
            (b"\xef\xbb\xbf{\"a\": 1}", "JSON"),
            (b"[[1, 2]]", "JSON"),
            (b"", "empty"),
            (b" \r\n\t\n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            (b"BZh9", "bzip2"),
        ] {
            let said = no_table(head).unwrap_or_default();
            assert!(said.contains(word), "{head:?}: {said}");
        }
        for head in [
            b"date,close\n".as_slice(),
            b"<TICKER>,<DTYYYYMMDD>,<CLOSE>\n1,2,3",
            b"sep=;\n",
            b"\xff\xfed\0",
        ] {
            assert_eq!(no_table(head), None, "{head:?}");
        }
    }

    #[test]
    fn encodings_are_known_with_and_without_their_mark() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            let units = text.encode_utf16();
            units
                .flat_map(|unit| {
                    if big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    }
                })
                .collect()
        };
        let text = "Date,Close\n2015-01-02,50.22\n";
        assert_eq!(
            encoding(&utf16(&format!("\u{feff}{text}"), false), None),
            Ok(Encoding::Utf16Le)
        );
        assert_eq!(
            encoding(&utf16(&format!("\u{feff}{text}"), true), None),
            Ok(Encoding::Utf16Be)
        );
        assert_eq!(encoding(&utf16(text, false), None), Ok(Encoding::Utf16Le));
        assert_eq!(encoding(&utf16(text, true), None), Ok(Encoding::Utf16Be));
        assert_eq!(encoding(text.as_bytes(), None), Ok(Encoding::Bytes));
        assert_eq!(
            encoding(b"a,b\n1,\xe9\0\n2,3\n4,5\n6,7\n8,9\n10,11", None),
            Ok(Encoding::Bytes)
        );
        let bytes: Vec<u8> = (0..=255).chain(0..=255).map(|b: u8| b / 3).collect();
        assert_eq!(
            encoding(&[&[0u8; 40][..], &bytes].concat(), None),
            Err(NoText)
        );
        assert_eq!(
            encoding(b"", Some(CsvEncoding::Utf16Be)),
            Ok(Encoding::Utf16Be)
        );
    }
}
