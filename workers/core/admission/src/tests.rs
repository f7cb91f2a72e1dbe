use serde_json::{Value, json};

use super::*;

/// The spec of a Pipeline that is taken, in the words of `review/cases/30`.
const SPEC: &str = r#"
  instruments: [{symbol: "ON"}]
  source: {csv: {uri: "s3://b/x.csv", endpoint: "http://s3:9000", secretName: s3}}
  kafka: {bootstrapServers: "k:9092"}
  lake: {uri: "s3://bucket/lake", endpoint: "http://s3:9000", secretName: s3}
  features: [{name: r, function: LogReturn}, {name: v, function: Volatility, window: 20}]
  training: {model: {kind: Linear}}
"#;

fn file(spec: &str) -> String {
    format!(
        "apiVersion: foresail.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: case}}\nspec:{spec}"
    )
}

fn told(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_pipeline_is_read_as_yaml_and_as_json() {
    let pipeline = read(&file(SPEC)).unwrap();
    assert_eq!(*pipeline.spec.instruments[0].symbol, *"ON");
    assert_eq!(pipeline.spec.training.horizon, 5);
    let json = serde_json::to_string_pretty(&pipeline).unwrap();
    assert_eq!(read(&json).unwrap(), pipeline);
    // As `kubectl get --output yaml` prints it.
    let stored = file(SPEC).replace(
        "{name: case}",
        "{name: case, uid: a, generation: 3, creationTimestamp: 2026-01-02T00:00:00Z, managedFields: []}",
    );
    let stored = format!("\u{feff}---\n# comment\n{stored}\nstatus: {{conditions: []}}\n---\n");
    assert_eq!(read(&stored).unwrap().spec, pipeline.spec);
}

/// Review, case 30.
#[test]
fn words_that_yaml_takes_for_something_else_are_to_be_quoted() {
    for (word, meaning) in [
        ("ON", "true"),
        ("On", "true"),
        ("Y", "true"),
        ("yes", "true"),
        ("TRUE", "true"),
        ("NO", "false"),
        ("n", "false"),
        ("off", "false"),
        ("False", "false"),
        ("1234", "1234"),
        ("0700", "448"),
        ("1_000", "1000"),
        ("0x1F", "31"),
        ("1e3", "1000"),
        ("5.5", "5.5"),
    ] {
        let text = file(SPEC).replace("\"ON\"", word);
        let told = told(&text);
        let expected = format!(
            "must be of type string: \"{}\": YAML reads {word} as {meaning}; write \"{word}\", in quotes",
            match meaning {
                "true" | "false" => "boolean",
                "5.5" => "number",
                _ => "integer",
            }
        );
        assert!(
            told.starts_with("line 5: spec.instruments[0].symbol: Invalid value: ")
                && told.contains(&expected),
            "{told}"
        );
        let quoted = file(SPEC).replace("\"ON\"", &format!("'{word}'"));
        assert_eq!(*read(&quoted).unwrap().spec.instruments[0].symbol, *word);
    }
    for word in [
        "oN",
        "yEs",
        "ONE",
        "1234.HK",
        "2020-01-02",
        "!!str ON",
        "EURUSD=X",
        "NYSE:BRK.B",
        "BF B",
        "$SPX",
        "M&M.NS",
    ] {
        let text = file(SPEC)
            .replace("\"ON\"", word)
            .replace("[{", "[{ ")
            .replace("}]", " }]");
        let symbol = word.trim_start_matches("!!str ");
        assert_eq!(*read(&text).unwrap().spec.instruments[0].symbol, *symbol);
    }
    let named = file(SPEC).replace("{name: r,", "{name: y,");
    assert!(
        told(&named).contains("spec.features[0].name"),
        "{}",
        told(&named)
    );
    let nothing = file(SPEC).replace("\"ON\"", "~");
    assert!(told(&nothing).contains("spec.instruments[0].symbol: Required value"));
}

#[test]
fn wrong_pipelines_are_refused_with_the_words_of_the_api_server() {
    for (old, new, expected) in [
        (
            "kind: Pipeline",
            "kind: Pipelines",
            "no matches for kind \"Pipelines\"",
        ),
        ("v1alpha1", "v1", "in version \"foresail.dev/v1\""),
        (
            "{name: case}",
            "{name: Case}",
            "line 3: metadata.name: Invalid value: \"Case\": a lowercase RFC 1123 subdomain",
        ),
        (
            "{name: case}",
            "{name: a.b}",
            "metadata.name must be a DNS label that starts with a letter",
        ),
        (
            "{name: case}",
            "{namme: case}",
            "unknown field \"metadata.namme\"",
        ),
        (
            "{name: case}",
            "{name: case, labels: {a: 1}}",
            "metadata.labels.a: Invalid value: 1: must be of type string: YAML reads 1 as 1; write \"1\"",
        ),
        (
            "kind: Linear",
            "kind: Oracle",
            "spec.training.model.kind: Unsupported value: \"Oracle\": supported values: \"Naive\"",
        ),
        (
            "window: 20",
            "window: 0",
            "line 9: spec.features[1].window: Invalid value: 0: spec.features[1].window in body should be greater than or equal to 1",
        ),
        (
            "window: 20",
            "windows: 20",
            "unknown field \"spec.features[1].windows\"",
        ),
        (
            ", window: 20",
            "",
            "spec.features[1]: Invalid value: features[].window must be set for this function",
        ),
        (
            "csv: {uri",
            "csv: {url",
            "spec.source.csv.uri: Required value",
        ),
        (
            ", endpoint: \"http://s3:9000\", secretName: s3}}",
            "}}",
            "source.csv.endpoint must be set when source.csv.uri starts with s3://",
        ),
        (
            "s3://bucket/lake",
            "s3://bucket/lake/",
            "spec.lake.uri in body should match '^s3://",
        ),
        (
            "{symbol: \"ON\"}",
            "{symbol: \"ON\"}, {symbol: \"ON\"}",
            "spec.instruments[1]: Duplicate value: {\"symbol\":\"ON\"}",
        ),
        (
            "{symbol: \"ON\"}",
            "",
            "spec.instruments in body should have at least 1 items",
        ),
        (
            "\"ON\"",
            "\" ON\"",
            "spec.instruments[0].symbol in body should match",
        ),
        (
            "\"ON\"",
            "123456789012345678901234567890123A",
            "spec.instruments[0].symbol: Too long: may not be more than 32 bytes",
        ),
        (
            "training: {",
            "owner: me\n  training: {",
            "strict decoding error: unknown field \"spec.owner\"",
        ),
        (
            "training: {",
            "suspend: \"no\"\n  training: {",
            "spec.suspend in body must be of type boolean: \"string\"",
        ),
        (
            "training: {",
            "training: {horizon: 5, horizon: 6, ",
            "line 10: spec.training.horizon stands there twice",
        ),
        ("spec:", "spec: &a\n  x: *b\n", "it is no YAML"),
        ("spec:", "spec: ]", "it is no YAML"),
    ] {
        let text = file(SPEC);
        assert!(text.contains(old), "{old}");
        let told = told(&text.replacen(old, new, 1));
        assert!(told.contains(expected), "{new}: {told}");
    }
    assert!(told("").contains("it holds no Pipeline"));
    let two = format!("{0}\n---\n{0}", file(SPEC));
    assert!(
        told(&two).contains("it holds 2 Pipelines"),
        "{}",
        told(&two)
    );
    let beside = format!("kind: Secret\n---\n{}", file(SPEC));
    assert!(read(&beside).is_ok());
    assert!(told("[]").contains("it is no object"));
}

#[test]
fn aliases_and_merge_keys_are_followed_and_bounded() {
    let shared = file(SPEC).replace(
        "features: [{name: r, function: LogReturn},",
        "features: [&a {name: r, function: LogReturn}, {<<: *a, name: s}, {name: t, <<: [*a]},",
    );
    let features = read(&shared).unwrap().spec.features;
    let names: Vec<&str> = features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["r", "s", "t", "v"]);
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(told(&bomb).contains("its aliases make too much of it"));
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(told(&deep).contains("nests too deeply"), "{}", told(&deep));
}

