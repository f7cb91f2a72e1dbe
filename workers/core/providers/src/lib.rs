//! Judges the answers of market-data providers and turns good ones into rows.
//!
//! [`classify`] says of every answer what it is: data, or one of the refusals that providers dress as success. Prices are
//! handed on as traded: [`traded`] undoes what a provider has restated. Keys are in no value that can be printed.
//!
//! The crate is pure: no request is sent here, and no clock is read. The worker that asks a provider sends the
//! [`Target`] of a [`Request`], and does what the [`Verdict`] says.

pub mod action;
mod alpha_vantage;
mod body;
mod classify;
pub mod currency;
pub mod drops;
pub mod headers;
mod key;
pub mod place;
pub mod request;
pub mod row;
pub mod same;
pub mod scrub;
pub mod traded;
pub mod verdict;
mod yahoo;
mod zone;

pub use action::{Dividend, Split};
pub use body::{LARGEST_BODY, MOST_ROWS};
pub use classify::classify;
pub use currency::Currency;
pub use drops::Drops;
pub use headers::{Headers, Wait};
pub use key::Key;
pub use place::{BadPlace, Place, place};
pub use request::{Provider, Request, Target};
pub use row::Row;
pub use same::same;
pub use scrub::scrub;
pub use verdict::{Answer, Fault, Series, Verdict};
