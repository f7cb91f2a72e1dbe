use std::collections::BTreeSet;

use foresail_crds::pipeline::status::{PrepareStatus, Trigger};
use foresail_crds::worker_config::{
    OtherAccount, SECRETS_DIR, ServedVersion, ServingConfig, TrainingRun, secret,
};
use foresail_crds::{ModelVersion, ProviderAccountSpec};
use serde_json::{Value, json};

use super::*;
use crate::pipeline::labels;
use crate::pipeline::observed::Observed;
use crate::pipeline::plan::plan;
use crate::pipeline::quantity;
use crate::pipeline::resources::Child;
use crate::pipeline::validate::tests::{from_provider, pipeline};

fn images() -> Images {
    Images {
        worker: "w:1".into(),
        trainer: "t:1".into(),
        pull_policy: "IfNotPresent".into(),
    }
}

fn everything() -> Vec<Child> {
    children_of(&pipeline(|_| {}))
}

/// Before prepare, and with everything running.
fn children_of(p: &ValidatedPipeline) -> Vec<Child> {
    let plan = Plan {
        prepared: true,
        serves: true,
        serving: ServingConfig {
            champion: Some(ServedVersion {
                version: 1,
                manifest_uri: "s3://b/k".into(),
                manifest_sha256: "a".into(),
            }),
            ..ServingConfig::default()
        },
        training: Some(TrainingRun {
            run_id: "r1".into(),
            trigger: Trigger::Initial,
            delta_version: 3,
            champion: None,
            gate_sessions: 40,
        }),
        account: p.account.as_ref().map(|_| account("key")),
        ..Plan::default()
    };
    let mut all = build(p, &plan, &images()).children;
    all.extend(build(p, &Plan::default(), &images()).children);
    all
}

fn account(secret: &str) -> ProviderAccountSpec {
    let account = json!({"provider": "AlphaVantage", "secretName": secret});
    serde_json::from_value(account).unwrap()
}

fn find<'a>(children: &'a [Child], kind: &str, name: &str) -> &'a Value {
    &children
        .iter()
        .find(|c| c.kind.kind == kind && c.name == name)
        .unwrap()
        .value
}

#[test]
fn every_pod_is_restricted() {
    let mut pods = 0;
    for child in everything() {
        let pod = &child.value["spec"]["template"]["spec"];
        if pod.is_null() {
            continue;
        }
        pods += 1;
        let security = &pod["securityContext"];
        assert_eq!(
            (
                &security["runAsNonRoot"],
                &security["seccompProfile"]["type"]
            ),
            (&json!(true), &json!("RuntimeDefault"))
        );
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(
                security["allowPrivilegeEscalation"],
                json!(false),
                "{}",
                child.name
            );
            assert_eq!(
                security["readOnlyRootFilesystem"],
                json!(true),
                "{}",
                child.name
            );
            assert_eq!(
                security["capabilities"]["drop"],
                json!(["ALL"]),
                "{}",
                child.name
            );
            assert!(
                container["resources"]["requests"]["cpu"].is_string(),
                "{}",
                child.name
            );
            assert!(
                container["env"].is_null(),
                "{}: secrets and settings are files",
                child.name
            );
        }
    }
    assert!(pods >= 7);
}

#[test]
fn replicas_of_the_predictors_are_never_set() {
    let all = everything();
    assert!(find(&all, "Deployment", "p-predict")["spec"]["replicas"].is_null());
    assert_eq!(
        find(&all, "HorizontalPodAutoscaler", "p-predict")["spec"]["scaleTargetRef"]["name"],
        json!("p-predict")
    );
    assert_eq!(
        find(&all, "PodDisruptionBudget", "p-predict")["spec"]["maxUnavailable"],
        json!(1)
    );
}

