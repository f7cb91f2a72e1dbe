//! Follows the serving configuration: what is wanted is loaded and checked, then swapped in. One version that cannot be
//! loaded keeps neither the old one nor any other from answering.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use foresail_crds::pipeline::status::ErrorClass;
use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{RoleError, Shutdown};
use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::load::{Lake, Source};
use super::{Here, arrange, find, missing};
use crate::loaded::Loaded;
use crate::state::State;

/// Time until a version that nobody waits for is tried again, when a system outside failed.
const SOON: Duration = Duration::from_secs(5);
/// The same, when a person has to mend it.
const LATER: Duration = Duration::from_secs(60);

/// Follows the serving configuration until shutdown.
pub(crate) async fn follow(
    state: Arc<State>,
    mut serving: watch::Receiver<ServingConfig>,
    shutdown: Shutdown,
) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut follower = Follower::new(&state, Lake::of(&state));
    loop {
        let wanted = serving.borrow_and_update().clone();
        let applied = tokio::select! {
            () = shutdown.cancelled() => return,
            // What is loaded stays; what is not is for the newer document to say.
            changed = serving.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            applied = follower.apply(&wanted) => applied,
        };
        if applied.is_ok() {
            backoff.reset();
        }
        let due = follower.due();
        let retry = async {
            match (applied, due) {
                (Err(_), _) => backoff.wait(&shutdown).await,
                (Ok(()), Some(due)) => sleep_until(due).await,
                (Ok(()), None) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = serving.changed() => if changed.is_err() { return },
            () = retry => {}
        }
    }
}

/// Makes what answers follow what is wanted.
pub(crate) struct Follower<'a, S> {
    state: &'a State,
    source: S,
    /// Wanted versions that are loaded, and whoever answers.
    loaded: Vec<Arc<Loaded>>,
    /// Why others are not.
    refused: BTreeMap<String, Refusal>,
    /// The version that is to answer in place of another.
    candidate: Option<Candidate>,
}

struct Refusal {
    error: RoleError,
    /// When it is tried again.
    due: Instant,
}

struct Candidate {
    loaded: Arc<Loaded>,
    /// Newest bar that forecasts were made of when it was loaded: where its own rows have to reach.
    reach: Option<i64>,
}

impl<'a, S: Source> Follower<'a, S> {
    pub(crate) fn new(state: &'a State, source: S) -> Self {
        Self {
            state,
            source,
            loaded: Vec::new(),
            refused: BTreeMap::new(),
            candidate: None,
        }
    }

    /// Loads what is missing, and shows it to requests as soon as it may answer.
    ///
    /// # Errors
    /// Why the champion that is wanted does not answer. Why another version is refused is only told.
    pub(crate) async fn apply(&mut self, wanted: &ServingConfig) -> Result<(), RoleError> {
        self.forget(wanted);
        self.swap(wanted);
        let refused = |refused: &BTreeMap<String, Refusal>, served: &ServedVersion| {
            refused.contains_key(&served.manifest_sha256)
        };
        let labelled = [&wanted.champion, &wanted.previous];
        let is_labelled =
            |served: &ServedVersion| labelled.into_iter().flatten().any(|l| l == served);
        let mut pins = 0;
        while let Some(served) = missing(wanted, &self.loaded, |s| refused(&self.refused, s)) {
            pins += usize::from(!is_labelled(served));
            // While the champion is refused it is tried again soon, whatever else is missing.
            if pins > 1 && self.champion(wanted).is_err() {
                break;
            }
            match self.load(wanted, served).await {
                Ok(loaded) => self.loaded.push(Arc::new(loaded)),
                Err(error) => self.refuse(wanted, served, error),
            }
            self.swap(wanted);
        }
        let champion = self.champion(wanted);
        let refused = self.refused.iter();
        let refused = refused.map(|(digest, refusal)| (digest.clone(), refusal.error.clone()));
        self.state
            .set_refused(champion.as_ref().err().cloned(), refused.collect());
        champion
    }

