//! The file of a source on the pod's scratch volume, unpacked: what is in memory does not grow with it, a replay can take
//! days without a connection to its server, and it is known to be whole before the first row is used.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::write::MultiGzDecoder;
use foresail_bars::{Described, LARGEST_WINDOW, Packed, TELLING};
use foresail_columnar::Kind;
use foresail_crds::role::LARGEST_SOURCE_BYTES;
use foresail_crds::role_error::shown_address;
use foresail_runtime_base::RoleError;
use sha2::{Digest, Sha256};

/// A file that is being written.
pub(crate) struct Spool {
    /// What came before it was known how the file is packed.
    start: Vec<u8>,
    /// Where it is written then; the scratch file itself waits until then.
    out: Option<Out>,
    scratch: Option<Scratch>,
    /// Of what came, packed or not.
    digest: Sha256,
    uri: String,
    largest: u64,
    /// Where it begins in its scratch file.
    begin: u64,
}

enum Out {
    Plain(Scratch),
    Gzip(Box<MultiGzDecoder<Scratch>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Scratch>>),
}

/// Writes to disk what still fits, and remembers whose fault a failure was.
struct Scratch {
    file: BufWriter<File>,
    left: u64,
    too_large: bool,
    failed: bool,
}

/// A file that is complete. It has no name: it goes with its last reader, also when the process is killed.
#[derive(Clone)]
pub(crate) struct Spooled {
    file: Arc<File>,
    /// Where it begins and ends in the scratch file.
    place: Range<u64>,
    /// How it is written, unless it is a text.
    columns: Option<Kind>,
    /// Of what came.
    pub digest: [u8; 32],
}

impl Spool {
    /// A file for what comes from `uri`, unpacked when its first bytes say that it is packed.
    ///
    /// # Errors
    /// Outside error `ScratchFailed`.
    pub(crate) fn new(uri: &str) -> Result<Self, RoleError> {
        Self::with_limit(uri, LARGEST_SOURCE_BYTES)
    }

    fn with_limit(uri: &str, largest: u64) -> Result<Self, RoleError> {
        let file = tempfile::tempfile().map_err(|e| scratch_failed(&e))?;
        Ok(Self::onto(file, 0, uri, largest))
    }

    /// A file behind another one in the same scratch file; at most `largest` bytes up to its end.
    ///
    /// # Errors
    /// Outside error `ScratchFailed`.
    pub(crate) fn behind(before: &Spooled, uri: &str, largest: u64) -> Result<Self, RoleError> {
        let begin = before.place.end;
        let open = || {
            let mut file = before.file.try_clone()?;
            // What a file that was refused has left is written over.
            file.set_len(begin)?;
            file.seek(SeekFrom::Start(begin))?;
            Ok(file)
        };
        let file = open().map_err(|e| scratch_failed(&e))?;
        Ok(Self::onto(file, begin, uri, largest))
    }

