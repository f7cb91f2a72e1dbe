//! contracts of Open Inference v2 over REST, with binary tensors.

use foresail_protocol::Answer;
use serde_json::{Value, json};

use super::{answered, exchange, models, rich, signature, unready};

const INFER: &str = "/v2/models/m/infer";

#[test]
fn the_server_and_the_model_are_described() {
    let models = models(rich());
    let get = |path: &str| answered(&models, "GET", path, "");
    let server = json!({"name": "foresail", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"]});
    assert_eq!(get("/v2"), (200, server));
    assert_eq!(get("/v2/health/live"), (200, json!({"live": true})));
    assert_eq!(get("/v2/health/ready"), (200, json!({"ready": true})));
    assert_eq!(get("/v2/models"), (200, json!({"models": ["m"]})));
    let ready = json!({"name": "m", "ready": true});
    assert_eq!(get("/v2/models/m/ready"), (200, ready.clone()));
    assert_eq!(get("/v2/models/m/versions/6/ready"), (200, ready));
    let mut metadata = json!({
        "name": "m", "versions": ["6", "7"], "platform": "burn_foresail",
        "inputs": [
            {"name": "close", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "x", "datatype": "FP32", "shape": [-1, 2, 3]}
        ],
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "quantiles", "datatype": "FP32", "shape": [-1, 2, 2]}
        ]
    });
    assert_eq!(get("/v2/models/m"), (200, metadata.clone()));
    metadata["versions"] = json!(["6"]);
    assert_eq!(get("/v2/models/m/versions/6"), (200, metadata));
}

#[test]
fn a_server_without_a_version_lives_and_is_not_ready() {
    let get = |path: &str| answered(&unready(), "GET", path, "");
    assert_eq!(get("/v2/health/live").0, 200);
    assert_eq!(get("/v2/health/ready"), (503, json!({"ready": false})));
    let not_ready = json!({"error": "Model with name m is not ready."});
    assert_eq!(get("/v2/models/m/ready"), (503, not_ready));
    assert_eq!(get("/v2/models/z/ready").0, 404);
}

#[test]
fn data_is_flat_or_nested_and_the_id_comes_back() {
    let models = models(signature());
    let expected = |id: Option<&str>, version: &str, data: [f64; 2]| {
        let mut answer = json!({"model_name": "m", "model_version": version,
            "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": data}]});
        if let Some(id) = id {
            answer["id"] = json!(id);
        }
        answer
    };
    for data in ["[1,2,3,4,5,6]", "[[[1,2,3],[4,5,6]]]", "[[1,2,3],[4,5,6]]"] {
        let body = format!(
            r#"{{"id":"42","parameters":{{"a":1}},"inputs":[{{"name":"x","shape":[1,2,3],"datatype":"FP32","data":{data}}}],"outputs":[{{"name":"y"}}]}}"#
        );
        let answer = answered(&models, "POST", INFER, &body);
        assert_eq!(
            answer,
            (200, expected(Some("42"), "7", [21.5, 22.5])),
            "{data}"
        );
    }
    // Parts of an input in any order; integers are numbers too.
    let body =
        r#"{"inputs":[{"data":[0,0,0,0,0,0],"datatype":"INT64","shape":[1,2,3],"name":"x"}]}"#;
    let answer = answered(&models, "POST", "/v2/models/m/versions/6/infer", body);
    assert_eq!(answer, (200, expected(None, "6", [100.5, 101.5])));
}

