//! Where the ledger of an account lies: in the status of a ProviderAccount, or in memory when there is no cluster.

use std::sync::Arc;

use foresail_quota::Ledger;
use foresail_runtime_base::RoleError;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// One version of a ledger, as it lies there.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The ledger.
    pub ledger: Ledger,
    /// What a write must name, so that it changes this version and no other: `metadata.resourceVersion`.
    pub resource: String,
    /// What the clock of whoever keeps it showed when it was read, where that is told.
    pub date: Option<Timestamp>,
}

impl Version {
    /// Whether it is surely older than another one: what a watch brings may come behind what was read.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        let number = |version: &Self| version.resource.parse::<u64>().ok();
        number(self)
            .zip(number(other))
            .is_some_and(|(own, other)| own < other)
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// It is the newest version now.
    Done(Box<Version>),
    /// Somebody else wrote first: nothing was written.
    Conflict,
    /// Nothing was written, and nothing will be until somebody mends this.
    Refused(RoleError),
    /// Nobody knows whether it was written.
    Doubt(String),
}

/// Is handed every version that is seen.
pub type Seen = Arc<dyn Fn(Version) + Send + Sync>;

/// Keeps one ledger.
pub trait Store: Send + Sync + 'static {
    /// The newest version.
    ///
    /// # Errors
    /// It is not there, may not be read, or cannot be reached.
    fn read(&self) -> BoxFuture<'_, Result<Version, RoleError>>;

    /// Writes `ledger` when `over` is still the newest version.
    fn write<'a>(&'a self, ledger: &'a Ledger, over: &'a Version) -> BoxFuture<'a, Written>;

    /// Hands on each new version as soon as it is seen, until it is dropped.
    fn watch(&self, seen: Seen) -> BoxFuture<'static, ()>;

    /// Wall time at this pod.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
