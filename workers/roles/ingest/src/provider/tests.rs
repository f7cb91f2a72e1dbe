//! What is asked, what becomes of the answers, and what is left of it when a process dies. The market is that of the simulator,
//! without a port between.

mod corrected;
mod fallback;
mod plan;
mod quorum;
mod reviewed;
mod within;
mod world;
