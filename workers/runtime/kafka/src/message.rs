//! Records in and out.

use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers};

/// A record to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Full name of the topic.
    pub topic: String,
    /// Partition; chosen from the key (murmur2) when absent.
    pub partition: Option<i32>,
    /// The symbol or another identity; a compacted topic keeps the newest record of each.
    pub key: Option<String>,
    /// Bytes; none are a tombstone in a compacted topic.
    pub value: Vec<u8>,
    /// Name and text, in order.
    pub headers: Vec<(String, String)>,
    /// Record timestamp, milliseconds since the Unix epoch; now when absent.
    pub timestamp: Option<i64>,
}

/// A record read.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Full name of the topic it was read from.
    pub topic: String,
    /// Number of the partition, from 0.
    pub partition: i32,
    /// Place in the partition, from 0.
    pub offset: i64,
    /// Key, when it is UTF-8.
    pub key: Option<String>,
    /// Bytes; none for a tombstone.
    pub value: Vec<u8>,
    /// Name and text, in order; what is not UTF-8 in a text is replaced.
    pub headers: Vec<(String, String)>,
    /// Record timestamp, milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
}

impl Message {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Bytes of key and value.
    pub(crate) fn bytes(&self) -> usize {
        self.value.len() + self.key.as_ref().map_or(0, String::len)
    }

    pub(crate) fn owned(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let text = |value: Option<&[u8]>| {
                String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
            };
            headers
                .iter()
                .map(|h| (h.key.to_string(), text(h.value)))
                .collect()
        });
        Self {
            topic: message.topic().to_string(),
            partition: message.partition(),
            offset: message.offset(),
            key: message
                .key()
                .and_then(|k| std::str::from_utf8(k).ok())
                .map(str::to_string),
            value: message.payload().unwrap_or_default().to_vec(),
            headers,
            timestamp: message.timestamp().to_millis(),
        }
    }
}
