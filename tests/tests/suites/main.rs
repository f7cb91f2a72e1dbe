//! All suites in one program, linked once. Each test runs in a process of its own; who runs beside whom is decided
//! by the turns they take (foresail_tests::turns).

mod admission;
mod charts;
mod faults;
mod harness;
mod loop_demo;
mod providers;
mod rights;
mod self_healing;
