//! The kernels. They take pointers, because a tile walks through several arrays with several strides at once; the
//! layouts are made and checked in `shard` and `packed`, the only callers.

pub(crate) mod activation;
pub(crate) mod backward;
pub(crate) mod forward;
pub(crate) mod outer;
