#[path = "server_tests/access.rs"]
mod access;
#[path = "server_tests/calendar_end.rs"]
mod calendar_end;
#[path = "server_tests/protocols.rs"]
mod protocols;
#[path = "server_tests/strangers.rs"]
mod strangers;
#[path = "server_tests/versions.rs"]
mod versions;

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, read_body_json};
use serde_json::{Value, json};

use super::*;
use foresail_crds::pipeline::spec::Target;
use foresail_crds::records::{FeatureRecord, PredictionRecord};

use crate::served::Origin;
use foresail_domain::Interval;

use crate::testing::{app, changing, logging, model, put, reading, row, seasonal, state, state_of};

#[actix_web::test]
async fn a_forecast_has_its_version_dates_and_closes() {
    let state = state();
    state.answer_with(model(3));
    put(&state, [row(1_199_221_200_000)]); // 2008-01-01T21:00Z
    let app = app!(state);
    let response = call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers().get("X-Foresail-Model-Version").unwrap(),
        "3"
    );
    assert_eq!(response.headers().get("X-Foresail-Cache").unwrap(), "miss");
    let id = response.headers().get("X-Foresail-Prediction-Id").unwrap();
    assert_eq!(id.len(), 32);
    let body: Value = read_body_json(response).await;
    assert_eq!(body["mean_forecast"], json!([103.0, 103.0]));
    let quantiles = json!({"0.25": [53.0, 28.0], "0.75": [128.0, 153.0]});
    assert_eq!(body["quantiles"], quantiles);
    assert_eq!(body["dates"], json!(["2008-01-02", "2008-01-03"]));
    let again = call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await;
    assert_eq!(
        again.headers().get("X-Foresail-Cache").unwrap(),
        "hit-local"
    );
}

#[actix_web::test]
async fn steps_of_parts_of_sessions_are_their_ends() {
    let state = state_of(Interval::ThirtyMinutes);
    state.answer_with(model(3));
    // The last bar but one of a half day.
    let end = "2024-11-29T17:30:00Z".parse::<jiff::Timestamp>().unwrap();
    put(&state, [row(end.as_millisecond())]);
    let app = app!(state);
    let response = call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await;
    let body: Value = read_body_json(response).await;
    let ends = json!(["2024-11-29T18:00:00Z", "2024-12-02T15:00:00Z"]);
    assert_eq!(
        (&body["as_of"], &body["dates"]),
        (&json!(end.to_string()), &ends)
    );
    let post = |uri: &str, body: Value| TestRequest::post().uri(uri).set_json(body).to_request();
    let asked = |frequency: &str, start: &str| {
        let series = json!({"type": "univariate_time_series", "series": [1.0, 2.0, 4.0],
            "frequency": frequency, "start_timestamp": start});
        post("/v1/timeseries/forecast", json!({"inputs": [series]}))
    };
    let good = call_service(&app, asked("30m", "2024-11-29T17:00:00Z")).await;
    let body: Value = read_body_json(good).await;
    let content = &body["outputs"][0]["content"][0];
    assert_eq!(content["frequency"], json!("30m"), "{body}");
    assert_eq!(content["start_timestamp"], json!("2024-12-02T15:00:00Z"));
    for (frequency, start, field) in [
        ("day", "2024-11-29T17:00:00Z", "inputs[0].frequency"),
        ("30min", "2024-11-29T17:10:00Z", "inputs[0].start_timestamp"),
        ("30m", "2024-11-29", "inputs[0].start_timestamp"),
    ] {
        let refused = call_service(&app, asked(frequency, start)).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let body: Value = read_body_json(refused).await;
        assert_eq!(body["error"]["param"], json!(field), "{body}");
    }
    let bar = |interval: &str| {
        let bars = [1.0, 2.0].map(|close| {
            json!({"symbol": "X", "event_time": end.as_millisecond(), "close": close, "interval": interval})
        });
        post("/v1/features", json!({"bars": bars[..1].to_vec()}))
    };
    let same = call_service(&app, bar("30m")).await;
    assert_eq!(same.status(), StatusCode::OK);
    let other = call_service(&app, bar("1d")).await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let body: Value = read_body_json(other).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("bars of 30m"), "{message}");
}

