//! What exists, as one reconcile saw it.

use foresail_crds::Role;
use foresail_crds::pipeline::status::WorkerError;
use foresail_crds::readiness::RefusedVersion;
use foresail_crds::worker_config::ServingConfig;
use foresail_crds::{ModelVersion, Pipeline, PipelineStatus, ProviderAccount};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::DynamicObject;

use super::labels;

/// Everything a decision needs, read once.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Status as stored; what ingest reports is that of the Pipeline whose bars are read, where one is named.
    pub status: PipelineStatus,
    /// Versions of this Pipeline, ascending.
    pub versions: Vec<ModelVersion>,
    /// Numbers of versions of this Pipeline that exist and do not decode.
    pub unreadable_versions: Vec<u32>,
    /// Content of the `-serving` ConfigMap.
    pub serving: Option<ServingConfig>,
    /// Jobs of this Pipeline.
    pub jobs: Vec<Job>,
    /// Pods of all roles.
    pub pods: Vec<Pod>,
    /// Warning events about those pods that never started.
    pub events: Vec<Event>,
    /// What predictors say of themselves.
    pub predictors: Vec<PredictorAnswer>,
    /// Every child of a kind the operator makes.
    pub children: Vec<DynamicObject>,
    /// The account that the source names.
    pub account: NamedAccount,
    /// Nothing of it was read as a watch has shown it, which may be behind.
    pub is_listed: bool,
    /// The Pipeline that the source names.
    pub bars_of: Named<Pipeline>,
    /// The other accounts that it names, in order, by name.
    pub other_accounts: Vec<(String, NamedAccount)>,
}

/// An object that a source names.
#[derive(Clone, Debug, Default)]
pub enum Named<K> {
    /// The source names none, or there is none of that name.
    #[default]
    Absent,
    /// It does not decode; why.
    Undecodable(String),
    /// As it was read.
    Found(Box<K>),
}

/// The ProviderAccount that a source names.
pub type NamedAccount = Named<ProviderAccount>;

impl<K> Named<K> {
    /// The object, where it can be used.
    pub fn found(&self) -> Option<&K> {
        match self {
            Self::Found(object) => Some(object),
            Self::Absent | Self::Undecodable(_) => None,
        }
    }
}

impl Observed {
    /// The version of a number.
    pub fn version(&self, number: u32) -> Option<&ModelVersion> {
        self.versions.iter().find(|v| v.spec.version == number)
    }

    /// The account that the source names, where it can be used.
    pub fn account(&self) -> Option<&ProviderAccount> {
        self.account.found()
    }

    /// All accounts that the source names and that can be used, the one of the provider first.
    pub fn accounts(&self) -> impl Iterator<Item = &ProviderAccount> {
        let others = self
            .other_accounts
            .iter()
            .filter_map(|(_, other)| other.found());
        self.account().into_iter().chain(others)
    }

    /// Why every predictor that was asked refuses the version with a manifest of this digest, in the words of one of them.
    /// `None` where one of them says nothing of it, and where none has answered.
    pub fn refused_by_all(&self, digest: &str) -> Option<&WorkerError> {
        let refusal = |predictor: &PredictorAnswer| {
            let mut refused = predictor.refused.iter();
            refused.any(|refused| refused.digest == digest)
        };
        let all = self.predictors.iter().all(refusal);
        let mut refused = self.predictors.first()?.refused.iter();
        let refused = refused.find(|refused| refused.digest == digest)?;
        all.then_some(&refused.error)
    }

    /// Whether a predictor has loaded and verified the version with a manifest of this digest.
    pub fn is_loaded(&self, digest: &str) -> bool {
        let has_loaded = |p: &PredictorAnswer| p.loaded.iter().any(|loaded| loaded == digest);
        self.predictors.iter().any(has_loaded)
    }

    /// Whether predictors were made.
    pub fn has_predictors(&self) -> bool {
        self.has_deployment(Role::Predict)
    }

    /// Whether the Deployment of a role was made.
    pub fn has_deployment(&self, role: Role) -> bool {
        let mut children = self.children.iter();
        children.any(|child| {
            let kind = child.types.as_ref().map(|types| types.kind.as_str());
            kind == Some("Deployment") && labels::is_role(child, role)
        })
    }
}

/// What one predictor pod says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictorAnswer {
    /// Name of the pod.
    pub pod: String,
    /// Why it does not serve what it should.
    pub error: Option<WorkerError>,
    /// Digests of the manifests it has loaded and verified.
    pub loaded: Vec<String>,
    /// Versions that it should load and does not.
    pub refused: Vec<RefusedVersion>,
}
