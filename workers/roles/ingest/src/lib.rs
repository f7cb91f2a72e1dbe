//! Ingest: reads a source in order, checks every row, sends good bars to Kafka and the rest to
//! quarantine with its reason. Backfill as fast as possible, then live replay at the declared
//! speed, on one schema. A provider of market data is asked symbol by symbol instead. Rows read = sent + quarantined +
//! unchanged, always. Run by `foresail-worker ingest`.

mod batch;
mod fetch;
mod folder;
mod head;
mod marks;
mod metrics;
mod overlap;
mod pace;
mod pattern;
mod position;
mod provider;
mod reading;
mod records;
mod refusals;
mod sessions;
mod sink;
mod source;
mod spool;
#[cfg(test)]
mod testing;
mod told;
mod worker;

pub use head::look;
pub use worker::run;
