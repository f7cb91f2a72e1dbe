//! Is a kind worth serving? Purged walk-forward folds, the leak guard on them, every kind forecast through
//! them, and what each feature adds.

pub(crate) mod coverage;
pub(crate) mod folds;
pub(crate) mod importance;
pub(crate) mod leak_guard;
pub(crate) mod walk_forward;
