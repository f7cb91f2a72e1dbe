//! A file that several readers read at places of their own.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::damage::damaged;

/// A file of known length.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    file: Arc<File>,
    length: u64,
}

/// Reads as much as there is, up to the length of `buffer`.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Shared {
    pub(crate) fn new(file: Arc<File>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// These bytes.
    ///
    /// # Errors
    /// `InvalidData` when the file does not have them.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(damaged("it is cut off, or points behind its end"));
        }
        let mut bytes = vec![0; length];
        let read = read_at(&self.file, &mut bytes, start)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// A reader with a place of its own.
pub(crate) struct From {
    shared: Shared,
    offset: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.shared.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Shared {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From {
            shared: self.clone(),
            offset: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.bytes(start, length);
        bytes.map(Bytes::from).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => ParquetError::EOF(error.to_string()),
            _ => ParquetError::External(Box::new(error)),
        })
    }
}
