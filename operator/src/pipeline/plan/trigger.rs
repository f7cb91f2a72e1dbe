//! When the next run starts: triggers, cooldown, maxPerDay, retries. One run at a time.
//!
//! While a replay is declared, cooldown and maxPerDay count event time; otherwise wall time.

use std::time::Duration;

use foresail_crds::model_version::VersionRole;
use foresail_crds::names::hash8;
use foresail_crds::pipeline::spec::RetrainTrigger;
use foresail_crds::pipeline::status::{
    Action, DriftStatus, ErrorClass, Reason, RunRecord, RunState, Trigger, WorkerError,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::types::{Plan, Situation, Step};
use crate::pipeline::revised::superseded;

const DAY_MS: i64 = 86_400_000;
/// First wait before a failed run is tried again; doubles with each attempt.
const RETRY_SECONDS: u32 = 20;
/// Attempts of one trigger beyond the first.
const MOST_RETRIES: u32 = 5;
/// Wait before a first run that failed for good is tried on bars that have come since.
const NEW_BARS_SECONDS: u32 = 600;

/// Why a run is wanted.
struct Wanted {
    trigger: Trigger,
    message: String,
    /// Cooldown and maxPerDay do not apply.
    at_once: bool,
    attempt: u32,
    /// Start of the drift alarm it answers.
    alarm: Option<Time>,
}

impl Wanted {
    fn new(trigger: Trigger, message: String, at_once: bool) -> Self {
        Self {
            trigger,
            message,
            at_once,
            attempt: 0,
            alarm: None,
        }
    }
}

/// Starts a run when one is due.
pub(super) fn start(plan: &Plan, at: Situation<'_>) -> Option<Step> {
    // What the workers report after a run that has just ended is worth waiting for.
    if plan.running().is_some() || plan.finishes() || !complete(at) {
        return None;
    }
    let wanted = wanted(plan, at)?;
    let clock = clock(at);
    if !wanted.at_once
        && let Some(reason) = held_back(plan, at, clock)
    {
        return hold(plan, at, &wanted, reason);
    }
    let run = Box::new(record(plan, at, &wanted, clock));
    let message = format!(
        "run {} on Delta version {}: {}",
        run.id, run.delta_version, wanted.message
    );
    Some(Step::Train { run, message })
}

/// Every bar of the backfill is in the lake.
fn complete(at: Situation<'_>) -> bool {
    let status = &at.observed.status;
    match (&status.ingest, &status.lake) {
        (Some(ingest), Some(lake)) => {
            ingest.backfill_complete
                && lake.rows > 0
                && (lake.rows >= ingest.rows_sent || status.champion.is_some())
        }
        _ => false,
    }
}

fn wanted(plan: &Plan, at: Situation<'_>) -> Option<Wanted> {
    let pipeline = at.pipeline;
    let Some(run) = &plan.run else {
        if plan.champion().is_some() {
            // Status was lost; the next trigger starts the next run.
            return triggered(plan, at);
        }
        return Some(Wanted::new(
            Trigger::Initial,
            "the backfill is in the lake".into(),
            true,
        ));
    };
    if pipeline.retrain.is_some() && pipeline.retrain != run.annotation {
        return Some(Wanted::new(
            Trigger::Manual,
            "the retrain annotation changed".into(),
            true,
        ));
    }
    if run.state == RunState::Failed {
        let edited = differs(&run.run_hash, &pipeline.run_hash);
        // A run that failed for good does not keep later triggers from starting another one.
        let again = retry(run, edited, at.now);
        if again.is_some() || is_retried(run) {
            return again;
        }
        return match plan.champion() {
            Some(_) => triggered(plan, at),
            None => on_new_bars(run, at),
        };
    }
    if plan.champion().is_none() && lost_all(run, at) {
        let message = "no version is left to serve".into();
        return Some(Wanted::new(Trigger::Initial, message, true));
    }
    if differs(&run.model_hash, &pipeline.model_hash) {
        return Some(Wanted::new(
            Trigger::SpecChanged,
            "features, model or instruments changed".into(),
            true,
        ));
    }
    triggered(plan, at)
}

/// A record without a hash, as under a CRD of an older release, says nothing about the spec: to take
/// it for an edit would train without end.
fn differs(recorded: &str, present: &str) -> bool {
    !recorded.is_empty() && recorded != present
}

/// Whether the versions that runs have made are gone. One that a leak has made is there, and stays unserved.
fn lost_all(run: &RunRecord, at: Situation<'_>) -> bool {
    let version = run.version.and_then(|number| at.observed.version(number));
    version.is_none_or(|v| v.spec.leak_guard.as_ref().is_none_or(|guard| guard.passed))
}

/// Whether a failed run is tried again by itself: faults of outside systems and our own are, a few times.
pub fn is_retried(run: &RunRecord) -> bool {
    let user = |e: &WorkerError| e.class == ErrorClass::User;
    !run.error.as_ref().is_some_and(user) && run.attempt < MOST_RETRIES
}

/// Without a first version no trigger counts; what failed may be possible with more bars.
fn on_new_bars(run: &RunRecord, at: Situation<'_>) -> Option<Wanted> {
    let newer = at.observed.status.lake.as_ref()?.version > run.delta_version;
    let waited = at.now.duration_since(run.started_time.0).unsigned_abs();
    let due = newer && waited >= Duration::from_secs(u64::from(NEW_BARS_SECONDS));
    let message = "bars have come since the first run failed".into();
    due.then(|| Wanted::new(run.trigger, message, true))
}

/// A failed run: outside faults are tried again, a person's faults wait for an edit.
fn retry(run: &RunRecord, edited: bool, now: Timestamp) -> Option<Wanted> {
    if edited {
        return Some(Wanted::new(
            Trigger::SpecChanged,
            "the spec was edited after a failed run".into(),
            true,
        ));
    }
    if !is_retried(run) {
        return None;
    }
    let wait = Duration::from_secs(u64::from(RETRY_SECONDS << run.attempt.min(6)));
    let waited = now.duration_since(run.started_time.0).unsigned_abs();
    let message = format!("attempt {} after a failure", run.attempt + 2);
    (waited >= wait).then(|| Wanted {
        attempt: run.attempt + 1,
        ..Wanted::new(run.trigger, message, true)
    })
}

/// The last run's version could not be judged: now one can.
fn comparable(plan: &Plan, at: Situation<'_>) -> Option<Wanted> {
    let run = plan.run.as_ref()?;
    let from = run.comparable_from.as_ref()?;
    let newest = at.observed.status.lake.as_ref()?.last_event_time.as_ref()?;
    let message = "enough bars have come that neither version has seen".into();
    (newest.0 >= from.0).then(|| Wanted::new(run.trigger, message, true))
}

fn triggered(plan: &Plan, at: Situation<'_>) -> Option<Wanted> {
    let champion = plan.champion()?;
    if let Some(wanted) = comparable(plan, at) {
        return Some(wanted);
    }
    let (status, retraining) = (&at.observed.status, &at.pipeline.retraining);
    let enabled = |t| retraining.triggers.contains(&t);
    let rebased = plan.serving.drift_reference.as_ref();
    let reference = rebased.unwrap_or(champion);
    if enabled(RetrainTrigger::Drift)
        && let Some(drift) = &status.drift
        && drift.model_version == reference.version
        && let Some(alarm) = settled(drift, retraining.settle_bars, answered(plan))
    {
        // The score of the newest window may be below the level while the alarm still holds.
        let message = format!(
            "drift alarm since {}, score now {}, level {}",
            alarm.0.strftime("%Y-%m-%d"),
            drift.score,
            drift.threshold
        );
        return Some(Wanted {
            alarm: Some(alarm),
            ..Wanted::new(Trigger::Drift, message, false)
        });
    }
    if enabled(RetrainTrigger::Performance)
        && let Some(performance) = &status.performance
        && performance.worse_than_naive
        && performance.model_version == champion.version
        && performance.sessions_since_worse >= retraining.settle_bars
        // A challenger trained on the same weakness was just rejected, or waits for a decision.
        && rebased.is_none()
        && !waits(plan, at)
    {
        let message = format!(
            "realised RMSE {} against naive {}, excess at least {}",
            performance.rmse, performance.naive_rmse, performance.excess_lower_bound
        );
        return Some(Wanted::new(Trigger::Performance, message, false));
    }
    if enabled(RetrainTrigger::DataRevised)
        && let Some(message) = revised(plan, at)
    {
        return Some(Wanted::new(Trigger::DataRevised, message, false));
    }
    scheduled(plan, at)
}

/// Bars that the champion was trained on were revised, and no run has read the revisions: one that has, and whose version
/// was rejected, is no reason for another one.
fn revised(plan: &Plan, at: Situation<'_>) -> Option<String> {
    let champion = at.observed.version(plan.champion()?.version)?;
    let lake = at.observed.status.lake.as_ref();
    let superseded = superseded(lake, &champion.spec)?;
    let read = plan.run.as_ref().map_or(0, |run| run.delta_version);
    (read < superseded.delta_version && !waits(plan, at)).then_some(superseded.message)
}

/// Whether the version of the last run waits for a person, or to be judged.
fn waits(plan: &Plan, at: Situation<'_>) -> bool {
    let number = plan.run.as_ref().and_then(|run| run.version);
    let version = number.and_then(|number| at.observed.version(number));
    let role = version.and_then(|version| version.status.as_ref()?.role);
    role == Some(VersionRole::Candidate)
}

/// Start of an alarm that lasted long enough to be answered: the one that holds, or one that has
/// ended unanswered.
pub(super) fn settled(drift: &DriftStatus, settle: u32, answered: Option<&Time>) -> Option<Time> {
    let unanswered = |since: &&Time| answered.is_none_or(|answered| since.0 > answered.0);
    let holding = drift.alarm_since.as_ref().filter(unanswered);
    if drift.alarm && drift.sessions_since_alarm >= settle && holding.is_some() {
        return holding.cloned();
    }
    let ended = drift.longest_alarm.as_ref()?;
    let since = Some(&ended.since).filter(unanswered)?;
    (ended.sessions >= settle).then(|| since.clone())
}

/// Start of the newest alarm that was answered: one that a failed run should have answered was not.
fn answered(plan: &Plan) -> Option<&Time> {
    let run = plan.run.as_ref()?;
    let answers = run.alarm_answered.as_ref();
    answers.filter(|_| run.state != RunState::Failed || run.trigger != Trigger::Drift)
}

/// A time of the schedule has passed since the last run. Without new bars there is nothing to learn.
fn scheduled(plan: &Plan, at: Situation<'_>) -> Option<Wanted> {
    let due = at.pipeline.retraining.schedule.as_ref()?.last(at.now)?;
    let run = plan.run.as_ref()?;
    let version = at.observed.status.lake.as_ref()?.version;
    (due > run.started_time.0 && version > run.delta_version).then(|| {
        let message = format!("training.schedule named {due}");
        Wanted::new(Trigger::Schedule, message, true)
    })
}

/// Milliseconds on the clock that cooldown and maxPerDay use.
fn clock(at: Situation<'_>) -> i64 {
    let lake = at.observed.status.lake.as_ref();
    let newest = lake.and_then(|l| l.last_event_time.as_ref());
    match (at.pipeline.replay_speed, newest) {
        (Some(_), Some(newest)) => newest.0.as_millisecond(),
        _ => at.now.as_millisecond(),
    }
}

fn held_back(plan: &Plan, at: Situation<'_>, clock: i64) -> Option<Reason> {
    let run = plan.run.as_ref()?;
    let retraining = &at.pipeline.retraining;
    let cooldown = i64::try_from(retraining.cooldown.as_millis()).unwrap_or(i64::MAX);
    if clock.saturating_sub(run.event_time) < cooldown {
        return Some(Reason::Cooldown);
    }
    let today = run.recent_starts.iter();
    let today = today.filter(|start| clock - **start < DAY_MS).count();
    (today >= retraining.max_per_day).then_some(Reason::MaxPerDay)
}

/// Says once that a trigger is held back.
fn hold(plan: &Plan, at: Situation<'_>, wanted: &Wanted, reason: Reason) -> Option<Step> {
    let last = at.observed.status.last_decision.as_ref();
    let said = last.is_some_and(|d| d.action == Action::RetrainSkipped && d.reason == reason);
    if said || plan.decision(at.now).is_some() {
        return None;
    }
    let message = format!(
        "{}: {}, held back by {reason}",
        wanted.trigger, wanted.message
    );
    Some(Step::Hold { reason, message })
}

fn record(plan: &Plan, at: Situation<'_>, wanted: &Wanted, clock: i64) -> RunRecord {
    let pipeline = at.pipeline;
    let lake = at.observed.status.lake.as_ref();
    let delta_version = lake.map_or(0, |l| l.version);
    // The uid: a Pipeline of the same name, made again, must not find the old one's artifact.
    let identity = format!(
        "{}:{}:{delta_version}:{}:{}:{}",
        pipeline.owner.uid,
        pipeline.run_hash,
        wanted.trigger,
        wanted.attempt,
        pipeline.retrain.as_deref().unwrap_or_default()
    );
    let before = plan.run.as_ref().map(|r| r.recent_starts.as_slice());
    let before = before.unwrap_or_default().iter().copied();
    let mut recent_starts: Vec<i64> = before.filter(|start| clock - start < DAY_MS).collect();
    recent_starts.push(clock);
    // The schema holds a hundred; maxPerDay allows no more.
    recent_starts.drain(..recent_starts.len().saturating_sub(100));
    RunRecord {
        id: hash8(identity.as_bytes()),
        trigger: wanted.trigger,
        attempt: wanted.attempt,
        delta_version,
        event_time: clock,
        started_time: Time(at.now),
        state: RunState::Running,
        version: None,
        annotation: pipeline.retrain.clone(),
        model_hash: pipeline.model_hash.clone(),
        run_hash: pipeline.run_hash.clone(),
        spec_hash: None,
        error: None,
        recent_starts,
        alarm_answered: wanted.alarm.clone().or_else(|| answered(plan).cloned()),
        comparable_from: None,
    }
}
