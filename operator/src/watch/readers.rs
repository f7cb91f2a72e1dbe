//! From a Pipeline to those that read its bars.

use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions as names;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use super::seen::{Content, Seen};
use crate::pipeline::Guarded;

/// Who reads the bars of whom.
pub struct Readers {
    pipelines: Store<Guarded>,
    seen: Seen<Guarded>,
}

impl Readers {
    /// Of the Pipelines in this store.
    pub fn new(pipelines: Store<Guarded>) -> Self {
        Self {
            pipelines,
            seen: Seen::default(),
        }
    }

    /// The Pipelines that an event of one concerns: those that read its bars, when what it says of its source has changed.
    /// How far its workers are, they see when their own report.
    pub fn by(&self, pipeline: &Guarded) -> Vec<ObjectRef<Guarded>> {
        if !self.seen.is_news(pipeline, content(pipeline)) {
            return Vec::new();
        }
        let wanted = ObjectRef::from_obj(pipeline);
        let all = self.pipelines.state();
        let reading = all
            .iter()
            .filter(|other| read_by(other).as_ref() == Some(&wanted));
        reading
            .map(|other| ObjectRef::from_obj(other.as_ref()))
            .collect()
    }
}

/// The Pipeline whose bars one reads.
fn read_by(pipeline: &Guarded) -> Option<ObjectRef<Guarded>> {
    let pipeline = pipeline.0.as_ref().ok()?;
    let name = pipeline.spec.bars_of()?;
    Some(ObjectRef::new(name).within(&pipeline.namespace()?))
}

/// Of a Pipeline that decodes.
fn content(pipeline: &Guarded) -> Option<Content> {
    let readable: &Pipeline = pipeline.0.as_ref().ok()?;
    let status = readable.status.as_ref();
    let about_source = [names::READY, names::SOURCES_READY, names::STALLED];
    let conditions = status.iter().flat_map(|status| &status.conditions);
    let conditions: Vec<_> = conditions
        .filter(|c| about_source.contains(&c.type_.as_str()))
        .collect();
    let ingest = status.and_then(|status| status.ingest.as_ref());
    let ingest = ingest.map(|it| {
        (
            it.backfill_complete,
            it.source_complete,
            it.suspicious_moves,
        )
    });
    let prepare = status.and_then(|status| status.prepare.as_ref());
    let meta = pipeline.meta();
    let told = (
        (&meta.uid, &meta.deletion_timestamp, &readable.spec),
        conditions,
        (ingest, prepare),
    );
    Some(Content::new(&told, &status))
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::{object, reads};

    fn pipeline(name: &str, change: impl FnOnce(&mut Value)) -> Guarded {
        let pipeline = object(|v| {
            v["metadata"]["name"] = json!(name);
            change(v);
        });
        serde_json::from_value(serde_json::to_value(pipeline).unwrap()).unwrap()
    }

    #[test]
    fn what_is_said_of_a_source_concerns_who_reads_its_bars_and_its_progress_nobody() {
        let (store, mut writer) = reflector::store();
        let elsewhere = |v: &mut Value| {
            reads(v);
            v["metadata"]["namespace"] = json!("another");
        };
        for pipeline in [
            pipeline("prices", |_| {}),
            pipeline("there", elsewhere),
            pipeline("reader", reads),
        ] {
            writer.apply_watcher_event(&watcher::Event::Apply(pipeline));
        }
        let readers = Readers::new(store);
        let names = |change: &dyn Fn(&mut Value)| {
            let found = readers.by(&pipeline("prices", change));
            found.into_iter().map(|p| p.name).collect::<Vec<_>>()
        };
        let with = |rows: u64, complete: bool, reason: &'static str| {
            move |v: &mut Value| {
                v["status"] = json!({
                    "ingest": {"rowsRead": rows, "backfillComplete": complete},
                    "conditions": [{"type": "SourcesReady", "status": "True", "reason": reason, "message": "m",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"}]
                });
            }
        };
        assert_eq!(names(&|_| {}), ["reader"]);
        assert_eq!(names(&with(1, false, "Reading")), ["reader"]);
        assert_eq!(names(&with(2, false, "Reading")), [""; 0]);
        assert_eq!(names(&with(3, true, "Reading")), ["reader"]);
        assert_eq!(names(&with(4, true, "UpToDate")), ["reader"]);
        // Its deletion shows it as it was.
        assert_eq!(names(&with(4, true, "UpToDate")), ["reader"]);
        let going = |v: &mut Value| {
            with(5, true, "UpToDate")(v);
            v["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        };
        assert_eq!(names(&going), ["reader"]);
        assert!(readers.by(&pipeline("reader", reads)).is_empty());
    }
}
