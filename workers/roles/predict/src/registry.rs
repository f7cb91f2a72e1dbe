//! Which versions are loaded, and what requests call them. All of it is swapped as one: a request takes it once and uses
//! nothing else, so that a version that goes answers its last request. Here is only what is decided; `follow` loads.

mod follow;
mod load;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foresail_crds::worker_config::{ServedVersion, ServingConfig};

use crate::state::Loaded;

pub(crate) use follow::{Refused, follow};

/// The versions that one request sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Here {
    /// What answers where no version is named.
    pub champion: Option<Arc<Loaded>>,
    /// What answered before it, kept for instant rollback.
    pub previous: Option<Arc<Loaded>>,
    /// Those that `serving.versions` names.
    pub others: Vec<Arc<Loaded>>,
}

/// The versions that are loaded now.
#[derive(Debug, Default)]
pub(crate) struct Registry(ArcSwap<Here>);

impl Registry {
    /// What a request sees from now on.
    pub(crate) fn here(&self) -> Arc<Here> {
        self.0.load_full()
    }

    /// Shows other versions to the requests that come.
    pub(crate) fn swap(&self, next: Here) {
        self.0.store(Arc::new(next));
    }
}

impl Here {
    /// Every version that is loaded, those with a label first; one may come more than once.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.champion
            .iter()
            .chain(&self.previous)
            .chain(&self.others)
    }

    /// A version by its number.
    pub(crate) fn version(&self, number: u32) -> Option<&Arc<Loaded>> {
        self.all().find(|loaded| loaded.served.version == number)
    }

    /// Digests of the manifests of all versions, each once.
    pub(crate) fn digests(&self) -> Vec<String> {
        let digests: BTreeSet<&str> = self.all().map(|loaded| &*loaded.digest).collect();
        digests.into_iter().map(str::to_owned).collect()
    }

    /// Whether the version that is wanted answers.
    fn is_as_wanted(&self, wanted: &ServingConfig) -> bool {
        let champion = self.champion.as_ref().map(|champion| &champion.served);
        wanted.champion.is_none() || champion == wanted.champion.as_ref()
    }
}

/// A version by what it takes to load it.
fn find(loaded: &[Arc<Loaded>], served: &ServedVersion) -> Option<Arc<Loaded>> {
    loaded.iter().find(|l| l.served == *served).cloned()
}

/// The version that is loaded next: the first one that is wanted, is not loaded and was not refused, the champion before
/// all others.
fn missing<'w>(
    wanted: &'w ServingConfig,
    loaded: &[Arc<Loaded>],
    is_refused: impl Fn(&ServedVersion) -> bool,
) -> Option<&'w ServedVersion> {
    let mut all = wanted.loaded();
    all.find(|served| find(loaded, served).is_none() && !is_refused(served))
}

/// What requests see next, of the versions that are loaded. Whoever answers goes on until the version that is wanted
/// `takes_over`; nobody's place is left empty.
fn arrange(
    here: &Here,
    wanted: &ServingConfig,
    loaded: &[Arc<Loaded>],
    takes_over: impl Fn(&Loaded) -> bool,
) -> Here {
    let by = |served: &Option<ServedVersion>| find(loaded, served.as_ref()?);
    let (next, before) = (by(&wanted.champion), by(&wanted.previous));
    let others = wanted.versions.iter();
    let others = others.filter_map(|served| find(loaded, served)).collect();
    let Some(now) = &here.champion else {
        // After a start nothing answers yet: the version before a champion that cannot be loaded does.
        let instead = before.clone().filter(|_| wanted.champion.is_some());
        return Here {
            champion: next.or(instead),
            previous: before,
            others,
        };
    };
    let next = next.filter(|next| next.served == now.served || takes_over(next));
    let Some(next) = next else {
        // The labels change together.
        return Here {
            champion: Some(Arc::clone(now)),
            previous: here.previous.clone().or(before),
            others,
        };
    };
    let replaced = (next.served != now.served).then(|| Arc::clone(now));
    let kept = replaced.or_else(|| here.previous.clone());
    Here {
        champion: Some(next),
        // Until it is loaded, the version that answered before stands in for it.
        previous: wanted.previous.as_ref().and(before.or(kept)),
        others,
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
