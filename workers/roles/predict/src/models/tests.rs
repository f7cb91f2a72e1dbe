use serde_json::json;

use super::*;
use crate::testing::{model, put, reading, row, seasonal, state};

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
    let state = state();
    put(&state, [row(1)]);
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
    let state = state();
    let mut versions = Versions {
        state: &state,
        source: Seasonal,
        candidate: None,
    };
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
    assert_eq!(state.previous.load().as_ref().unwrap().served.version, 1);
}

/// Each version was trained on features of its own.
struct OfOtherFeatures;

impl Source for OfOtherFeatures {
    async fn load(&self, served: &ServedVersion) -> Result<Loaded, RoleError> {
        let name = format!("f{}", served.version);
        let features = json!([{"name": name, "function": "LogReturn"}]);
        Ok(Arc::into_inner(reading(served.version, features)).unwrap())
    }
}

/// Audit A2.
#[tokio::test]
async fn a_version_of_other_features_answers_once_its_rows_are_there_and_both_are_followed() {
    let state = state();
    let mut versions = Versions {
        state: &state,
        source: OfOtherFeatures,
        candidate: None,
    };
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

#[test]
fn features_that_are_computed_otherwise_by_now_are_refused() {
    let loaded = reading(1, json!([{"name": "r", "function": "LogReturn"}]));
    let set = &loaded.feature_set;
    assert_eq!(is_computed(set, &loaded.fingerprint, 1), Ok(()));
    let error = is_computed(set, "of another release", 1).unwrap_err();
    assert_eq!(error.reason, "FeatureSchemaMismatch");
}
