//! From bars to samples: feature rows by the one feature implementation, labels, and splits by time.

pub(crate) mod dataset;
pub(crate) mod gaps;
mod labels;
pub(crate) mod split;
