//! A key that a provider echoes is in nothing that can be printed.

use crate::cases::{Case, cases};
use foresail_providers::*;

const CANARY: &str = "QZ7CANARYK3Y8XWV";

/// The forms that a key comes back in, and what of them must not be seen. With a sign in it, it is encoded.
fn forms(key: &str) -> Vec<String> {
    let encoded: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    vec![key.to_owned(), key.to_lowercase(), encoded]
}

/// The body with a text at each of some places, and around it as providers put it.
fn spliced(case: &Case, text: &str) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let strings = case
        .body
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'"');
    let strings: Vec<usize> = strings.map(|(at, _)| at + 1).collect();
    let mut places: Vec<usize> = strings
        .iter()
        .copied()
        .step_by(strings.len() / 4 + 1)
        .collect();
    let length = case.body.len();
    places.extend((0..3).map(|part| part * length / 3));
    places.push(length);
    for at in places {
        for text in [text.to_owned(), format!("your API key as {text} and")] {
            let mut body = case.body.clone();
            body.splice(at..at, text.bytes());
            bodies.push(body);
        }
    }
    bodies.push(format!("{{\"Information\":\"We think that {text} is odd\"}}").into());
    bodies.push(format!("{text}{text}\nnothing known").into());
    bodies
}

#[test]
fn the_canary_is_in_no_verdict() {
    let key = Key::new(CANARY).unwrap();
    let (mut unknown, mut seen) = (0, 0);
    for case in cases() {
        for form in forms(CANARY) {
            for body in spliced(&case, &form) {
                let (request, headers) = (&case.request, &case.headers);
                let verdict = classify(request, Some(&key), case.status, headers, &body);
                unknown += usize::from(matches!(verdict, Verdict::Unknown { .. }));
                seen += 1;
                let shown = format!("{verdict:?} {}", verdict.reason()).to_lowercase();
                for form in forms(CANARY) {
                    let form = form.to_lowercase();
                    assert!(!shown.contains(&form), "{}: {shown}", case.name);
                    // Nor half of it.
                    assert!(
                        !shown.contains(&form[..form.len() / 2]),
                        "{}: {shown}",
                        case.name
                    );
                }
            }
        }
    }
    assert!(seen > 5_000 && unknown > 500, "{seen} {unknown}");
}

#[test]
fn the_key_is_hidden_where_it_is_held() {
    let key = Key::new(CANARY).unwrap();
    for case in cases() {
        let (request, target) = (&case.request, case.request.target(Some(&key)));
        let shown = format!("{request:?} {request} {target:?} {key:?}");
        assert!(!shown.contains(CANARY), "{shown}");
        let is_told = target.reveal().contains(CANARY);
        assert_eq!(is_told, request.provider() == Provider::AlphaVantage);
    }
}
