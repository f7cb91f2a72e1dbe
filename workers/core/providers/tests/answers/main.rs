//! Answers of providers, whole and damaged, and what becomes of them.

#![allow(clippy::unwrap_used)]

mod canary;
mod cases;
mod damage;
mod golden;
