//! Follows the serving configuration: a version is loaded and checked, then swapped in. One that cannot be
//! loaded leaves the old one serving.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{RoleError, Shutdown};
use foresail_runtime_store::Store;
use tokio::sync::watch;

use crate::state::{Loaded, State};

/// Follows the serving configuration until shutdown.
pub(crate) async fn follow(
    state: Arc<State>,
    mut serving: watch::Receiver<ServingConfig>,
    shutdown: Shutdown,
) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut versions = Versions {
        state: &state,
        source: Lake(&state),
        candidate: None,
    };
    loop {
        let wanted = serving.borrow_and_update().clone();
        let applied = versions.apply(&wanted).await;
        let failed = applied.as_ref().err().cloned();
        if let Some(error) = &failed {
            state.metrics.loads_refused.with([&error.reason]).inc();
            tracing::error!(
                reason = error.reason,
                cause = error.message,
                "the version that is wanted does not answer"
            );
        } else {
            backoff.reset();
        }
        let again = failed.is_some();
        state.set_load_error(failed);
        let retry = async {
            match again {
                true => backoff.wait(&shutdown).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = serving.changed() => if changed.is_err() { return },
            () = retry => {}
        }
    }
}

/// Where versions are loaded from.
trait Source: Sync {
    fn load(
        &self,
        served: &ServedVersion,
    ) -> impl Future<Output = Result<Loaded, RoleError>> + Send;
}

/// What answers, and where versions come from.
struct Versions<'a, S> {
    state: &'a State,
    source: S,
    /// Loaded, and not yet able to answer.
    candidate: Option<Candidate>,
}

/// A version that is to answer in place of another.
struct Candidate {
    loaded: Arc<Loaded>,
    /// Newest bar that forecasts were made of when it was loaded: where its own rows have to reach.
    reach: Option<i64>,
}

impl<S: Source> Versions<'_, S> {
    async fn apply(&mut self, wanted: &ServingConfig) -> Result<(), RoleError> {
        let previous = wanted.previous.as_ref();
        if let Some(champion) = &wanted.champion {
            let swapped = self.swap(champion).await;
            if swapped.is_err() && self.state.champion.load().is_none() {
                self.fall_back(previous).await;
            }
            self.want_rows();
            swapped?;
        }
        let Some(previous) = previous else {
            return Ok(());
        };
        match self.obtain(previous).await {
            Ok(loaded) => self.state.previous.store(Some(loaded)),
            // Rollback is then slower; serving is not affected.
            Err(error) => tracing::warn!(reason = error.reason, "previous version not kept loaded"),
        }
        self.want_rows();
        Ok(())
    }

    /// Lets `champion` answer in place of the version before it.
    async fn swap(&mut self, champion: &ServedVersion) -> Result<(), RoleError> {
        let current = self.state.champion.load_full();
        if current.as_ref().is_some_and(|c| c.served == *champion) {
            self.candidate = None;
            return Ok(());
        }
        let next = match self
            .candidate
            .take()
            .filter(|c| c.loaded.served == *champion)
        {
            Some(candidate) => candidate,
            None => Candidate {
                loaded: self.obtain(champion).await?,
                reach: current.as_ref().and_then(|c| self.state.newest(c)),
            },
        };
        if current.is_some()
            && let Err(missing) = self.state.takes_over(&next.loaded, next.reach)
        {
            // The old one answers until the new one can.
            self.candidate = Some(next);
            return Err(missing);
        }
        answer_with(self.state, next.loaded);
        if current.is_some() {
            self.state.previous.store(current);
        }
        Ok(())
    }

    /// Has rows followed of every version that is here, so that each can answer.
    fn want_rows(&self) {
        let here = [
            self.state.champion.load_full(),
            self.state.previous.load_full(),
            self.candidate.as_ref().map(|c| Arc::clone(&c.loaded)),
        ];
        let here = here.iter().flatten();
        let sets: BTreeSet<String> = here.map(|version| version.fingerprint.clone()).collect();
        self.state.wanted.send_if_modified(|wanted| {
            let changed = *wanted != sets;
            *wanted = sets;
            changed
        });
    }

    /// After a restart nothing is loaded yet: the version before a champion that cannot be loaded answers.
    async fn fall_back(&self, previous: Option<&ServedVersion>) {
        let Some(previous) = previous else {
            return;
        };
        match self.obtain(previous).await {
            Ok(loaded) => answer_with(self.state, loaded),
            Err(error) => tracing::error!(
                reason = error.reason,
                cause = error.message,
                "nor does the previous version answer"
            ),
        }
    }

    /// A version that is here already, or loaded.
    async fn obtain(&self, served: &ServedVersion) -> Result<Arc<Loaded>, RoleError> {
        let here = [
            self.state.champion.load_full(),
            self.state.previous.load_full(),
        ];
        match here.into_iter().flatten().find(|l| l.served == *served) {
            Some(loaded) => Ok(loaded),
            None => self.source.load(served).await.map(Arc::new),
        }
    }
}

fn answer_with(state: &State, loaded: Arc<Loaded>) {
    let version = loaded.served.version;
    state.metrics.model_version.set(i64::from(version));
    tracing::info!(version, "version answers requests");
    state.champion.store(Some(loaded));
}

/// The lake of the Pipeline.
struct Lake<'a>(&'a State);

impl Source for Lake<'_> {
    async fn load(&self, served: &ServedVersion) -> Result<Loaded, RoleError> {
        let state = self.0;
        let loaded = match &state.folder {
            Some(folder) => folder.load(served).await?,
            None => {
                let store = Store::of_lake(&state.config.lake, &state.outside)?;
                foresail_artifacts::load(&store, served).await?
            }
        };
        let manifest = loaded.manifest;
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
        })
    }
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
mod tests;