    fn onto(file: File, begin: u64, uri: &str, largest: u64) -> Self {
        let scratch = Scratch {
            file: BufWriter::new(file),
            left: largest.saturating_sub(begin),
            too_large: false,
            failed: false,
        };
        Self {
            start: Vec::new(),
            out: None,
            scratch: Some(scratch),
            digest: Sha256::new(),
            uri: shown_address(uri),
            largest,
            begin,
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// User errors `SourceTooLarge` and `SourceUnreadable`; outside error `ScratchFailed`.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), RoleError> {
        self.digest.update(piece);
        if self.out.is_some() {
            return self.write(piece);
        }
        self.start.extend_from_slice(piece);
        if self.start.len() < TELLING {
            return Ok(());
        }
        self.begin()
    }

    /// Decides how the file is packed, and writes what has come of it.
    fn begin(&mut self) -> Result<(), RoleError> {
        let start = std::mem::take(&mut self.start);
        if let Some(scratch) = self.scratch.take() {
            self.out = Some(Out::new(&start, scratch).map_err(|error| scratch_failed(&error))?);
        }
        self.write(&start)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RoleError> {
        let written = match &mut self.out {
            Some(Out::Plain(scratch)) => scratch.write_all(bytes),
            Some(Out::Gzip(packed)) => packed.write_all(bytes),
            Some(Out::Zstd(packed)) => packed.write_all(bytes),
            None => Ok(()),
        };
        written.map_err(|error| self.explain(&error))
    }

    /// The whole file.
    ///
    /// # Errors
    /// Those of [`Self::push`]: what is packed may end too early.
    pub(crate) fn finish(mut self) -> Result<Spooled, RoleError> {
        self.begin()?;
        let ended = match &mut self.out {
            Some(Out::Plain(scratch)) => scratch.flush(),
            Some(Out::Gzip(packed)) => packed.try_finish().and_then(|()| packed.get_mut().flush()),
            Some(Out::Zstd(packed)) => packed.do_finish(),
            None => Ok(()),
        };
        ended.map_err(|error| self.explain(&error))?;
        let scratch = match self.out {
            Some(Out::Plain(scratch)) => scratch,
            Some(Out::Gzip(packed)) => packed.finish().map_err(|error| scratch_failed(&error))?,
            Some(Out::Zstd(packed)) => packed.into_inner(),
            None => return Err(scratch_failed(&io::Error::other("nothing was begun"))),
        };
        let end = self.largest.max(self.begin) - scratch.left;
        let file = scratch.file.into_inner();
        let file = file.map_err(|error| scratch_failed(error.error()))?;
        let file = Arc::new(file);
        let mut start = Vec::new();
        let place = self.begin..end;
        let whole = At {
            file: Arc::clone(&file),
            place: place.clone(),
        };
        let read = whole
            .take(foresail_columnar::TELLING)
            .read_to_end(&mut start);
        read.map_err(|error| scratch_failed(&error))?;
        Ok(Spooled {
            file,
            place,
            columns: Kind::of(&start),
            digest: self.digest.finalize().into(),
        })
    }

    fn explain(&self, error: &io::Error) -> RoleError {
        let (scratch, packed) = match &self.out {
            Some(Out::Plain(scratch)) => (scratch, None),
            Some(Out::Gzip(packed)) => (packed.get_ref(), Some("gzip")),
            Some(Out::Zstd(packed)) => (packed.get_ref(), Some("Zstandard")),
            None => return scratch_failed(error),
        };
        if scratch.too_large {
            return too_large(&self.uri, self.largest, packed.is_some());
        }
        let Some(format) = packed.filter(|_| !scratch.failed) else {
            return scratch_failed(error);
        };
        let message = format!(
            "{} is not a whole {format} file ({error}); correct the file, it is read again",
            self.uri
        );
        RoleError::user("SourceUnreadable", message)
    }
}

impl Out {
    /// For a file that starts like this.
    fn new(start: &[u8], scratch: Scratch) -> io::Result<Self> {
        Ok(match Packed::of(start) {
            Packed::Plain => Self::Plain(scratch),
            Packed::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(scratch))),
            Packed::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(scratch)?;
                decoder.window_log_max(LARGEST_WINDOW)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }
}

/// The file does not fit the scratch volume.
pub(crate) fn too_large(uri: &str, largest: u64, packed: bool) -> RoleError {
    let unpacked = if packed { " when it is unpacked" } else { "" };
    let message = format!(
        "{uri} has more than {largest} bytes{unpacked}, the most that is read; leave out columns and sessions that \
         nobody needs, it is read again"
    );
    RoleError::user("SourceTooLarge", message)
}

fn scratch_failed(error: &io::Error) -> RoleError {
    let message = format!(
        "the file of the source cannot be written to the scratch volume of the pod: {error}; it is retried"
    );
    RoleError::outside("ScratchFailed", message)
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        if length > self.left {
            self.too_large = true;
            return Err(io::Error::other("too large"));
        }
        let written = self.file.write(bytes);
        self.failed |= written.is_err();
        self.left -= *written.as_ref().unwrap_or(&0) as u64;
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.failed |= flushed.is_err();
        flushed
    }
}

impl Spooled {
    /// Its text from its beginning; readers do not disturb each other. A file that is damaged is an error of the first
    /// read.
    pub(crate) fn reader(&self) -> Box<dyn Read + Send> {
        let Some(columns) = self.columns else {
            return Box::new(BufReader::new(self.bytes()));
        };
        match self.alone().and_then(|file| columns.text(file)) {
            Ok(text) => Box::new(text),
            Err(error) => Box::new(Failed(Some(error))),
        }
    }

    /// How its text is read.
    pub(crate) fn described(&self, described: Described) -> Described {
        match self.columns {
            Some(_) => described.of_columns(),
            None => described,
        }
    }

    fn bytes(&self) -> At {
        At {
            file: Arc::clone(&self.file),
            place: self.place.clone(),
        }
    }

    /// A file of columns is read from its end: one that shares its scratch file with others gets its own.
    fn alone(&self) -> io::Result<Arc<File>> {
        if self.place == (0..self.file.metadata()?.len()) {
            return Ok(Arc::clone(&self.file));
        }
        let mut own = tempfile::tempfile()?;
        io::copy(&mut self.bytes(), &mut own)?;
        Ok(Arc::new(own))
    }
}

/// A reader that has failed already.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A reader with a place of its own in a shared file.
struct At {
    file: Arc<File>,
    place: Range<u64>,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.place.end - self.place.start;
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut buffer[..most], self.place.start)?;
        self.place.start += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
