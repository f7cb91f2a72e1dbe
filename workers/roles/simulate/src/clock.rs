//! The clock of the market: it runs faster than the one on the wall, and can be moved.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A clock that started somewhere and runs at a speed.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// When the simulator started.
    began: Instant,
    /// The clock stood at this time of the market then.
    since: Instant,
    start: Timestamp,
    speed: f64,
}

/// Where the clock shall stand, and how fast it shall run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// Now, in the market; as it is when absent.
    #[serde(default)]
    pub now: Option<Timestamp>,
    /// Seconds of the market in a second; 0 stops it; as it is when absent.
    #[serde(default)]
    pub speed: Option<f64>,
}

impl Clock {
    pub(crate) fn new(start: Timestamp, speed: f64) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            since: now,
            start,
            speed,
        }
    }

    /// Now, in the market.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = self.since.elapsed().as_secs_f64() * self.speed;
        let passed = SignedDuration::try_from_secs_f64(passed).unwrap_or(SignedDuration::MAX);
        self.start.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Milliseconds since the simulator started.
    pub(crate) fn wall(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Moves it. What has happened stays so: it never goes back.
    pub(crate) fn move_to(&mut self, moved: &Moved) -> Result<(), String> {
        let now = self.now();
        let to = moved.now.unwrap_or(now);
        let speed = moved.speed.unwrap_or(self.speed);
        if to < now {
            return Err(format!(
                "the clock is at {now} and does not go back to {to}"
            ));
        }
        if !(0.0..=1e7).contains(&speed) {
            return Err(format!("speed is {speed}; it must be between 0 and 1e7"));
        }
        (self.start, self.since, self.speed) = (to, Instant::now(), speed);
        Ok(())
    }

    /// Where it stands and how fast it runs.
    pub(crate) fn told(&self) -> Moved {
        Moved {
            now: Some(self.now()),
            speed: Some(self.speed),
        }
    }
}
