//! Whether a version can be served, as it was last seen. Pure.

use foresail_crds::ModelVersion;
use foresail_crds::pipeline::conditions::READY;

use crate::condition::Claim;
use crate::pipeline::observed::Observed;

/// Reason of a version that a predictor has loaded.
const LOADED: &str = "Loaded";
/// Reason of a version of a run that no predictor was asked for yet.
const TRAINED: &str = "Trained";
/// Reason of any other version that no predictor was asked for yet.
const NOT_LOADED: &str = "NotLoaded";

/// What `Ready` says of a version. What a run of ours has reported was written and verified by it; what a person has
/// stored is an address until a predictor has loaded it.
pub(super) fn usable<'a>(
    version: &'a ModelVersion,
    is_ours: bool,
    observed: &'a Observed,
) -> Claim<'a> {
    let claim = |truth, reason, message: &str| Claim {
        type_: READY,
        truth,
        reason,
        message: message.into(),
    };
    let digest = &version.spec.manifest_sha256;
    if observed.is_loaded(digest) {
        return claim(true, LOADED, "a predictor has loaded and verified it");
    }
    if let Some(error) = observed.refused_by_all(digest) {
        return claim(false, &error.reason, &error.message);
    }
    let before = version.status.iter().flat_map(|s| &s.conditions);
    let mut before = before.filter(|c| c.type_ == READY);
    // What a predictor has found is true until another one finds something else.
    if let Some(found) = before.find(|c| ![TRAINED, NOT_LOADED].contains(&c.reason.as_str())) {
        return claim(found.status == "True", &found.reason, &found.message);
    }
    if is_ours {
        let message = "the run that made it has written and verified it";
        return claim(true, TRAINED, message);
    }
    let message = "no predictor has loaded it yet: one does when promotion.championVersion or serving.versions names it";
    claim(false, NOT_LOADED, message)
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::status::{ErrorClass, WorkerError};
    use foresail_crds::readiness::RefusedVersion;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::condition::Conditions;
    use crate::pipeline::observed::PredictorAnswer;

    fn version() -> ModelVersion {
        serde_json::from_value(json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion", "metadata": {"name": "p-v7"},
            "spec": {"pipeline": "p", "version": 7, "manifestUri": "s3://b/m.json", "manifestSha256": "ours",
                "kind": "Linear", "fingerprint": "f"}
        }))
        .unwrap()
    }

    fn predictor(loaded: &[&str], refused: &[&str]) -> PredictorAnswer {
        let refused = refused.iter().map(|digest| RefusedVersion {
            digest: (*digest).into(),
            error: WorkerError {
                class: ErrorClass::User,
                reason: "DigestMismatch".into(),
                message: "it was damaged".into(),
            },
        });
        PredictorAnswer {
            pod: "pod".into(),
            error: None,
            loaded: loaded.iter().map(|digest| (*digest).into()).collect(),
            refused: refused.collect(),
        }
    }

    /// Asks predictors, and keeps the condition as apply does.
    fn ask(version: &mut ModelVersion, is_ours: bool, predictors: Vec<PredictorAnswer>) -> String {
        let observed = Observed {
            predictors,
            ..Observed::default()
        };
        let status = version.status.clone().unwrap_or_default();
        let conditions = Conditions {
            old: &status.conditions,
            generation: Some(1),
            now: Timestamp::UNIX_EPOCH,
        };
        let condition = conditions.claim(usable(version, is_ours, &observed));
        let told = format!("{} {}", condition.status, condition.reason);
        version.status.get_or_insert_default().conditions = vec![condition];
        told
    }

    #[test]
    fn a_version_is_ready_as_predictors_found_it() {
        let mut version = version();
        assert_eq!(ask(&mut version, false, vec![]), "False NotLoaded");
        let others = || predictor(&["another"], &["a third"]);
        assert_eq!(ask(&mut version, false, vec![others()]), "False NotLoaded");
        let refuses = || predictor(&["another"], &["a third", "ours"]);
        // One of two says nothing of it yet.
        for predictors in [vec![refuses(), others()], vec![others(), refuses()]] {
            assert_eq!(ask(&mut version, false, predictors), "False NotLoaded");
        }
        let all = vec![refuses(), refuses()];
        assert_eq!(ask(&mut version, false, all), "False DigestMismatch");
        let condition = version.status.as_ref().unwrap().conditions[0].clone();
        assert_eq!(condition.message, "it was damaged");
        // Nobody answers, or nobody is asked for it any more: what was found stands.
        for predictors in [vec![], vec![others()]] {
            assert_eq!(ask(&mut version, false, predictors), "False DigestMismatch");
        }
        let one = vec![refuses(), predictor(&["ours"], &[])];
        assert_eq!(ask(&mut version, false, one), "True Loaded");
        assert_eq!(ask(&mut version, false, vec![others()]), "True Loaded");
        // It was damaged after that.
        assert_eq!(
            ask(&mut version, false, vec![refuses()]),
            "False DigestMismatch"
        );
    }

    #[test]
    fn a_version_of_a_run_is_ready_until_all_predictors_refuse_it() {
        let mut version = version();
        assert_eq!(ask(&mut version, true, vec![]), "True Trained");
        let refuses = predictor(&[], &["ours"]);
        assert_eq!(
            ask(&mut version, true, vec![refuses]),
            "False DigestMismatch"
        );
        assert_eq!(ask(&mut version, true, vec![]), "False DigestMismatch");
    }
}
