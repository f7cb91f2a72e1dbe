use actix_web::test::{TestRequest, call_service, init_service, read_body};

use super::*;

const SCENARIO: &str = "
start: 2023-12-01
clock: 2024-01-02T15:00:00Z
symbols: [{symbol: \"M&M.NS\"}]
keys: [{key: FREE1, perDay: 1}]
";

fn state(extra: &str) -> web::Data<State> {
    let scenario = Scenario::read(&format!("{SCENARIO}{extra}")).unwrap();
    web::Data::new(State {
        clock: Mutex::new(Clock::new(scenario.clock.unwrap(), scenario.speed)),
        simulation: Mutex::new(Simulation::new(scenario)),
    })
}

#[actix_web::test]
async fn symbols_are_decoded_and_what_was_asked_is_told() {
    let state = state("");
    let app = init_service(App::new().configure(|app| routes(app, state.clone()))).await;
    let uri = "/v8/finance/chart/M%26M.NS?range=5d&interval=1d";
    let answer = call_service(&app, TestRequest::get().uri(uri).to_request()).await;
    assert_eq!(answer.status(), 200);
    let body: serde_json::Value = serde_json::from_slice(&read_body(answer).await).unwrap();
    assert_eq!(body["chart"]["result"][0]["meta"]["symbol"], "M&M.NS");
    let seen = TestRequest::get().uri("/simulator/seen").to_request();
    let seen: serde_json::Value =
        serde_json::from_slice(&read_body(call_service(&app, seen).await).await).unwrap();
    assert_eq!(seen["answers"]["answered"], 1);
    assert_eq!(seen["keys"]["yahoo"]["mostInASecond"], 1);
}

#[actix_web::test]
async fn the_clock_is_moved_ahead_and_never_back() {
    let state = state("");
    let app = init_service(App::new().configure(|app| routes(app, state.clone()))).await;
    let put = |body: &'static str| {
        let request = TestRequest::put().uri("/simulator/clock");
        request
            .insert_header(("content-type", "application/json"))
            .set_payload(body)
            .to_request()
    };
    let stopped = r#"{"now":"2024-02-01T00:00:00Z","speed":0}"#;
    assert_eq!(call_service(&app, put(stopped)).await.status(), 200);
    let told = TestRequest::get().uri("/simulator/clock").to_request();
    let told = read_body(call_service(&app, told).await).await;
    assert_eq!(&told[..], br#"{"now":"2024-02-01T00:00:00Z","speed":0.0}"#);
    for wrong in [
        r#"{"now":"2024-01-01T00:00:00Z"}"#,
        r#"{"speed":-1}"#,
        r#"{"colour":"red"}"#,
    ] {
        assert_eq!(
            call_service(&app, put(wrong)).await.status(),
            400,
            "{wrong}"
        );
    }
}

#[actix_web::test]
async fn a_bomb_is_small_and_a_cut_body_ends_in_an_error() {
    let state = state("failures: [{kind: Bomb, every: 2}, {kind: Cut, every: 3}]\n");
    let app = init_service(App::new().configure(|app| routes(app, state.clone()))).await;
    let ask = || {
        TestRequest::get()
            .uri("/v8/finance/chart/M%26M.NS")
            .to_request()
    };
    call_service(&app, ask()).await;
    let bomb = call_service(&app, ask()).await;
    assert_eq!(bomb.headers().get("content-encoding").unwrap(), "gzip");
    let size = read_body(bomb).await.len();
    assert!((100_000..4_000_000).contains(&size), "{size}");
    let cut = call_service(&app, ask()).await;
    let body = actix_web::body::to_bytes(cut.into_body()).await;
    assert!(body.is_err());
}

#[actix_web::test]
async fn what_is_traded_is_changed_while_it_is_asked_for() {
    let state = state("");
    let app = init_service(App::new().configure(|app| routes(app, state.clone()))).await;
    let put = |body: &'static str| {
        let request = TestRequest::put().uri("/simulator/listing");
        request
            .insert_header(("content-type", "application/json"))
            .set_payload(body)
            .to_request()
    };
    let closes = async || {
        let uri = "/v8/finance/chart/NEW?range=1mo&interval=1d";
        let answer = call_service(&app, TestRequest::get().uri(uri).to_request()).await;
        let body: serde_json::Value = serde_json::from_slice(&read_body(answer).await).unwrap();
        body["chart"]["result"][0]["indicators"]["quote"][0]["close"].clone()
    };
    assert!(closes().await.is_null());
    let plain = r#"{"symbol":"NEW"}"#;
    assert_eq!(call_service(&app, put(plain)).await.status(), 204);
    let before = closes().await;
    let wrong = r#"{"symbol":"NEW","mistakes":[{"date":"2023-12-05","factor":2}]}"#;
    assert_eq!(call_service(&app, put(wrong)).await.status(), 204);
    let after = closes().await;
    assert!(before.is_array() && before != after, "{before} {after}");
    let bad = r#"{"symbol":"NEW","price":-1}"#;
    assert_eq!(call_service(&app, put(bad)).await.status(), 400);
    assert_eq!(closes().await, after);
}
