//! Follows the serving configuration: a version is loaded and checked, then swapped in. One that cannot be
//! loaded leaves the old one serving.

use std::sync::Arc;
use std::time::Duration;

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
    candidate: Option<Arc<Loaded>>,
}

impl<S: Source> Versions<'_, S> {
    async fn apply(&mut self, wanted: &ServingConfig) -> Result<(), RoleError> {
        let previous = wanted.previous.as_ref();
        if let Some(champion) = &wanted.champion {
            let swapped = self.swap(champion).await;
            if swapped.is_err() && self.state.champion.load().is_none() {
                self.fall_back(previous).await;
            }
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
        Ok(())
    }

    /// Lets `champion` answer in place of the version before it.
    async fn swap(&mut self, champion: &ServedVersion) -> Result<(), RoleError> {
        let current = self.state.champion.load_full();
        if current.as_ref().is_some_and(|c| c.served == *champion) {
            return Ok(());
        }
        let next = match self.candidate.take().filter(|c| c.served == *champion) {
            Some(loaded) => loaded,
            None => self.obtain(champion).await?,
        };
        if current.is_some()
            && let Err(missing) = self.state.answerable(&next)
        {
            // The old one answers until the new one can.
            self.candidate = Some(next);
            return Err(missing);
        }
        answer_with(self.state, next);
        if current.is_some() {
            self.state.previous.store(current);
        }
        Ok(())
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
        let store = Store::of_lake(&state.config.lake, &state.outside)?;
        let loaded = foresail_artifacts::load(&store, served, Some(&state.fingerprint)).await?;
        Ok(Loaded {
            digest: served.manifest_sha256.as_str().into(),
            served: served.clone(),
            predictor: loaded.predictor,
            quantiles: loaded.manifest.quantiles,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{model, returns, row, seasonal, state};

    fn wanted(champion: u32, previous: u32) -> ServingConfig {
        ServingConfig {
            champion: Some(model(champion).served.clone()),
            previous: Some(model(previous).served.clone()),
            drift_reference: None,
        }
    }

    fn answering(state: &State) -> Option<u32> {
        state.champion.load().as_ref().map(|c| c.served.version)
    }

    /// Everything loads but v2.
    struct WithoutV2;

    impl Source for WithoutV2 {
        async fn load(&self, served: &ServedVersion) -> Result<Loaded, RoleError> {
            match served.version {
                2 => Err(RoleError::user("DigestMismatch", "damaged")),
                version => Ok(Arc::into_inner(model(version)).unwrap()),
            }
        }
    }

    /// Each version looks back on as many rows as its number.
    struct Seasonal;

    impl Source for Seasonal {
        async fn load(&self, served: &ServedVersion) -> Result<Loaded, RoleError> {
            let version = served.version;
            Ok(Arc::into_inner(seasonal(version, version as usize)).unwrap())
        }
    }

    #[tokio::test]
    async fn the_previous_version_answers_for_a_damaged_champion() {
        let state = state(returns());
        state.table.extend([row(1)]);
        let mut versions = Versions {
            state: &state,
            source: WithoutV2,
            candidate: None,
        };
        let error = versions.apply(&wanted(2, 1)).await.unwrap_err();
        assert_eq!(
            (error.reason.as_str(), answering(&state)),
            ("DigestMismatch", Some(1))
        );
        // It is not given up, and whatever answers goes on.
        assert!(versions.apply(&wanted(2, 1)).await.is_err());
        assert_eq!(answering(&state), Some(1));
        versions.apply(&wanted(3, 2)).await.unwrap();
        assert_eq!(answering(&state), Some(3));
        assert!(versions.apply(&wanted(2, 3)).await.is_err());
        assert_eq!(answering(&state), Some(3));
    }

    #[tokio::test]
    async fn the_old_version_answers_until_the_new_one_finds_its_rows() {
        let state = state(returns());
        let mut versions = Versions {
            state: &state,
            source: Seasonal,
            candidate: None,
        };
        state.table.extend([row(1)]);
        versions.apply(&wanted(1, 1)).await.unwrap();
        let error = versions.apply(&wanted(2, 1)).await.unwrap_err();
        assert_eq!(
            (error.reason.as_str(), answering(&state)),
            ("RowsMissing", Some(1))
        );
        state.table.extend([row(2)]);
        versions.apply(&wanted(2, 1)).await.unwrap();
        assert_eq!(answering(&state), Some(2));
        assert_eq!(state.previous.load().as_ref().unwrap().served.version, 1);
    }
}