#[actix_web::test]
async fn what_cannot_be_answered_says_why() {
    let state = state();
    let app = app!(state);
    let get = |uri: &str| TestRequest::get().uri(uri).to_request();
    let response = call_service(&app, get("/v1/forecasts/X")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("Retry-After"));
    state.answer_with(model(1));
    assert_eq!(
        call_service(&app, get("/v1/forecasts/X")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let unknown = call_service(&app, get("/v1/forecasts/NOPE")).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let body: Value = read_body_json(unknown).await;
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("known symbols: X")
    );
    assert_eq!(
        call_service(&app, get("/nothing")).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[actix_web::test]
async fn series_in_the_request_are_forecast_or_refused_with_the_parameter() {
    let state = state();
    state.answer_with(model(2));
    let app = app!(state);
    let post = |body: Value| {
        TestRequest::post()
            .uri("/v1/timeseries/forecast")
            .set_json(body)
            .to_request()
    };
    let input = json!({"type": "univariate_time_series", "name": "Z", "series": [1.0, 2.0, 4.0], "frequency": "day", "start_timestamp": "2026-01-02T00:00:00Z"});
    let good = call_service(
        &app,
        post(json!({"model": "p", "inputs": [input], "options": {"horizon": 1, "quantiles": [0.75]}})),
    )
    .await;
    assert_eq!(good.status(), StatusCode::OK);
    let body: Value = read_body_json(good).await;
    let content = &body["outputs"][0]["content"][0];
    assert_eq!(content["mean_forecast"], json!([4.08]));
    assert_eq!(content["quantiles"], json!({"0.75": [5.08]}));
    assert_eq!(content["start_timestamp"], json!("2026-01-07T21:00:00Z"));
    let mut cases = vec![
        (json!({"model": "other", "inputs": [input]}), "model"),
        (json!({"inputs": []}), "inputs"),
        (
            json!({"inputs": [input], "options": {"horizon": 3}}),
            "options.horizon",
        ),
        (
            json!({"inputs": [input], "options": {"quantiles": [0.5]}}),
            "options.quantiles",
        ),
        (json!({"nothing": 1}), "body"),
    ];
    for (field, value, param) in [
        ("series", json!([1.0]), "inputs[0].series"),
        ("series", json!(["a"]), "inputs[0].series[0]"),
        ("series", json!([1.0, -1.0]), "inputs[0].series"),
        ("type", json!("table"), "inputs[0].type"),
        ("frequency", json!("month"), "inputs[0].frequency"),
        (
            "start_timestamp",
            json!("soon"),
            "inputs[0].start_timestamp",
        ),
    ] {
        let mut bad = input.clone();
        bad[field] = value;
        cases.push((json!({"inputs": [bad]}), param));
    }
    for (body, param) in cases {
        let response = call_service(&app, post(body.clone())).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = read_body_json(response).await;
        assert_eq!(answer["error"]["param"], json!(param), "{body}: {answer}");
    }
}

#[actix_web::test]
async fn a_forecast_that_is_not_finite_is_never_served() {
    let state = state();
    let app = app!(state);
    let post = |series: Value, quantiles: Value| {
        let input = json!({"type": "univariate_time_series", "series": series});
        TestRequest::post()
            .uri("/v1/timeseries/forecast")
            .set_json(json!({"inputs": [input], "options": {"quantiles": quantiles}}))
            .to_request()
    };
    // The change is finite, the close is not.
    state.answer_with(changing(1, 1_000.0, Target::LogReturn));
    put(&state, [row(1_199_221_200_000)]);
    let response = call_service(&app, post(json!([1.0, 2.0]), json!([]))).await;
    let status = response.status();
    let answer: Value = read_body_json(response).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    assert_eq!(
        answer["error"]["param"],
        json!("inputs[0].series"),
        "{answer}"
    );
    let response = call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    // Here the forecast is finite, and its upper quantile is not.
    state.answer_with(changing(1, 0.1, Target::Close));
    put(
        &state,
        [FeatureRecord {
            close: 1.5e308,
            ..row(1_199_307_600_000)
        }],
    );
    let response = call_service(&app, post(json!([1e308, 1.5e308]), json!([0.75]))).await;
    let status = response.status();
    let answer: Value = read_body_json(response).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let response = call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn bodies_without_what_the_features_read_are_refused() {
    let features = json!([
        {"name": "r", "function": "LogReturn"},
        {"name": "v", "function": "VolumeZScore", "window": 2},
        {"name": "range", "function": "TrueRange"}]);
    let dated = json!([{"name": "day", "function": "DayOfWeek"}]);
    let univariate = json!({"type": "univariate_time_series", "series": [1.0, 2.0, 3.0]});
    let with = |columns: &[&str]| {
        let point = vec![1.0; columns.len()];
        json!({"type": "multivariate_time_series", "columns": columns, "series": [point, point, point]})
    };
    let cases = [
        (
            &features,
            univariate.clone(),
            "columns",
            "high, low, volume must be among the columns",
        ),
        (
            &features,
            with(&["close", "high"]),
            "columns",
            "low, volume must be",
        ),
        (
            &features,
            with(&["close", "high", "low"]),
            "columns",
            "features v read them",
        ),
        (
            &features,
            with(&["close", "high", "high"]),
            "columns",
            "high is named twice",
        ),
        (
            &dated,
            univariate,
            "start_timestamp",
            "features day read dates",
        ),
    ];
    for (features, input, field, expected) in cases {
        let state = state();
        state.answer_with(reading(1, features.clone()));
        let app = app!(state);
        let request = TestRequest::post()
            .uri("/v1/timeseries/forecast")
            .set_json(json!({"inputs": [input]}))
            .to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{input}");
        let answer: Value = read_body_json(response).await;
        let error = &answer["error"];
        assert_eq!(error["param"], format!("inputs[0].{field}"), "{answer}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

#[actix_web::test]
async fn swapping_versions_never_mixes_an_answer() {
    let state = state();
    state.answer_with(model(1));
    put(&state, [row(1_199_221_200_000)]);
    let app = app!(state);
    let mut seen = BTreeSet::new();
    for round in 0..400 {
        state.answer_with(model(1 + round % 2));
        let body: Value = read_body_json(
            call_service(&app, TestRequest::get().uri("/v1/forecasts/X").to_request()).await,
        )
        .await;
        let version = body["model_version"].as_u64().unwrap();
        let expected = 100.0 * (1.0 + version as f64 / 100.0);
        assert_eq!(body["mean_forecast"][0].as_f64(), Some(expected));
        seen.insert(version);
    }
    assert_eq!(seen.len(), 2);
}

#[actix_web::test]
async fn requests_that_are_given_up_make_room_for_others() {
    let state = state();
    state.answer_with(model(1));
    put(&state, [row(1_199_221_200_000)]);
    let endless = web::get().to(std::future::pending::<&'static str>);
    let app = actix_web::test::init_service(
        App::new()
            .app_data(web::Data::new(Arc::clone(&state)))
            .wrap(from_fn(routes::guard::guard))
            .route("/endless", endless)
            .configure(routes::configure),
    )
    .await;
    let status = async || {
        let request = TestRequest::get().uri("/v1/forecasts/X").to_request();
        call_service(&app, request).await.status()
    };
    let mut waiting = Vec::new();
    for _ in 0..512 {
        let request = TestRequest::get().uri("/endless").to_request();
        let mut answer = Box::pin(call_service(&app, request));
        assert!(futures::poll!(&mut answer).is_pending());
        waiting.push(answer);
    }
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        status().await,
        StatusCode::SERVICE_UNAVAILABLE,
        "a refusal keeps nothing"
    );
    // The clients hang up.
    drop(waiting);
    assert_eq!(status().await, StatusCode::OK);
}

#[actix_web::test]
async fn a_full_cache_forgets_the_oldest_and_keeps_the_rest() {
    let state = state();
    let forecast = |sum| {
        let key = ("X".to_string(), sum, Arc::from("digest"));
        (key, Arc::new(crate::forecast::Forecast::default()))
    };
    for sum in 0..10_100 {
        let (key, value) = forecast(sum);
        state.local.insert(key, value);
    }
    state.local.run_pending_tasks();
    let kept = |sum| state.local.get(&forecast(sum).0).is_some();
    assert!((200..10_100).all(kept));
    assert!(!kept(0));
}

#[actix_web::test]
async fn a_served_forecast_that_kafka_never_took_is_counted_at_the_end() {
    let state = logging();
    let log = state.log.as_ref().unwrap();
    log.send(served(), Origin::Pipeline);
    log.close(Duration::from_millis(50)).await;
    assert_eq!(state.metrics.log_dropped.get(), 1);
}

#[actix_web::test]
async fn what_does_not_fit_the_log_is_counted() {
    let state = logging();
    let log = state.log.as_ref().unwrap();
    // The task of the log runs while this one waits, and it does not.
    for _ in 0..4_096 {
        log.send(served(), Origin::Pipeline);
    }
    assert_eq!(state.metrics.log_overflow.get(), 0);
    log.send(served(), Origin::Pipeline);
    assert_eq!(state.metrics.log_overflow.get(), 1);
}

fn served() -> PredictionRecord {
    PredictionRecord {
        symbol: "X".into(),
        event_time: 0,
        model_version: 1,
        close: 100.0,
        adjustment_factor: 1.0,
        forecast: vec![101.0],
    }
}

#[actix_web::test]
async fn a_pod_whose_version_finds_no_rows_is_not_ready_and_says_why() {
    let state = state();
    let health = Health::new();
    assert!(!state.show(&health));
    let looks_at_three = seasonal(2, 3);
    state.answer_with(looks_at_three);
    put(&state, [1, 2].map(row));
    state.table.fill(&model(2).fingerprint);
    assert!(!state.show(&health));
    let error = state.answerable(&state.champion().unwrap());
    let message = error.unwrap_err().message;
    assert!(message.contains("3 rows of its features"), "{message}");
    put(&state, [row(3)]);
    assert!(state.show(&health));
}

#[actix_web::test]
async fn the_same_version_number_of_another_pipeline_is_another_forecast() {
    let state = state();
    put(&state, [row(1_199_221_200_000)]);
    let app = app!(state);
    for (change, close) in [(0.01, 101.0), (0.02, 102.0)] {
        state.answer_with(changing(1, change, Target::Close));
        let request = TestRequest::get().uri("/v1/forecasts/X").to_request();
        let body: Value = read_body_json(call_service(&app, request).await).await;
        assert_eq!(body["mean_forecast"][0], json!(close));
    }
}

#[actix_web::test]
async fn a_bar_that_was_corrected_is_forecast_anew() {
    let state = state();
    // Repeats the close of two rows ago.
    state.answer_with(seasonal(1, 2));
    let app = app!(state);
    let at = |day: i64, close: f64| FeatureRecord {
        close,
        ..row(1_199_221_200_000 + day * 86_400_000)
    };
    put(&state, [at(0, 90.0), at(1, 100.0)]);
    let steps = [
        (None, 90.0, "miss"),
        (None, 90.0, "hit-local"),
        // The bar of the forecast stays as it is; the one before it does not.
        (Some(at(0, 80.0)), 80.0, "miss"),
        (Some(at(0, 90.0)), 90.0, "hit-local"),
    ];
    for (corrected, close, cache) in steps {
        put(&state, corrected);
        let request = TestRequest::get().uri("/v1/forecasts/X").to_request();
        let response = call_service(&app, request).await;
        let origin = response.headers().get("X-Foresail-Cache").cloned().unwrap();
        let body: Value = read_body_json(response).await;
        assert_eq!(
            (&body["mean_forecast"][0], origin.to_str().unwrap()),
            (&json!(close), cache)
        );
    }
}

/// Review, case 62.
#[actix_web::test]
async fn what_clients_of_an_api_do_gets_a_code_and_json() {
    let state = state();
    state.answer_with(model(1));
    put(&state, [row(1_199_221_200_000)]);
    let app = app!(state);
    let head = TestRequest::with_uri("/v1/forecasts/X").method(Method::HEAD);
    let response = call_service(&app, head.to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let slash = TestRequest::get().uri("/v1/forecasts/");
    let put = TestRequest::put().uri("/v1/features");
    let gzip = TestRequest::post()
        .uri("/v1/features")
        .insert_header(("Content-Encoding", "gzip"))
        .set_payload(vec![0x1f, 0x8b, 0x08]);
    for (request, code, allow) in [
        (slash, StatusCode::NOT_FOUND, None),
        (put, StatusCode::METHOD_NOT_ALLOWED, Some("POST")),
        (gzip, StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
    ] {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), code);
        let allowed = response.headers().get("Allow").map(|a| a.to_str().unwrap());
        assert_eq!(allowed, allow);
        let answer: Value = read_body_json(response).await;
        assert_eq!(answer["error"]["code"], code.as_str());
    }
    for number in ["NaN", "Infinity", "1e999", "null", "\"1\"", "", "[]"] {
        let body =
            format!(r#"{{"inputs":[{{"type":"univariate_time_series","series":[1,{number}]}}]}}"#);
        let request = TestRequest::post().uri("/v1/timeseries/forecast");
        let response = call_service(&app, request.set_payload(body).to_request()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{number}");
        let answer: Value = read_body_json(response).await;
        let param = answer["error"]["param"].as_str().unwrap();
        assert!(param.starts_with("inputs[0].series"), "{number}: {answer}");
    }
}

/// Review, case 29: written as clients write them, and as proxies hand them on.
#[actix_web::test]
async fn any_symbol_is_asked_for_by_its_encoded_code() {
    let codes = [
        ("M&M.NS", vec!["M&M.NS", "M%26M.NS"]),
        ("BTC/USDT", vec!["BTC%2FUSDT", "BTC%2fUSDT", "BTC/USDT"]),
        ("BTC", vec!["BTC"]),
        ("BTC/USDT:USDT", vec!["BTC%2FUSDT%3AUSDT"]),
        ("GC1!", vec!["GC1!", "GC1%21"]),
        ("NYSE:BRK.B", vec!["NYSE:BRK.B", "NYSE%3ABRK.B"]),
        ("$SPX", vec!["$SPX", "%24SPX"]),
        ("BF B", vec!["BF%20B"]),
        ("^GSPC", vec!["^GSPC", "%5EGSPC"]),
        ("EURUSD=X", vec!["EURUSD=X", "EURUSD%3DX"]),
        ("ACHR+", vec!["ACHR+", "ACHR%2B"]),
        ("@ES#", vec!["@ES%23"]),
        ("/ES", vec!["%2FES", "/ES"]),
        ("AAPL*", vec!["AAPL*"]),
    ];
    let mut state = logging();
    state.log = None;
    let instruments: Vec<Value> = codes
        .iter()
        .map(|(code, _)| json!({"symbol": code}))
        .collect();
    state.config.instruments = serde_json::from_value(json!(instruments)).unwrap();
    let state = Arc::new(state);
    state.answer_with(model(1));
    put(
        &state,
        codes.iter().map(|(code, _)| FeatureRecord {
            symbol: (*code).into(),
            ..row(1_199_221_200_000)
        }),
    );
    let app = app!(state);
    let own = |code: &str| foresail_domain::symbol::key(code).into_owned();
    for (code, written) in codes {
        for path in written.into_iter().map(str::to_owned).chain([own(code)]) {
            let uri = format!("/v1/forecasts/{path}");
            let response = call_service(&app, TestRequest::get().uri(&uri).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK, "{uri}");
            let body: Value = read_body_json(response).await;
            assert_eq!(body["symbol"], json!(code), "{uri}");
        }
    }
    for path in [
        "BTC%252FUSDT",
        "BTC/",
        "btc%2Fusdt",
        "..%2F..%2Fetc",
        "BF+B",
        "%FF",
        "A%00",
    ] {
        let uri = format!("/v1/forecasts/{path}");
        let response = call_service(&app, TestRequest::get().uri(&uri).to_request()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{uri}");
        let body: Value = read_body_json(response).await;
        assert_eq!(body["error"]["param"], json!("symbol"), "{uri}: {body}");
    }
    let all = call_service(&app, TestRequest::get().uri("/v1/forecasts").to_request()).await;
    let body: Value = read_body_json(all).await;
    assert_eq!(body["forecasts"].as_array().unwrap().len(), 14);
}

/// Symbols of any signs that they may have.
fn any_symbols(count: usize) -> BTreeSet<String> {
    const SIGNS: &[u8] = b"AZaz09._-^=&/!:$@#+* ";
    let (mut state, mut symbols) = (7_u64, BTreeSet::new());
    let mut next = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    while symbols.len() < count {
        let length = 1 + next(32);
        let text = (0..length).map(|_| char::from(SIGNS[next(SIGNS.len())]));
        let symbol = foresail_domain::Symbol::new(text.collect::<String>());
        symbols.extend(symbol.map(String::from));
    }
    symbols
}

#[actix_web::test]
async fn a_symbol_of_any_signs_comes_back_from_its_key() {
    let symbols = any_symbols(500);
    let mut state = logging();
    state.log = None;
    let instruments: Vec<Value> = symbols.iter().map(|s| json!({"symbol": s})).collect();
    state.config.instruments = serde_json::from_value(json!(instruments)).unwrap();
    let state = Arc::new(state);
    state.answer_with(model(1));
    let row = |symbol: &String| FeatureRecord {
        symbol: symbol.clone(),
        ..row(1_199_221_200_000)
    };
    put(&state, symbols.iter().map(row));
    let app = app!(state);
    for symbol in &symbols {
        let uri = format!("/v1/forecasts/{}", foresail_domain::symbol::key(symbol));
        let response = call_service(&app, TestRequest::get().uri(&uri).to_request()).await;
        let body: Value = read_body_json(response).await;
        assert_eq!(body["symbol"], json!(symbol), "{uri}");
    }
}
