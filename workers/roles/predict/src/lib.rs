//! The predictor: forecasts over HTTP and gRPC from the champion and the newest feature rows. It fills its own
//! table from Kafka, so it starts and serves without Redis, and serves on when Kafka, S3, the API
//! server or the operator are away. Run by `foresail-worker predict`.

mod answer;
mod body;
mod fill;
mod forecast;
mod grpc;
mod handle;
mod limits;
mod metrics;
mod models;
mod routes;
mod served;
mod server;
mod state;
mod table;
#[cfg(test)]
mod testing;
mod windows;

pub use server::run;
