//! The document against what is served: routes, examples and real answers.

mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::{App, web};
use serde_json::{Value, json};

use self::schema::faults;
use super::whole;
use crate::routes;
use crate::state::State;
use crate::testing::{app, model, put, row, state};

/// The page that shows the API to people.
const PAGE: &str = include_str!("../../../../../../docs/http.md");

fn document() -> Value {
    whole()
}

/// A path with what the state here answers about.
fn uri(path: &str) -> String {
    let names = [
        ("{symbol}", "X"),
        ("{model}", "p"),
        ("{version}", "3"),
        ("{label}", "champion"),
    ];
    names.iter().fold(path.to_owned(), |uri, (name, value)| {
        uri.replace(name, value)
    })
}

/// Whether a path answers another method with 400, as TensorFlow Serving does.
fn is_malformed_otherwise(path: &str) -> bool {
    path.starts_with("/v1/models")
}

/// A state that answers every route: two symbols declared, one with a row.
fn serving() -> Arc<State> {
    let state = state();
    state.answer_with(model(3));
    put(&state, [row(1_199_221_200_000)]);
    state
}

/// Method and path of every operation described.
fn operations(document: &Value) -> Vec<(Method, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.to_uppercase().parse().unwrap(), path.clone()))
    });
    all.collect()
}

/// Schema of the body that an operation takes, or that it answers with a status.
fn body<'a>(document: &'a Value, method: &Method, path: &str, status: Option<u16>) -> &'a Value {
    let operation = &document["paths"][path][method.as_str().to_lowercase()];
    let holder = match status {
        Some(status) => &operation["responses"][status.to_string()],
        None => &operation["requestBody"],
    };
    let body = &holder["content"]["application/json"];
    assert!(
        body.is_object(),
        "{method} {path} {status:?} is not described"
    );
    body
}

#[actix_web::test]
async fn every_route_registered_is_described_and_every_one_described_is_registered() {
    let registered = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&registered);
    let app = init_service(
        App::new()
            .app_data(web::Data::new(serving()))
            .wrap_fn(move |request, service| {
                *seen.lock().unwrap() = format!("{:?}", request.resource_map());
                service.call(request)
            })
            .configure(routes::configure),
    )
    .await;
    call_service(&app, TestRequest::get().uri("/").to_request()).await;
    let text = registered.lock().unwrap().clone();
    // The patterns of the routing table, as its debug text shows them.
    let patterns = text.split("Single(\"").skip(1);
    let patterns: BTreeSet<String> = patterns
        .filter_map(|rest| rest.split('"').next())
        .filter(|pattern| !pattern.is_empty())
        // A symbol may hold slashes; the document has no word for that.
        .map(|pattern| pattern.replace(":.+}", "}"))
        .collect();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert!(described.len() >= 6);
    assert_eq!(patterns, described);

    for (method, path) in operations(&document) {
        for other in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let request = TestRequest::with_uri(&uri(&path)).method(other.clone());
            let response = call_service(&app, request.to_request()).await;
            let status = response.status();
            let is_described = document["paths"][&path][other.as_str().to_lowercase()].is_object();
            let is_taken = if is_malformed_otherwise(&path) {
                let body = read_body(response).await;
                !String::from_utf8_lossy(&body).contains("Malformed request")
            } else {
                status != 405
            };
            assert_eq!(
                is_taken, is_described,
                "{other} {path} ({method}): {status}"
            );
        }
    }
}

#[actix_web::test]
async fn answers_have_the_fields_the_document_says() {
    let (document, state) = (document(), serving());
    let app = app!(state);
    let mut asked = BTreeSet::new();
    for (method, path) in operations(&document) {
        let mut request = TestRequest::with_uri(&uri(&path)).method(method.clone());
        if method == Method::POST {
            let described = body(&document, &method, &path, None);
            let example = &described["example"];
            assert_eq!(
                faults(&document, &described["schema"], example),
                [""; 0],
                "{path}"
            );
            request = request.set_json(example);
        }
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        if operation["responses"]["200"]["content"]["text/plain"].is_object() {
            assert_eq!(status, 200, "{method} {path}");
            asked.insert(path);
            continue;
        }
        let answer: Value = read_body_json(response).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        let described = body(&document, &method, &path, Some(200));
        assert_eq!(
            faults(&document, &described["schema"], &answer),
            [""; 0],
            "{path}: {answer}"
        );
        if let Some(example) = described.get("example") {
            assert_eq!(
                faults(&document, &described["schema"], example),
                [""; 0],
                "{path}"
            );
        }
        asked.insert(path);
    }
    assert_eq!(asked.len(), document["paths"].as_object().unwrap().len());
}

#[actix_web::test]
async fn refusals_have_the_fields_the_document_says() {
    let (document, state) = (document(), serving());
    let app = app!(state);
    let ask = async |method: Method, uri: &str, path: &str, json: Option<Value>| {
        let mut request = TestRequest::with_uri(uri).method(method.clone());
        if let Some(json) = json {
            request = request.set_json(json);
        }
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let answer: Value = read_body_json(response).await;
        let described = body(&document, &method, path, Some(status));
        assert_eq!(
            faults(&document, &described["schema"], &answer),
            [""; 0],
            "{path}: {answer}"
        );
        status
    };
    let symbol = "/v1/forecasts/{symbol}";
    assert_eq!(
        ask(Method::GET, "/v1/forecasts/NOPE", symbol, None).await,
        404
    );
    let series = "/v1/timeseries/forecast";
    let none = Some(json!({"inputs": []}));
    assert_eq!(ask(Method::POST, series, series, none).await, 400);
    let unknown = json!({"bars": [{"symbol": "X", "eventTime": 1, "close": 1.0}]});
    let features = "/v1/features";
    assert_eq!(
        ask(Method::POST, features, features, Some(unknown)).await,
        400
    );
    state.registry.swap(Default::default());
    for path in [symbol, "/v1/forecasts"] {
        let uri = path.replace("{symbol}", "X");
        assert_eq!(ask(Method::GET, &uri, path, None).await, 503);
    }
}

#[test]
fn every_name_in_json_is_snake_case() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut names = 0;
    for (schema, described) in schemas {
        let properties = described["properties"].as_object();
        for name in properties.iter().flat_map(|fields| fields.keys()) {
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(snake), "{schema}.{name}");
            names += 1;
        }
    }
    assert!(names > 40, "{names} names");
}

/// Examples on the page, by the operation their code block names: ```` ```json POST /v1/features 200 ````.
fn examples() -> BTreeMap<String, Value> {
    let blocks = PAGE.split("```json ").skip(1);
    let example = |block: &str| {
        let (label, rest) = block.split_once('\n').unwrap();
        let text = rest.split("```").next().unwrap();
        let value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{label}: {e}"));
        (label.trim().to_string(), value)
    };
    blocks.map(example).collect()
}

#[test]
fn examples_on_the_page_are_what_the_document_says() {
    let document = document();
    let examples = examples();
    for (label, example) in &examples {
        let words: Vec<&str> = label.split(' ').collect();
        let (method, path) = (words[0].parse().unwrap(), words[1]);
        let status = words.get(2).map(|status| status.parse().unwrap());
        let described = body(&document, &method, path, status);
        assert_eq!(
            faults(&document, &described["schema"], example),
            [""; 0],
            "{label}"
        );
    }
    for (method, path) in operations(&document) {
        assert!(
            PAGE.contains(&format!("`{method} {path}`")),
            "{method} {path} is not on the page"
        );
    }
    assert!(examples.len() >= 6, "{:?}", examples.keys());
}
