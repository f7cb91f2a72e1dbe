//! One of several accounts of a source: what came from it, and what stops it. Pure.

use foresail_crds::pipeline::status::AccountState;
use foresail_crds::role_error::presentable;
use foresail_runtime_providers::Stopped;

/// Longest texts in status.
const LONGEST_REASON: usize = 64;
const LONGEST_MESSAGE: usize = 256;

/// An account, and what came of it since the process began.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub name: String,
    pub answers: u64,
    pub bars: u64,
    /// Why nothing more could be asked the last time, and until when.
    stopped: Option<(Stopped, i64)>,
}

impl Account {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// It was asked, and this has stopped it. Until then, or for the time of a poll, it is taken to go on.
    pub(crate) fn was_asked(&mut self, stopped: Option<&Stopped>, poll: i64, now: i64) {
        self.stopped = stopped.map(|stopped| {
            let until = stopped.until.map(jiff::Timestamp::as_millisecond);
            let until = until.unwrap_or_else(|| now.saturating_add(poll));
            (stopped.clone(), until)
        });
    }

    /// What keeps it from being asked at `now`, and until when.
    pub(crate) fn stop(&self, now: i64) -> Option<&(Stopped, i64)> {
        self.stopped.as_ref().filter(|(_, until)| now < *until)
    }

    /// What status says of it. `standing_in` counts the symbols whose newest bar it has brought.
    pub(crate) fn state(&self, standing_in: usize) -> AccountState {
        let fault = self.stopped.as_ref().map(|(stopped, _)| stopped);
        let fault = fault.filter(|stopped| stopped.is_fault);
        let fault = fault.map(|stopped| &stopped.error);
        AccountState {
            account: self.name.clone(),
            answers: self.answers,
            bars: self.bars,
            standing_in: u32::try_from(standing_in).unwrap_or(u32::MAX),
            reason: fault.map(|error| presentable(&error.reason, LONGEST_REASON)),
            message: fault.map(|error| presentable(&error.message, LONGEST_MESSAGE)),
        }
    }
}
