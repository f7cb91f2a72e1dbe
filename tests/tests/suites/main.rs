//! All suites in one program: they share one link, one cluster and its permits.

mod admission;
mod charts;
mod faults;
mod harness;
mod loop_demo;
mod self_healing;
