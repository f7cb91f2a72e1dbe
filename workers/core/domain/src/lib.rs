//! Market words: symbol, bar, event time, trading calendar, corporate actions.
//!
//! A leaf without IO, clock or environment; every other crate speaks in these types.

pub mod as_of;
pub mod bar;
pub mod bar_grid;
pub mod calendar;
pub mod corporate;
pub mod interval;
pub mod symbol;

pub use bar::{Bar, BarError, BarIdentity};
pub use bar_grid::{BarGrid, Span};
pub use calendar::{Calendar, CalendarOverride, TradingCalendar};
pub use interval::Interval;
pub use symbol::Symbol;
