//! The kernels. They take pointers, because a tile walks through several arrays with several strides at once; the
//! layouts are made and checked in `shard`, `inference` and `packed`, the only callers.

pub(crate) mod activation;
pub(crate) mod forward;
pub(crate) mod gates;
pub(crate) mod outer;
pub(crate) mod product;
