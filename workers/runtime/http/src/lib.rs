//! Files on HTTP servers that a Pipeline names, and answers of servers that are asked one thing. The address connected to is
//! judged (public, or allowed by the administrator), also after a redirect; the token goes only to the hosts of its Secret;
//! no message holds what a URL hides. Called by ingest to read a source, by prepare to see that it can be read, and by
//! `runtime-providers`. And the other side: [`server`], and who may ask it ([`access`]), for whatever answers requests.

pub mod access;
mod client;
mod exchange;
mod redirect;
mod resolver;
pub mod server;

pub use client::{Answer, Client};
pub use exchange::{Exchange, Manner, Reply, Unanswered};

#[cfg(test)]
mod rebinding_tests;
#[cfg(test)]
mod tests;
