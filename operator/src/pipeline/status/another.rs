//! What is said of a source that is another Pipeline: that its bars cannot be read, or what it says of its own source. Pure.

use foresail_crds::pipeline::conditions as names;

use super::part::PartState;
use super::source;
use crate::pipeline::observed::Observed;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::validate::ValidatedPipeline;

/// Bars that are not to be read. A person must act, so it is not waited for.
pub(super) fn lacking(plan: &Plan) -> Option<PartState> {
    let why = plan.unreadable.as_ref()?;
    Some(PartState {
        stalled: true,
        ..PartState::waiting(names::SOURCES_READY, why.reason, why.message.clone())
    })
}

/// `SourcesReady` of the Pipeline whose bars are read, with its name; nothing where none is named.
pub(super) fn mirrored(pipeline: &ValidatedPipeline, observed: &Observed) -> Option<PartState> {
    let name = pipeline.bars_of.as_ref()?;
    let status = observed.bars_of.found().and_then(|o| o.status.as_ref());
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let find = |type_: &str| conditions.iter().find(|c| c.type_ == type_);
    // One that cannot be run has no more than Ready.
    let Some(theirs) = find(names::SOURCES_READY).or(find(names::READY)) else {
        let message = format!("Pipeline {name}: nothing is known of its source yet");
        return Some(PartState::waiting(
            names::SOURCES_READY,
            "Starting",
            message,
        ));
    };
    let truth = theirs.status == "True";
    let stalled = find(names::STALLED).is_some_and(|s| s.reason == theirs.reason);
    let note = source::not_followed(pipeline);
    Some(PartState {
        type_: names::SOURCES_READY,
        truth,
        reason: theirs.reason.clone(),
        message: format!("Pipeline {name}: {}{note}", theirs.message),
        stalled: stalled && !truth,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::observed::Named;
    use crate::pipeline::plan::plan;
    use crate::pipeline::validate::tests::{object, pipeline, reads};

    fn observed(conditions: &Value) -> Observed {
        let other = object(|v| {
            v["metadata"]["name"] = json!("prices");
            v["status"] = json!({"conditions": conditions});
        });
        Observed {
            bars_of: Named::Found(Box::new(other)),
            ..Observed::default()
        }
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": "9 rows read",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn what_the_other_one_says_of_its_source_is_repeated_with_its_name() {
        let p = pipeline(reads);
        let said = |conditions: Value| {
            let part = mirrored(&p, &observed(&conditions)).unwrap();
            assert!(part.message.starts_with("Pipeline prices: "));
            (part.truth, part.reason, part.stalled)
        };
        let sources = |status, reason| condition("SourcesReady", status, reason);
        let ready = condition("Ready", "False", "NoChampion");
        let good = said(json!([ready, sources("True", "UpToDate")]));
        assert_eq!(good, (true, "UpToDate".into(), false));
        let away = said(json!([ready, sources("False", "SourceUnreachable")]));
        assert_eq!(away, (false, "SourceUnreachable".into(), false));
        let stalled = condition("Stalled", "True", "NoBars");
        let none = said(json!([ready, sources("False", "NoBars"), stalled]));
        assert_eq!(none, (false, "NoBars".into(), true));
        // That another part of it waits for a person does not concern its source.
        let part = condition("Stalled", "True", "ChampionVersionMissing");
        let good = said(json!([ready, sources("True", "UpToDate"), part]));
        assert_eq!(good, (true, "UpToDate".into(), false));
        let invalid = condition("Ready", "False", "InvalidSpec");
        let stalled = condition("Stalled", "True", "InvalidSpec");
        let invalid = said(json!([invalid, stalled]));
        assert_eq!(invalid, (false, "InvalidSpec".into(), true));
        assert_eq!(said(json!([])), (false, "Starting".into(), false));
        assert!(mirrored(&pipeline(|_| {}), &Observed::default()).is_none());
    }

    #[test]
    fn bars_that_are_not_to_be_read_wait_for_a_person() {
        let (p, now) = (pipeline(reads), "2026-01-01T00:00:00Z".parse().unwrap());
        let part = lacking(&plan(&p, &Observed::default(), now)).unwrap();
        assert_eq!((part.truth, part.stalled), (false, true));
        assert_eq!(part.reason, "PipelineNotFound");
        assert!(lacking(&plan(&p, &observed(&json!([])), now)).is_none());
    }
}
