//! The operator keeps what it owns, touches nothing else, and rests when there is nothing to do.

mod children;
mod deletion;
mod edits;
mod idle;
mod install;
mod scaling;
