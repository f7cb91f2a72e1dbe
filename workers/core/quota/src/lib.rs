//! Who may ask a provider when: the limits of one account, shared by every pod through one small document.
//!
//! The document is the [`Ledger`]. It lives in the status of a ProviderAccount, and the pods write it with
//! compare-and-swap. A spend is committed *before* the request leaves, so that a crash wastes requests and never exceeds a
//! limit. Called by ingest workers (ask, learn) and by the operator (plan, feasible, same key).
//!
//! # What a caller must do
//! 1. Read the ledger and hand each version to one [`Observer`] per pod as soon as it is seen: use a watch, not a poll.
//! 2. Call [`Ledger::ask`] and write the ledger of [`Decision::Granted`] with the `resourceVersion` that was read. After a
//!    conflict read and ask again; after any other doubt (a timeout) treat the grant as lost.
//! 3. Look at the monotonic clock again immediately before each request leaves: at or after
//!    [`Grant::send_before`] the request is not sent. An unused request is wasted, never given back.
//! 4. Give up on a request after [`LONGEST_REQUEST`]; follow no redirect and repeat nothing without another grant.
//! 5. Hand each answer to [`Ledger::learn`] and write the result when it differs, again with compare-and-swap; after a
//!    conflict read the ledger and learn again.
//! 6. Refuse to ask while the pod's clock is more than [`CLOCK_ERROR`] from the `Date` that the API server answers with.
//!
//! # How clocks that differ are kept from breaking a limit
//! - Within seconds and minutes no two clocks are compared. The ledger numbers its grants, and each pod measures on its
//!   own monotonic clock how long it has known a grant, as the leader election of Kubernetes does with leases. A grant was
//!   made before it was seen, so it is at least that old.
//! - Around each midnight at which the provider may start a new day nothing is sent for [`QUIET`] on either side. A clock
//!   that errs by [`CLOCK_ERROR`] then still counts each request in the day in which it arrives.
//! - The newest time that the ledger has seen is never gone behind. A pod whose clock is further behind than two clocks
//!   can honestly differ waits.
//!
//! # How the day is shared
//! 1. The live requests that each Pipeline planned are set aside for it until the day ends.
//! 2. What is left is split evenly. A Pipeline draws on its own part first.
//! 3. A part that is not claimed is released in step with the day that passes: at noon half of it.
//! 4. Beyond its own part a Pipeline may be one request ahead, and more in step with the day that passes.
//! 5. Where less is left than is set aside, because Pipelines came during the day, it is cut to one level for all.
//!
//! For one free second, live goes before backfill and backfill before repair: each lower purpose lets the second lie for
//! [`YIELD`] longer. Within a purpose, the longer ago a Pipeline's last grant is, the earlier it may ask. An account without a
//! limit a second or a minute has no such second: its grants follow one another without a pause.

mod ask;
pub mod key;
mod learn;
mod ledger;
mod limits;
mod observer;
pub mod plan;
mod purpose;
mod share;
mod time;
mod window;

use std::time::Duration;

pub use ask::{Decision, Grant, Wait, WaitReason, Want};
pub use learn::Outcome;
pub use ledger::{
    Breaker, BreakerState, Day, Entitlement, Ledger, Level, LivePlan, MAX_PIPELINES, Park,
    ParkReason, Recent, SHARED, Share,
};
pub use limits::{Limits, Reset, ResetError};
pub use observer::{Moment, Observer};
pub use purpose::Purpose;

/// How long a grant may be used, from the moment it was asked for.
pub const GRANT: Duration = Duration::from_secs(1);
/// How much longer one request may travel than the next. Beyond it two grants may arrive within one second.
pub const TRAVEL: Duration = Duration::from_millis(500);
/// The least time between two grants: the first may be used until its end, and a second of the provider must pass.
pub const GAP: Duration = GRANT
    .saturating_add(Duration::from_secs(1))
    .saturating_add(TRAVEL);
/// How long a purpose lets a free second lie for the purpose above it.
pub const YIELD: Duration = Duration::from_secs(1);
/// How far a clock may be from the true time.
pub const CLOCK_ERROR: Duration = Duration::from_secs(5 * 60);
/// How long a request may take until it is given up.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(30);
/// How long nothing is sent before and after a midnight at which a day may start: a clock's error, a grant, the longest
/// request, and some. A simulated day has a twentieth of its length, when that is less.
pub const QUIET: Duration = Duration::from_secs(6 * 60);
