use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::*;

fn read_all(text: &str) -> Result<Tensor, Fault> {
    let mut reader = Reader::new(text.as_bytes());
    let tensor = tensor(&mut reader)?;
    reader.end()?;
    Ok(tensor)
}

fn refused(text: &str) -> String {
    read_all(text).unwrap_err().to_string()
}

#[test]
fn lists_become_one_contiguous_tensor() {
    let tensor = read_all(" [ [1, 2.5,-3e2] ,\n[4,5,6]] ").unwrap();
    assert_eq!(tensor.shape(), [2, 3]);
    assert_eq!(tensor.values(), [1.0, 2.5, -300.0, 4.0, 5.0, 6.0]);
    assert_eq!(read_all("7").unwrap().shape(), [0; 0]);
    assert_eq!(read_all("[]").unwrap().shape(), [0]);
    assert_eq!(read_all("[[],[]]").unwrap().shape(), [2, 0]);
    let tokens = read_all("[NaN,Infinity,-Infinity]").unwrap();
    assert!(tokens.values()[0].is_nan());
    assert_eq!(tokens.values()[1..], [f32::INFINITY, f32::NEG_INFINITY]);
}

#[test]
fn what_does_not_fit_is_said_in_the_words_of_tensorflow_serving() {
    for (text, expected) in [
        (
            "[[1,2,3],[4,5]]",
            "Encountered list at unexpected size: 2 at level: 1 expected size: 3",
        ),
        // The size of a list comes before its elements.
        (
            "[[1,2],[\"x\"]]",
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            "[[1],2]",
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            "[1,[2]]",
            "Encountered list at unexpected level: 1 expected < 1",
        ),
        (
            "[1,\"x\"]",
            "JSON Value: \"x\" Type: String is not of expected type: float",
        ),
        (
            "[null]",
            "JSON Value: null Type: Null is not of expected type: float",
        ),
        (
            "[true]",
            "JSON Value: true Type: True is not of expected type: float",
        ),
        (
            "{\"a\":1}",
            "JSON Value: {\"a\":1} Type: Object is not of expected type: float",
        ),
        (
            "[1e39]",
            "Cannot convert JSON value: 1e39 to float without loss of precision.",
        ),
        ("", "The document is empty. at offset: 0"),
        ("x", "Invalid value. at offset: 0"),
        (
            "[1,\"x\"",
            "Missing a comma or ] after an array element. at offset: 6",
        ),
        ("[01]", "Invalid value. at offset: 1"),
        (
            "[1e999]",
            "Number too big to be stored in double. at offset: 1",
        ),
        ("[1.]", "Miss fraction part in number. at offset: 3"),
        (
            "[1] 2",
            "The document root must not be followed by other values. at offset: 4",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn too_deep_too_many_and_too_long_are_refused() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read_all(&deep(MOST_DIMENSIONS)).unwrap().shape().len(), 8);
    assert!(refused(&deep(MOST_DIMENSIONS + 1)).contains("expected < 8"));
    assert!(refused(&deep(100_000)).contains("Nested too deep."));
    let many = format!("[{}1]", "1,".repeat(MOST_VALUES));
    assert_eq!(
        refused(&many),
        format!("more than {MOST_VALUES} values are not read")
    );
    let long = format!("[\"{}\"]", "x".repeat(1_000));
    assert!(refused(&long).len() < 160, "{}", refused(&long));
}

fn any_tensor(random: &mut ChaCha8Rng) -> (String, Vec<usize>) {
    let rank = random.random_range(0..=4);
    let shape: Vec<usize> = (0..rank).map(|_| random.random_range(1..=4)).collect();
    (any_list(random, &shape), shape)
}

fn any_list(random: &mut ChaCha8Rng, shape: &[usize]) -> String {
    let Some((size, inner)) = shape.split_first() else {
        return match random.random_range(0..3) {
            0 => random.random_range(-1_000_000_i64..1_000_000).to_string(),
            1 => format!("{:e}", random.random_range(-1e30_f64..1e30)),
            _ => random.random_range(-1.0_f64..1.0).to_string(),
        };
    };
    let parts: Vec<String> = (0..*size).map(|_| any_list(random, inner)).collect();
    format!(
        "[{}]",
        parts.join([",", " , ", ",\n"][random.random_range(0..3)])
    )
}

fn flat(value: &Value, into: &mut Vec<f32>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flat(value, into)),
        number => into.push(number.as_f64().unwrap() as f32),
    }
}

#[test]
fn any_tensor_is_read_as_serde_json_reads_it() {
    let mut random = ChaCha8Rng::seed_from_u64(16);
    for _ in 0..5_000 {
        let (text, shape) = any_tensor(&mut random);
        let read = read_all(&text).unwrap();
        let mut expected = Vec::new();
        flat(&serde_json::from_str(&text).unwrap(), &mut expected);
        assert_eq!(read.shape(), shape, "{text}");
        assert_eq!(read.values(), expected, "{text}");
    }
}

/// Lists of one length per level, if it is one tensor.
fn shape_of(value: &Value) -> Option<Vec<usize>> {
    let Value::Array(values) = value else {
        return value.is_number().then(Vec::new);
    };
    let mut inner = values.iter().map(shape_of);
    let first = inner.next().unwrap_or(Some(Vec::new()))?;
    let same = inner.all(|shape| shape.as_ref() == Some(&first));
    same.then(|| [vec![values.len()], first].concat())
}

#[test]
fn damaged_texts_never_panic_and_are_read_only_where_they_are_tensors() {
    const SIGNS: &[u8] = b"[]{},:\"\\0123456789.-+eENaInfinitynulltrue \n\x00\xff";
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let mut read = 0;
    for _ in 0..50_000 {
        let mut bytes = any_tensor(&mut random).0.into_bytes();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = SIGNS[random.random_range(0..SIGNS.len())],
                1 => bytes.insert(at, SIGNS[random.random_range(0..SIGNS.len())]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut reader = Reader::new(&bytes);
        let found = tensor(&mut reader).and_then(|tensor| reader.end().map(|()| tensor));
        // What serde_json refuses is refused, but for the tokens that it does not know.
        let known: Result<Value, _> = serde_json::from_slice(&bytes);
        match (known, found) {
            (Ok(value), found) => {
                let shape = shape_of(&value);
                let found = found.ok();
                if found.is_none() && shape.is_some() {
                    let mut values = Vec::new();
                    flat(&value, &mut values);
                    assert!(!values.iter().all(|v| v.is_finite()), "{value}");
                    continue;
                }
                assert_eq!(
                    found.map(|tensor| tensor.shape().to_vec()),
                    shape,
                    "{value}"
                );
                read += 1;
            }
            (Err(_), Ok(tensor)) => {
                let text = String::from_utf8_lossy(&bytes);
                let has_token = tensor.values().iter().any(|value| !value.is_finite());
                assert!(has_token, "{text}");
            }
            (Err(_), Err(_)) => {}
        }
    }
    assert!(read > 5_000, "{read}");
}
