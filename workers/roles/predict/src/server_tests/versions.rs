//! Versions while they are asked: swapped under load, pinned, and with one that panics.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::test::{TestRequest, call_service, read_body_json};
use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use futures::future::join_all;
use serde_json::Value;

use crate::registry::Here;
use crate::registry::testing::Follower;
use crate::state::State;
use crate::testing::{app, model, put, row, state};

const BODY: &str = r#"{"instances":[[[0]]]}"#;

/// How a client asks: the path, and the version that alone may answer; any where it is `None`.
const ASKED: [(&str, Option<u32>); 5] = [
    ("/v1/models/p:predict", None),
    ("/v1/models/p/labels/champion:predict", None),
    ("/v1/models/p/versions/77:predict", Some(77)),
    ("/v1/forecasts/X", None),
    ("/v1/models/p/labels/previous:predict", None),
];

fn served(version: u32) -> ServedVersion {
    model(version).served.clone()
}

/// The change that an answer forecasts, in percent: number of the version that made it.
fn percent(answer: &Value) -> Option<u32> {
    let change = answer.pointer("/predictions/0/y/0").and_then(Value::as_f64);
    let close = answer.pointer("/mean_forecast/0").and_then(Value::as_f64);
    let change = change.or_else(|| Some(close? / 100.0 - 1.0))?;
    let percent = (change * 100.0).round();
    ((change * 100.0 - percent).abs() < 1e-4).then_some(percent as u32)
}

fn request(path: &str) -> TestRequest {
    match path.contains(":predict") {
        true => TestRequest::post().uri(path).set_payload(BODY),
        false => TestRequest::get().uri(path),
    }
}

#[actix_web::test]
async fn fifty_swaps_under_load_fail_nothing_and_mix_nothing() {
    let state = state();
    put(&state, [row(1_199_221_200_000)]);
    let mut versions = Follower::of_numbers(&state);
    let wanted = |champion: u32| ServingConfig {
        champion: Some(served(champion)),
        previous: Some(served(champion.saturating_sub(1).max(1))),
        versions: vec![served(77)],
        ..ServingConfig::default()
    };
    versions.apply(&wanted(1)).await.unwrap();
    let app = app!(state);
    let (done, seen) = (Cell::new(false), RefCell::new(BTreeSet::new()));
    let client = async |(path, only): (&str, Option<u32>)| {
        let mut answered = 0;
        while !done.get() {
            let response = call_service(&app, request(path).to_request()).await;
            let status = response.status();
            let named = response.headers().get("X-Foresail-Model-Version").cloned();
            let answer: Value = read_body_json(response).await;
            assert_eq!(status, 200, "{path}: {answer}");
            let version = percent(&answer).unwrap_or_else(|| panic!("{path}: {answer}"));
            assert_eq!(
                named.unwrap(),
                version.to_string().as_str(),
                "{path}: {answer}"
            );
            assert!(only.is_none_or(|only| only == version), "{path}: {answer}");
            seen.borrow_mut().insert(version);
            answered += 1;
            tokio::task::yield_now().await;
        }
        answered
    };
    let swaps = async {
        for champion in 2..=51 {
            versions.apply(&wanted(champion)).await.unwrap();
            // Until some request has seen it.
            while !seen.borrow().contains(&champion) {
                tokio::task::yield_now().await;
            }
        }
        done.set(true);
    };
    let (counts, ()) = futures::join!(join_all(ASKED.map(client)), swaps);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let seen = seen.into_inner();
    assert!((1..=51).chain([77]).all(|version| seen.contains(&version)));
    // Champion, previous and pin: what they have replaced is gone.
    assert_eq!(versions.count(), 3);
}

#[actix_web::test]
async fn a_version_that_panics_fails_its_own_requests_only() {
    let state = state();
    put(&state, [row(1_199_221_200_000)]);
    let panicking = |version| {
        let mut loaded = Arc::into_inner(model(version)).unwrap();
        loaded.panics = true;
        Arc::new(loaded)
    };
    state.registry.swap(Here {
        champion: Some(model(3)),
        previous: None,
        others: vec![panicking(2)],
    });
    let app = app!(state);
    let ask = async |state: &State, path: &str| {
        let response = call_service(&app, request(path).to_request()).await;
        let status = response.status().as_u16();
        let answer: Value = read_body_json(response).await;
        let free = state.limits.free_computations();
        (status, answer, free)
    };
    let (_, _, all) = ask(&state, "/v1/models/p").await;
    for _ in 0..3 {
        let (broken, sound) = futures::join!(
            ask(&state, "/v1/models/p/versions/2:predict"),
            ask(&state, "/v1/models/p:predict"),
        );
        assert_eq!(broken.0, 500, "{}", broken.1);
        let message = broken.1["error"].as_str().unwrap();
        assert!(message.contains("this version fails"), "{message}");
        assert_eq!((sound.0, percent(&sound.1)), (200, Some(3)), "{}", sound.1);
    }
    // By symbol too, and whatever it held is given back.
    state.answer_with(panicking(4));
    let (status, answer, _) = ask(&state, "/v1/forecasts/X").await;
    assert_eq!(status, 500, "{answer}");
    state.answer_with(model(5));
    let (status, answer, free) = ask(&state, "/v1/forecasts/X").await;
    assert_eq!((status, percent(&answer), free), (200, Some(5), all));
}
