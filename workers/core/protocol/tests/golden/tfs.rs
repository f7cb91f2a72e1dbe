//! contracts of TensorFlow Serving REST and KServe v1.

use foresail_protocol::Models;
use serde_json::{Value, json};

use super::{answered, models, rich, signature, unready};

const PREDICT: &str = "/v1/models/m:predict";

fn predicted(models: &Models, body: &str) -> Value {
    let (status, answer) = answered(models, "POST", PREDICT, body);
    assert_eq!(status, 200, "{answer}");
    answer
}

#[test]
fn rows_are_answered_with_predictions() {
    let simple = models(signature());
    let body = r#"{"signature_name":"serving_default","instances":[[[1.0,2.0,3.0],[4,5,6]],[[0,0,0],[0,0,1]]]}"#;
    assert_eq!(
        predicted(&simple, body),
        json!({"predictions": [[21.5, 22.5], [1.5, 2.5]]})
    );
    let named = r#"{"instances":[{"x":[[1,2,3],[4,5,6]]}]}"#;
    assert_eq!(
        predicted(&simple, named),
        json!({"predictions": [[21.5, 22.5]]})
    );
    let body = r#"{"instances":[{"x":[[0,0,0],[0,0,0]],"close":[1,2]},{"close":[3,4],"x":[[1,0,0],[0,0,0]]}]}"#;
    assert_eq!(
        predicted(&models(rich()), body),
        json!({"predictions": [
            {"y": [3.5, 4.5], "quantiles": [[3.6, 4.4], [4.6, 5.4]]},
            {"y": [8.5, 9.5], "quantiles": [[8.6, 9.4], [9.6, 10.4]]}
        ]})
    );
}

#[test]
fn columns_are_answered_with_outputs() {
    let simple = models(signature());
    for body in [
        r#"{"inputs":[[[1,2,3],[4,5,6]]]}"#,
        r#"{"inputs":{"x":[[[1,2,3],[4,5,6]]]}}"#,
        // What is not named in the signature does not count, nor what follows the document.
        r#" {"more":{"a":[null,"x"]},"inputs":{"x":[[[1,2,3],[4,5,6]]],"z":"?"},"signature_name":""} trailing"#,
    ] {
        assert_eq!(
            predicted(&simple, body),
            json!({"outputs": [[21.5, 22.5]]}),
            "{body}"
        );
    }
    let body = r#"{"inputs":{"close":[[1,2]],"x":[[[0,0,0],[0,0,0]]]}}"#;
    assert_eq!(
        predicted(&models(rich()), body),
        json!({"outputs": {"y": [[3.5, 4.5]], "quantiles": [[[3.6, 4.4], [4.6, 5.4]]]}})
    );
}

#[test]
fn a_version_is_named_by_number_or_label_in_any_case() {
    let models = models(signature());
    let body = r#"{"instances":[[[0,0,0],[0,0,0]]]}"#;
    for (path, first) in [
        ("/v1/models/m/versions/6:predict", 100.5),
        ("/v1/models/m/versions/7:predict", 0.5),
        ("/v1/models/m/labels/previous:predict", 100.5),
        ("/v1/models/m/labels/champion:predict", 0.5),
        ("/V1/Models/m/Versions/6:PREDICT", 100.5),
        ("/v1/models/%6D/labels/previ%6Fus:predict", 100.5),
    ] {
        let (status, answer) = answered(&models, "POST", path, body);
        assert_eq!(
            (status, &answer["predictions"][0][0]),
            (200, &json!(first)),
            "{path}"
        );
    }
}

#[test]
fn status_is_that_of_both_servers() {
    let models = models(signature());
    let available = |version: &str| json!({"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}});
    let get = |path: &str| answered(&models, "GET", path, "");
    assert_eq!(get("/v1/models"), (200, json!({"models": ["m"]})));
    assert_eq!(
        get("/v1/models/m"),
        (
            200,
            json!({"name": "m", "ready": true, "model_version_status": [available("7"), available("6")]})
        )
    );
    let six = json!({"model_version_status": [available("6")]});
    assert_eq!(get("/v1/models/m/versions/6"), (200, six.clone()));
    assert_eq!(get("/v1/models/m/labels/previous"), (200, six));
    let not_ready = json!({"error": "Model with name m is not ready."});
    for (method, path) in [
        ("GET", "/v1/models/m"),
        ("GET", "/v1/models/m/metadata"),
        ("POST", PREDICT),
    ] {
        assert_eq!(
            answered(&unready(), method, path, "{}"),
            (503, not_ready.clone())
        );
    }
}

#[test]
fn metadata_nests_the_signature_twice() {
    let tensor = |name: &str, sizes: &[&str]| {
        let sizes: Vec<Value> = sizes
            .iter()
            .map(|size| json!({"size": size, "name": ""}))
            .collect();
        json!({"dtype": "DT_FLOAT", "tensor_shape": {"dim": sizes, "unknown_rank": false}, "name": format!("{name}:0")})
    };
    let expected = json!({
        "model_spec": {"name": "m", "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": {
            "inputs": {"x": tensor("x", &["-1", "2", "3"]), "close": tensor("close", &["-1", "2"])},
            "outputs": {"y": tensor("y", &["-1", "2"]), "quantiles": tensor("quantiles", &["-1", "2", "2"])},
            "method_name": "tensorflow/serving/predict",
            "defaults": {}
        }}}}
    });
    for path in [
        "/v1/models/m/metadata",
        "/v1/models/m/versions/7/metadata",
        "/v1/models/m/labels/champion/METADATA",
    ] {
        assert_eq!(
            answered(&models(rich()), "GET", path, ""),
            (200, expected.clone()),
            "{path}"
        );
    }
}

