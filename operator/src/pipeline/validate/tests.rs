use serde_json::json;

use super::*;

pub(crate) fn object(change: impl FnOnce(&mut serde_json::Value)) -> Pipeline {
    let mut value = json!({
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": "p", "namespace": "n", "uid": "u-1", "generation": 1},
        "spec": {
            "instruments": [{"symbol": "X"}],
            "source": {
                "csv": {"uri": "s3://bucket/x.csv", "endpoint": "http://s3", "secretName": "s3"},
                "backfill": {"to": "2007-06-30"},
                "replay": {"to": "2009-12-31", "sessionsPerSecond": "5"}
            },
            "kafka": {"bootstrapServers": "k:9092"},
            "lake": {"uri": "s3://bucket/lake", "endpoint": "http://s3", "secretName": "s3"},
            "features": [{"name": "r", "function": "LogReturn"}],
            "training": {"model": {"kind": "Linear"}},
            "serving": {"cache": {"redis": {"url": "redis://r:6379"}}}
        }
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

pub(crate) fn pipeline(change: impl FnOnce(&mut serde_json::Value)) -> ValidatedPipeline {
    validate(&object(change), &Installation::default()).unwrap()
}

/// Daily bars from a provider in place of the file, as they come.
pub(crate) fn from_provider(v: &mut serde_json::Value) {
    v["spec"]["source"] = json!({"provider": {"account": "market"}});
}

/// The bars of the Pipeline `prices` in place of the file.
pub(crate) fn reads(v: &mut serde_json::Value) {
    v["spec"]["source"] = json!({"pipelineRef": {"name": "prices"}});
}

#[test]
fn each_rule_names_its_field() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 10] = [
        (
            |v| v["spec"]["training"]["schedule"] = json!("0 25 * * *"),
            "training.schedule",
        ),
        (
            |v| v["spec"]["training"]["timeZone"] = json!("Mars/Olympus"),
            "training.timeZone",
        ),
        (
            |v| v["spec"]["source"]["backfill"]["to"] = json!("2007-02-30"),
            "backfill.to",
        ),
        (
            |v| v["spec"]["source"]["replay"]["to"] = json!("2007-06-30"),
            "replay.to",
        ),
        (
            |v| v["spec"]["source"]["replay"]["sessionsPerSecond"] = json!("0"),
            "sessionsPerSecond",
        ),
        (
            |v| v["spec"]["training"]["model"]["learningRate"] = json!("0"),
            "learningRate",
        ),
        (
            |v| v["spec"]["features"][0] = json!({"name": "r", "function": "Rsi"}),
            "features",
        ),
        (|v| v["spec"]["drift"] = json!({"threshold": "0"}), "drift"),
        (
            |v| {
                from_provider(v);
                v["spec"]["source"]["provider"]["delay"] = json!("soon");
            },
            "provider.delay",
        ),
        (
            |v| {
                from_provider(v);
                v["spec"]["source"]["provider"]["account"] = json!("../../pods/x");
            },
            "provider.account",
        ),
    ];
    for (change, field) in cases {
        let invalid = validate(&object(change), &Installation::default()).unwrap_err();
        assert!(invalid.to_string().contains(field), "{invalid}");
    }
}

/// A release that hashes the same spec to something else would train every Pipeline again.
#[test]
fn the_hash_of_a_spec_is_the_same_in_every_release() {
    let trained = pipeline(|v| {
        v["spec"]["training"]["model"] = json!({"kind": "Lstm", "hidden": 16});
        v["spec"]["drift"] = json!({"windowSessions": 120});
    });
    let hashes = [pipeline(|_| {}).model_hash, trained.model_hash];
    assert_eq!(hashes, ["2e5e7b0b", "a464f997"]);
}

#[test]
fn sessions_of_a_spec_are_bars_of_its_interval() {
    let of = |interval: &str| {
        pipeline(|v| {
            v["spec"]["source"]["interval"] = json!(interval);
            v["spec"]["retraining"] = json!({"settleSessions": 3});
        })
    };
    let counted = |p: &ValidatedPipeline| (p.promotion.gate_bars, p.retraining.settle_bars);
    assert_eq!(counted(&of("1d")), (40, 3));
    assert_eq!(counted(&of("1h")), (40 * 7, 3 * 7));
    assert_eq!(of("1d").model_hash, pipeline(|_| {}).model_hash);
    assert_ne!(of("1h").model_hash, of("30m").model_hash);
    // The bar after the last one of a Friday, and the one of an hour later.
    let friday = Time("2026-11-20T21:00:00Z".parse().unwrap());
    let after = |interval: &str, bars| of(interval).after_bars(&friday, bars).0.to_string();
    assert_eq!(after("1d", 2), "2026-11-24T21:00:00Z");
    assert_eq!(after("1h", 2), "2026-11-23T16:30:00Z");
}

#[test]
fn a_window_that_the_monitor_cannot_hold_names_one_that_fits() {
    let with = |sessions: u32| {
        validate(
            &object(|v| {
                let symbols = (0..256).map(|i| json!({"symbol": format!("S{i}")}));
                v["spec"]["instruments"] = symbols.collect();
                v["spec"]["source"]["interval"] = json!("1m");
                v["spec"]["drift"] = json!({"windowSessions": sessions});
            }),
            &Installation::default(),
        )
    };
    let refused = with(1000).unwrap_err();
    assert_eq!(refused.field, "spec.drift.windowSessions");
    let words: Vec<&str> = refused.message.split("at most ").collect();
    let fits: u32 = words[1].split(',').next().unwrap().parse().unwrap();
    assert!(with(fits).is_ok() && with(fits + 1).is_err(), "{refused}");
}

#[test]
fn a_provider_goes_on_until_the_backfill_ends() {
    let live = pipeline(from_provider).live_source.unwrap();
    assert_eq!(live.delay, Duration::from_secs(30 * 60));
    let ends = pipeline(|v| {
        from_provider(v);
        v["spec"]["source"]["backfill"] = json!({"to": "2024-12-31"});
    });
    assert!(ends.live_source.is_none());
}

#[test]
fn an_account_concerns_ingest_alone() {
    let account = serde_json::from_value(json!({"provider": "AlphaVantage", "secretName": "key"}));
    let beside = Beside {
        account: Some(&account.unwrap()),
        ..Beside::default()
    };
    let p = pipeline(from_provider);
    for role in Role::ALL {
        let is_ingest = *role == Role::Ingest;
        let config = |beside| p.config(*role, beside).name;
        assert_eq!(
            config(beside) != config(Beside::default()),
            is_ingest,
            "{role}"
        );
        let secrets = |beside| p.secrets(*role, beside);
        assert_eq!(
            secrets(beside) != secrets(Beside::default()),
            is_ingest,
            "{role}"
        );
    }
}

#[test]
fn resources_are_compared_in_any_unit() {
    let with = |request: &str, limit: &str| {
        let object = object(|v| {
            v["spec"]["training"]["resources"] = json!({
                "requests": {"memory": request}, "limits": {"memory": limit}
            });
        });
        validate(&object, &Installation::default())
    };
    for (request, limit) in [("1Ti", "1Pi"), ("1e3", "1k"), ("1Gi", "1E")] {
        assert!(with(request, limit).is_ok(), "{request} {limit}");
    }
    for (request, limit) in [("1Pi", "1Ti"), ("1e4", "1k"), ("1Gi", "a lot"), ("-1", "1")] {
        assert!(with(request, limit).is_err(), "{request} {limit}");
    }
}

#[test]
fn only_what_a_model_depends_on_changes_its_hash() {
    let base = pipeline(|_| {});
    let replicas = pipeline(|v| v["spec"]["serving"]["minReplicas"] = json!(2));
    assert_eq!(base.model_hash, replicas.model_hash);
    let memory =
        pipeline(|v| v["spec"]["training"]["resources"] = json!({"limits": {"memory": "1Gi"}}));
    assert_eq!(base.model_hash, memory.model_hash);
    assert_ne!(base.run_hash, memory.run_hash);
    let gate = pipeline(|v| v["spec"]["promotion"]["gateWindowSessions"] = json!(21));
    assert_eq!(base.model_hash, gate.model_hash);
    assert_ne!(base.run_hash, gate.run_hash);
    let horizon = pipeline(|v| v["spec"]["training"]["horizon"] = json!(3));
    assert_ne!(base.model_hash, horizon.model_hash);
}
