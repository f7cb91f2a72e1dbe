//! Answers of providers, whole and damaged, and what becomes of them.

mod canary;
mod cases;
mod damage;
mod golden;
