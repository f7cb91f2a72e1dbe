//! A ledger in memory, with the compare-and-swap of an API server: conflicts, answers that are lost, and time that passes. For
//! tests, which have no cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foresail_quota::Ledger;
use foresail_runtime_base::RoleError;
use futures::future::{BoxFuture, FutureExt};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::{Seen, Store, Version, Written};

/// How rough it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Longest way of a read, a write or an event, milliseconds.
    pub way: u64,
    /// Share of writes that meet a conflict although nobody else wrote.
    pub conflicts: f64,
    /// Share of writes of which no answer comes, half of them written.
    pub doubts: f64,
    /// How far the clock of the store is ahead of the pods'.
    pub ahead: SignedDuration,
}

/// One ledger that several pods share. Clones are the same ledger.
#[derive(Clone)]
pub struct Memory {
    newest: Arc<watch::Sender<(u64, Ledger)>>,
    writing: Arc<Mutex<()>>,
    weather: Weather,
    began: (Timestamp, Instant),
}

impl Memory {
    /// A ledger at a time of the wall; from there its clock runs with tokio's.
    pub fn new(ledger: Ledger, now: Timestamp, weather: Weather) -> Self {
        Self {
            newest: Arc::new(watch::channel((1, ledger)).0),
            writing: Arc::default(),
            weather,
            began: (now, Instant::now()),
        }
    }

    /// The newest ledger.
    pub fn ledger(&self) -> Ledger {
        self.newest.borrow().1.clone()
    }

    fn version(&self) -> Version {
        let (number, ledger) = self.newest.borrow().clone();
        version(
            number,
            ledger,
            self.now().checked_add(self.weather.ahead).ok(),
        )
    }

    async fn travel(&self) {
        let way = rand::random_range(0..=self.weather.way);
        tokio::time::sleep(Duration::from_millis(way)).await;
    }

    fn swap(&self, ledger: &Ledger, over: &Version) -> Written {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.newest.borrow().0;
        if over.resource != number.to_string() || rand::random_bool(self.weather.conflicts) {
            return Written::Conflict;
        }
        // What is stored is what can be written down.
        let text = serde_json::to_string(ledger).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(ledger) => {
                self.newest.send_replace((number + 1, ledger));
                Written::Done(Box::new(self.version()))
            }
            Err(error) => Written::Doubt(error.to_string()),
        }
    }
}

fn version(number: u64, ledger: Ledger, date: Option<Timestamp>) -> Version {
    Version {
        ledger,
        resource: number.to_string(),
        date,
    }
}

impl Store for Memory {
    fn read(&self) -> BoxFuture<'_, Result<Version, RoleError>> {
        async {
            self.travel().await;
            Ok(self.version())
        }
        .boxed()
    }

    fn write<'a>(&'a self, ledger: &'a Ledger, over: &'a Version) -> BoxFuture<'a, Written> {
        async move {
            self.travel().await;
            if rand::random_bool(self.weather.doubts) {
                if rand::random_bool(0.5) {
                    self.swap(ledger, over);
                }
                return Written::Doubt("the answer was lost".into());
            }
            let written = self.swap(ledger, over);
            self.travel().await;
            written
        }
        .boxed()
    }

    fn watch(&self, seen: Seen) -> BoxFuture<'static, ()> {
        let mut newest = self.newest.subscribe();
        let store = self.clone();
        async move {
            while newest.changed().await.is_ok() {
                store.travel().await;
                let (number, ledger) = newest.borrow_and_update().clone();
                seen(version(number, ledger, None));
            }
        }
        .boxed()
    }

    fn now(&self) -> Timestamp {
        let passed =
            SignedDuration::try_from(self.began.1.elapsed()).unwrap_or(SignedDuration::MAX);
        self.began.0.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}
