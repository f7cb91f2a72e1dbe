//! What people run beside training: feature rows as a file, SQL over the lake, a version trained again.

mod dump;
mod reproduce;
mod sql;

pub use dump::dump;
pub use reproduce::{Reproduction, reproduce};
pub use sql::{Query, sql};