    /// Versions that are held.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.loaded.len()
    }

    /// When the next refused version is tried again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.refused.values().map(|refusal| refusal.due).min()
    }

    /// Refusals end when they are due, and when nobody wants the version any more. The champion is always tried.
    fn forget(&mut self, wanted: &ServingConfig) {
        let now = Instant::now();
        let digest = |served: &ServedVersion| served.manifest_sha256.clone();
        let mut waiting: BTreeSet<String> = wanted.loaded().map(digest).collect();
        if let Some(champion) = &wanted.champion {
            waiting.remove(&champion.manifest_sha256);
        }
        self.refused
            .retain(|digest, refusal| refusal.due > now && waiting.contains(digest));
    }

    /// A panic of a version is a fault of it alone.
    async fn load(
        &self,
        wanted: &ServingConfig,
        served: &ServedVersion,
    ) -> Result<Loaded, RoleError> {
        let mut declared = wanted.declared.iter();
        let declared = declared.find(|d| d.manifest_sha256 == served.manifest_sha256);
        let loading = AssertUnwindSafe(self.source.load(served, declared)).catch_unwind();
        loading.await.unwrap_or_else(|_| {
            let message = format!(
                "v{} cannot be used: the program panics with it; promote another version",
                served.version
            );
            Err(RoleError::user("ModelUnusable", message))
        })
    }

    fn refuse(&mut self, wanted: &ServingConfig, served: &ServedVersion, error: RoleError) {
        self.state.metrics.loads_refused.with([&error.reason]).inc();
        let (version, reason, cause) = (served.version, &error.reason, &error.message);
        let now = Instant::now();
        let due = if wanted.champion.as_ref() == Some(served) {
            tracing::error!(
                version,
                reason,
                cause,
                "the version that is wanted does not answer"
            );
            // Whoever waits for it says when.
            now
        } else {
            tracing::warn!(version, reason, cause, "a version is not kept loaded");
            now + match error.class {
                ErrorClass::Outside => SOON,
                ErrorClass::User | ErrorClass::Internal => LATER,
            }
        };
        let refusal = Refusal { error, due };
        self.refused.insert(served.manifest_sha256.clone(), refusal);
    }

    /// Shows to requests what is wanted and may answer, lets go of the rest, and has rows followed of every version that
    /// forecasts are made with.
    fn swap(&mut self, wanted: &ServingConfig) {
        let here = self.state.registry.here();
        self.candidate = self.next_candidate(wanted, &here);
        let takes_over = |next: &Loaded| {
            let reach = self.candidate.as_ref().and_then(|c| c.reach);
            self.state.takes_over(next, reach).is_ok()
        };
        let next = arrange(&here, wanted, &self.loaded, takes_over);
        let is_stale = |loaded: &Arc<Loaded>| {
            next.all().all(|l| !Arc::ptr_eq(l, loaded))
                && wanted.loaded().all(|served| *served != loaded.served)
        };
        self.loaded.retain(|loaded| !is_stale(loaded));
        if let Some(champion) = &next.champion
            && here.champion.as_ref().map(|c| &c.served) != Some(&champion.served)
        {
            let version = champion.served.version;
            self.state.metrics.model_version.set(i64::from(version));
            tracing::info!(version, "version answers requests");
        }
        if next.is_as_wanted(wanted) {
            self.candidate = None;
        }
        self.want_rows(&next);
        self.state.registry.swap(next);
    }

    /// The champion that is wanted, while another one answers. How far its rows have to reach is said once.
    fn next_candidate(&mut self, wanted: &ServingConfig, here: &Here) -> Option<Candidate> {
        let champion = wanted.champion.as_ref()?;
        let known = self.candidate.take();
        if here.is_as_wanted(wanted) {
            return None;
        }
        let known = known.filter(|candidate| candidate.loaded.served == *champion);
        known.or_else(|| {
            let newest = |current: &Arc<Loaded>| self.state.newest(current);
            Some(Candidate {
                loaded: find(&self.loaded, champion)?,
                reach: here.champion.as_ref().and_then(newest),
            })
        })
    }

    fn want_rows(&self, next: &Here) {
        let candidate = self.candidate.as_ref().map(|c| &c.loaded);
        let asked = next.champion.iter().chain(&next.previous).chain(candidate);
        let sets: BTreeSet<String> = asked.map(|version| version.fingerprint.clone()).collect();
        self.state.wanted.send_if_modified(|wanted| {
            let changed = *wanted != sets;
            *wanted = sets;
            changed
        });
    }

    fn champion(&self, wanted: &ServingConfig) -> Result<(), RoleError> {
        let Some(champion) = &wanted.champion else {
            return Ok(());
        };
        if let Some(refusal) = self.refused.get(&champion.manifest_sha256) {
            return Err(refusal.error.clone());
        }
        match &self.candidate {
            // The old one answers until the new one can.
            Some(next) => self.state.takes_over(&next.loaded, next.reach),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
