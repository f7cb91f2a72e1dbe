//! The predictor: forecasts over HTTP from the champion and the newest feature rows. It fills its own
//! table from Kafka, so it starts and serves without Redis, and serves on when Kafka, S3, the API
//! server or the operator are away. Run by `foresail-worker predict`; [`start`] serves a folder of versions without any of
//! them, for `foresail-worker serve`.

mod alone;
mod answer;
mod fill;
mod folder;
mod forecast;
mod limits;
mod metrics;
mod registry;
mod routes;
mod served;
mod server;
mod state;
mod table;
#[cfg(test)]
mod testing;
mod windows;

pub use alone::{Alone, Started, start};
pub use foresail_runtime_http::server::tls::Files as TlsFiles;
pub use server::run;
