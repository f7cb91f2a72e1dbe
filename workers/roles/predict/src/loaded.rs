//! A version that is loaded: what is known of it, and what it computes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use foresail_crds::model_manifest::ResidualQuantiles;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::worker_config::ServedVersion;
use foresail_model::Predictor;
use foresail_protocol::Signature;

/// One loaded, verified and self-tested version.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub served: ServedVersion,
    /// SHA-256 (hex) of its manifest: what it forecasts hangs on nothing else.
    pub digest: Arc<str>,
    pub predictor: Predictor,
    /// What it reads: rows with this fingerprint and no others.
    pub fingerprint: String,
    /// The same, to compute rows of bars in a request.
    pub feature_set: FeatureSetSpec,
    /// Absent in versions older than quantiles.
    pub quantiles: Option<ResidualQuantiles>,
    /// What it takes and gives, once somebody has asked.
    pub signature: OnceLock<Arc<Signature>>,
    /// Whoever asks it for a forecast panics.
    #[cfg(test)]
    pub panics: bool,
}

impl Loaded {
    /// What it takes and gives, as protocols show it.
    pub fn signature(&self) -> Arc<Signature> {
        let signature = self.signature.get_or_init(|| Arc::new(signature(self)));
        Arc::clone(signature)
    }

    /// What `work` computes with its model. A panic fails this request and no other.
    ///
    /// # Errors
    /// [`Panicked`].
    pub fn compute<T>(&self, work: impl FnOnce() -> T) -> Result<T, Panicked> {
        let shielded = AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!self.panics, "a model that panics");
            work()
        });
        catch_unwind(shielded).map_err(|_| {
            let version = self.served.version;
            tracing::error!(
                version,
                "a version panics; its request is answered with 500"
            );
            Panicked
        })
    }
}

/// A model has panicked instead of giving a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl Panicked {
    /// What its client is told.
    pub const MESSAGE: &str = "this version fails on the request; its log says where";
}

/// What a version takes and gives.
fn signature(loaded: &Loaded) -> Signature {
    let features = loaded.feature_set.features.iter();
    let levels = loaded.quantiles.as_ref().map(|q| q.levels.clone());
    Signature {
        features: features.map(|feature| feature.name.to_string()).collect(),
        lookback: loaded.predictor.lookback(),
        reads_closes: loaded.predictor.reads_closes(),
        horizon: loaded.predictor.horizon(),
        levels: levels.unwrap_or_default(),
    }
}
