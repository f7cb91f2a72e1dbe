//! A cursor over a document. It goes forward only; callers note where they were to read a value again.

mod number;

use std::borrow::Cow;

use super::Fault;
use crate::limits::{DEEPEST, LONGEST_NAME, LONGEST_QUOTE};

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    List,
    /// `"`
    Text,
    /// A number, `NaN` or `Infinity`.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

impl Kind {
    /// As messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "Object",
            Self::List => "Array",
            Self::Text => "String",
            Self::Number => "Number",
            Self::True => "True",
            Self::False => "False",
            Self::Null => "Null",
        }
    }
}

/// Reads a document from its beginning.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const INVALID: &str = "Invalid value.";

impl<'a> Reader<'a> {
    /// At the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where it stands.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it stood.
    pub const fn back(&mut self, at: usize) {
        self.at = at;
    }

    /// A document that cannot be read on from here.
    pub(super) const fn stuck<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault::Syntax {
            what,
            offset: self.at,
        })
    }

    pub(super) fn spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    pub(super) fn next_is(&mut self, byte: u8) -> bool {
        let is = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    /// What the next value is.
    ///
    /// # Errors
    /// [`Fault::Syntax`] where no value begins.
    pub fn kind(&mut self) -> Result<Kind, Fault> {
        self.spaces();
        Ok(match self.bytes.get(self.at) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            None if self.at == 0 => return self.stuck("The document is empty."),
            _ => return self.stuck(INVALID),
        })
    }

    /// Ends a document.
    ///
    /// # Errors
    /// [`Fault::Syntax`] when something follows.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.spaces();
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => self.stuck("The document root must not be followed by other values."),
        }
    }

    /// Reads an object: `each` gets every name and must read its value.
    ///
    /// # Errors
    /// [`Fault::Syntax`], or what `each` gives.
    pub fn object<E: From<Fault>>(
        &mut self,
        mut each: impl FnMut(&mut Self, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.next_is(b'{') {
            return self.stuck(INVALID).map_err(E::from);
        }
        self.spaces();
        if self.next_is(b'}') {
            return Ok(());
        }
        loop {
            self.spaces();
            if self.bytes.get(self.at) != Some(&b'"') {
                return self
                    .stuck("Missing a name for object member.")
                    .map_err(E::from);
            }
            let name = self.string(LONGEST_NAME)?;
            self.spaces();
            if !self.next_is(b':') {
                return self
                    .stuck("Missing a colon after a name of object member.")
                    .map_err(E::from);
            }
            self.spaces();
            each(self, &name)?;
            self.spaces();
            if self.next_is(b'}') {
                return Ok(());
            }
            if !self.next_is(b',') {
                return self
                    .stuck("Missing a comma or } after an object member.")
                    .map_err(E::from);
            }
        }
    }

    /// Reads a list: `each` gets the index of every element and must read it.
    ///
    /// # Errors
    /// [`Fault::Syntax`], or what `each` gives.
    pub fn list<E: From<Fault>>(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        if !self.next_is(b'[') {
            return self.stuck(INVALID).map_err(E::from);
        }
        self.spaces();
        if self.next_is(b']') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            self.spaces();
            each(self, count)?;
            count += 1;
            self.spaces();
            if self.next_is(b']') {
                return Ok(count);
            }
            if !self.next_is(b',') {
                return self
                    .stuck("Missing a comma or ] after an array element.")
                    .map_err(E::from);
            }
        }
    }

    /// Reads a text of at most `most` bytes.
    ///
    /// # Errors
    /// [`Fault::Syntax`], also for a longer one.
    pub fn string(&mut self, most: usize) -> Result<Cow<'a, str>, Fault> {
        let begin = self.at;
        self.skip_string()?;
        let written = self.bytes.get(begin..self.at).unwrap_or_default();
        let offset = begin;
        if written.len() > most.saturating_add(2) {
            let what = "The string is too long.";
            return Err(Fault::Syntax { what, offset });
        }
        let inner = written.get(1..written.len().saturating_sub(1));
        let inner = inner.unwrap_or_default();
        if !inner.contains(&b'\\')
            && let Ok(plain) = std::str::from_utf8(inner)
        {
            return Ok(Cow::Borrowed(plain));
        }
        let read: Result<String, _> = serde_json::from_slice(written);
        let what = "Invalid encoding in string.";
        read.map(Cow::Owned)
            .map_err(|_| Fault::Syntax { what, offset })
    }

    fn skip_string(&mut self) -> Result<(), Fault> {
        let begin = self.at;
        if !self.next_is(b'"') {
            return self.stuck(INVALID);
        }
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.at += 2,
                Some(0..=0x1f) => return self.stuck("Invalid encoding in string."),
                Some(_) => self.at += 1,
                None => {
                    self.at = begin;
                    return self.stuck("Missing a closing quotation mark in string.");
                }
            }
        }
    }

    /// Passes the next value, whatever it is.
    ///
    /// # Errors
    /// [`Fault::Syntax`], also for a value that is too deep.
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.skip_below(DEEPEST)
    }

    fn skip_below(&mut self, depth: usize) -> Result<(), Fault> {
        match self.kind()? {
            Kind::Object | Kind::List if depth == 0 => self.stuck("Nested too deep."),
            Kind::Object => self.object(|reader, _| reader.skip_below(depth - 1)),
            Kind::List => self
                .list(|reader, _| reader.skip_below(depth - 1))
                .map(|_| ()),
            Kind::Text => self.skip_string(),
            Kind::Number => self.number().map(|_| ()),
            Kind::True => self.word(b"true"),
            Kind::False => self.word(b"false"),
            Kind::Null => self.word(b"null"),
        }
    }

    /// Reads `true` or `false`; `None` for any other value, which is passed.
    ///
    /// # Errors
    /// [`Fault::Syntax`].
    pub fn boolean(&mut self) -> Result<Option<bool>, Fault> {
        let kind = self.kind()?;
        self.skip()?;
        Ok(match kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        })
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word)
        {
            self.at += word.len();
            return Ok(());
        }
        self.stuck(INVALID)
    }

    /// The value that begins at `from` and ends here, as written, shortened for a message.
    pub fn quote(&self, from: usize) -> String {
        let written = self.bytes.get(from..self.at).unwrap_or_default();
        let text = String::from_utf8_lossy(written);
        let mut end = text.len().min(LONGEST_QUOTE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let shown = text.get(..end).unwrap_or_default();
        match end < text.len() {
            true => format!("{shown}..."),
            false => shown.to_owned(),
        }
    }
}
