//! One reconcile after its decision: what the writing steps need.

use foresail_crds::Pipeline;
use jiff::Timestamp;

use super::observed::Observed;
use super::plan::types::Plan;
use super::validate::ValidatedPipeline;
use crate::context::Context;

/// What is declared, what was seen, what was decided, and when.
#[derive(Clone, Copy)]
pub struct Decided<'a> {
    /// The object as it was read; its resource version is the one decided on.
    pub object: &'a Pipeline,
    /// What it declares.
    pub pipeline: &'a ValidatedPipeline,
    /// What exists.
    pub observed: &'a Observed,
    /// What will be true.
    pub plan: &'a Plan,
    /// The time.
    pub now: Timestamp,
    /// Clients.
    pub context: &'a Context,
}
