//! Market words: symbol, bar, event time, trading calendar, corporate actions.
//!
//! A leaf without IO, clock or environment; every other crate speaks in these types.

pub mod as_of;
pub mod bar;
pub mod calendar;
pub mod corporate;
pub mod symbol;

pub use bar::{Bar, BarError, BarIdentity, Interval};
pub use calendar::{Calendar, CalendarOverride, TradingCalendar};
pub use symbol::Symbol;