#[test]
fn the_service_of_the_predictors_leads_to_the_ports_of_their_pods() {
    let all = everything();
    let ports = &find(&all, "Service", "p-predict")["spec"]["ports"];
    let expected = json!([
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
        {"name": "grpc", "port": 8001, "protocol": "TCP", "targetPort": 8001}
    ]);
    assert_eq!(*ports, expected);
    let pod = &find(&all, "Deployment", "p-predict")["spec"]["template"]["spec"];
    let ports = pod["containers"][0]["ports"].as_array().unwrap();
    let numbers: Vec<&Value> = ports.iter().map(|port| &port["containerPort"]).collect();
    assert_eq!(numbers, [8080, 8001, 8081]);
    let stream = &find(&all, "Deployment", "p-stream")["spec"]["template"]["spec"];
    let ports = stream["containers"][0]["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 1);
}

#[test]
fn rights_are_by_name_and_without_wildcards() {
    for child in everything().iter().filter(|c| c.kind.kind == "Role") {
        for rule in child.value["rules"].as_array().into_iter().flatten() {
            assert!(
                !rule["resourceNames"].as_array().unwrap().is_empty(),
                "{}",
                child.name
            );
            assert!(
                !rule.to_string().contains('*') && !rule.to_string().contains("secrets"),
                "{}",
                child.name
            );
        }
    }
}

#[test]
fn predictors_wait_for_a_champion_and_workers_for_prepare() {
    let first = build(&pipeline(|_| {}), &Plan::default(), &images()).children;
    assert!(first.iter().all(|c| c.kind.kind != "Deployment"));
    assert!(
        first
            .iter()
            .any(|c| c.kind.kind == "Job" && c.name.starts_with("p-prepare-"))
    );
}

#[test]
fn suspend_stops_ingest_stream_and_the_training_job_only() {
    let p = pipeline(|v| v["spec"]["suspend"] = json!(true));
    let plan = Plan {
        prepared: true,
        serves: true,
        training: Some(TrainingRun {
            run_id: "r1".into(),
            trigger: Trigger::Initial,
            delta_version: 3,
            champion: None,
            gate_sessions: 40,
        }),
        ..Plan::default()
    };
    let all = build(&p, &plan, &images()).children;
    let replicas =
        |role: &str| find(&all, "Deployment", &format!("p-{role}"))["spec"]["replicas"].as_i64();
    assert_eq!(
        ["ingest", "lake", "stream", "monitor"].map(replicas),
        [Some(0), Some(1), Some(0), Some(1)]
    );
    assert_eq!(
        find(&all, "Job", "p-train-r1")["spec"]["suspend"],
        json!(true)
    );
}

#[test]
fn every_child_is_owned_labelled_and_named_after_its_pipeline() {
    for child in everything() {
        let meta = &child.value["metadata"];
        assert_eq!(
            meta["ownerReferences"][0]["uid"],
            json!("u-1"),
            "{}",
            child.name
        );
        assert_eq!(meta["labels"][labels::PIPELINE], json!("p"));
        assert!(child.name.starts_with("p-") && child.namespace == "n");
    }
}

/// Pod of each role that has one, of a Pipeline that reads a file.
fn pods() -> Vec<(Role, Value)> {
    pods_of(|_| {})
}

fn pods_of(source: impl FnOnce(&mut Value)) -> Vec<(Role, Value)> {
    let p = pipeline(|v| {
        v["spec"]["kafka"]["secretName"] = json!("kafka");
        v["spec"]["serving"]["cache"]["redis"]["secretName"] = json!("redis");
        source(v);
    });
    let (_, cleanup) = cleanup(&p, &images(), false);
    let mut all: Vec<Value> = children_of(&p).into_iter().map(|c| c.value).collect();
    all.push(serde_json::to_value(cleanup).unwrap());
    let pods = all.into_iter().filter_map(|child| {
        let pod = child["spec"]["template"]["spec"].clone();
        let role = Role::from_name(pod["containers"][0]["name"].as_str()?)?;
        Some((role, pod))
    });
    pods.collect()
}

#[test]
fn every_role_has_a_pod() {
    let pods = pods();
    for role in Role::ALL {
        let pod = pods.iter().find(|(other, _)| other == role);
        let (_, pod) = pod.unwrap_or_else(|| panic!("{role} has no pod"));
        assert_eq!(pod["containers"][0]["args"][0], json!(role.name()));
    }
}

#[test]
fn no_pod_may_fill_the_disk_of_its_node() {
    for (role, pod) in pods() {
        for volume in pod["volumes"].as_array().unwrap() {
            let Some(scratch) = volume.get("emptyDir") else {
                continue;
            };
            let limit = scratch["sizeLimit"].as_str().unwrap_or_default();
            assert!(quantity::parse(limit).is_some_and(|q| q > 0), "{role}");
        }
    }
}

#[test]
fn declared_resources_are_those_of_the_pod_and_an_edit_concerns_their_role_alone() {
    for role in Role::ALL {
        let declared = json!({"requests": {"cpu": "7m"}, "limits": {"memory": "3Gi"}});
        let edit = |v: &mut Value| {
            let mut place = v;
            for key in role.resources_field().split('.') {
                place = &mut place[key];
            }
            *place = declared.clone();
        };
        let p = pipeline(edit);
        let mut all: Vec<Value> = children_of(&p).into_iter().map(|c| c.value).collect();
        all.push(serde_json::to_value(cleanup(&p, &images(), false).1).unwrap());
        let mut containers = all
            .iter()
            .map(|child| &child["spec"]["template"]["spec"]["containers"][0]);
        let mine = containers.find(|c| c["name"] == json!(role));
        assert_eq!(mine.unwrap()["resources"], declared, "{role}");
        let expected = match role.facts().workload {
            Workload::Job => BTreeSet::new(),
            Workload::Worker | Workload::Server => BTreeSet::from([format!("Deployment p-{role}")]),
        };
        assert_eq!(changed_by(edit), expected, "{role}");
    }
}

#[test]
fn a_prepare_job_that_was_given_more_memory_is_another_job() {
    let name = |p: ValidatedPipeline| jobs::prepare_job(&p, &images()).metadata.name;
    let before = name(pipeline(|_| {}));
    let more = name(pipeline(|v| {
        v["spec"]["workers"] = json!({"prepare": {"resources": {"limits": {"memory": "1Gi"}}}});
    }));
    assert_ne!(before, more);
}

#[test]
fn a_pod_mounts_only_the_secrets_its_role_needs() {
    // A source is a file or a provider, and each has a Secret of its own.
    for (pods, other) in [
        (pods(), secret::PROVIDER),
        (pods_of(from_provider), secret::SOURCE),
    ] {
        for (role, pod) in pods {
            let volumes = pod["volumes"].as_array().unwrap().iter();
            let mounted: Vec<&str> = volumes
                .filter_map(|v| v["name"].as_str()?.strip_prefix("secret-"))
                .collect();
            let mut needed = role.facts().secrets.to_vec();
            needed.retain(|system| *system != other);
            // No further account is named here.
            needed.retain(|system| !secret::OTHER_PROVIDERS.contains(system));
            // Nor a certificate.
            needed.retain(|system| ![secret::TLS, secret::CLIENT_CA].contains(system));
            needed.sort_unstable();
            assert_eq!(mounted, needed, "{role}");
        }
    }
}

#[test]
fn a_certificate_is_mounted_by_predictors_alone_and_moves_their_service_to_https() {
    let service = |all: &[Child]| find(all, "Service", "p-predict")["spec"]["ports"].clone();
    let ports = |name: &str, port: i32| {
        json!([
            {"name": name, "port": port, "targetPort": 8080, "protocol": "TCP"},
            {"name": "grpc", "port": 8001, "targetPort": 8001, "protocol": "TCP"},
        ])
    };
    assert_eq!(service(&everything()), ports("http", 80));
    for (tls, expected) in [
        (json!({"secretName": "cert"}), vec![("secret-tls", "cert")]),
        (
            json!({"secretName": "cert", "clientCaSecretName": "clients"}),
            vec![("secret-client-ca", "clients"), ("secret-tls", "cert")],
        ),
    ] {
        let with_tls = pipeline(|v| v["spec"]["serving"] = json!({"tls": tls}));
        let all = children_of(&with_tls);
        assert_eq!(service(&all), ports("https", 443));
        for child in all.iter().filter(|c| c.kind.kind == "Deployment") {
            let pod = &child.value["spec"]["template"]["spec"];
            let volumes = pod["volumes"].as_array().unwrap().iter();
            let mounted = volumes.filter_map(|v| {
                let name = v["name"].as_str()?;
                let is_tls = ["secret-tls", "secret-client-ca"].contains(&name);
                is_tls.then_some((name, v["secret"]["secretName"].as_str()?))
            });
            let mounted: Vec<_> = mounted.collect();
            match child.name.as_str() {
                "p-predict" => assert_eq!(mounted, expected),
                other => assert!(mounted.is_empty(), "{other}"),
            }
        }
    }
}

/// Ingest as it is made for an account: its pod, and what it reads.
fn ingest_of(account: Option<ProviderAccountSpec>) -> Option<(Value, Value)> {
    let plan = Plan {
        prepared: true,
        lacks_account: account.is_none(),
        account,
        ..Plan::default()
    };
    let all = build(&pipeline(from_provider), &plan, &images()).children;
    let named = |name: &str| {
        all.iter()
            .find(|c| c.kind.kind == "Deployment" && c.name == name)
    };
    assert!(named("p-lake").is_some() && named("p-stream").is_some());
    let configs = |role: &str| {
        let start = format!("p-config-{role}-");
        all.iter().filter(|c| c.name.starts_with(&start)).count()
    };
    let pod = named("p-ingest").map(|c| c.value["spec"]["template"]["spec"].clone());
    assert_eq!(configs("ingest"), usize::from(pod.is_some()));
    assert_eq!(configs("lake"), 1);
    let pod = pod?;
    let config = pod["volumes"][0]["configMap"]["name"].as_str().unwrap();
    let json = find(&all, "ConfigMap", config)["data"]["config.json"].clone();
    Some((pod, serde_json::from_str(json.as_str().unwrap()).unwrap()))
}

#[test]
fn ingest_is_given_the_account_and_its_key_and_is_not_made_without() {
    assert_eq!(ingest_of(None), None);
    let (pod, config) = ingest_of(Some(account("key"))).unwrap();
    assert_eq!(config["account"]["provider"], json!("AlphaVantage"));
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let path = format!("{SECRETS_DIR}/provider");
    assert!(mounts.iter().any(|m| m["mountPath"] == json!(path)));
    let (other, _) = ingest_of(Some(account("another"))).unwrap();
    assert_ne!(pod, other, "another key is another pod");
    let yahoo = serde_json::from_value(json!({"provider": "Yahoo"})).unwrap();
    let (pod, _) = ingest_of(Some(yahoo)).unwrap();
    assert!(!pod.to_string().contains("secret-provider"), "{pod}");
}

#[test]
fn every_account_of_a_source_reaches_ingest_with_its_key_and_its_ledger() {
    let p = pipeline(|v| {
        from_provider(v);
        v["spec"]["source"]["fallback"] = json!([{"account": "free"}, {"account": "spare"}]);
    });
    let other = |name: &str, spec: Value| OtherAccount {
        name: name.into(),
        spec: serde_json::from_value(spec).unwrap(),
    };
    let plan = Plan {
        prepared: true,
        account: Some(account("key")),
        other_accounts: vec![
            other("free", json!({"provider": "Yahoo"})),
            other(
                "spare",
                json!({"provider": "AlphaVantage", "secretName": "spare-key"}),
            ),
        ],
        ..Plan::default()
    };
    let all = build(&p, &plan, &images()).children;
    let pod = &find(&all, "Deployment", "p-ingest")["spec"]["template"]["spec"];
    let secrets: Vec<(&str, &str)> = pod["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|v| Some((v["name"].as_str()?, v["secret"]["secretName"].as_str()?)))
        .filter(|(name, _)| name.contains("provider"))
        .collect();
    let expected = [
        ("secret-provider", "key"),
        ("secret-provider-3", "spare-key"),
    ];
    assert_eq!(secrets, expected);
    let config = pod["volumes"][0]["configMap"]["name"].as_str().unwrap();
    let config = find(&all, "ConfigMap", config)["data"]["config.json"].to_string();
    assert!(config.contains("spare-key"), "{config}");
    let rules = find(&all, "Role", "p-ingest")["rules"].to_string();
    for name in ["market", "free", "spare"] {
        assert_eq!(
            rules.matches(&format!("[\"{name}\"]")).count(),
            2,
            "{rules}"
        );
    }
}

#[test]
fn ingest_alone_may_write_the_ledger_of_the_account_it_names() {
    let rules = |p: &ValidatedPipeline, role: Role| {
        let all = children_of(p);
        find(&all, "Role", &format!("p-{role}"))["rules"].clone()
    };
    let p = pipeline(from_provider);
    let expected = [
        json!({"apiGroups": ["foresail.dev"], "resources": ["provideraccounts"], "resourceNames": ["market"],
            "verbs": ["get", "list", "watch"]}),
        json!({"apiGroups": ["foresail.dev"], "resources": ["provideraccounts/status"], "resourceNames": ["market"],
            "verbs": ["patch"]}),
    ];
    for rule in expected {
        assert!(rules(&p, Role::Ingest).as_array().unwrap().contains(&rule));
    }
    for role in Role::ALL.iter().filter(|role| role.has_rights()) {
        let names =
            |p: &ValidatedPipeline| rules(p, *role).to_string().contains("provideraccounts");
        assert_eq!(names(&p), *role == Role::Ingest, "{role}");
        assert!(!names(&pipeline(|_| {})), "{role}");
    }
}

#[test]
fn only_a_role_with_rights_has_a_token() {
    for (role, pod) in pods() {
        let account = role.has_rights().then(|| format!("p-{role}"));
        assert_eq!(pod["serviceAccountName"], json!(account), "{role}");
        let token = &pod["automountServiceAccountToken"];
        assert_eq!(*token, json!(role.has_rights()), "{role}");
    }
}

#[test]
fn the_pod_of_a_run_is_not_started_again_where_that_would_change_nothing() {
    let all = everything();
    let job = find(&all, "Job", "p-train-r1");
    let spec = &job["spec"]["template"]["spec"];
    assert_eq!(spec["restartPolicy"], json!("Never"));
    assert_eq!(
        job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"],
        json!([64, 137])
    );
    assert_eq!(spec["containers"][0]["args"][1], json!("--run"));
}

/// A Pipeline whose champion serves, before an edit.
fn ready(p: &ValidatedPipeline) -> Observed {
    let mut observed = Observed::default();
    observed.status.prepare = Some(PrepareStatus {
        config: p.prepare_config.clone(),
        complete: true,
        source: None,
        error: None,
    });
    let version = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion", "metadata": {"name": "p-v1"},
        "spec": {
            "pipeline": "p", "version": 1, "manifestUri": "s3://b/m.json", "manifestSha256": "a",
            "kind": "Linear", "fingerprint": p.fingerprint, "trigger": "Initial", "runId": "r1",
            "deltaVersion": 3, "trainedThrough": "2007-06-29T20:00:00Z"
        }
    });
    let version: ModelVersion = serde_json::from_value(version).unwrap();
    observed.status.champion = Some(version.spec.served());
    observed.versions = vec![version];
    observed
}

