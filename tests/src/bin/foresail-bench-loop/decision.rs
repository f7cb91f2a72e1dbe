//! From the drift alarm to the gate's decision, by the times of the Events.

use anyhow::{Context, Result};
use foresail_tests::Space;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;

/// Prints the time the alarm waited for new sessions, and the time training and judging took.
pub async fn print(space: &Space, pipeline: &str) -> Result<()> {
    let events = space
        .api::<Event>()
        .list(&ListParams::default())
        .await?
        .items;
    let alarm = first(&events, pipeline, "DriftDetected", Timestamp::MIN)?;
    let started = first(&events, pipeline, "TrainingStarted", alarm)?;
    let decided = first(&events, pipeline, "ModelPromoted", started)?;
    let seconds = |from: Timestamp, to: Timestamp| (to - from).total(jiff::Unit::Second);
    println!(
        "alarm to training (waits for the declared settleSessions): {:.1} s",
        seconds(alarm, started)?
    );
    println!(
        "training started to decision: {:.1} s",
        seconds(started, decided)?
    );
    println!("alarm to decision: {:.1} s", seconds(alarm, decided)?);
    Ok(())
}

/// Time of the first Event with this reason after `from`.
fn first(events: &[Event], pipeline: &str, reason: &str, from: Timestamp) -> Result<Timestamp> {
    let ours = events.iter().filter(|event| {
        event.involved_object.name.as_deref() == Some(pipeline)
            && event.reason.as_deref() == Some(reason)
    });
    ours.filter_map(|event| event.event_time.as_ref().map(|time| time.0))
        .filter(|time| *time >= from)
        .min()
        .with_context(|| format!("no Event {reason}"))
}
