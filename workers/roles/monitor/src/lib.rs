//! The monitor: one canonical forecast per symbol and bar, its realised error as labels arrive,
//! and the drift of live features, reported to status for the operator to judge. Its state is
//! rebuilt from Kafka at every start. Run by `foresail-worker monitor`.

mod beginning;
mod champion;
mod drift_tracker;
pub mod engine;
mod forecast_tracker;
mod history;
mod maturity;
mod metrics;
mod past_rows;
mod session_watermark;
mod status;
mod worker;

pub use status::MonitorStatus;
pub use worker::run;