/// Method, path, body, status, whole message.
type Refused = (&'static str, &'static str, &'static str, u16, &'static str);

const ROUTES: [Refused; 22] = [
    (
        "POST",
        "/v1/nothing",
        "",
        400,
        "Malformed request: POST /v1/nothing",
    ),
    ("GET", "/v1/", "", 400, "Malformed request: GET /v1/"),
    (
        "PUT",
        "/v1/models/m",
        "",
        400,
        "Malformed request: PUT /v1/models/m",
    ),
    (
        "GET",
        "/v1/models/",
        "",
        400,
        "Malformed request: GET /v1/models/",
    ),
    (
        "GET",
        PREDICT,
        "",
        400,
        "Malformed request: GET /v1/models/m:predict",
    ),
    (
        "POST",
        "/v1/models/m",
        "",
        400,
        "Malformed request: POST /v1/models/m",
    ),
    (
        "POST",
        "/v1/models/m:explain",
        "",
        400,
        "Malformed request: POST /v1/models/m:explain",
    ),
    (
        "POST",
        "/v1/models/m/versions/x:predict",
        "",
        400,
        "Malformed request: POST /v1/models/m/versions/x:predict",
    ),
    (
        "POST",
        "/v1/models/m:predict/more",
        "",
        400,
        "Malformed request: POST /v1/models/m:predict/more",
    ),
    (
        "POST",
        "/v1/models/z:predict",
        "",
        404,
        "Servable not found for request: Latest(z)",
    ),
    (
        "POST",
        "/v1/models/m/versions/99:predict",
        "",
        404,
        "Servable not found for request: Specific(m, 99)",
    ),
    (
        "POST",
        "/v1/models/z/versions/99:predict",
        "",
        404,
        "Servable not found for request: Specific(z, 99)",
    ),
    (
        "GET",
        "/v1/models/z/metadata",
        "",
        404,
        "Servable not found for request: Latest(z)",
    ),
    (
        "GET",
        "/v1/models/z",
        "",
        404,
        "Could not find any versions of model z",
    ),
    (
        "GET",
        "/v1/models/m/versions/99",
        "",
        404,
        "Could not find version 99 of model m",
    ),
    (
        "GET",
        "/v1/models/m/labels/x",
        "",
        400,
        "Unrecognized servable version label: x",
    ),
    (
        "POST",
        "/v1/models/m/labels/x:predict",
        "",
        400,
        "Unrecognized servable version label: x",
    ),
    (
        "GET",
        "/v1/models/m/versions/9223372036854775808",
        "",
        400,
        "Failed to convert version: 9223372036854775808 to numeric.",
    ),
    (
        "POST",
        "/v1/models/m/versions/99999999999999999999:predict",
        "",
        400,
        "Failed to convert version: 99999999999999999999 to numeric.",
    ),
    (
        "POST",
        "/v1/models/m:classify",
        "{}",
        400,
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict",
    ),
    (
        "POST",
        "/v1/models/m/versions/7:regress",
        "{}",
        400,
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict",
    ),
    (
        "POST",
        "/v1/models/z:regress",
        "{}",
        404,
        "Servable not found for request: Latest(z)",
    ),
];

#[test]
fn paths_are_refused_in_the_words_of_the_contract() {
    for (method, path, body, status, message) in ROUTES {
        let refused = answered(&models(signature()), method, path, body);
        assert_eq!(
            refused,
            (status, json!({"error": message})),
            "{method} {path}"
        );
    }
}

