//! Artifacts of trained versions on S3: one way in for predictors, monitor, gate and `reproduce`, one way out
//! for the trainer. Nothing that is read is believed before its length, its digest and its shape are checked.

mod folder;
mod load;
mod objects;
#[cfg(any(test, feature = "testing"))]
mod testing;
mod write;

pub use folder::{Folder, MANIFEST};
pub use load::{Loaded, load, manifest, manifest_at};
pub use objects::Objects;
#[cfg(any(test, feature = "testing"))]
pub use testing::Memory;
pub use write::{Documents, Stored, find, write};