#[test]
fn outputs_are_those_asked_for() {
    let input = r#""inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","data":[0,0,0,0,0,0]},{"name":"close","shape":[1,2],"datatype":"FP32","data":[1,2]}]"#;
    for (outputs, expected) in [
        ("", vec!["y", "quantiles"]),
        (r#","outputs":[]"#, vec!["y", "quantiles"]),
        (r#","outputs":[{"name":"quantiles"}]"#, vec!["quantiles"]),
        (
            r#","outputs":[{"name":"quantiles"},{"name":"y"},{"name":"y"}]"#,
            vec!["quantiles", "y"],
        ),
    ] {
        let body = format!("{{{input}{outputs}}}");
        let (status, answer) = answered(&models(rich()), "POST", INFER, &body);
        assert_eq!(status, 200, "{answer}");
        let outputs = answer["outputs"].as_array().unwrap();
        let names: Vec<&str> = outputs
            .iter()
            .map(|o| o["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected);
        let quantiles = outputs.iter().find(|o| o["name"] == "quantiles").unwrap();
        assert_eq!(quantiles["shape"], json!([1, 2, 2]));
        assert_eq!(quantiles["data"], json!([3.6, 4.4, 4.6, 5.4]));
    }
}

fn raw(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Sends JSON and raw tensors behind it.
fn binary(json: &str, tensors: &[u8]) -> Answer {
    let length = json.len().to_string();
    exchange(
        &models(rich()),
        "POST",
        INFER,
        &[json.as_bytes(), tensors].concat(),
        Some(&length),
    )
}

/// JSON of an answer, and the floats behind it.
fn parts(answer: &Answer) -> (Value, Vec<f32>) {
    assert_eq!(answer.content_type, Some("application/octet-stream"));
    let (json, tensors) = answer.body.split_at(answer.json_length.unwrap());
    let floats = tensors
        .chunks(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    (serde_json::from_slice(json).unwrap(), floats.collect())
}

#[test]
fn raw_tensors_follow_the_json_in_its_order() {
    let both = r#""inputs":[{"name":"close","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}},{"name":"x","shape":[1,2,3],"datatype":"FP32","parameters":{"binary_data_size":24}}]"#;
    let closes: Vec<u8> = [1.0_f64, 2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let tensors = [closes, raw(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])].concat();
    // Everything raw.
    let answer = binary(
        &format!(r#"{{"id":"a","parameters":{{"binary_data_output":true}},{both}}}"#),
        &tensors,
    );
    let (json, floats) = parts(&answer);
    assert_eq!(
        json["outputs"],
        json!([
            {"name": "y", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "quantiles", "datatype": "FP32", "shape": [1, 2, 2], "parameters": {"binary_data_size": 16}}
        ])
    );
    assert_eq!(floats, [24.5, 25.5, 24.6, 25.4, 25.6, 26.4]);
    // An output that says otherwise wins.
    let outputs =
        r#""outputs":[{"name":"quantiles","parameters":{"binary_data":false}},{"name":"y"}]"#;
    let answer = binary(
        &format!(r#"{{"parameters":{{"binary_data_output":true}},{both},{outputs}}}"#),
        &tensors,
    );
    let (json, floats) = parts(&answer);
    assert_eq!(json["outputs"][0]["data"], json!([24.6, 25.4, 25.6, 26.4]));
    assert_eq!(floats, [24.5, 25.5]);
    // Raw in, JSON out.
    let answer = binary(&format!("{{{both}}}"), &tensors);
    assert_eq!(
        (answer.json_length, answer.content_type),
        (None, Some("application/json"))
    );
    // JSON in, raw out.
    let json = r#"{"inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","data":[0,0,0,0,0,0]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#;
    let answer = exchange(&models(signature()), "POST", INFER, json.as_bytes(), None);
    assert_eq!(parts(&answer).1, [0.5, 1.5]);
}

#[test]
fn a_body_may_be_one_raw_tensor() {
    let body = raw(&[[1.0; 6], [0.0; 6]].concat());
    let answer = exchange(&models(signature()), "POST", INFER, &body, Some("0"));
    let (json, floats) = parts(&answer);
    assert_eq!(json["outputs"][0]["shape"], json!([2, 2]));
    assert_eq!(floats, [6.5, 7.5, 0.5, 1.5]);
    for (models, body, message) in [
        (
            models(signature()),
            &body[..20],
            "unexpected size for input 'x', expecting a multiple of 24 bytes for model 'm'",
        ),
        (models(signature()), &[], "the request holds no window"),
        (
            models(rich()),
            &body[..],
            "Raw request must only have 1 input (found 2) to be deduced but got 2 inputs in 'm' model configuration",
        ),
    ] {
        let answer = exchange(&models, "POST", INFER, body, Some("0"));
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, error), (400, json!({"error": message})));
    }
}

#[test]
fn paths_that_are_not_served_are_refused() {
    for (method, path, status, message) in [
        (
            "GET",
            "/v2/models/z",
            404,
            "Request for unknown model: 'z' is not found",
        ),
        (
            "POST",
            "/v2/models/z/infer",
            404,
            "Request for unknown model: 'z' is not found",
        ),
        (
            "POST",
            "/v2/models/m/versions/99/infer",
            404,
            "Request for unknown model: 'm' version 99 is not found",
        ),
        (
            "GET",
            "/v2/models/m/versions/99/ready",
            404,
            "Request for unknown model: 'm' version 99 is not found",
        ),
        (
            "GET",
            "/v2/models/m/versions/x",
            400,
            "failed to get model version from specified version string 'x', version should be an integer value > 0",
        ),
        (
            "GET",
            "/v2/nothing",
            404,
            "no such route; see /openapi.json",
        ),
        ("GET", INFER, 405, "this route takes POST"),
        ("POST", "/v2/health/live", 405, "this route takes GET, HEAD"),
        (
            "POST",
            "/v2/repository/models/m/load",
            501,
            "models are not loaded by request: the Pipeline says which versions are served",
        ),
        (
            "POST",
            "/v2/repository/models/m/unload",
            501,
            "models are not unloaded by request: the Pipeline says which versions are served",
        ),
    ] {
        let refused = answered(&models(signature()), method, path, "");
        assert_eq!(
            refused,
            (status, json!({"error": message})),
            "{method} {path}"
        );
    }
    let answer = exchange(&models(signature()), "GET", INFER, b"", None);
    assert_eq!(answer.allow, Some("POST"));
}

#[test]
fn bodies_that_cannot_be_used_are_refused() {
    let input = |fields: &str| format!(r#"{{"inputs":[{{"name":"x",{fields}}}]}}"#);
    let good = r#""shape":[1,2,3],"datatype":"FP32","data":[0,0,0,0,0,0]"#;
    let with = |more: &str| format!(r#"{{"inputs":[{{"name":"x",{good}}}]{more}}}"#);
    let shape_error = "Unable to parse 'data': Shape does not match true shape of 'data' field";
    for (body, message) in [
        (
            String::new(),
            "failed to parse the request JSON buffer: The document is empty. at 0",
        ),
        (
            "x".into(),
            "failed to parse the request JSON buffer: Invalid value. at 0",
        ),
        (
            "{} {}".into(),
            "failed to parse the request JSON buffer: The document root must not be followed by other values. at 3",
        ),
        ("[]".into(), "the request is not an object"),
        (
            "{}".into(),
            "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'",
        ),
        (
            r#"{"inputs":1}"#.into(),
            "Unable to parse 'inputs': attempt to access JSON non-array as array",
        ),
        (
            r#"{"inputs":[1]}"#.into(),
            "Unable to parse 'inputs': attempt to access JSON non-object as object",
        ),
        (
            r#"{"inputs":[]}"#.into(),
            "missing inference input 'x' for model 'm'",
        ),
        (
            r#"{"inputs":[{}]}"#.into(),
            "Unable to parse 'name': attempt to access non-existing object member 'name'",
        ),
        (
            input(r#""shape":[1],"data":[1]"#),
            "Unable to parse 'datatype': attempt to access non-existing object member 'datatype'",
        ),
        (
            input(r#""shape":[1],"datatype":"BYTES","data":["a"]"#),
            "Unable to parse 'data': JSON Value: \"a\" Type: String is not of expected type: float",
        ),
        (
            input(r#""shape":[1],"datatype":"BOOL","data":[1]"#),
            "inference input 'x' data-type is 'BOOL', but model 'm' expects 'FP32'",
        ),
        (
            input(r#""shape":[1,2,3],"datatype":"FP32","data":[1,2]"#),
            shape_error,
        ),
        (
            input(r#""shape":[4294967296,4294967296,4294967296],"datatype":"FP32","data":[1]"#),
            shape_error,
        ),
        (
            input(r#""shape":[-1,2,3],"datatype":"FP32","data":[1]"#),
            "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            input(r#""shape":[1,1,1,1,1,1,1,1,1],"datatype":"FP32","data":[1]"#),
            "Unable to parse 'shape': more than 8 dimensions are not read",
        ),
        (
            input(r#""shape":[2,3],"datatype":"FP32","data":[0,0,0,0,0,0]"#),
            "unexpected shape for input 'x' for model 'm'. Expected [-1,2,3], got [2,3]",
        ),
        (
            input(r#""shape":[1,2,3],"datatype":"FP32","data":[0,0,0,0,0,Infinity]"#),
            "input 'x' holds a value that is not finite",
        ),
        (
            input(r#""shape":[1,2,3],"datatype":"FP32""#),
            "input 'x' must have either 'data' or the parameter 'binary_data_size'",
        ),
        (
            with(r#","outputs":[{"name":"z"}]"#),
            "unexpected inference output 'z' for model 'm'",
        ),
        (
            with(r#","id":1"#),
            "Unable to parse 'id': attempt to access JSON non-string as string",
        ),
        (
            with(r#","parameters":{"binary_data_output":1}"#),
            "Unable to parse 'binary_data_output': attempt to access JSON non-boolean as boolean",
        ),
        (
            format!(r#"{{"inputs":[{{"name":"x",{good}}},{{"name":"z",{good}}}]}}"#),
            "unexpected inference input 'z' for model 'm'",
        ),
    ] {
        let refused = answered(&models(signature()), "POST", INFER, &body);
        assert_eq!(refused, (400, json!({"error": message})), "{body}");
    }
}

#[test]
fn raw_tensors_of_another_size_are_refused() {
    let json = |size: usize| {
        format!(
            r#"{{"inputs":[{{"name":"x","shape":[1,2,3],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}]}}"#
        )
    };
    let wrong_size = "unexpected size for input 'x', expecting 24 bytes for model 'm'";
    let whole = raw(&[0.0; 6]);
    let more = raw(&[0.0; 7]);
    for (size, tensors, length, message) in [
        (20, &whole[..20], None, wrong_size),
        (24, &whole[..20], None, wrong_size),
        (
            24,
            &more[..],
            None,
            "unexpected additional input data for model 'm'",
        ),
        (
            24,
            &whole[..],
            Some("-1"),
            "Unable to parse 'Inference-Header-Content-Length': -1",
        ),
        (
            24,
            &whole[..],
            Some("100000"),
            "Unable to parse 'Inference-Header-Content-Length': 100000",
        ),
    ] {
        let json = json(size);
        let length = length.map_or(json.len().to_string(), str::to_owned);
        let body = [json.as_bytes(), tensors].concat();
        let answer = exchange(&models(signature()), "POST", INFER, &body, Some(&length));
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, error), (400, json!({"error": message})));
    }
}
