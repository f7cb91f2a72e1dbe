mod broken;

use foresail_crds::worker_config::DeclaredModel;
use serde_json::json;

use super::*;
use crate::testing::{model, put, reading, row, seasonal, state};

fn wanted(champion: u32, previous: u32) -> ServingConfig {
    ServingConfig {
        champion: Some(model(champion).served.clone()),
        previous: Some(model(previous).served.clone()),
        ..ServingConfig::default()
    }
}

fn answering(state: &State) -> Option<u32> {
    state.champion().map(|c| c.served.version)
}

/// Everything loads but v2.
struct WithoutV2;

impl Source for WithoutV2 {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        match served.version {
            2 => Err(RoleError::user("DigestMismatch", "damaged")),
            version => Ok(Arc::into_inner(model(version)).unwrap()),
        }
    }
}

/// Each version looks back on as many rows as its number.
struct Seasonal;

impl Source for Seasonal {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        let version = served.version;
        Ok(Arc::into_inner(seasonal(version, version as usize)).unwrap())
    }
}

#[tokio::test]
async fn the_previous_version_answers_for_a_damaged_champion() {
    let state = state();
    put(&state, [row(1)]);
    let mut versions = Follower::new(&state, WithoutV2);
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
    let state = state();
    let mut versions = Follower::new(&state, Seasonal);
    put(&state, [row(1)]);
    versions.apply(&wanted(1, 1)).await.unwrap();
    let error = versions.apply(&wanted(2, 1)).await.unwrap_err();
    assert_eq!(
        (error.reason.as_str(), answering(&state)),
        ("RowsMissing", Some(1))
    );
    put(&state, [row(2)]);
    versions.apply(&wanted(2, 1)).await.unwrap();
    assert_eq!(answering(&state), Some(2));
    let previous = state.registry.here().previous.clone();
    assert_eq!(previous.unwrap().served.version, 1);
}

/// Each version was trained on features of its own.
struct OfOtherFeatures;

impl Source for OfOtherFeatures {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        let name = format!("f{}", served.version);
        let features = json!([{"name": name, "function": "LogReturn"}]);
        Ok(Arc::into_inner(reading(served.version, features)).unwrap())
    }
}

/// Audit A2.
#[tokio::test]
async fn a_version_of_other_features_answers_once_its_rows_are_there_and_both_are_followed() {
    let state = state();
    let mut versions = Follower::new(&state, OfOtherFeatures);
    let fingerprint = |version: u32| {
        let features = json!([{"name": format!("f{version}"), "function": "LogReturn"}]);
        reading(version, features).fingerprint.clone()
    };
    let follows = |versions: &[u32]| {
        let sets: BTreeSet<String> = versions.iter().map(|v| fingerprint(*v)).collect();
        *state.wanted.borrow() == sets
    };
    let only = |version| ServingConfig {
        previous: None,
        ..wanted(version, version)
    };
    versions.apply(&only(1)).await.unwrap();
    assert!(follows(&[1]));
    // Promoted: rows of both are followed, and only its own let it answer.
    state.table.want(&fingerprint(1));
    state.table.extend(&fingerprint(1), [row(9)]);
    let error = versions.apply(&wanted(2, 1)).await.unwrap_err();
    assert_eq!(
        (error.reason.as_str(), answering(&state)),
        ("RowsMissing", Some(1))
    );
    assert!(follows(&[1, 2]));
    // What there is of them ends behind the bars that v1 answers from.
    state.table.want(&fingerprint(2));
    state.table.extend(&fingerprint(2), [row(8)]);
    let behind = versions.apply(&wanted(2, 1)).await.unwrap_err();
    assert!(behind.message.contains("do not reach"), "{behind}");
    assert_eq!(answering(&state), Some(1));
    state.table.extend(&fingerprint(1), [row(10)]);
    state.table.extend(&fingerprint(2), [row(9)]);
    versions.apply(&wanted(2, 1)).await.unwrap();
    assert_eq!(answering(&state), Some(2));
    assert!(follows(&[1, 2]), "rolled back at once");
    versions.apply(&wanted(1, 2)).await.unwrap();
    assert_eq!(answering(&state), Some(1));
    // One that is given up before it answered is followed no more.
    assert!(versions.apply(&wanted(3, 1)).await.is_err());
    assert!(follows(&[1, 2, 3]));
    versions.apply(&wanted(1, 2)).await.unwrap();
    assert!(follows(&[1, 2]));
}

/// A champion, and versions that requests may name.
fn pinning(champion: u32, versions: &[u32]) -> ServingConfig {
    let versions = versions.iter().map(|v| model(*v).served.clone());
    ServingConfig {
        previous: None,
        versions: versions.collect(),
        ..wanted(champion, champion)
    }
}

