//! Whether the bars of another Pipeline can be read, and who reads those of one. Pure; used by the decisions and by what is
//! said of sources.

use foresail_crds::{Pipeline, Role};
use serde_json::Value;

use super::observed::{Named, Observed};
use super::validate::ValidatedPipeline;

/// What holds for the reader meanwhile.
const STAYS: &str = "no training starts before, and what was read and trained stays and serves";

/// Why the bars of another Pipeline are not to be read. A person must act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// CamelCase reason.
    pub reason: &'static str,
    /// Which Pipeline, why, and what to do.
    pub message: String,
}

/// Nothing when the source names no Pipeline, or one whose bars can be read.
pub fn unreadable(pipeline: &ValidatedPipeline, observed: &Observed) -> Option<Unreadable> {
    let name = pipeline.bars_of.as_deref()?;
    let (reason, message) = match &observed.bars_of {
        Named::Absent => (
            "PipelineNotFound",
            format!(
                "there is no Pipeline {name} in namespace {}: make it, and its bars are read on from where they were left; or \
                 make this Pipeline anew with another source",
                pipeline.name.namespace
            ),
        ),
        Named::Undecodable(error) => (
            "PipelineUndecodable",
            format!("Pipeline {name} does not decode: {error}; correct it"),
        ),
        Named::Found(other) => misfit(pipeline, name, other)?,
    };
    Some(Unreadable {
        reason,
        message: format!("{message}; {STAYS}"),
    })
}

/// A Pipeline that is there, and whose bars are not to be read.
fn misfit(
    pipeline: &ValidatedPipeline,
    name: &str,
    other: &Pipeline,
) -> Option<(&'static str, String)> {
    if other.metadata.deletion_timestamp.is_some() {
        let message = format!(
            "Pipeline {name} is being deleted, and no new bar will come: make it again, or make this Pipeline anew with \
             another source"
        );
        return Some(("PipelineDeleting", message));
    }
    if let Some(third) = other.spec.bars_of() {
        let message = format!(
            "Pipeline {name} has no bars of its own, it reads those of {third}: make this Pipeline anew with \
             source.pipelineRef.name {third}"
        );
        return Some(("PipelineRefChain", message));
    }
    let differences = pipeline.differences(&other.spec);
    (!differences.is_empty()).then(|| {
        let differences = differences.join("; ");
        let message = format!("to read the bars of Pipeline {name}, {differences}");
        ("PipelineRefDiffers", message)
    })
}

/// Whether who reads these bars has to wait to be made: they cannot be read, or their topic is not there yet.
pub fn is_awaited(
    pipeline: &ValidatedPipeline,
    observed: &Observed,
    unreadable: Option<&Unreadable>,
) -> bool {
    if pipeline.bars_of.is_none() || observed.has_deployment(Role::Lake) {
        return false;
    }
    let other = observed.bars_of.found();
    let prepared = other.and_then(|other| other.status.as_ref()?.prepare.as_ref());
    unreadable.is_some() || prepared.is_none_or(|prepare| !prepare.complete)
}

/// Names of those among stored Pipelines that read the bars of one, in order. One that is being deleted reads no more; one
/// that does not decode counts, since its workers run on.
pub fn readers<'a>(name: &str, stored: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let reads = |object: &&Value| {
        object["spec"]["source"]["pipelineRef"]["name"] == *name
            && object["metadata"]["deletionTimestamp"].is_null()
    };
    let names = stored.filter(reads);
    let names = names.filter_map(|object| object["metadata"]["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::validate::tests::{object, pipeline, reads};

    fn observed(change: impl FnOnce(&mut Value)) -> Observed {
        let other = object(|v| {
            v["metadata"]["name"] = json!("prices");
            v["status"] = json!({"prepare": {"config": "c", "complete": true}});
            change(v);
        });
        Observed {
            bars_of: Named::Found(Box::new(other)),
            ..Observed::default()
        }
    }

    #[test]
    fn what_keeps_bars_from_being_read_is_named_with_what_to_do() {
        let p = pipeline(reads);
        let said = |observed: &Observed| {
            let why = unreadable(&p, observed);
            let awaited = is_awaited(&p, observed, why.as_ref());
            assert!(awaited || why.is_none());
            why.map(|why| {
                assert!(why.message.ends_with(STAYS), "{}", why.message);
                (why.reason, why.message)
            })
        };
        assert_eq!(said(&observed(|_| {})), None);
        let undecodable = Observed {
            bars_of: Named::Undecodable("no calendar XPAR".into()),
            ..Observed::default()
        };
        let deleting = observed(|v| {
            v["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        });
        let chain = observed(|v| v["spec"]["source"] = json!({"pipelineRef": {"name": "market"}}));
        let differs = observed(|v| {
            v["spec"]["source"]["interval"] = json!("1h");
            v["spec"]["instruments"] = json!([{"symbol": "Y"}]);
        });
        let cases = [
            (
                Observed::default(),
                "PipelineNotFound",
                "no Pipeline prices in namespace n: make it",
            ),
            (undecodable, "PipelineUndecodable", "no calendar XPAR"),
            (deleting, "PipelineDeleting", "prices is being deleted"),
            (chain, "PipelineRefChain", "source.pipelineRef.name market"),
            (
                differs,
                "PipelineRefDiffers",
                "source.interval must be 1h, and is 1d; instruments must not have X",
            ),
        ];
        for (observed, reason, part) in cases {
            let (found, message) = said(&observed).unwrap();
            assert_eq!(found, reason);
            assert!(message.contains(part), "{message}");
        }
        let own = pipeline(|_| {});
        assert_eq!(unreadable(&own, &Observed::default()), None);
        assert!(!is_awaited(&own, &Observed::default(), None));
    }

    #[test]
    fn who_reads_is_made_once_the_topic_is_there_and_stays() {
        let p = pipeline(reads);
        let mut early = observed(|v| v["status"]["prepare"]["complete"] = json!(false));
        assert!(is_awaited(&p, &early, None));
        let lake = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "p-lake", "labels": {"app.kubernetes.io/component": "lake"}}});
        early.children = vec![serde_json::from_value(lake).unwrap()];
        assert!(!is_awaited(&p, &early, None));
        early.bars_of = Named::Absent;
        let gone = unreadable(&p, &early);
        assert!(gone.is_some() && !is_awaited(&p, &early, gone.as_ref()));
    }

    #[test]
    fn readers_are_those_that_name_it_and_are_there() {
        let named = |name: &str, of: &str| json!({"metadata": {"name": name}, "spec": {"source": {"pipelineRef": {"name": of}}}});
        let mut going = named("going", "prices");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let file = json!({"metadata": {"name": "file"}, "spec": {"source": {"csv": {}}}});
        let all = [
            named("c", "prices"),
            named("a", "prices"),
            named("b", "others"),
            going,
            file,
        ];
        assert_eq!(readers("prices", all.iter()), ["a", "c"]);
        assert_eq!(readers("file", all.iter()), [""; 0]);
    }
}
