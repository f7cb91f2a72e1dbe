//! The `ModelVersion`: one immutable trained model. Made by the operator from a finished
//! training run, or applied by a user.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model_manifest::{GateResult, LeakGuardResult, RefusedBars};
use crate::pipeline::spec::{FeatureSetSpec, ModelKind};
use crate::pipeline::status::{NamedNumber, Trigger};
use crate::worker_config::ServedVersion;

/// One immutable trained model: what data, what code, what scores, where its weights are.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "ModelVersion",
    plural = "modelversions",
    shortname = "fmv",
    category = "foresail",
    namespaced,
    status = "ModelVersionStatus",
    derive = "PartialEq",
    doc = "One immutable trained model: what data, what code, what scores, where its weights are.",
    printcolumn(name = "Pipeline", type_ = "string", json_path = ".spec.pipeline"),
    printcolumn(name = "Version", type_ = "integer", json_path = ".spec.version"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.role"),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".spec.trigger"),
    printcolumn(name = "TrainedThrough", type_ = "string", json_path = ".spec.trainedThrough"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.startsWith(self.spec.pipeline + '-v') && self.metadata.name.substring(size(self.spec.pipeline) + 2).matches('^[1-9][0-9]{0,9}$') && int(self.metadata.name.substring(size(self.spec.pipeline) + 2)) == self.spec.version").message("metadata.name must be <spec.pipeline>-v<spec.version>")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a ModelVersion's spec is immutable: make a new version instead"))]
pub struct ModelVersionSpec {
    /// Pipeline in the same namespace that may serve it.
    #[schemars(length(min = 1, max = 40))]
    pub pipeline: String,
    /// Version number, increasing within the Pipeline, never reused.
    #[schemars(range(min = 1, max = 2_000_000_000))]
    pub version: u32,
    /// `s3://bucket/key` of the manifest.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^s3://[^\s/]+/\S+$"))]
    pub manifest_uri: String,
    /// Hex SHA-256 of the manifest bytes; predictors refuse anything else.
    #[schemars(length(equal = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub manifest_sha256: String,
    /// Model kind.
    pub kind: ModelKind,
    /// Feature-set fingerprint: that of `featureSet`, computed by the release that trained it.
    #[schemars(length(min = 8, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub fingerprint: String,
    /// Features it was trained on. While it serves, or stands ready to, rows of them are made, whatever the Pipeline
    /// declares by then. A version without them serves as long as the Pipeline declares features of its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_set: Option<FeatureSetSpec>,
    /// Why it was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Training run that made it. It is absent, as are `trigger`, `deltaVersion` and `trainedThrough`, where no run of this
    /// Pipeline has trained the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub run_id: Option<String>,
    /// Delta table version it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub delta_version: Option<u64>,
    /// Last row whose label was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_through: Option<Time>,
    /// Validation metrics.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub metrics: Vec<NamedNumber>,
    /// Comparison with the champion of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateResult>,
    /// What the leak guard found; a version whose guard failed is Rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak_guard: Option<LeakGuardResult>,
    /// Bars of the lake that no feature could be computed with, and rows that reach over a gap, by reason: both were left out
    /// of training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub refused_bars: Vec<RefusedBars>,
}

impl ModelVersionSpec {
    /// What it takes to load the version.
    pub fn served(&self) -> ServedVersion {
        ServedVersion {
            version: self.version,
            manifest_uri: self.manifest_uri.clone(),
            manifest_sha256: self.manifest_sha256.clone(),
        }
    }
}

/// Observed state of a ModelVersion. Written by foresail-operator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelVersionStatus {
    /// Generation this status speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the version is usable; False with the reason and the message of the predictors where every one that was asked
    /// refuses it. DataCurrent: the bars it was trained on are still those of the lake; False with the reason DataRevised once
    /// some of them were corrected. A version that was not trained here has no DataCurrent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Champion, Previous, Candidate, Rejected or Retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<VersionRole>,
    /// Why it has that role.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Role of a version in its Pipeline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRole {
    /// Answers requests.
    Champion,
    /// Last champion, kept loaded.
    Previous,
    /// Not judged yet, or waiting for a person.
    Candidate,
    /// Judged and refused.
    Rejected,
    /// Was champion earlier.
    Retired,
}