fn pinned(state: &State) -> Vec<u32> {
    let here = state.registry.here();
    here.others.iter().map(|l| l.served.version).collect()
}

fn refused(state: &State) -> Vec<(String, String)> {
    let refused = state.refused.lock().unwrap();
    let refused = refused.iter();
    refused
        .map(|(digest, error)| (digest.clone(), error.reason.clone()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_refused_keeps_no_other_from_answering() {
    let state = state();
    put(&state, [row(1)]);
    let mut versions = Follower::new(&state, WithoutV2);
    versions.apply(&pinning(3, &[5, 2, 4])).await.unwrap();
    assert_eq!((answering(&state), pinned(&state)), (Some(3), vec![5, 4]));
    let digest = model(2).served.manifest_sha256.clone();
    assert_eq!(refused(&state), [(digest, "DigestMismatch".to_owned())]);
    let tries = || state.metrics.loads_refused.with(["DigestMismatch"]).get();
    // It is tried again, but not with everything that happens.
    versions.apply(&pinning(3, &[2])).await.unwrap();
    assert_eq!((tries(), pinned(&state)), (1, vec![]));
    let due = versions.due().unwrap();
    assert_eq!(due - Instant::now(), LATER);
    tokio::time::advance(LATER).await;
    versions.apply(&pinning(3, &[2])).await.unwrap();
    assert_eq!(tries(), 2);
    // As the champion it is tried at once.
    assert!(versions.apply(&wanted(2, 3)).await.is_err());
    assert_eq!((tries(), answering(&state)), (3, Some(3)));
    versions.apply(&pinning(3, &[])).await.unwrap();
    assert_eq!(refused(&state), []);
    assert_eq!(versions.due(), None);
}

#[tokio::test]
async fn a_version_leaves_after_its_last_request() {
    let state = state();
    put(&state, [row(1)]);
    let mut versions = Follower::new(&state, WithoutV2);
    versions.apply(&pinning(3, &[5])).await.unwrap();
    let weak = |version| Arc::downgrade(state.registry.here().version(version).unwrap());
    let (champion, pin) = (weak(3), weak(5));
    // What a request takes when it comes.
    let request = state.registry.here();
    versions.apply(&pinning(4, &[])).await.unwrap();
    assert_eq!((answering(&state), pinned(&state)), (Some(4), vec![]));
    for (version, weak) in [(3, &champion), (5, &pin)] {
        assert!(weak.upgrade().is_some(), "v{version}");
        assert!(request.version(version).is_some());
    }
    drop(request);
    assert!(champion.upgrade().is_none() && pin.upgrade().is_none());
}

/// Panics with v2.
struct PanicsWithV2;

impl Source for PanicsWithV2 {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        assert_ne!(served.version, 2);
        Ok(Arc::into_inner(model(served.version)).unwrap())
    }
}

#[tokio::test]
async fn a_version_that_panics_while_it_is_loaded_is_refused() {
    let state = state();
    put(&state, [row(1)]);
    let mut versions = Follower::new(&state, PanicsWithV2);
    let error = versions.apply(&wanted(2, 1)).await.unwrap_err();
    assert_eq!(error.reason, "ModelUnusable", "{error}");
    assert_eq!(answering(&state), Some(1));
}

/// Counts what is asked for; v1 and v2 do not load.
#[derive(Default)]
struct Counted(std::sync::Mutex<Vec<u32>>);

impl Source for &Counted {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        self.0.lock().unwrap().push(served.version);
        match served.version {
            1 | 2 => Err(RoleError::outside("S3Unreachable", "away")),
            version => Ok(Arc::into_inner(model(version)).unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_champion_is_refused_one_other_version_is_tried_at_a_time() {
    let (state, counted) = (state(), Counted::default());
    put(&state, [row(1)]);
    let mut versions = Follower::new(&state, &counted);
    let wanted = ServingConfig {
        versions: [2, 5, 6].map(|v| model(v).served.clone()).into(),
        ..wanted(1, 3)
    };
    let tried = || std::mem::take(&mut *counted.0.lock().unwrap());
    for expected in [vec![1, 3, 2], vec![1, 5], vec![1, 6], vec![1]] {
        assert!(versions.apply(&wanted).await.is_err());
        assert_eq!(tried(), expected);
    }
    assert_eq!((answering(&state), pinned(&state)), (Some(3), vec![5, 6]));
    tokio::time::advance(SOON).await;
    assert!(versions.apply(&wanted).await.is_err());
    assert_eq!(tried(), [1, 2]);
}
