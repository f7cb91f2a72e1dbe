//! What is said of `serving.versions`: which of them requests cannot name, and why. Everything else serves on.

use foresail_crds::worker_config::ServedVersion;

use crate::pipeline::observed::Observed;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::validate::ValidatedPipeline;

/// Reason of numbers without a ModelVersion.
const MISSING: &str = "VersionsMissing";
/// Reason of versions that no predictor loads.
const REFUSED: &str = "VersionsRefused";

/// What is wrong with the list: a reason, and a sentence that follows on what serves. `None` where all is well.
pub(super) fn lacking(
    pipeline: &ValidatedPipeline,
    plan: &Plan,
    observed: &Observed,
) -> Option<(&'static str, String)> {
    let missing: Vec<String> = plan
        .missing_versions
        .iter()
        .map(|number| pipeline.name.model_version(*number))
        .collect();
    let refused = |version: &ServedVersion| {
        let refused = observed.refused_by_all(&version.manifest_sha256)?;
        Some(format!("v{} ({})", version.version, refused.reason))
    };
    let refused: Vec<String> = plan.serving.versions.iter().filter_map(refused).collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let names = missing.join(", ");
        parts.push(format!("ModelVersions that do not exist: {names}"));
    }
    if !refused.is_empty() {
        let names = refused.join(", ");
        parts.push(format!(
            "versions that no predictor loads: {names}; their ModelVersions say why"
        ));
    }
    let reason = if missing.is_empty() { REFUSED } else { MISSING };
    let message = format!("serving.versions names {}", parts.join(", and "));
    (!parts.is_empty()).then_some((reason, message))
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::status::{ErrorClass, WorkerError};
    use foresail_crds::readiness::RefusedVersion;
    use foresail_crds::worker_config::ServingConfig;

    use super::*;
    use crate::pipeline::observed::PredictorAnswer;
    use crate::pipeline::validate::tests::pipeline;

    fn version(version: u32) -> ServedVersion {
        ServedVersion {
            version,
            manifest_uri: "s3://b/k".into(),
            manifest_sha256: format!("digest of {version}"),
        }
    }

    /// A predictor that refuses these versions.
    fn refusing(versions: &[u32]) -> PredictorAnswer {
        let refused = versions.iter().map(|number| RefusedVersion {
            digest: version(*number).manifest_sha256,
            error: WorkerError {
                class: ErrorClass::User,
                reason: "GoldenMismatch".into(),
                message: "m".into(),
            },
        });
        PredictorAnswer {
            pod: "pod".into(),
            error: None,
            loaded: vec![],
            refused: refused.collect(),
        }
    }

    fn said(missing: &[u32], predictors: Vec<PredictorAnswer>) -> Option<(&'static str, String)> {
        let plan = Plan {
            serving: ServingConfig {
                versions: vec![version(5), version(6)],
                ..ServingConfig::default()
            },
            missing_versions: missing.to_vec(),
            ..Plan::default()
        };
        let observed = Observed {
            predictors,
            ..Observed::default()
        };
        lacking(&pipeline(|_| {}), &plan, &observed)
    }

    #[test]
    fn numbers_without_a_version_and_versions_that_nobody_loads_are_named() {
        assert_eq!(said(&[], vec![]), None);
        assert_eq!(said(&[], vec![refusing(&[])]), None);
        // One of two pods has it, or was not asked for it yet.
        assert_eq!(said(&[], vec![refusing(&[5]), refusing(&[])]), None);
        assert_eq!(said(&[], vec![refusing(&[]), refusing(&[5])]), None);
        let (reason, message) = said(&[], vec![refusing(&[6, 5]), refusing(&[6])]).unwrap();
        assert_eq!(reason, "VersionsRefused");
        let expected = "serving.versions names versions that no predictor loads: v6 (GoldenMismatch); their ModelVersions \
                        say why";
        assert_eq!(message, expected);
        let (reason, message) = said(&[7, 9], vec![refusing(&[5])]).unwrap();
        assert_eq!(reason, "VersionsMissing");
        let expected = "serving.versions names ModelVersions that do not exist: p-v7, p-v9, and versions that no predictor \
                        loads: v5 (GoldenMismatch); their ModelVersions say why";
        assert_eq!(message, expected);
    }
}
