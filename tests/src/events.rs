//! What the operator has told as Events, and how often.

use anyhow::Result;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;

use crate::Space;

/// One Event about a Pipeline.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its note.
    pub message: String,
    /// How often it was told: what differs in nothing but the note is counted in the first one.
    pub times: usize,
    /// Name of the object that the Event is about beside the Pipeline.
    pub about: Option<String>,
}

/// The Events of one reason about the Pipelines of a namespace.
///
/// # Errors
/// When the API server does not answer.
pub async fn told(space: &Space, reason: &str) -> Result<Vec<Told>> {
    let all = space.api::<Event>().list(&ListParams::default()).await?;
    let ours = all.items.into_iter().filter(|event| {
        let about = event.involved_object.kind.as_deref();
        about == Some("Pipeline") && event.reason.as_deref() == Some(reason)
    });
    Ok(ours.map(Told::from).collect())
}

/// How often a reason was told.
///
/// # Errors
/// When the API server does not answer.
pub async fn times(space: &Space, reason: &str) -> Result<usize> {
    let all = told(space, reason).await?;
    Ok(all.iter().map(|told| told.times).sum())
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        let series = event.series.and_then(|series| series.count);
        let times = series.or(event.count).unwrap_or(1);
        Self {
            message: event.message.unwrap_or_default(),
            times: usize::try_from(times).unwrap_or(1).max(1),
            about: event.related.and_then(|related| related.name),
        }
    }
}

/// A training run that answers a drift alarm, as its Event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Identity of the run.
    pub run: String,
    /// Date of the alarm's first session, in the clock of the market.
    pub since: String,
}

/// The runs that were started for a drift alarm.
///
/// # Errors
/// When the API server does not answer.
pub async fn answers(space: &Space) -> Result<Vec<Answer>> {
    let started = told(space, "TrainingStarted").await?;
    Ok(started
        .iter()
        .filter_map(|told| answer(&told.message))
        .collect())
}

fn answer(message: &str) -> Option<Answer> {
    let run = message.strip_prefix("Drift: run ")?;
    let (_, since) = message.split_once("drift alarm since ")?;
    let word = |text: &str| {
        let end = text.find([' ', ',']).unwrap_or(text.len());
        text[..end].to_owned()
    };
    Some(Answer {
        run: word(run),
        since: word(since),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_for_an_alarm_is_told_from_others() {
        let drift = "Drift: run 0a1b2c3d on Delta version 31: drift alarm since 2008-01-22, score now 1.2, level 1";
        let expected = Answer {
            run: "0a1b2c3d".into(),
            since: "2008-01-22".into(),
        };
        assert_eq!(answer(drift), Some(expected));
        for other in [
            "Initial: run 0a1b2c3d on Delta version 2: the backfill is in the lake",
            "Performance: run 0a1b2c3d on Delta version 2: realised RMSE 0.2",
        ] {
            assert_eq!(answer(other), None);
        }
    }
}
