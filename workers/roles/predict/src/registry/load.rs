//! A version from where it is stored: verified, and held against what its ModelVersion says.

use foresail_artifacts::Objects;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::worker_config::{DeclaredModel, ServedVersion};
use foresail_runtime_base::RoleError;
use foresail_runtime_store::Store;

use crate::state::{Loaded, State};

/// Where versions are loaded from.
pub(crate) trait Source: Sync {
    fn load(
        &self,
        served: &ServedVersion,
        declared: Option<&DeclaredModel>,
    ) -> impl Future<Output = Result<Loaded, RoleError>> + Send;
}

/// The lake of the Pipeline, or the folder that is served in its place.
pub(super) struct Lake<'a>(&'a State);

impl<'a> Lake<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        Self(state)
    }
}

impl Source for Lake<'_> {
    async fn load(
        &self,
        served: &ServedVersion,
        declared: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        if let Some(versions) = &self.0.folder {
            let folder = versions.of(served.version);
            let loaded = from_objects(&folder, served, declared).await;
            return loaded.map_err(|error| folder.told(error));
        }
        let store = Store::of_lake(&self.0.config.lake, &self.0.outside)?;
        from_objects(&store, served, declared).await
    }
}

/// A version that is what its ModelVersion says, and whose features this release computes.
///
/// # Errors
/// Those of [`foresail_artifacts::load`]; user errors `KindMismatch` and `FeatureSchemaMismatch`.
pub(super) async fn from_objects(
    objects: &impl Objects,
    served: &ServedVersion,
    declared: Option<&DeclaredModel>,
) -> Result<Loaded, RoleError> {
    let loaded = foresail_artifacts::load(objects, served).await?;
    let manifest = loaded.manifest;
    if let Some(declared) = declared {
        let found = DeclaredModel {
            manifest_sha256: served.manifest_sha256.clone(),
            kind: manifest.kind,
            fingerprint: manifest.fingerprint.clone(),
        };
        is_declared(&found, declared, served.version)?;
    }
    let feature_set = FeatureSetSpec {
        features: manifest.features,
        adjustment: manifest.adjustment,
    };
    is_computed(&feature_set, &manifest.fingerprint, served.version)?;
    Ok(Loaded {
        digest: served.manifest_sha256.as_str().into(),
        served: served.clone(),
        predictor: loaded.predictor,
        quantiles: manifest.quantiles,
        fingerprint: manifest.fingerprint,
        feature_set,
        signature: Default::default(),
        #[cfg(test)]
        panics: false,
    })
}

/// A manifest that says what its ModelVersion says.
///
/// # Errors
/// User errors `KindMismatch` and `FeatureSchemaMismatch`.
fn is_declared(
    found: &DeclaredModel,
    declared: &DeclaredModel,
    version: u32,
) -> Result<(), RoleError> {
    if found.kind != declared.kind {
        let message = format!(
            "the manifest of v{version} is of a model of kind {:?}, its ModelVersion says {:?}; make a ModelVersion that \
             says what the manifest says",
            found.kind, declared.kind
        );
        return Err(RoleError::user("KindMismatch", message));
    }
    if found.fingerprint != declared.fingerprint {
        let message = format!(
            "the manifest of v{version} is of features {}, its ModelVersion says {}; make a ModelVersion that says what \
             the manifest says",
            found.fingerprint, declared.fingerprint
        );
        return Err(RoleError::user("FeatureSchemaMismatch", message));
    }
    Ok(())
}

/// Features that this release computes as those a version was trained on.
///
/// # Errors
/// User error `FeatureSchemaMismatch`.
fn is_computed(set: &FeatureSetSpec, fingerprint: &str, version: u32) -> Result<(), RoleError> {
    if foresail_features::is_computed(&set.features, set.adjustment, fingerprint) {
        return Ok(());
    }
    let message = format!(
        "v{version} was trained on features {fingerprint}, which this release computes otherwise; train a new version"
    );
    Err(RoleError::user("FeatureSchemaMismatch", message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::reading;

    #[test]
    fn features_that_are_computed_otherwise_by_now_are_refused() {
        let loaded = reading(1, json!([{"name": "r", "function": "LogReturn"}]));
        let set = &loaded.feature_set;
        assert_eq!(is_computed(set, &loaded.fingerprint, 1), Ok(()));
        let error = is_computed(set, "of another release", 1).unwrap_err();
        assert_eq!(error.reason, "FeatureSchemaMismatch");
    }
}
