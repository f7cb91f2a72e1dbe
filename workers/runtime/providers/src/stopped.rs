//! Why a request was not sent, or brought nothing.

use std::time::Duration;

use foresail_quota::{ParkReason, Wait, WaitReason};
use foresail_runtime_base::RoleError;
use jiff::Timestamp;

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Whose fault it is, and what happens next.
    pub error: RoleError,
    /// When it may be tried again; when the caller likes, when absent.
    pub until: Option<Timestamp>,
    /// Nothing else can be asked until then either. Otherwise it concerns this request alone.
    pub is_general: bool,
    /// False of what comes in the ordinary course of things, such as a midnight.
    pub is_fault: bool,
}

impl Stopped {
    /// Nothing can be asked.
    pub(crate) fn general(error: RoleError, until: Option<Timestamp>) -> Self {
        Self {
            error,
            until,
            is_general: true,
            is_fault: true,
        }
    }

    /// This request brought nothing.
    pub(crate) fn alone(error: RoleError) -> Self {
        Self {
            error,
            until: None,
            is_general: false,
            is_fault: true,
        }
    }

    /// The process ends.
    pub(crate) fn ending() -> Self {
        let error = RoleError::outside("ShuttingDown", "the worker stops; nothing is asked");
        Self {
            is_fault: false,
            ..Self::general(error, None)
        }
    }

    /// The account `name` must wait for longer than anybody stands in line.
    pub(crate) fn waiting(name: &str, wait: Wait) -> Self {
        let until = wait.until;
        let (reason, what, is_fault) = match wait.why {
            WaitReason::Day => (
                "QuotaExhausted",
                "the requests of the day are used up",
                true,
            ),
            WaitReason::Share => (
                "QuotaSetAside",
                "what is left of the day is set aside for new bars and for other Pipelines",
                false,
            ),
            WaitReason::Midnight => (
                "ProviderMidnight",
                "a day of the provider ends or begins, and no request may fall into the wrong one",
                false,
            ),
            WaitReason::Second | WaitReason::Minute => {
                ("ProviderBusy", "others are before us", false)
            }
            WaitReason::Breaker => ("ProviderDown", "the provider does not answer", true),
            WaitReason::ClockBehind => (
                "ClockWrong",
                "the ledger was written at a time that the clock of this pod has not reached; check the clocks of the \
                 nodes",
                true,
            ),
        };
        Self {
            is_fault,
            ..Self::general(outside(reason, name, what, Some(until)), Some(until))
        }
    }

    /// The account `name` is parked.
    pub(crate) fn parked(name: &str, until: Option<Timestamp>, why: ParkReason) -> Self {
        match why {
            ParkReason::BadKey => Self::general(bad_key(name), until),
            ParkReason::DailyQuota => {
                let what = "the provider says that the requests of the day are used up";
                Self::general(outside("QuotaExhausted", name, what, until), until)
            }
            ParkReason::Refused => {
                let what = "the provider does not want to be asked for now";
                Self::general(outside("ProviderRefused", name, what, until), until)
            }
            ParkReason::Burst => {
                let what = "requests followed one another too fast for the provider";
                let stopped = Self::general(outside("ProviderBusy", name, what, until), until);
                Self {
                    is_fault: false,
                    ..stopped
                }
            }
        }
    }
}

impl From<Stopped> for RoleError {
    fn from(stopped: Stopped) -> Self {
        stopped.error
    }
}

/// The provider does not know the key.
pub(crate) fn bad_key(name: &str) -> RoleError {
    let message = format!(
        "ProviderAccount {name}: the provider does not know the key; correct `apiKey` in its Secret. Nothing is asked until \
         it changes"
    );
    RoleError::user("BadKey", message)
}

fn outside(reason: &str, name: &str, what: &str, until: Option<Timestamp>) -> RoleError {
    let next = match until {
        Some(until) => format!("it is asked again at {}", shown(until)),
        None => "it is asked again later".into(),
    };
    RoleError::outside(reason, format!("ProviderAccount {name}: {what}; {next}"))
}

/// An instant for people, whole seconds.
fn shown(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// How long it is until then.
pub(crate) fn left(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
}
