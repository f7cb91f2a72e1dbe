//! Asks providers of market data, by the shared ledger of an account. A request is entered into the ledger before it leaves,
//! the answer is judged, and what it teaches is entered too ([`Provider::fetch`]). Called by ingest.
//!
//! What may be asked when is decided in `foresail-quota`, what an answer means in `foresail-providers`; here are the
//! connection, the waiting, and the compare-and-swap.

mod account;
mod ask;
mod client;
mod endpoint;
mod known;
mod kubernetes;
pub mod memory;
mod metrics;
mod stopped;
mod store;

pub use account::{Account, Granted, Terms};
pub use ask::Provider;
pub use client::Client;
pub use endpoint::Endpoint;
pub use kubernetes::Kubernetes;
pub use stopped::Stopped;
pub use store::{Seen, Store, Version, Written};
