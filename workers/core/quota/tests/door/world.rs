//! A simulated provider, an API server that compares and swaps, and pods with clocks of their own that die at any time.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use foresail_quota::{Decision, Grant, Ledger, Limits, Observer, Outcome, Purpose, Want};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How rough the world is.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Largest error of a pod's wall clock, milliseconds.
    pub clock_error: i64,
    /// Share of commits that fail although nobody else wrote.
    pub conflicts: f64,
    /// Share of grants after whose commit the pod is killed, before or while it sends.
    pub kills: f64,
    /// Longest way of a request, milliseconds.
    pub travel: i64,
    /// Share of commits that take longer than a grant lasts.
    pub slow: f64,
    /// Share of requests that the provider does not answer.
    pub down: f64,
}

pub const ROUGH: Weather = Weather {
    clock_error: 3_000,
    conflicts: 0.2,
    kills: 0.15,
    travel: 450,
    slow: 0.05,
    down: 0.0,
};

pub struct Pod {
    pub pipeline: String,
    /// When its live requests fell due and are not sent yet.
    pub live: Vec<i64>,
    /// Wants that never end.
    pub endless: Option<Purpose>,
    clock_error: i64,
    born: i64,
    life: u32,
    observer: Observer,
    known: (u64, Rc<Ledger>),
    /// The next time it asks is the one with this number; another is out of date.
    next_try: u64,
    /// A grant of its own is being committed.
    committing: bool,
}

/// A committed grant.
#[derive(Clone, Debug)]
pub struct Granted {
    pub at: i64,
    pub pipeline: String,
    pub purpose: Purpose,
    pub requests: u32,
}

enum Event {
    See(usize, u64, Rc<Ledger>),
    Try(usize, u64),
    Commit(usize, u64, Box<Grant>, Purpose),
    Send(usize, u32, Duration, Purpose),
    Arrive,
    Due(usize, u32),
    Revive(usize),
}

pub struct World {
    pub now: i64,
    pub limits: Limits,
    pub pods: Vec<Pod>,
    pub store: (u64, Rc<Ledger>),
    /// True times at which requests arrived at the provider.
    pub door: Vec<i64>,
    pub granted: Vec<Granted>,
    /// How long each live request waited until it was sent, milliseconds.
    pub live_waits: Vec<i64>,
    pub kills: usize,
    pub wasted: u32,
    weather: Weather,
    rng: StdRng,
    events: BTreeMap<(i64, u64), (u32, Event)>,
    number: u64,
}

