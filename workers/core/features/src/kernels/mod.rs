//! Numeric kernels: plain state machines over numbers, without bars, names or clocks.
//!
//! Window kernels recompute from their ring in time order, so a start `window` bars later gives the
//! same bits; recursive kernels (EMA, RSI) depend on where they start, and say so.

mod ema;
mod ring;
mod rsi;
mod shared;
mod wilder;

pub(crate) use ema::Ema;
pub(crate) use ring::Ring;
pub(crate) use rsi::Rsi;
pub(crate) use shared::{Series, Shared};
pub(crate) use wilder::{Adx, Smoothed};
