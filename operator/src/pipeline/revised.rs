//! Whether bars that a version was trained on were revised since: told by the lake worker, judged here. Pure; used by the
//! decisions and by what is said of versions.

use foresail_crds::ModelVersionSpec;
use foresail_crds::pipeline::status::{LakeStatus, RevisedBars};

/// Reason of a version that was trained on bars which are superseded.
pub const DATA_REVISED: &str = "DataRevised";

/// What a version was trained on and is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// First Delta version that holds all revisions.
    pub delta_version: u64,
    /// What happened, in a sentence.
    pub message: String,
}

/// The revisions that came after a version has read the lake, of bars that it was trained on.
pub fn superseded(lake: Option<&LakeStatus>, version: &ModelVersionSpec) -> Option<Superseded> {
    // Of a version that was trained elsewhere nobody knows on what.
    let (read, through) = (version.delta_version?, version.trained_through.as_ref()?);
    let concerns = |revised: &&RevisedBars| {
        revised.delta_version > read && revised.first_event_time.0 <= through.0
    };
    let revised: Vec<&RevisedBars> = lake?.revised.iter().filter(concerns).collect();
    let first = revised.iter().map(|r| r.first_event_time.0).min()?;
    let newest = revised.iter().map(|r| r.last_ingested_time.0).max()?;
    let delta_version = revised.iter().map(|r| r.delta_version).max()?;
    let bars: u64 = revised.iter().map(|r| r.bars).sum();
    let message = format!(
        "{bars} revisions of bars since {} came after v{} had read Delta version {}, the newest at {newest}, in \
         version {delta_version}; a new run reads them",
        first.strftime("%Y-%m-%d"),
        version.version,
        read
    );
    Some(Superseded {
        delta_version,
        message,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;

    fn version(delta_version: u64, trained_through: &str) -> ModelVersionSpec {
        let spec = json!({"pipeline": "p", "version": 3, "manifestUri": "s3://b/m.json", "manifestSha256": "a",
            "kind": "Linear", "fingerprint": "f", "trigger": "Initial", "runId": "r", "deltaVersion": delta_version,
            "trainedThrough": trained_through});
        serde_json::from_value(spec).unwrap()
    }

    fn lake(entries: &[(u64, &str, u64)]) -> LakeStatus {
        let time = |text: &str| Time(text.parse::<Timestamp>().unwrap());
        let entry = |(delta_version, first, bars): &(u64, &str, u64)| RevisedBars {
            delta_version: *delta_version,
            first_event_time: time(first),
            bars: *bars,
            last_ingested_time: time("2026-02-03T04:05:06Z"),
        };
        LakeStatus {
            revised: entries.iter().map(entry).collect(),
            ..LakeStatus::default()
        }
    }

    #[test]
    fn only_revisions_that_came_after_it_of_bars_before_its_end_concern_a_version() {
        let entries = [
            (5, "2010-01-04T21:00:00Z", 2),
            (7, "2015-01-05T21:00:00Z", 1),
            (9, "2020-01-06T21:00:00Z", 4),
        ];
        let lake = lake(&entries);
        let found = |delta, through| superseded(Some(&lake), &version(delta, through));
        assert_eq!(found(9, "2025-01-01T00:00:00Z"), None);
        assert_eq!(found(7, "2019-12-31T21:00:00Z"), None, "not trained on");
        let one = found(6, "2016-01-04T21:00:00Z").unwrap();
        assert_eq!(one.delta_version, 7);
        assert_eq!(
            one.message,
            "1 revisions of bars since 2015-01-05 came after v3 had read Delta version 6, the newest at \
             2026-02-03T04:05:06Z, in version 7; a new run reads them"
        );
        let all = found(4, "2020-01-06T21:00:00Z").unwrap();
        assert!(
            all.delta_version == 9
                && all
                    .message
                    .starts_with("7 revisions of bars since 2010-01-04")
        );
        assert_eq!(superseded(None, &version(0, "2020-01-06T21:00:00Z")), None);
    }
}
