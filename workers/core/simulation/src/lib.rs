//! Providers of market data that exist nowhere: a market with splits, dividends, mistakes and their corrections, and what
//! Alpha Vantage and Yahoo would answer about it, failures included. The same scenario, requests and clock give the same
//! answers, byte for byte. Pure; `foresail-worker simulate` puts it behind a port.

mod alpha_vantage;
mod answer;
mod door;
mod failures;
mod market;
mod request;
mod scenario;
mod simulation;
mod traded;
mod yahoo;

pub use answer::{Answer, Manner};
pub use door::{KeyCounts, Seen};
pub use request::Request;
pub use scenario::{
    BadScenario, Dividend, Failure, FailureKind, Hole, Key, Listing, Mistake, Provider, Scenario,
    Split,
};
pub use simulation::Simulation;
pub use traded::Traded;
