//! Which edit of a spec concerns which role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::Role;
use crate::role::Role::{Cleanup, Ingest, Lake, Monitor, Predict, Prepare, Stream, Train};

fn spec(change: impl FnOnce(&mut Value)) -> PipelineSpec {
    let mut value = json!({
        "instruments": [{"symbol": "X"}],
        "calendar": "XNYS",
        "source": {
            "csv": {"uri": "s3://bucket/x.csv", "endpoint": "http://s3", "secretName": "s3"},
            "adjustment": "All",
            "backfill": {"to": "2007-06-30"},
            "replay": {"to": "2009-12-31", "sessionsPerSecond": "5"}
        },
        "kafka": {"bootstrapServers": "k:9092"},
        "lake": {"uri": "s3://bucket/lake", "endpoint": "http://s3", "secretName": "s3"},
        "features": [{"name": "r", "function": "LogReturn"}],
        "training": {"model": {"kind": "Linear"}},
        "serving": {"cache": {"redis": {"url": "redis://r:6379"}}, "tls": {"secretName": "s"}},
        "drift": {"metric": "PSI"},
        "retraining": {"maxPerDay": 1},
        "promotion": {"mode": "Automatic"},
        "deletionPolicy": {"topics": "Retain"}
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// The rule: an edit concerns the roles whose configuration has another name after it.
fn concerned(before: &PipelineSpec, after: &PipelineSpec) -> BTreeSet<Role> {
    let pipeline = PipelineName::new("n", "p");
    let name = |role: &Role, spec| role.config(&pipeline, spec, &Installation::default()).name;
    let changed = |role: &Role| name(role, before) != name(role, after);
    Role::ALL.iter().copied().filter(changed).collect()
}

const KAFKA: &[Role] = &[Prepare, Ingest, Lake, Stream, Predict, Monitor, Cleanup];
const S3: &[Role] = &[Prepare, Lake, Train, Predict, Monitor, Cleanup];
const REDIS: &[Role] = &[Prepare, Stream, Predict, Cleanup];
/// Predictors read the features of the version that serves from its manifest.
const FEATURES: &[Role] = &[Stream, Train];

/// JSON pointer into the spec, new value, whom it concerns.
fn edits() -> Vec<(&'static str, Value, &'static [Role])> {
    let more = json!([{"symbol": "X"}, {"symbol": "Y"}]);
    let limit = json!({"limits": {"memory": "1Gi"}});
    vec![
        (
            "/instruments",
            more,
            &[Ingest, Stream, Train, Predict, Monitor],
        ),
        ("/calendar", json!("Weekdays"), &[Ingest, Train, Predict]),
        (
            "/calendarOverrides",
            json!([{"date": "2024-07-05", "closed": true}]),
            &[Ingest, Train, Predict],
        ),
        (
            "/source/csv/uri",
            json!("s3://bucket/y.csv"),
            &[Prepare, Ingest],
        ),
        (
            "/source/csv/endpoint",
            json!("http://s4"),
            &[Prepare, Ingest],
        ),
        ("/source/csv/secretName", json!("other"), &[Prepare, Ingest]),
        (
            "/source/csv/columns",
            json!({"close": "last"}),
            &[Prepare, Ingest],
        ),
        ("/source/csv/poll", json!("1h"), &[Ingest]),
        ("/source/csv/zeroOpenIsMissing", json!(false), &[Ingest]),
        (
            "/source/csv/columns",
            json!({"time": "clock"}),
            &[Prepare, Ingest],
        ),
        (
            "/source/csv/dialect",
            json!({"stamp": "End"}),
            &[Prepare, Ingest],
        ),
        (
            "/source/interval",
            json!("5m"),
            &[Ingest, Train, Predict, Monitor],
        ),
        ("/source/fallback", json!([{"account": "b"}]), &[Ingest]),
        ("/source/quorum", json!({"account": "b"}), &[Ingest]),
        ("/source/onSuspicion", json!("Warn"), &[Ingest]),
        ("/source/adjustment", json!("None"), FEATURES),
        ("/source/backfill/to", json!("2007-07-31"), &[Ingest]),
        ("/source/replay/sessionsPerSecond", json!("6"), &[Ingest]),
        ("/kafka/bootstrapServers", json!("l:9092"), KAFKA),
        ("/kafka/secretName", json!("sasl"), KAFKA),
        ("/kafka/topicPrefix", json!("x."), KAFKA),
        ("/kafka/partitions", json!(5), &[Prepare, Lake]),
        ("/kafka/replicationFactor", json!(2), &[Prepare]),
        ("/lake/uri", json!("s3://bucket/other"), S3),
        ("/lake/endpoint", json!("http://s4"), S3),
        ("/lake/secretName", json!("other"), S3),
        ("/features/0/function", json!("SimpleReturn"), FEATURES),
        ("/training/model/hidden", json!(7), &[Train]),
        ("/training/horizon", json!(3), &[Train]),
        ("/training/target", json!("Close"), &[Train]),
        ("/training/validationFolds", json!(5), &[Train]),
        ("/training/maxSessions", json!(900), &[Train]),
        ("/training/maxGapSessions", json!(9), &[Train]),
        ("/training/seed", json!(2), &[Train]),
        ("/training/lookback", json!(9), &[Train]),
        ("/training/resources", limit.clone(), &[]),
        ("/training/activeDeadlineSeconds", json!(99), &[]),
        ("/training/backoffLimit", json!(0), &[]),
        ("/training/schedule", json!("0 22 * * 5"), &[]),
        ("/training/timeZone", json!("Europe/Rome"), &[]),
        ("/serving/minReplicas", json!(2), &[]),
        ("/serving/maxReplicas", json!(9), &[]),
        ("/serving/scaleTarget", json!(50), &[]),
        ("/serving/resources", limit.clone(), &[]),
        ("/serving/tls", Value::Null, &[Predict]),
        ("/serving/tls/secretName", json!("t"), &[Predict]),
        ("/serving/tls/clientCaSecretName", json!("c"), &[Predict]),
        // They are told to the predictors that run.
        ("/serving/versions", json!([1, 7]), &[]),
        ("/workers", json!({"ingest": {"resources": limit}}), &[]),
        ("/serving/cache/ttl", json!("2h"), &[Predict]),
        ("/serving/cache/redis/url", json!("redis://s:6379"), REDIS),
        ("/serving/cache/redis/secretName", json!("redis"), REDIS),
        ("/drift/threshold", json!("0.3"), &[Monitor]),
        ("/drift/metric", json!("KS"), &[Monitor]),
        ("/drift/features", json!(["r"]), &[Monitor]),
        ("/drift/falseAlarmsPerYear", json!("2"), &[Monitor]),
        ("/drift/windowSessions", json!(30), &[Train, Monitor]),
        ("/retraining/triggers", json!([]), &[]),
        ("/retraining/cooldown", json!("9d"), &[]),
        ("/retraining/maxPerDay", json!(9), &[]),
        ("/retraining/settleSessions", json!(9), &[]),
        ("/promotion/mode", json!("Manual"), &[]),
        ("/promotion/gateWindowSessions", json!(9), &[]),
        ("/promotion/minimumEffect", json!("0.1"), &[]),
        ("/promotion/championVersion", json!(2), &[]),
        ("/suspend", json!(true), &[]),
        // Its ConfigMap is made when the Pipeline is deleted.
        ("/deletionPolicy/topics", json!("Delete"), &[Cleanup]),
    ]
}

fn set(spec: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[key] = value;
}

#[test]
fn an_edit_concerns_the_roles_that_use_the_field() {
    let before = spec(|_| {});
    for (pointer, value, roles) in edits() {
        let after = spec(|v| match pointer.strip_prefix("/features/0/") {
            Some(key) => v["features"][0][key] = value,
            None => set(v, pointer, value),
        });
        assert_ne!(before, after, "{pointer} is no edit");
        let expected = roles.iter().copied().collect();
        assert_eq!(concerned(&before, &after), expected, "{pointer}");
    }
}

/// Bars come from a provider.
fn from_provider(v: &mut Value) {
    v["source"] = json!({"provider": {"account": "market"}});
}

#[test]
fn an_edit_of_a_provider_concerns_ingest_alone() {
    let before = spec(from_provider);
    for (key, value) in [
        ("account", json!("another")),
        ("delay", json!("1h")),
        ("poll", json!("2h")),
        ("recheckSessions", json!(0)),
    ] {
        let after = spec(|v| {
            from_provider(v);
            v["source"]["provider"][key] = value.clone();
        });
        assert_ne!(before, after, "{key} is no edit");
        assert_eq!(concerned(&before, &after), [Ingest].into(), "{key}");
    }
    let file = spec(|v| v["source"]["replay"] = Value::Null);
    assert_eq!(concerned(&file, &before), [Prepare, Ingest].into());
}

/// Bars are those of another Pipeline.
fn of_another(v: &mut Value) {
    v["source"] = json!({"pipelineRef": {"name": "prices"}});
}

#[test]
fn the_bars_of_another_pipeline_concern_who_reads_bars() {
    let reading = spec(of_another);
    let market = json!({"seed": 1, "start": "2010-01-04", "sessions": 10});
    let own = spec(|v| v["source"] = json!({"simulator": market}));
    let expected = [Prepare, Ingest, Lake, Stream].into();
    assert_eq!(concerned(&own, &reading), expected);
    // Revisions of the bars of others are not counted.
    let more = spec(|v| {
        of_another(v);
        v["instruments"] = json!([{"symbol": "X"}, {"symbol": "Y"}]);
    });
    let expected = [Ingest, Lake, Stream, Train, Predict, Monitor].into();
    assert_eq!(concerned(&reading, &more), expected);
}

#[test]
fn bars_are_read_from_the_topic_of_the_other_and_everything_else_is_its_own() {
    let pipeline = PipelineName::new("n", "p");
    let spec = spec(|v| {
        of_another(v);
        v["kafka"]["topicPrefix"] = json!("x.");
    });
    let own = pipeline.topics("x.");
    let lake = LakeConfig::new(pipeline.clone(), &spec);
    assert_eq!(lake.symbols(), ["X"]);
    for topics in [
        lake.topics(),
        StreamConfig::new(pipeline.clone(), &spec).topics(),
    ] {
        assert_eq!(topics.bars, "x.n.prices.bars");
        assert_eq!(topics.all()[1..], own.all()[1..]);
    }
    let monitor = MonitorConfig::new(pipeline.clone(), &spec).topics();
    assert_eq!(monitor, own);
    // What is removed is its own, or less.
    let cleanup = CleanupConfig::new(pipeline, &spec);
    assert_eq!(cleanup.removed_topics(), own.all());
    let kept = cleanup.while_read(true).removed_topics();
    assert_eq!(kept, own.all()[1..]);
}

#[test]
fn ingest_is_given_the_account_and_another_one_is_another_configuration() {
    let pipeline = PipelineName::new("n", "p");
    let named = |account: Option<Value>| {
        let mut config = IngestConfig::new(pipeline.clone(), &spec(from_provider));
        if let Some(account) = account {
            let others = json!([{"name": "b", "spec": {"provider": "Yahoo"}}]);
            let others: Vec<OtherAccount> = serde_json::from_value(others).unwrap();
            let others = if account["provider"] == "Yahoo" {
                &[][..]
            } else {
                &others
            };
            config = config.with_accounts(&serde_json::from_value(account).unwrap(), others);
        }
        let document = ConfigDocument::new(Ingest.name(), &pipeline, &config);
        let read: IngestConfig = serde_json::from_str(&document.json).unwrap();
        assert_eq!(read, config);
        document.name
    };
    let accounts = [
        None,
        Some(json!({"provider": "Yahoo"})),
        Some(json!({"provider": "Yahoo", "limits": {"perMinute": 5}})),
        Some(json!({"provider": "AlphaVantage", "secretName": "key"})),
    ];
    let names: BTreeSet<String> = accounts.into_iter().map(named).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn every_field_of_the_spec_has_an_edit_in_the_table() {
    let schema = schemars::schema_for!(PipelineSpec).to_value();
    let edits = edits();
    for field in schema["properties"].as_object().unwrap().keys() {
        let top = format!("/{field}");
        let known = edits
            .iter()
            .any(|(pointer, ..)| *pointer == top || pointer.starts_with(&format!("{top}/")));
        assert!(known, "whom does an edit of spec.{field} concern?");
    }
}

/// Prepare tries again under another name, so that what an administrator allows is seen.
#[test]
fn a_setting_of_the_installation_concerns_who_reads_a_file() {
    let pipeline = PipelineName::new("n", "p");
    let (none, some) = (
        Installation::default(),
        Installation {
            source_networks: vec!["10.0.0.0/8".into()],
            provider_hosts: vec!["simulator.market:8080".into()],
        },
    );
    let concerned = |spec: &PipelineSpec| -> Vec<Role> {
        let name = |role: &Role, with| role.config(&pipeline, spec, with).name;
        let changed = |role: &&Role| name(role, &none) != name(role, &some);
        Role::ALL.iter().filter(changed).copied().collect()
    };
    assert_eq!(concerned(&spec(|_| {})), [Prepare, Ingest]);
    let simulated = spec(|v| {
        let market = json!({"seed": 1, "start": "2010-01-04", "sessions": 10});
        v["source"] = json!({"simulator": market});
    });
    assert_eq!(concerned(&simulated), []);
    assert_eq!(concerned(&spec(from_provider)), [Ingest]);
}

#[test]
fn what_another_role_uses_is_refused() {
    let pipeline = PipelineName::new("n", "p");
    let json = Ingest
        .config(&pipeline, &spec(|_| {}), &Installation::default())
        .json;
    assert!(serde_json::from_str::<IngestConfig>(&json).is_ok());
    assert!(serde_json::from_str::<LakeConfig>(&json).is_err());
}

#[test]
fn a_model_depends_on_what_it_is_made_from_and_a_run_on_how_it_is_run_too() {
    let hashes = |change: fn(&mut Value)| {
        let spec = spec(change);
        let config = TrainConfig::new(PipelineName::new("n", "p"), &spec);
        let run = config.run_hash(
            &TrainingJob::from(&spec.training),
            spec.promotion.gate_window_sessions,
        );
        (config.model.hash(), run)
    };
    let base = hashes(|_| {});
    let seed = hashes(|v| v["training"]["seed"] = json!(2));
    assert!(seed.0 != base.0 && seed.1 != base.1);
    let gap = hashes(|v| v["training"]["maxGapSessions"] = json!(9));
    assert!(gap.0 != base.0 && gap.1 != base.1);
    let deadline = hashes(|v| v["training"]["activeDeadlineSeconds"] = json!(99));
    assert!(deadline.0 == base.0 && deadline.1 != base.1);
    let secret = hashes(|v| v["lake"]["secretName"] = json!("mended"));
    assert!(secret.0 == base.0 && secret.1 != base.1);
    let threshold = hashes(|v| v["drift"]["threshold"] = json!("0.3"));
    assert_eq!(threshold, base);
}

/// Documents and hashes of before intervals were declared are those of `1d`.
#[test]
fn bars_of_sessions_are_configured_as_before_and_parts_of_them_are_counted() {
    let of = |interval: &str| spec(|v| v["source"]["interval"] = json!(interval));
    let (undeclared, daily, minutes) = (spec(|_| {}), of("1d"), of("1m"));
    assert_eq!(undeclared, daily);
    let pipeline = PipelineName::new("n", "p");
    for role in Role::ALL {
        let config = |spec| role.config(&pipeline, spec, &Installation::default());
        let json = config(&daily).json;
        for word in ["interval", "barsPerSession", "stamp", "\"time\""] {
            assert!(!json.contains(word), "{}: {word} in {json}", role.name());
        }
    }
    let train = |spec| TrainConfig::new(pipeline.clone(), spec).model;
    assert_ne!(train(&daily).hash(), train(&minutes).hash());
    let monitor = MonitorConfig::new(pipeline.clone(), &minutes);
    assert_eq!(monitor.bars_per_session, 390);
    assert_eq!(monitor.drift.window_sessions, 60 * 390);
    let daily = MonitorConfig::new(pipeline.clone(), &daily);
    assert_eq!(
        (daily.bars_per_session, daily.drift.window_sessions),
        (1, 60)
    );
    let spec = spec(|v| v["training"]["maxSessions"] = json!(50));
    let declared = crate::TrainingParameters::try_from(&spec.training).unwrap();
    let counted = declared.counted_in(&minutes.bar_grid());
    assert_eq!(counted.max_sessions, Some(50 * 390));
    assert_eq!(counted.max_gap_sessions, Some(10 * 390));
    assert_eq!(counted.horizon, 5);
}

#[test]
fn a_default_that_came_later_trains_nothing_again() {
    let config = TrainConfig::new(PipelineName::new("n", "p"), &spec(|_| {}));
    let mut before = config.model.clone();
    before.training.max_gap_sessions = None;
    assert_ne!(before, config.model);
    assert_eq!(before.hash(), config.model.hash());
}

#[test]
fn the_recipe_of_an_older_manifest_is_read() {
    let whole = serde_json::to_value(&spec(|_| {}).training).unwrap();
    assert!(whole.get("activeDeadlineSeconds").is_some());
    let recipe: TrainingRecipe = serde_json::from_value(whole).unwrap();
    assert_eq!(recipe, TrainingRecipe::from(&spec(|_| {}).training));
}