/// Body and message.
const BODIES: [(&str, &str); 24] = [
    ("", "JSON Parse error: The document is empty"),
    ("x", "JSON Parse error: Invalid value. at offset: 0"),
    (
        "{\"instances\":[1,}",
        "JSON Parse error: Invalid value. at offset: 16",
    ),
    // A value that cannot be used says nothing while the document is no JSON.
    (
        "{\"instances\":[\"x\"],}",
        "JSON Parse error: Missing a name for object member. at offset: 19",
    ),
    ("[1]", "JSON Value: [1] Is not object"),
    ("{}", "Missing 'inputs' or 'instances' key"),
    (
        "{\"inputs\":[],\"instances\":[1]}",
        "JSON Value: {\"inputs\":[],\"instances\":[1]} Not formatted correctly expecting only one of 'inputs' or \
         'instances' keys to exist",
    ),
    (
        "{\"instances\":1}",
        "JSON Value: {\"instances\":1} Excepting 'instances' to be an list/array",
    ),
    (
        "{\"instances\":[]}",
        "JSON Value: {\"instances\":[]} No values in 'instances' array",
    ),
    (
        "{\"signature_name\":\"z\",\"instances\":[1]}",
        "Serving signature name: \"z\" not found in signature def",
    ),
    (
        "{\"signature_name\":1}",
        "JSON Value: {\"signature_name\":1} not formatted correctly. 'signature_name' key must be a string value.",
    ),
    (
        "{\"inputs\":[[\"x\"]]}",
        "JSON Value: \"x\" Type: String is not of expected type: float",
    ),
    (
        "{\"inputs\":null}",
        "JSON Value: null Type: Null is not of expected type: float",
    ),
    (
        "{\"instances\":[\"x\"]}",
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"x\" Type: String is \
         not of expected type: float",
    ),
    (
        "{\"inputs\":[[[1,2,3],[4,5]]]}",
        "Encountered list at unexpected size: 2 at level: 2 expected size: 3",
    ),
    (
        "{\"inputs\":[[1,2,3],[4,5]]}",
        "Encountered list at unexpected size: 2 at level: 1 expected size: 3",
    ),
    (
        "{\"instances\":[[[1,2,3],[4,5]]]}",
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Encountered list at unexpected \
         size: 2 at level: 1 expected size: 3",
    ),
    (
        "{\"instances\":[[1,2,3],[4,5]]}",
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 3 but got: 2",
    ),
    (
        "{\"instances\":[[[1,2]],[[1],[2]]]}",
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] but got: [2,1]",
    ),
    (
        "{\"instances\":[1,{\"x\":1}]}",
        "Expecting value/list but got object at item 1 of input list",
    ),
    (
        "{\"instances\":[{\"x\":1},1]}",
        "Expecting object but got list at item 1 of input list",
    ),
    (
        "{\"instances\":[{\"z\":1}]}",
        "Failed to process element: 0 of 'instances' list. JSON object: {\"z\":1} keys must be equal to: x",
    ),
    (
        "{\"instances\":[1,2]}",
        "unexpected shape for input 'x' for model 'm'. Expected [-1,2,3], got [2]",
    ),
    (
        "{\"instances\":[[[1,2,3],[4,NaN,6]]]}",
        "input 'x' holds a value that is not finite",
    ),
];

#[test]
fn bodies_are_refused_in_the_words_of_the_contract() {
    for (body, message) in BODIES {
        let refused = answered(&models(signature()), "POST", PREDICT, body);
        assert_eq!(refused, (400, json!({"error": message})), "{body}");
    }
    for (body, message) in [
        (
            "{\"instances\":[[1]]}",
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per \
             tensorinfo_map",
        ),
        (
            "{\"inputs\":[1]}",
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per \
             tensorinfo_map",
        ),
        (
            "{\"inputs\":{\"x\":[1]}}",
            "Missing named input: close in 'inputs' object.",
        ),
        (
            "{\"instances\":[{\"x\":1,\"z\":2}]}",
            "Failed to process element: 0 of 'instances' list. JSON object: {\"x\":1,\"z\":2} keys must be equal to: \
             close,x",
        ),
        (
            "{\"instances\":[{\"x\":1,\"close\":\"y\"}]}",
            "Failed to process element: 0 key: close of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"y\" \
             Type: String is not of expected type: float",
        ),
    ] {
        let refused = answered(&models(rich()), "POST", PREDICT, body);
        assert_eq!(refused, (400, json!({"error": message})), "{body}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let window = "[[1,2,3],[4,5,6]],";
    let many = window.repeat(8_193);
    let body = format!("{{\"instances\":[{}]}}", many.trim_end_matches(','));
    let (status, answer) = answered(&models(signature()), "POST", PREDICT, &body);
    assert_eq!(status, 400);
    let message = "the request holds 8193 windows, at most 8192 are answered";
    assert_eq!(answer, json!({"error": message}));
    let deep = format!("{{\"inputs\":{}", "[".repeat(100_000));
    let (status, answer) = answered(&models(signature()), "POST", PREDICT, &deep);
    assert_eq!(status, 400);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("Nested too deep."),
        "{answer}"
    );
    let name = format!("{{\"{}\":1}}", "n".repeat(1_000));
    assert_eq!(
        answered(&models(signature()), "POST", PREDICT, &name).0,
        400
    );
}
