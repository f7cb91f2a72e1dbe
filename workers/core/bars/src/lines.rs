//! Lines of a file, one at a time, in memory that does not grow with the file or with a line.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// Longest row that is read, in bytes; a longer one is refused. A bar is some hundred bytes.
pub const LONGEST_ROW: usize = 64 * 1024;
/// Bytes that are read at once: more than a line and what ends it.
const BUFFER: usize = 2 * LONGEST_ROW;

/// A line without what ends it: bytes of its own, or some that stand in memory of [`Lines`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line<B = Arc<[u8]>> {
    /// The line, or the beginning of one that is too long.
    pub bytes: B,
    /// Bytes of the whole line.
    pub length: u64,
}

impl Line {
    /// The same where it stands.
    pub(crate) fn here(&self) -> Line<&[u8]> {
        Line {
            bytes: &self.bytes,
            length: self.length,
        }
    }
}

/// Reads line by line. A final newline makes no line, blank lines at the end are none either, and those inside
/// the file are lines.
pub(crate) struct Lines<R> {
    reader: R,
    end: u8,
    buffer: Vec<u8>,
    /// What has been read and is no line yet, in the buffer.
    unread: Range<usize>,
    /// The last line that was read, in the buffer, and its whole length.
    line: (Range<usize>, u64),
    /// Blank lines that come before it.
    blank: u64,
}

impl<R: Read> Lines<R> {
    /// Lines that end with this byte.
    pub(crate) fn new(reader: R, end: u8) -> Self {
        Self {
            reader,
            end,
            buffer: vec![0; BUFFER],
            unread: 0..0,
            line: (0..0, 0),
            blank: 0,
        }
    }

    /// The first line, whatever it is: empty when there is none.
    pub(crate) fn first(&mut self) -> io::Result<Line> {
        if self.read()? {
            return Ok(self.owned());
        }
        Ok(Line::default())
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        Ok(self.advance()?.then(|| self.owned()))
    }

    /// Goes on to the next line, which is [`Self::here`] then; false at the end.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        if self.blank > 0 {
            self.blank -= 1;
            return Ok(true);
        }
        // Whether blank lines are lines is known when something follows them.
        while self.read()? {
            if self.line.1 > 0 {
                return Ok(true);
            }
            self.blank += 1;
        }
        self.blank = 0;
        Ok(false)
    }

    /// The line that [`Self::advance`] has come to.
    pub(crate) fn here(&self) -> Line<&[u8]> {
        if self.blank > 0 {
            return Line::default();
        }
        let (place, length) = &self.line;
        Line {
            bytes: self.buffer.get(place.clone()).unwrap_or_default(),
            length: *length,
        }
    }

    fn owned(&self) -> Line {
        let Line { bytes, length } = self.here();
        Line {
            bytes: bytes.into(),
            length,
        }
    }

    /// Reads one line; false when there is none.
    fn read(&mut self) -> io::Result<bool> {
        // Nothing has been looked at yet.
        let mut looked = 0;
        loop {
            let unread = &self.buffer[self.unread.clone()];
            let found = memchr::memchr(self.end, &unread[looked..]);
            if let Some(end) = found.map(|end| looked + end) {
                self.take(end, 1);
                return Ok(true);
            }
            looked = unread.len();
            if looked > LONGEST_ROW {
                return self.read_on().map(|()| true);
            }
            if self.fill()? == 0 {
                self.take(looked, 0);
                return Ok(looked > 0);
            }
        }
    }

    /// Takes so many bytes for a line, and those behind them that end it.
    fn take(&mut self, length: usize, ending: usize) {
        let start = self.unread.start;
        let place = start..start + length;
        self.unread.start = place.end + ending;
        if length > LONGEST_ROW {
            self.line = (start..start + LONGEST_ROW, length as u64);
            return;
        }
        let mut bytes = &self.buffer[place];
        // What is left of its end.
        while let [rest @ .., b'\r' | b'\n'] = bytes {
            bytes = rest;
        }
        self.line = (start..start + bytes.len(), bytes.len() as u64);
    }

    /// Reads a line that is too long to its end. Its beginning stays, and what lies behind that goes.
    fn read_on(&mut self) -> io::Result<()> {
        let mut gone = 0u64;
        loop {
            let kept = self.unread.start + LONGEST_ROW;
            gone += (self.unread.end - kept) as u64;
            self.unread.end = kept;
            let read = self.fill()?;
            let behind = &self.buffer[LONGEST_ROW..self.unread.end];
            let end = memchr::memchr(self.end, behind);
            if read == 0 || end.is_some() {
                let more = end.unwrap_or(behind.len());
                let length = LONGEST_ROW + more;
                self.line = (0..LONGEST_ROW, length as u64 + gone);
                self.unread.start = length + usize::from(end.is_some());
                return Ok(());
            }
        }
    }

    /// Reads more behind what is unread, which then begins the buffer; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        loop {
            match self.reader.read(&mut self.buffer[self.unread.end..]) {
                Ok(read) => {
                    self.unread.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives three bytes at a time: lines lie across the ends of what is read at once.
    struct Few<'a>(&'a [u8]);

    impl Read for Few<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(3);
            self.0.read(&mut buffer[..most])
        }
    }

    fn lines(text: &[u8]) -> Vec<Line> {
        lines_of(Few(text))
    }

    fn lines_of(reader: impl Read) -> Vec<Line> {
        let mut lines = Lines::new(reader, b'\n');
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

    #[test]
    fn lines_are_the_same_however_much_is_read_at_once() {
        let lengths = [0, 1, 7, LONGEST_ROW - 1, LONGEST_ROW, LONGEST_ROW + 1];
        let longer = [BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER + 7];
        let lengths: Vec<usize> = lengths.into_iter().chain(longer).collect();
        for ending in ["\n", "\r\n"] {
            let mut file = String::from("first");
            for length in lengths.iter().chain(lengths.iter().rev()) {
                file += ending;
                file += &"x".repeat(*length);
            }
            let found = lines(file.as_bytes());
            assert_eq!(found, lines_of(file.as_bytes()));
            // The carriage return of a line that is too long is a part of it, and so is that of one which it makes so.
            let ends = ending.len() as u64 - 1;
            let whole = |length: usize| match length as u64 + ends > LONGEST_ROW as u64 {
                true => length as u64 + ends,
                false => length as u64,
            };
            let lengths = lengths.iter().chain(lengths.iter().rev());
            let mut expected: Vec<u64> = lengths.map(|length| whole(*length)).collect();
            // The last line is blank: it is none.
            expected.pop();
            let found = found.iter().skip(1).map(|line| line.length);
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }
}
