//! Kafka as Foresail uses it: transactions that fence, readers without consumer groups, topics.
//!
//! Positions live in outputs (source offsets in headers, Delta transactions), so a restart
//! recomputes identical records; see docs/adr. The only crate that names rdkafka.

pub mod admin;
mod answers;
mod error;
mod lossy;
mod message;
mod producer;
mod reader;
mod settings;
mod tail;

pub use error::recreated;
pub use lossy::LossyProducer;
pub use message::{Message, Record};
pub use producer::{LARGEST_RECORD, TransactionalProducer};
pub use reader::{Reader, Start, end_offset_sum};
pub use settings::Settings;
pub use tail::{Reach, open_tail, read_tail};
