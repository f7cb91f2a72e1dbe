//! contracts of MLflow's scoring server.

use foresail_protocol::{Asked, ask};
use serde_json::{Value, json};

use super::{answered, exchange, models, rich, signature, unready};

fn scored(signature: foresail_protocol::Signature, body: &str) -> (u16, Value) {
    answered(&models(signature), "POST", "/invocations", body)
}

#[test]
fn every_form_of_input_gives_the_same_predictions() {
    let expected = json!({"predictions": [[21.5, 22.5], [0.5, 1.5]]});
    for body in [
        r#"{"instances":[[[1,2,3],[4,5,6]],[[0,0,0],[0,0,0]]]}"#,
        r#"{"inputs":[[[1,2,3],[4,5,6]],[[0,0,0],[0,0,0]]]}"#,
        r#"{"inputs":{"x":[[[1,2,3],[4,5,6]],[[0,0,0],[0,0,0]]]},"params":{}}"#,
        r#"{"dataframe_split":{"columns":["a","b","c"],"data":[[1,2,3],[4,5,6],[0,0,0],[0,0,0]]}}"#,
        // Columns go by their names, and an index does not count.
        r#"{"dataframe_split":{"index":[0,1,2,3],"data":[[3,1,2],[6,4,5],[0,0,0],[0,0,0]],"columns":["c","a","b"]}}"#,
        r#"{"dataframe_records":[{"a":1,"b":2,"c":3},{"c":6,"b":5,"a":4},{"a":0,"b":0,"c":0},{"a":0,"b":0,"c":0}]}"#,
    ] {
        assert_eq!(scored(signature(), body), (200, expected.clone()), "{body}");
    }
    let body =
        r#"{"dataframe_split":{"columns":["close","a","b","c"],"data":[[1,0,0,0],[2,0,0,0]]}}"#;
    let both = json!({"predictions": {"y": [[3.5, 4.5]], "quantiles": [[[3.6, 4.4], [4.6, 5.4]]]}});
    assert_eq!(scored(rich(), body), (200, both));
}

#[test]
fn features_are_taken_by_name_in_the_order_of_the_model() {
    let models = models(rich());
    let Some(Asked::Infer(infer)) = ask("POST", "/invocations", &models) else {
        panic!("not to be computed");
    };
    for body in [
        r#"{"dataframe_split":{"columns":["c","close","b","a"],"data":[[3,9,2,1],[6,8,5,4]]}}"#,
        r#"{"dataframe_records":[{"c":3,"b":2,"a":1,"close":9},{"close":8,"a":4,"b":5,"c":6}]}"#,
    ] {
        let call = infer.read(&rich(), body.as_bytes(), None).unwrap();
        assert_eq!(call.windows.x, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{body}");
        assert_eq!(call.windows.close.unwrap(), [9.0, 8.0]);
    }
}

#[test]
fn health_and_version_are_text() {
    for path in ["/ping", "/health"] {
        let answer = exchange(&models(signature()), "GET", path, b"", None);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"\n"[..]));
        assert_eq!(exchange(&unready(), "GET", path, b"", None).status, 503);
    }
    let answer = exchange(&unready(), "GET", "/version", b"", None);
    assert_eq!(answer.body, env!("CARGO_PKG_VERSION").as_bytes());
}

#[test]
fn what_cannot_be_scored_is_refused_in_the_form_of_mlflow() {
    let forms = "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', \
                 'dataframe_records', 'instances', 'inputs'}";
    for (body, message) in [
        (
            "x",
            "Invalid input. Ensure that input is a valid JSON formatted string. Error: Invalid value. at offset: 0",
        ),
        ("[1]", forms),
        ("{}", forms),
        (
            r#"{"inputs":[[[1,2,3],[4,5,6]]],"instances":[[[1,2,3],[4,5,6]]]}"#,
            forms,
        ),
        (
            r#"{"instances":[[1]]}"#,
            "unexpected shape for input 'x' for model 'm'. Expected [-1,2,3], got [1,1]",
        ),
        (
            r#"{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[1,2]]}}"#,
            "Model is missing inputs ['c'].",
        ),
        (
            r#"{"dataframe_split":{"columns":["a","b","c","z"],"data":[[1,2,3,4],[1,2,3,4]]}}"#,
            "Model has no input column 'z'.",
        ),
        (
            r#"{"dataframe_split":{"columns":["a","b","c"],"data":[[1,2],[1,2]]}}"#,
            "'data' has the shape [2,2], and there are 3 columns",
        ),
        (
            r#"{"dataframe_split":{"columns":["a"]}}"#,
            "'dataframe_split' must have 'columns' and 'data'",
        ),
        (
            r#"{"dataframe_split":{"columns":["a","a"],"data":[[1,2]]}}"#,
            "column 'a' is named twice",
        ),
        (
            r#"{"dataframe_split":{"columns":["a","b","c"],"data":[[1,2,3]]}}"#,
            "the dataframe has 1 rows, and a window is made of 2",
        ),
        (
            r#"{"dataframe_records":[{"a":1,"b":1,"c":1},{"a":1,"z":1}]}"#,
            "row 1 has a column 'z' that the first row has not",
        ),
        (
            r#"{"dataframe_records":[{"a":1,"b":1,"c":1},{"a":1}]}"#,
            "row 1 has not the columns of the first row",
        ),
        (
            r#"{"dataframe_records":[{"a":"x"}]}"#,
            "JSON Value: \"x\" Type: String is not of expected type: float",
        ),
        (
            r#"{"dataframe_records":[]}"#,
            "Model is missing inputs ['a'].",
        ),
    ] {
        let refused = scored(signature(), body);
        let expected = json!({"error_code": "BAD_REQUEST", "message": message});
        assert_eq!(refused, (400, expected), "{body}");
    }
    let (status, answer) = answered(&unready(), "POST", "/invocations", "{}");
    let expected = json!({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Model with name m is not ready."});
    assert_eq!((status, answer), (503, expected));
    let (status, answer) = answered(&models(signature()), "GET", "/invocations", "");
    let expected = json!({"error_code": "ENDPOINT_NOT_FOUND", "message": "this route takes POST"});
    assert_eq!((status, answer), (405, expected));
}
