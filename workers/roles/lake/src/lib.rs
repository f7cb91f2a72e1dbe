//! The lake sink: bars from Kafka into a Delta table on S3, each exactly once. The next offset of
//! every partition is part of the Delta commit that holds its bars, so a replay changes nothing
//! and a second writer loses the commit. Run by `foresail-worker lake`.

mod metrics;
mod revisions;
mod worker;

pub use worker::run;
