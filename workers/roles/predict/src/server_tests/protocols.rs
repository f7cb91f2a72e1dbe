//! Clients of other servers against the routes of the predictor.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, read_body, read_body_json};
use foresail_crds::pipeline::spec::Target;
use foresail_model::Row;
use serde_json::{Value, json};

use crate::registry::Here;
use crate::testing::{app, changing, following, model, seasonal, state};

/// Status and body of an answer.
macro_rules! ask {
    ($app:expr, $method:expr, $uri:expr, $body:expr) => {{
        let request = TestRequest::with_uri($uri).method($method);
        let response = call_service(&$app, request.set_payload($body).to_request()).await;
        let status = response.status().as_u16();
        let body: Value = read_body_json(response).await;
        (status, body)
    }};
}

fn post() -> Method {
    Method::POST
}

/// The changes that stand in an answer, wherever its protocol puts them.
fn changes(answer: &Value) -> Vec<f64> {
    let places = ["/predictions/0", "/outputs/0/data", "/outputs/0"];
    let found = places
        .iter()
        .find_map(|place| answer.pointer(place).filter(|v| v.is_array()));
    let found = found.unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_value(found.clone()).unwrap()
}

#[actix_web::test]
async fn every_protocol_gives_the_numbers_of_the_model() {
    let state = state();
    let version = following(5);
    state.answer_with(Arc::clone(&version));
    let app = app!(state);
    let closes = [98.0_f64, 99.5];
    let feature = (closes[1] / closes[0]).ln();
    let row = Row {
        values: &[feature],
        close: closes[1],
    };
    let expected = version.predictor.changes(&[row]).unwrap();
    let close_to = |found: &[f64], what: &str| {
        assert_eq!(found.len(), expected.len(), "{what}");
        let differ = found
            .iter()
            .zip(&expected)
            .any(|(a, b)| (a - b).abs() > 1e-6);
        assert!(!differ, "{what}: {found:?} instead of {expected:?}");
    };
    for (uri, body) in [
        ("/v1/models/p:predict", json!({"instances": [[[feature]]]})),
        (
            "/v1/models/p/versions/5:predict",
            json!({"instances": [{"x": [[feature]]}]}),
        ),
        (
            "/v1/models/p/labels/champion:predict",
            json!({"inputs": [[[feature]]]}),
        ),
        (
            "/v2/models/p/infer",
            json!({"inputs": [{"name": "x", "shape": [1, 1, 1], "datatype": "FP32", "data": [feature]}]}),
        ),
        ("/invocations", json!({"inputs": {"x": [[[feature]]]}})),
        (
            "/invocations",
            json!({"dataframe_split": {"columns": ["r"], "data": [[feature]]}}),
        ),
        (
            "/invocations",
            json!({"dataframe_records": [{"r": feature}]}),
        ),
    ] {
        let (status, answer) = ask!(app, post(), uri, body.to_string());
        assert_eq!(status, 200, "{uri}: {answer}");
        close_to(&changes(&answer), uri);
    }
    let raw = TestRequest::post()
        .uri("/v2/models/p/infer")
        .insert_header(("Inference-Header-Content-Length", "0"))
        .set_payload((feature as f32).to_le_bytes().to_vec());
    let response = call_service(&app, raw.to_request()).await;
    let header = response
        .headers()
        .get("Inference-Header-Content-Length")
        .unwrap();
    let length: usize = header.to_str().unwrap().parse().unwrap();
    assert_eq!(
        response.headers().get("Content-Type").unwrap(),
        "application/octet-stream"
    );
    let body = read_body(response).await;
    let floats = body[length..]
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    close_to(&floats.map(f64::from).collect::<Vec<f64>>(), "raw");
    // Foresail's own route computes the feature from the closes and answers with closes.
    let series = json!({"inputs": [{"type": "univariate_time_series", "series": closes}]});
    let (_, answer) = ask!(app, post(), "/v1/timeseries/forecast", series.to_string());
    let forecast: Vec<f64> =
        serde_json::from_value(answer["outputs"][0]["content"][0]["mean_forecast"].clone())
            .unwrap();
    let logs: Vec<f64> = forecast
        .iter()
        .map(|close| (close / closes[1]).ln())
        .collect();
    close_to(&logs, "series");
}

#[actix_web::test]
async fn quantiles_are_relative_changes_of_the_close() {
    let state = state();
    state.answer_with(model(3));
    let app = app!(state);
    let (status, answer) = ask!(
        app,
        post(),
        "/v1/models/p:predict",
        r#"{"instances":[[[0]]]}"#
    );
    assert_eq!(status, 200, "{answer}");
    let row = json!({"y": [0.03, 0.03], "quantiles": [[-0.47, 0.28], [-0.72, 0.53]]});
    assert_eq!(answer, json!({"predictions": [row]}));
}

