//! What every program needs before it does anything: telemetry, configuration, secrets as files,
//! errors that say whose fault they are, shutdown, retry, the admin server, and the one layer
//! through which every write to the outside passes ([`effects`]).

pub mod admin;
pub mod clock;
pub mod config;
pub mod effects;
mod error;
pub mod retry;
mod shutdown;
mod telemetry;

use foresail_crds::pipeline::spec::Calendar;
use foresail_crds::worker_config::WorkerConfig;
use foresail_domain::TradingCalendar;

pub use admin::Health;
pub use config::secret;
pub use error::exit_code_for;
pub use foresail_crds::RoleError;
pub use shutdown::Shutdown;
pub use telemetry::init;

/// The trading calendar a Pipeline declares.
pub fn calendar(config: &WorkerConfig) -> TradingCalendar {
    match config.calendar {
        Calendar::Xnys => TradingCalendar::Xnys,
        Calendar::Weekdays => TradingCalendar::Weekdays,
        Calendar::AlwaysOpen => TradingCalendar::AlwaysOpen,
    }
}
