//! The loop as the demo shows it: real bars from the file to the forecast, and a simulated break.

mod by_hand;
mod codes;
mod demo;
mod disturbed;
mod features;
mod minutes;
mod networks;
mod parity;
mod protocol;
mod retrained;
mod revised;
mod simulated;