/// What the rules say of a Pipeline must not depend on what the evaluator of CEL lacks.
#[test]
fn every_rule_of_the_crd_is_understood() {
    let base: Value = serde_json::to_value(read(&file(SPEC)).unwrap()).unwrap();
    let mut rich = base.clone();
    rich["spec"]["features"] = json!([
        {"name": "q", "function": "RollingQuantile", "window": 20, "column": "High", "quantile": "0.9"},
        {"name": "m", "function": "MacdSignal", "fast": 12, "slow": 26, "signal": 9},
        {"name": "b", "function": "BollingerWidth", "window": 20, "deviations": "2"}]);
    rich["spec"]["drift"] = json!({"features": ["q"], "falseAlarmsPerYear": "2"});
    rich["spec"]["training"]["schedule"] = json!("0 22 * * 5");
    rich["spec"]["retraining"] = json!({"triggers": ["Drift", "Schedule"]});
    rich["spec"]["source"]["backfill"] = json!({"from": "2020-01-01", "to": "2021-01-01"});
    rich["spec"]["source"]["replay"] = json!({"sessionsPerSecond": "5"});
    for object in [base, rich] {
        let refusals = judge(&object);
        assert!(refusals.is_empty(), "{refusals:?}");
    }
}

#[test]
fn values_that_grow_without_end_are_cut_in_messages() {
    let long = file(SPEC).replace("LogReturn", &"x".repeat(10_000));
    assert!(told(&long).len() < 3_000);
}
