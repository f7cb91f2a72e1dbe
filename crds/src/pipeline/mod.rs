//! The `Pipeline`: spec (what the user declares), status (what is observed), conditions.

pub mod conditions;
pub mod decision;
pub mod spec;
pub mod status;

pub use spec::{Pipeline, PipelineSpec};
pub use status::PipelineStatus;
