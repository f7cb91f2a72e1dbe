//! Files on HTTP servers that a Pipeline names. The address connected to is judged (public, or allowed by the administrator),
//! also after a redirect; the token goes only to the hosts of its Secret; no message holds what a URL hides. Called by
//! ingest to read a source and by prepare to see that it can be read.

mod client;
mod redirect;
mod resolver;

pub use client::{Answer, Client};

#[cfg(test)]
mod tests;
