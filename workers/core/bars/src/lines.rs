//! Lines of a file, one at a time, in memory that does not grow with the file or with a line.

use std::io::{self, BufRead};
use std::sync::Arc;

/// Longest row that is read, in bytes; a longer one is refused. A bar is some hundred bytes.
pub const LONGEST_ROW: usize = 64 * 1024;

/// A line without what ends it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The line, or the beginning of one that is too long.
    pub bytes: Arc<[u8]>,
    /// Bytes of the whole line.
    pub length: u64,
}

/// Reads line by line. A final newline makes no line, blank lines at the end are none either, and those inside
/// the file are lines.
pub(crate) struct Lines<R> {
    reader: R,
    end: u8,
    /// Blank lines that come before `ahead`.
    blank: u64,
    ahead: Option<Line>,
    /// Of a line that lies across the end of what is read at once.
    pieces: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Lines that end with this byte.
    pub(crate) fn new(reader: R, end: u8) -> Self {
        Self {
            reader,
            end,
            blank: 0,
            ahead: None,
            pieces: Vec::new(),
        }
    }

    /// The first line, whatever it is: empty when there is none.
    pub(crate) fn first(&mut self) -> io::Result<Line> {
        Ok(self.read()?.unwrap_or_default())
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        if self.ahead.is_none() {
            // Whether blank lines are lines is known when something follows them.
            self.ahead = loop {
                match self.read()? {
                    Some(line) if line.length == 0 => self.blank += 1,
                    line => break line,
                }
            };
        }
        if self.ahead.is_some() && self.blank > 0 {
            self.blank -= 1;
            return Ok(Some(Line::default()));
        }
        Ok(self.ahead.take())
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        self.pieces.clear();
        let mut length = 0u64;
        loop {
            let piece = match self.reader.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if piece.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = memchr::memchr(self.end, piece);
            let text = &piece[..end.unwrap_or(piece.len())];
            let taken = text.len() + usize::from(end.is_some());
            if length == 0 && end.is_some() && text.len() <= LONGEST_ROW {
                // Nearly all lines lie in one piece.
                let line = Line::whole(text);
                self.reader.consume(taken);
                return Ok(Some(line));
            }
            let room = LONGEST_ROW - self.pieces.len();
            self.pieces.extend_from_slice(&text[..text.len().min(room)]);
            length += text.len() as u64;
            let ended = end.is_some() || piece.is_empty();
            self.reader.consume(taken);
            if ended {
                break;
            }
        }
        if length == self.pieces.len() as u64 {
            return Ok(Some(Line::whole(&self.pieces)));
        }
        Ok(Some(Line {
            bytes: self.pieces.as_slice().into(),
            length,
        }))
    }
}

impl Line {
    /// A line of which all bytes are here, with what is left of its end.
    fn whole(mut bytes: &[u8]) -> Self {
        while let [rest @ .., b'\r' | b'\n'] = bytes {
            bytes = rest;
        }
        Self {
            bytes: bytes.into(),
            length: bytes.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &[u8]) -> Vec<Line> {
        // A small buffer: lines lie across its ends.
        let mut lines = Lines::new(BufReader::with_capacity(3, text), b'\n');
        let first = lines.first().unwrap();
        let rest = std::iter::from_fn(|| lines.next().unwrap());
        std::iter::once(first).chain(rest).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        let lines = lines(text.as_bytes()).into_iter();
        lines
            .map(|line| String::from_utf8(line.bytes.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn blank_lines_are_lines_when_something_follows() {
        assert_eq!(texts("a\nbcdef\n"), ["a", "bcdef"]);
        assert_eq!(texts("a\r\n\r\nb\r\r\n\n\r\n"), ["a", "", "b"]);
        assert_eq!(texts("\na"), ["", "a"]);
        assert_eq!(texts(""), [""]);
        assert_eq!(texts("\n\n\n"), [""]);
        assert_eq!(texts("a\n\n\n\nb"), ["a", "", "", "", "b"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line_and_its_beginning_is_kept() {
        let long = "x".repeat(LONGEST_ROW + 5);
        let lines = lines(format!("a\n{long}\r\nb").as_bytes());
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].bytes.len(), LONGEST_ROW);
        assert_eq!(lines[1].length, long.len() as u64 + 1);
        assert_eq!(*lines[2].bytes, *b"b");
    }
}
