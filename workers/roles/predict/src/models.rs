//! Loading versions: digests verified, fingerprint compared, one probe forecast, then the swap. A
//! version that cannot be loaded leaves the old one serving.

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use foresail_model::{Predictor, Row, artifact};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown};
use foresail_runtime_store::{S3Uri, Store};
use tokio::sync::watch;

use crate::metrics;
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
        let retry = async {
            match &loaded {
                Ok(()) => std::future::pending().await,
                Err(error) => {
                    metrics::REFUSED
                        .with_label_values(&[error.reason.as_str()])
                        .inc();
                    tracing::error!(
                        reason = error.reason,
                        message = error.message,
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
            metrics::VERSION.set(i64::from(champion.version));
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
    let store = Store::of_lake(&state.config.lake)?;
    let uri = S3Uri::parse(&served.manifest_uri)?;
    let unusable = |cause: String| {
        let message = format!("v{} is not served: {cause}", served.version);
        RoleError::user("ModelUnusable", message)
    };
    let bytes = store.get_verified(&uri, &served.manifest_sha256).await?;
    let manifest = artifact::load(&bytes).map_err(|e| unusable(e.to_string()))?;
    if manifest.fingerprint != state.fingerprint {
        let message = format!(
            "v{} was trained on features {}, this pod computes {}; a new version is trained",
            served.version, manifest.fingerprint, state.fingerprint
        );
        return Err(RoleError::user("FeatureSchemaMismatch", message));
    }
    let weights = match &manifest.weights {
        Some(file) => {
            let uri = S3Uri {
                bucket: uri.bucket,
                key: file.key.clone(),
            };
            Some(store.get_verified(&uri, &file.sha256).await?)
        }
        None => None,
    };
    let predictor =
        Predictor::load(&manifest, weights.as_deref()).map_err(|e| unusable(e.to_string()))?;
    // Self-test: the mean row must give a finite forecast.
    let row = Row {
        values: &manifest.scaler.mean,
        close: 1.0,
    };
    predictor
        .forecast(&vec![row; predictor.lookback()], row.close)
        .map_err(|e| unusable(e.to_string()))?;
    Ok(Loaded {
        served: served.clone(),
        predictor,
        quantiles: manifest.quantiles,
    })
}
