//! Things break, in turn and for real; what was promised still holds.

mod data_plane;
mod end;
mod living;
mod operator;
mod reasons;
mod refusals;
mod secrets;
mod sources;
mod store;
mod strangers;
