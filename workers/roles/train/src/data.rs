//! From bars to samples: feature rows by the one feature implementation, labels, and splits by time.

pub(crate) mod dataset;
mod labels;
pub(crate) mod split;