/// Kind and name of each child that an edit changes, adds or removes; names of configurations without
/// their hash.
fn changed_by(edit: impl FnOnce(&mut Value)) -> BTreeSet<String> {
    let (before, after) = (pipeline(|_| {}), pipeline(edit));
    let observed = ready(&before);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let children = |p: &ValidatedPipeline| {
        let plan = plan(p, &observed, now);
        assert!(
            plan.prepared && plan.steps.is_empty(),
            "no prepare and no run"
        );
        let children = build(p, &plan, &images()).children;
        let named = children
            .into_iter()
            .map(|c| (c.kind.kind, c.name, c.value.to_string()));
        named.collect::<BTreeSet<_>>()
    };
    let (old, new) = (children(&before), children(&after));
    let names = old.symmetric_difference(&new).map(|(kind, name, _)| {
        let stem = name
            .rsplit_once('-')
            .map_or(name.as_str(), |(stem, _)| stem);
        let config = name.starts_with("p-config-").then_some(stem);
        format!("{kind} {}", config.unwrap_or(name))
    });
    names.collect()
}

#[test]
fn an_edit_restarts_whom_it_concerns_and_prepares_nothing_again() {
    let nothing = BTreeSet::new;
    let role = |role: Role| {
        let names = [
            format!("ConfigMap p-config-{role}"),
            format!("Deployment p-{role}"),
        ];
        BTreeSet::from(names)
    };
    let edit = |path: [&'static str; 2], value: Value| {
        changed_by(move |v| v["spec"][path[0]][path[1]] = value)
    };
    assert_eq!(
        edit(["drift", "threshold"], json!("0.3")),
        role(Role::Monitor)
    );
    let ttl = changed_by(|v| v["spec"]["serving"]["cache"]["ttl"] = json!("2h"));
    assert_eq!(ttl, role(Role::Predict));
    for (path, value) in [
        (["promotion", "gateWindowSessions"], json!(9)),
        (["promotion", "minimumEffect"], json!("0.1")),
        (["promotion", "mode"], json!("Manual")),
        (["retraining", "maxPerDay"], json!(9)),
        (["retraining", "cooldown"], json!("9d")),
        (["deletionPolicy", "topics"], json!("Delete")),
    ] {
        assert_eq!(edit(path, value), nothing(), "{path:?}");
    }
}