pub fn millis(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

pub fn count(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

impl World {
    pub fn new(seed: u64, start: &str, limits: Limits, weather: Weather) -> Self {
        Self {
            now: millis(start),
            limits,
            pods: Vec::new(),
            store: (1, Rc::new(Ledger::default())),
            door: Vec::new(),
            granted: Vec::new(),
            live_waits: Vec::new(),
            kills: 0,
            wasted: 0,
            weather,
            rng: StdRng::seed_from_u64(seed),
            events: BTreeMap::new(),
            number: 0,
        }
    }

    pub fn pod(&mut self, pipeline: &str, endless: Option<Purpose>) -> usize {
        let error = self.weather.clock_error;
        // Two kinds of clocks: ahead and behind.
        let clock_error = if self.rng.random_bool(0.5) {
            error
        } else {
            -error
        };
        self.pods.push(Pod {
            pipeline: pipeline.to_owned(),
            live: Vec::new(),
            endless,
            clock_error,
            born: self.now,
            life: 0,
            observer: Observer::default(),
            known: self.store.clone(),
            next_try: 0,
            committing: false,
        });
        let pod = self.pods.len() - 1;
        let soon = self.rng.random_range(0..5_000);
        self.after(soon, pod, Event::Revive(pod));
        pod
    }

    /// `requests` live requests of a pod fall due at `at`.
    pub fn due(&mut self, pod: usize, at: i64, requests: u32) {
        self.number += 1;
        // Work that is due outlives a pod.
        self.events
            .insert((at, self.number), (u32::MAX, Event::Due(pod, requests)));
    }

    fn after(&mut self, wait: i64, pod: usize, event: Event) {
        self.number += 1;
        let life = self.pods[pod].life;
        self.events
            .insert((self.now + wait.max(0), self.number), (life, event));
    }

    pub fn run_until(&mut self, end: i64) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 >= end {
                break;
            }
            let ((at, _), (life, event)) = entry.remove_entry();
            assert!(at >= self.now);
            self.now = at;
            self.handle(life, event);
        }
        self.now = end;
    }

    fn handle(&mut self, life: u32, event: Event) {
        let alive = |pod: usize, pods: &[Pod]| pods[pod].life == life;
        match event {
            Event::See(pod, version, ledger) if alive(pod, &self.pods) => {
                self.see(pod, version, ledger)
            }
            Event::Try(pod, number)
                if alive(pod, &self.pods) && self.pods[pod].next_try == number =>
            {
                self.ask(pod)
            }
            // A commit that is on its way is not stopped by a death.
            Event::Commit(pod, base, grant, purpose) => {
                self.commit(life, pod, base, *grant, purpose)
            }
            Event::Send(pod, requests, before, purpose) if alive(pod, &self.pods) => {
                self.send(pod, requests, before, purpose);
            }
            Event::Send(_, requests, ..) => self.wasted += requests,
            Event::Arrive => self.door.push(self.now),
            Event::Due(pod, requests) => {
                for _ in 0..requests {
                    self.pods[pod].live.push(self.now);
                }
                self.try_after(0, pod);
            }
            Event::Revive(pod) if alive(pod, &self.pods) => {
                let (version, ledger) = self.store.clone();
                self.see(pod, version, ledger);
                self.try_after(0, pod);
            }
            _ => {}
        }
    }

    fn try_after(&mut self, wait: i64, pod: usize) {
        if !self.pods[pod].committing {
            self.pods[pod].next_try += 1;
            self.after(wait, pod, Event::Try(pod, self.pods[pod].next_try));
        }
    }

    fn uptime(&self, pod: usize) -> Duration {
        Duration::from_millis(u64::try_from(self.now - self.pods[pod].born).unwrap())
    }

    fn see(&mut self, pod: usize, version: u64, ledger: Rc<Ledger>) {
        let (uptime, now) = (self.uptime(pod), self.now);
        let pod = &mut self.pods[pod];
        if version >= pod.known.0 {
            pod.observer
                .look(&ledger, timestamp(now + pod.clock_error), uptime);
            pod.known = (version, ledger);
        }
    }

    fn ask(&mut self, index: usize) {
        let (uptime, now) = (self.uptime(index), self.now);
        let pod = &mut self.pods[index];
        let (purpose, requests) = match pod.endless {
            _ if !pod.live.is_empty() => (Purpose::Live, u32::try_from(pod.live.len()).unwrap()),
            Some(purpose) => (purpose, 1_000),
            None => return,
        };
        let wall = timestamp(now + pod.clock_error);
        let ledger = pod.known.1.clone();
        let moment = pod.observer.look(&ledger, wall, uptime);
        let want = Want {
            pipeline: &pod.pipeline,
            purpose,
            requests,
        };
        let base = pod.known.0;
        let until = match ledger.ask(&self.limits, &want, &moment) {
            Decision::Granted(grant) => {
                pod.committing = true;
                let slow = self.rng.random_bool(self.weather.slow);
                let way = self.rng.random_range(3..if slow { 3_000 } else { 80 });
                return self.after(way, index, Event::Commit(index, base, grant, purpose));
            }
            Decision::Wait(wait) => Some(wait.until),
            Decision::Parked { until, .. } => until,
        };
        if let Some(until) = until {
            assert!(
                until > wall,
                "a wait that is over already: {until} at {wall}"
            );
            self.try_after(until.as_millisecond() - wall.as_millisecond(), index);
        }
    }

    fn write(&mut self, ledger: Ledger) {
        // What is stored is what can be written down.
        let text = serde_json::to_string(&ledger).unwrap();
        assert!(text.len() < 16_384, "{} bytes", text.len());
        let ledger: Ledger = serde_json::from_str(&text).unwrap();
        self.store = (self.store.0 + 1, Rc::new(ledger));
        for pod in 0..self.pods.len() {
            let way = self.rng.random_range(2..60);
            let (version, ledger) = self.store.clone();
            self.after(way, pod, Event::See(pod, version, ledger));
        }
    }

    fn commit(&mut self, life: u32, pod: usize, base: u64, grant: Grant, purpose: Purpose) {
        let alive = self.pods[pod].life == life;
        if self.store.0 != base || self.rng.random_bool(self.weather.conflicts) {
            if alive {
                let (version, ledger) = self.store.clone();
                self.see(pod, version, ledger);
                self.pods[pod].committing = false;
                let way = self.rng.random_range(3..60);
                self.try_after(way, pod);
            }
            return;
        }
        self.granted.push(Granted {
            at: self.now,
            pipeline: self.pods[pod].pipeline.clone(),
            purpose,
            requests: grant.requests,
        });
        self.write(grant.ledger);
        if !alive {
            self.wasted += grant.requests;
            return;
        }
        let way = self.rng.random_range(3..80);
        if self.rng.random_bool(self.weather.kills) {
            self.kill(pod);
            self.wasted += grant.requests;
            return;
        }
        self.pods[pod].committing = false;
        for _ in 0..grant.requests {
            let when = way + self.rng.random_range(0..800);
            self.after(when, pod, Event::Send(pod, 1, grant.send_before, purpose));
        }
        self.try_after(way + 1_000, pod);
    }

    fn kill(&mut self, index: usize) {
        self.kills += 1;
        let now = self.now;
        let pod = &mut self.pods[index];
        pod.life += 1;
        pod.born = now;
        pod.committing = false;
        pod.observer = Observer::default();
        let way = self.rng.random_range(500..20_000);
        self.after(way, index, Event::Revive(index));
    }

    fn send(&mut self, index: usize, requests: u32, before: Duration, purpose: Purpose) {
        if self.uptime(index) >= before {
            self.wasted += requests;
            return;
        }
        let now = self.now;
        let pod = &mut self.pods[index];
        if purpose == Purpose::Live && !pod.live.is_empty() {
            let due = pod.live.remove(0);
            self.live_waits.push(now - due);
        }
        let way = self.rng.random_range(5..self.weather.travel);
        self.number += 1;
        self.events
            .insert((now + way, self.number), (u32::MAX, Event::Arrive));
        let down = self.rng.random_bool(self.weather.down);
        let outcome = if down {
            Outcome::Down
        } else {
            Outcome::Ok { full: false }
        };
        self.learn(index, outcome);
    }

    /// What a pod learns is written at once: the loop of read, learn and compare-and-swap is over in no time here.
    pub fn learn(&mut self, pod: usize, outcome: Outcome) {
        let wall = timestamp(self.now + self.pods[pod].clock_error);
        let jitter = self.rng.random();
        let next = self.store.1.learn(outcome, &self.limits, wall, jitter);
        if next != *self.store.1 {
            self.write(next);
        }
    }

    /// The most arrivals within any `length` milliseconds, both ends not included together.
    pub fn busiest(&self, length: i64) -> usize {
        let mut door = self.door.clone();
        door.sort_unstable();
        let from = |start: usize| {
            door[start..]
                .iter()
                .take_while(|at| **at < door[start] + length)
                .count()
        };
        (0..door.len()).map(from).max().unwrap_or(0)
    }

    /// Arrivals in each day that starts at one of `starts` and ends at the next.
    pub fn days(&self, starts: &[&str]) -> Vec<usize> {
        let starts: Vec<i64> = starts.iter().map(|start| millis(start)).collect();
        let within = |day: &[i64]| {
            self.door
                .iter()
                .filter(|at| day[0] <= **at && **at < day[1])
                .count()
        };
        starts.windows(2).map(within).collect()
    }

    /// Requests granted to each Pipeline between two instants.
    pub fn spent(&self, from: i64, to: i64) -> BTreeMap<String, u32> {
        let mut spent: BTreeMap<String, u32> = self
            .pods
            .iter()
            .map(|pod| (pod.pipeline.clone(), 0))
            .collect();
        for granted in self
            .granted
            .iter()
            .filter(|granted| from <= granted.at && granted.at < to)
        {
            *spent.get_mut(&granted.pipeline).unwrap() += granted.requests;
        }
        spent
    }
}
