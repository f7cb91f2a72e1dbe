//! An Arrow file, batch by batch. Its parts are looked at before they are read, since a damaged one may ask for any size.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use crate::damage::{damaged, sized};
use crate::shared::Shared;

/// Length of the footer, and the word that a file ends with.
const TRAILER: usize = 10;
/// Stands before the length of a message, but in files of the first releases.
const CONTINUES: [u8; 4] = [0xff; 4];

/// Batches of a file.
pub(crate) struct ArrowFile {
    shared: Shared,
    schema: SchemaRef,
    decoder: FileDecoder,
    blocks: std::vec::IntoIter<Block>,
}

impl ArrowFile {
    pub(crate) fn open(shared: Shared) -> io::Result<Self> {
        let end = shared.length().saturating_sub(TRAILER as u64);
        let trailer = shared.bytes(end, TRAILER)?;
        let trailer = trailer.try_into().map_err(|_| damaged("it is cut off"))?;
        let length = read_footer_length(trailer).map_err(damaged)?;
        sized("its footer", length as u64)?;
        let start = end
            .checked_sub(length as u64)
            .ok_or_else(|| damaged("its footer is cut off"))?;
        let bytes = shared.bytes(start, length)?;
        let footer = root_as_footer(&bytes).map_err(damaged)?;
        let schema = footer.schema().ok_or_else(|| damaged("it has no schema"))?;
        let schema = Arc::new(fb_to_schema(schema));
        let mut decoder = FileDecoder::new(Arc::clone(&schema), footer.version());
        for block in footer.dictionaries().iter().flatten() {
            let buffer = read(&shared, block)?;
            decoder.read_dictionary(block, &buffer).map_err(damaged)?;
        }
        let blocks: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
        Ok(Self {
            shared,
            schema,
            decoder,
            blocks: blocks.into_iter(),
        })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch with rows.
    pub(crate) fn next(&mut self) -> io::Result<Option<RecordBatch>> {
        for block in self.blocks.by_ref() {
            let buffer = read(&self.shared, &block)?;
            let batch = self.decoder.read_record_batch(&block, &buffer);
            if let Some(batch) = batch.map_err(damaged)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// The bytes of a block, which say of no buffer that it is larger than what is read.
fn read(shared: &Shared, block: &Block) -> io::Result<Buffer> {
    let size = |size: i64| u64::try_from(size).map_err(damaged);
    let (meta, body) = (
        size(block.metaDataLength().into())?,
        size(block.bodyLength())?,
    );
    let length = meta.saturating_add(body);
    sized("a batch", length)?;
    let bytes = shared.bytes(size(block.offset())?, length as usize)?;
    let (head, rest) = bytes
        .split_at_checked(meta as usize)
        .ok_or_else(|| damaged("a batch is cut off"))?;
    let skipped = if head.starts_with(&CONTINUES) { 8 } else { 4 };
    let message = head
        .get(skipped..)
        .ok_or_else(|| damaged("a batch has no message"))?;
    let message = root_as_message(message).map_err(damaged)?;
    let dictionary = message
        .header_as_dictionary_batch()
        .and_then(|batch| batch.data());
    let batch = message.header_as_record_batch().or(dictionary);
    let packed = batch.filter(|batch| batch.compression().is_some());
    for buffer in packed.and_then(|batch| batch.buffers()).iter().flatten() {
        let start = usize::try_from(buffer.offset()).map_err(damaged)?;
        let unpacked = rest.get(start..).and_then(|rest| rest.first_chunk());
        if buffer.length() > 0
            && let Some(unpacked) = unpacked
        {
            // Bytes that are not packed say -1.
            let unpacked = i64::from_le_bytes(*unpacked);
            sized("a column of a batch", u64::try_from(unpacked).unwrap_or(0))?;
        }
    }
    Ok(Buffer::from_vec(bytes))
}
