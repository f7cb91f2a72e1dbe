//! S3 as Foresail uses it: create-only writes, verified reads, a probe that refuses stores which
//! ignore preconditions. The only crate that names the AWS SDK; `object_store` serves Delta and DataFusion.

mod client;
mod delta;
mod error;
mod probe;
mod store;
mod uri;

pub use delta::object_store;
pub use store::{Bounded, Listed, ObjectStream, PutNew, Store};
pub use uri::S3Uri;

#[cfg(test)]
mod tests;
