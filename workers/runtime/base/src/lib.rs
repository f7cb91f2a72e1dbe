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

pub use admin::Health;
pub use config::secret;
pub use error::exit_code_for;
pub use foresail_crds::RoleError;
pub use shutdown::Shutdown;
pub use telemetry::init;
