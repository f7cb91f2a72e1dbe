//! JSON read straight into tensors: no tree of values is built, `NaN` and `Infinity` are tokens, and depth, names and counts
//! are bounded.

mod attempt;
mod fault;
mod nested;
mod reader;
mod write;

pub use attempt::attempt;
pub use fault::Fault;
pub use nested::{append, tensor};
pub use reader::{Kind, Reader};
pub use write::{nested, number, text};