#[test]
fn another_address_is_prepared_again() {
    let (before, after) = (
        pipeline(|_| {}),
        pipeline(|v| v["spec"]["kafka"]["bootstrapServers"] = json!("other:9092")),
    );
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    assert!(!plan(&after, &ready(&before), now).prepared);
}

/// An edit of the features restarts stream alone: predictors go by the versions they load.
#[test]
fn rows_of_the_versions_that_serve_are_made_beside_the_declared_ones() {
    let before = pipeline(|_| {});
    let after = pipeline(|v| v["spec"]["features"][0]["name"] = json!("another"));
    let children = |p: &ValidatedPipeline, feature_sets| {
        let plan = Plan {
            prepared: true,
            serves: true,
            feature_sets,
            ..Plan::default()
        };
        build(p, &plan, &images()).children
    };
    let config = |children: &[Child], role: Role| -> (String, Value) {
        let deployment = find(children, "Deployment", &format!("p-{role}"));
        let mounted = &deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"];
        let name = mounted.as_str().unwrap().to_owned();
        let json = find(children, "ConfigMap", &name)["data"]["config.json"].clone();
        let json = serde_json::from_str(json.as_str().unwrap()).unwrap();
        (name, json)
    };
    let (old, new) = (
        children(&before, vec![]),
        children(&after, vec![before.feature_set()]),
    );
    let (_, stream) = config(&new, Role::Stream);
    assert_eq!(stream["features"][0]["name"], json!("another"));
    assert_eq!(stream["served"][0]["features"][0]["name"], json!("r"));
    assert_eq!(config(&old, Role::Stream).1.get("served"), None);
    assert_eq!(config(&old, Role::Predict), config(&new, Role::Predict));
}
