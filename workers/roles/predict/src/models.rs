//! Follows the serving configuration: a version is loaded and checked, then swapped in. One that cannot be
//! loaded leaves the old one serving.

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown};
use foresail_runtime_store::Store;
use tokio::sync::watch;

use crate::state::{Loaded, State};

/// Follows the serving configuration until shutdown.
pub(crate) async fn follow(
    state: Arc<State>,
    mut serving: watch::Receiver<ServingConfig>,
    health: Health,
    shutdown: Shutdown,
) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let wanted = serving.borrow_and_update().clone();
        let loaded = apply(&state, &wanted).await;
        health.set_error(loaded.as_ref().err());
        if loaded.is_ok() {
            backoff.reset();
        }
        let retry = async {
            match &loaded {
                Ok(()) => std::future::pending().await,
                Err(error) => {
                    state.metrics.loads_refused.with([&error.reason]).inc();
                    tracing::error!(
                        reason = error.reason,
                        cause = error.message,
                        "version not loaded, keeping the old one"
                    );
                    backoff.wait(&shutdown).await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = serving.changed() => if changed.is_err() { return },
            () = retry => {}
        }
    }
}

async fn apply(state: &State, wanted: &ServingConfig) -> Result<(), RoleError> {
    if let Some(champion) = &wanted.champion {
        let current = state.champion.load_full();
        if current.as_ref().is_none_or(|c| c.served != *champion) {
            let kept = state.previous.load_full().filter(|p| p.served == *champion);
            let next = match kept {
                // Rollback: it is already here.
                Some(previous) => previous,
                None => Arc::new(load(state, champion).await?),
            };
            state.metrics.model_version.set(i64::from(champion.version));
            tracing::info!(version = champion.version, "version answers requests");
            state.champion.store(Some(next));
            if current.is_some() {
                state.previous.store(current);
            }
        }
    }
    let Some(previous) = &wanted.previous else {
        return Ok(());
    };
    if state
        .previous
        .load()
        .as_ref()
        .is_none_or(|p| p.served != *previous)
    {
        match load(state, previous).await {
            Ok(loaded) => state.previous.store(Some(Arc::new(loaded))),
            // Rollback is then slower; serving is not affected.
            Err(error) => tracing::warn!(reason = error.reason, "previous version not kept loaded"),
        }
    }
    Ok(())
}

async fn load(state: &State, served: &ServedVersion) -> Result<Loaded, RoleError> {
    let store = Store::of_lake(&state.config.lake, &state.outside)?;
    let loaded = foresail_artifacts::load(&store, served, Some(&state.fingerprint)).await?;
    Ok(Loaded {
        served: served.clone(),
        predictor: loaded.predictor,
        quantiles: loaded.manifest.quantiles,
    })
}
