//! Who is answered, and how long a connection lives.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, WWW_AUTHENTICATE};
use foresail_runtime_http::access::{Access, Keys};
use foresail_runtime_http::server::Bounds;

use super::*;

/// A state that knows the keys `one` and `two`.
fn keyed() -> (tempfile::TempDir, Arc<State>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "one").unwrap();
    std::fs::write(folder.path().join("b"), "two").unwrap();
    let mut state = logging();
    state.log = None;
    state.access = Access::Keys(Keys::open(folder.path().into()).unwrap());
    state.champion.store(Some(model(1)));
    (folder, Arc::new(state))
}

#[actix_web::test]
async fn without_a_key_only_liveness_and_readiness_answer_in_every_protocol() {
    let (_folder, state) = keyed();
    let app = app!(state);
    for path in ["/ping", "/health", "/v2/health/live", "/v2/health/ready"] {
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let challenge = |headers: &HeaderMap| headers.get(WWW_AUTHENTICATE).cloned().unwrap();
    for path in [
        "/v1/forecasts",
        "/v1/forecasts/X",
        "/v1/models/p",
        "/v1/models/p/metadata",
        "/v2",
        "/v2/models/p",
        "/version",
        "/openapi.json",
        "/nothing",
        "/v2/health/live/",
        "/V2/health/ready",
        "//ping",
        "/%70ing",
    ] {
        for header in [None, Some("Bearer three"), Some("Basic one"), Some("one")] {
            let mut request = TestRequest::get().uri(path);
            if let Some(header) = header {
                request = request.insert_header(("Authorization", header));
            }
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            let challenge = challenge(response.headers());
            assert!(challenge.to_str().unwrap().starts_with("Bearer"));
            let body: Value = read_body_json(response).await;
            assert!(!body.to_string().contains("model"), "{path}: {body}");
        }
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("Authorization", "Bearer two"));
        let response = call_service(&app, request.to_request()).await;
        assert_ne!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let twice = TestRequest::get()
        .uri("/v2")
        .append_header(("Authorization", "Bearer one"))
        .append_header(("Authorization", "Bearer two"));
    let response = call_service(&app, twice.to_request()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // Each refusal has the form of its protocol.
    let post = |path: &str| TestRequest::post().uri(path).set_payload("{}").to_request();
    for (path, field) in [
        ("/v1/models/p:predict", "error"),
        ("/v2/models/p/infer", "error"),
        ("/invocations", "message"),
    ] {
        let response = call_service(&app, post(path)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        let body: Value = read_body_json(response).await;
        assert!(body[field].as_str().unwrap().contains("Bearer"), "{body}");
    }
}

#[actix_web::test]
async fn a_connection_ends_with_an_answer_once_it_is_old() {
    foresail_runtime_base::init("test");
    for (age, expected) in [
        (Duration::from_secs(600), None),
        (Duration::ZERO, Some("close")),
    ] {
        let state = state();
        state.champion.store(Some(model(1)));
        let bounds = Bounds { age, ..CONNECTIONS };
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let (server, address) = http(&state, bind, bounds).unwrap();
        actix_web::rt::spawn(server);
        let url = format!("http://{address}/ping");
        let client = reqwest::Client::new();
        for _ in 0..3 {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            let connection = answer.headers().get("connection");
            let connection = connection.map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(connection.as_deref(), expected);
        }
    }
}
