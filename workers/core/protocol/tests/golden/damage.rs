//! Damaged requests get an answer of their protocol, whatever they are.

use foresail_protocol::Models;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{exchange, models, rich, signature};

/// Requests that are answered.
const GOOD: [(&str, &str); 7] = [
    (
        "/v1/models/m:predict",
        r#"{"signature_name":"serving_default","instances":[{"x":[[1.5,-2,3e1],[4,5,6]],"close":[1,2]}]}"#,
    ),
    (
        "/v1/models/m/versions/6:predict",
        r#"{"inputs":{"x":[[[1,2,3],[4,5,6]]],"close":[[1,2]]}}"#,
    ),
    (
        "/v2/models/m/infer",
        r#"{"id":"4\"2","parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","data":[[1,2,3],[4,5,6]]},{"name":"close","shape":[1,2],"datatype":"INT8","data":[1,2]}],"outputs":[{"name":"y","parameters":{"binary_data":false}}]}"#,
    ),
    (
        "/invocations",
        r#"{"dataframe_split":{"columns":["close","a","b","c"],"index":[0,1],"data":[[1,2,3,4],[1,2,3,4]]}}"#,
    ),
    (
        "/invocations",
        r#"{"dataframe_records":[{"a":1,"b":2,"c":3,"close":4},{"a":1,"b":2,"c":3,"close":4}]}"#,
    ),
    (
        "/invocations",
        r#"{"inputs":{"x":[[[1,2,3],[4,5,6]]],"close":[[1,2]]}}"#,
    ),
    (
        "/invocations",
        r#"{"instances":[{"x":[[1,2,3],[4,5,6]],"close":[1,2]}],"params":null}"#,
    ),
];

fn damage(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    const PARTS: [&[u8]; 14] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"\"",
        b"null",
        b"NaN",
        b"-",
        b"1e999",
        b"\\u0000",
        b"\xff",
        b"99999999999999999999",
    ];
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 8));
        match random.random_range(0..3) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            _ => {
                let part = PARTS[random.random_range(0..PARTS.len())];
                drop(bytes.splice(at..end, part.iter().copied()));
            }
        }
    }
}

fn sound(models: &Models, path: &str, body: &[u8], length: Option<&str>) -> u16 {
    let answer = exchange(models, "POST", path, body, length);
    let json = answer.json_length.unwrap_or(answer.body.len());
    let text = String::from_utf8_lossy(body);
    let read: Result<Value, _> = serde_json::from_slice(&answer.body[..json]);
    assert!(read.is_ok(), "{path} {text}");
    assert!([200, 400].contains(&answer.status), "{path} {text}");
    answer.status
}

#[test]
fn damaged_bodies_are_answered_or_refused_in_json() {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    let models = models(rich());
    for (path, good) in GOOD {
        assert_eq!(sound(&models, path, good.as_bytes(), None), 200, "{good}");
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut body = good.as_bytes().to_vec();
            damage(&mut random, &mut body);
            refused += usize::from(sound(&models, path, &body, None) == 400);
        }
        assert!(refused > 2_500, "{path}: {refused}");
    }
}

#[test]
fn damaged_raw_tensors_are_answered_or_refused_in_json() {
    let mut random = ChaCha8Rng::seed_from_u64(19);
    let models = models(signature());
    let json = r#"{"inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","parameters":{"binary_data_size":24}}]}"#;
    let good = [json.as_bytes(), &[0; 24]].concat();
    let mut answered = 0;
    for _ in 0..10_000 {
        let mut body = good.clone();
        damage(&mut random, &mut body);
        let length = match random.random_range(0..3) {
            0 => json.len().to_string(),
            1 => random.random_range(0..200).to_string(),
            _ => "0".to_owned(),
        };
        answered += usize::from(sound(&models, "/v2/models/m/infer", &body, Some(&length)) == 200);
    }
    assert!(answered > 100, "{answered}");
}