#[actix_web::test]
async fn a_version_is_pinned_and_named_in_headers_alone() {
    let state = state();
    state.answer_with(model(3));
    state.registry.swap(Here {
        champion: Some(model(3)),
        previous: Some(seasonal(2, 2)),
        others: vec![model(1)],
    });
    let app = app!(state);
    let champion = r#"{"instances":[[[0]]]}"#;
    // A kind that repeats closes takes them, and more rows.
    let previous = r#"{"inputs":{"x":[[[0],[0]]],"close":[[50,100]]}}"#;
    let mut ids = std::collections::BTreeSet::new();
    for (uri, body, version, first) in [
        ("/v1/models/p:predict", champion, "3", 0.03),
        ("/v1/models/p/versions/3:predict", champion, "3", 0.03),
        ("/v1/models/p/versions/2:predict", previous, "2", -0.5),
        ("/V1/models/p/labels/previous:Predict", previous, "2", -0.5),
        ("/v1/models/p/versions/1:predict", champion, "1", 0.01),
    ] {
        let request = TestRequest::post().uri(uri).set_payload(body).to_request();
        let response = call_service(&app, request).await;
        let headers = response.headers().clone();
        let status = response.status();
        let answer: Value = read_body_json(response).await;
        assert_eq!(status, StatusCode::OK, "{uri}: {answer}");
        assert_eq!(headers.get("X-Foresail-Model-Version").unwrap(), version);
        ids.insert(headers.get("X-Foresail-Prediction-Id").unwrap().clone());
        let y = answer
            .pointer("/predictions/0/y/0")
            .or(answer.pointer("/outputs/y/0/0"));
        assert_eq!(y, Some(&json!(first)), "{uri}: {answer}");
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    }
    assert_eq!(ids.len(), 5);
    let (status, answer) = ask!(app, post(), "/v1/models/p/versions/9:predict", champion);
    let missing = json!({"error": "Servable not found for request: Specific(p, 9)"});
    assert_eq!((status, answer), (404, missing));
    let (_, metadata) = ask!(app, Method::GET, "/v2/models/p/versions/2", "");
    assert_eq!(
        metadata["inputs"][0],
        json!({"name": "close", "datatype": "FP32", "shape": [-1, 2]})
    );
}

#[actix_web::test]
async fn what_is_not_finite_is_neither_taken_nor_sent() {
    let state = state();
    // Finite as the model computes it, and beyond what is sent.
    state.answer_with(changing(1, 1e200, Target::Close));
    let app = app!(state);
    let infer = |value: &str| {
        format!(
            r#"{{"inputs":[{{"name":"x","shape":[1,1,1],"datatype":"FP32","data":[{value}]}}]}}"#
        )
    };
    let instances = |value: &str| format!(r#"{{"instances":[[[{value}]]]}}"#);
    for (uri, field, body) in [
        (
            "/v1/models/p:predict",
            "error",
            &instances as &dyn Fn(&str) -> String,
        ),
        ("/v2/models/p/infer", "error", &infer),
        ("/invocations", "message", &instances),
    ] {
        for (value, status, message) in [
            ("NaN", 400, "input 'x' holds a value that is not finite"),
            (
                "-Infinity",
                400,
                "input 'x' holds a value that is not finite",
            ),
            (
                "0",
                500,
                "the model gives a result that is not finite, and it is not sent",
            ),
        ] {
            let answer = ask!(app, post(), uri, body(value));
            assert_eq!(
                (answer.0, &answer.1[field]),
                (status, &json!(message)),
                "{uri} {value}"
            );
        }
    }
}

#[actix_web::test]
async fn refusals_of_the_server_have_the_form_of_the_protocol() {
    let state = state();
    let app = app!(state);
    let not_ready = "Model with name p is not ready.";
    let packed = "send it without Content-Encoding";
    for (uri, expected) in [
        (
            "/v1/models/p:predict",
            (|m: &str| json!({"error": m})) as fn(&str) -> Value,
        ),
        ("/v2/models/p/infer", |m| json!({"error": m})),
        ("/invocations", |m| {
            let code = if m.starts_with("Model") {
                "TEMPORARILY_UNAVAILABLE"
            } else {
                "INVALID_PARAMETER_VALUE"
            };
            json!({"error_code": code, "message": m})
        }),
    ] {
        let request = TestRequest::post().uri(uri).set_payload("{}").to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{uri}");
        assert_eq!(response.headers().get("Retry-After").unwrap(), "1");
        let answer: Value = read_body_json(response).await;
        assert_eq!(answer, expected(not_ready));
        let request = TestRequest::post()
            .uri(uri)
            .insert_header(("Content-Encoding", "gzip"));
        let response = call_service(&app, request.set_payload("x").to_request()).await;
        assert_eq!(
            response.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{uri}"
        );
        let answer: Value = read_body_json(response).await;
        assert_eq!(answer, expected(packed));
    }
}

#[actix_web::test]
async fn what_no_protocol_serves_is_refused_as_it_should_be() {
    let state = state();
    state.answer_with(model(3));
    let app = app!(state);
    for (method, uri, status, message) in [
        (
            post(),
            "/v1/nothing",
            400,
            "Malformed request: POST /v1/nothing",
        ),
        (
            Method::PUT,
            "/v1/models/p:predict",
            400,
            "Malformed request: PUT /v1/models/p:predict",
        ),
        (
            post(),
            "/v2/repository/models/p/unload",
            501,
            "models are not unloaded by request: the Pipeline says which versions are served",
        ),
        (
            Method::GET,
            "/v2/models/p/infer",
            405,
            "this route takes POST",
        ),
        (
            post(),
            "/v1/models/p:classify",
            400,
            "Expected classification signature method_name to be tensorflow/serving/classify. Was: \
             tensorflow/serving/predict",
        ),
    ] {
        let answer = ask!(app, method.clone(), uri, "{}");
        assert_eq!(
            answer,
            (status, json!({"error": message})),
            "{method} {uri}"
        );
    }
    let (status, answer) = ask!(app, Method::GET, "/v3", "");
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("404")));
    let request = TestRequest::delete().uri("/v2/models/p/ready").to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.headers().get("Allow").unwrap(), "GET, HEAD");
    let request = TestRequest::with_uri("/v2/health/ready")
        .method(Method::HEAD)
        .to_request();
    assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
}
