//! What every program needs before it does anything: telemetry, configuration, secrets as files,
//! errors that say whose fault they are, shutdown, retry, the admin server, the one supervisor of
//! all roles, and the one layer through which every write to the outside passes ([`effects`]).

pub mod address;
pub mod admin;
pub mod clock;
pub mod config;
mod context;
pub mod credentials;
pub mod effects;
mod error;
pub mod metrics;
mod reporter;
pub mod retry;
mod secrets;
mod shutdown;
mod spawn;
mod supervise;
mod telemetry;

pub use admin::Health;
pub use context::{Outside, RoleContext, admin_address, role_span};
pub use error::exit_code_for;
pub use foresail_crds::RoleError;
pub use reporter::{Observations, Reporter, RoleStatus};
pub use secrets::Secrets;
pub use shutdown::Shutdown;
pub use spawn::{spawn, spawn_blocking};
pub use supervise::{Connecting, Supervised, supervise};
pub use telemetry::init;
