//! What the API server refuses, and says why: every rule of the schemas, hostile objects, and the
//! examples that must pass. Needs the CRDs only; `explained` needs the operator.

mod accounts;
mod cases;
mod dry_run;
mod explained;
mod schema;
mod versions;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use foresail_tests::{in_namespace, on_cluster, repo};
use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use dry_run::DryRun;

/// Limit of etcd and of `kubectl apply` is far above; what grows silently is noticed here.
const CRD_LIMIT: usize = 200 * 1024;

#[tokio::test]
async fn examples_are_admitted() -> Result<()> {
    on_cluster(async |cluster| {
        let (pipelines, accounts) = (DryRun::pipelines(&cluster), DryRun::accounts(&cluster));
        let examples = repo::examples()?;
        ensure!(examples.len() >= 7, "only {examples:?}");
        for example in examples {
            let object = repo::yaml(&example, &repo::nowhere())?;
            let dry_run = if object["kind"] == "ProviderAccount" {
                &accounts
            } else {
                &pipelines
            };
            dry_run
                .create(&object)
                .await
                .map_err(|refused| refused.error(&example))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn minimal_example_is_short_and_filled_with_defaults() -> Result<()> {
    let lines = repo::text("examples/minimal.yaml")?.lines().count();
    ensure!(lines < 25, "examples/minimal.yaml has {lines} lines");
    on_cluster(async |cluster| {
        let object = repo::yaml("examples/minimal.yaml", &repo::nowhere())?;
        let stored = DryRun::pipelines(&cluster)
            .create(&object)
            .await
            .map_err(|refused| refused.error("minimal"))?;
        for (path, expected) in [
            ("/spec/calendar", json!("XNYS")),
            ("/spec/source/adjustment", json!("All")),
            ("/spec/training/horizon", json!(5)),
            ("/spec/serving/maxReplicas", json!(3)),
            ("/spec/drift/threshold", json!("Calibrated")),
            ("/spec/retraining/cooldown", json!("5d")),
            ("/spec/promotion/mode", json!("Automatic")),
            ("/spec/deletionPolicy/lake", json!("Retain")),
            ("/spec/suspend", json!(false)),
        ] {
            let found = stored.pointer(path);
            ensure!(found == Some(&expected), "{path} is {found:?}");
        }
        Ok(())
    })
    .await
}

#[test]
fn commented_example_names_every_field() -> Result<()> {
    for (example, kind) in [
        ("examples/commented.yaml", "pipelines"),
        ("examples/provider/account.yaml", "provideraccounts"),
    ] {
        let text = repo::text(example)?;
        let missing: Vec<String> = schema::fields(kind)?
            .into_iter()
            .filter(|field| {
                let name = field.rsplit('.').next().unwrap_or_default();
                !text.contains(&format!("{name}:"))
            })
            .collect();
        ensure!(missing.is_empty(), "{example} lacks {missing:?}");
    }
    Ok(())
}

#[tokio::test]
async fn invalid_pipelines_are_refused_with_a_reason() -> Result<()> {
    on_cluster(async |cluster| {
        let dry_run = DryRun::pipelines(&cluster);
        let cases = cases::all()?;
        ensure!(cases.len() >= 60, "only {} cases", cases.len());
        let mut names = BTreeSet::new();
        for case in &cases {
            ensure!(
                names.insert(&case.name),
                "two cases are called {}",
                case.name
            );
        }
        let failures: Vec<String> = stream::iter(&cases)
            .map(|case| async { dry_run.expect_refusal(case).await.err() })
            .buffer_unordered(4)
            .filter_map(async |error| error.map(|e| format!("{e:#}")))
            .collect()
            .await;
        ensure!(
            failures.is_empty(),
            "{} of {}:\n{}",
            failures.len(),
            cases.len(),
            failures.join("\n")
        );
        println!("{} invalid Pipelines refused", cases.len());
        Ok(())
    })
    .await
}

/// Refused for the request, and not for the object that it holds.
const OF_THE_REQUEST: [&str; 2] = ["another namespace", "four megabytes"];

/// What the tests here send to the API server, before `evaluate` and `inspect`: the same is refused, in the same words.
#[test]
fn the_tool_judges_as_the_api_server() -> Result<()> {
    let mut failures = Vec::new();
    let bases = [
        cases::with_csv()?,
        cases::with_provider()?,
        cases::with_simulator()?,
        cases::with_pipeline_ref()?,
        cases::with_expression()?,
        cases::with_codes()?,
    ];
    let examples = repo::examples()?;
    let examples = examples
        .iter()
        .map(|name| repo::yaml(name, &repo::nowhere()));
    let mut examples = examples.collect::<Result<Vec<_>>>()?;
    examples.retain(|object| object["kind"] == "Pipeline");
    for object in bases.iter().chain(&examples) {
        for refusal in foresail_admission::judge(object) {
            failures.push(format!("{}: {refusal}", object["metadata"]["name"]));
        }
    }
    let violations = schema::violations("pipelines", &bases)?;
    for case in cases::all()?.into_iter().chain(violations) {
        let refusals = foresail_admission::judge(&case.object);
        let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        let said = said.join("; ");
        let skipped = OF_THE_REQUEST.contains(&case.name.as_str());
        if !skipped && !said.contains(&case.says) {
            let said: String = said.chars().take(400).collect();
            failures.push(format!(
                "{}: expected `{}` in: {said}",
                case.name, case.says
            ));
        }
    }
    ensure!(
        failures.is_empty(),
        "{}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn codes_of_vendors_are_admitted() -> Result<()> {
    on_cluster(async |cluster| {
        let stored = DryRun::pipelines(&cluster)
            .create(&cases::with_codes()?)
            .await;
        stored.map_err(|refused| refused.error("a Pipeline of codes"))?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn bars_of_another_pipeline_are_admitted_and_stay_the_source() -> Result<()> {
    in_namespace("stays", async |space| {
        let mut object = cases::with_pipeline_ref()?;
        object["spec"]["suspend"] = json!(true);
        space.apply_pipeline(&object).await?;
        let market = json!({"seed": 1, "start": "2010-01-04", "sessions": 10});
        let edits = [
            json!({"pipelineRef": {"name": "others"}}),
            json!({"pipelineRef": null, "simulator": market}),
        ];
        for source in edits {
            let patch = json!({"spec": {"source": source}});
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
            let answer = space.pipelines().patch("base", &parameters, &patch).await;
            let Err(kube::Error::Api(status)) = answer else {
                bail!("{source} was accepted");
            };
            ensure!(
                status.code == 422 && status.message.contains(UNCHANGED),
                "{}",
                status.message
            );
        }
        let patch = json!({"spec": {"source": {"staleAfterSessions": 9}}});
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
        space.pipelines().patch("base", &parameters, &patch).await?;
        Ok(())
    })
    .await
}

/// What is said of a source that cannot become another one. No single object breaks that rule.
const UNCHANGED: &str = "source.pipelineRef cannot be added, changed or removed";

#[tokio::test]
async fn every_rule_has_a_case_that_breaks_it() -> Result<()> {
    let mut messages: BTreeSet<String> = schema::rule_messages("pipelines")?;
    let rules = messages.len();
    messages.retain(|message| !message.contains(UNCHANGED));
    ensure!(messages.len() + 1 == rules, "`{UNCHANGED}` is no rule");
    ensure!(messages.len() > 15, "only {} rules found", messages.len());
    let expected: BTreeSet<String> = cases::all()?.into_iter().map(|case| case.says).collect();
    let untested: Vec<&String> = messages
        .iter()
        .filter(|m| {
            !expected
                .iter()
                .any(|e| e.len() > 10 && m.contains(e.as_str()))
        })
        .collect();
    ensure!(untested.is_empty(), "no case for {untested:#?}");
    Ok(())
}

#[tokio::test]
async fn every_bound_of_the_schema_is_enforced() -> Result<()> {
    on_cluster(async |cluster| {
        let dry_run = DryRun::pipelines(&cluster);
        let bases = [
            cases::with_csv()?,
            cases::with_provider()?,
            cases::with_simulator()?,
            cases::with_pipeline_ref()?,
            cases::with_expression()?,
        ];
        let cases = schema::violations("pipelines", &bases)?;
        ensure!(cases.len() > 200, "only {} violations made", cases.len());
        let failures: Vec<String> = stream::iter(&cases)
            .map(|case| async { dry_run.expect_refusal(case).await.err() })
            .buffer_unordered(4)
            .filter_map(async |error| error.map(|e| format!("{e:#}")))
            .collect()
            .await;
        ensure!(
            failures.is_empty(),
            "{} of {}:\n{}",
            failures.len(),
            cases.len(),
            failures.join("\n")
        );
        println!("{} violations of the schema refused", cases.len());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn crds_are_small_and_every_field_is_explained() -> Result<()> {
    for kind in ["pipelines", "modelversions", "provideraccounts"] {
        let size = repo::text(&format!("crds/yaml/{kind}.yaml"))?.len();
        ensure!(size < CRD_LIMIT, "{kind}.yaml has {size} bytes");
    }
    on_cluster(async |cluster| {
        // What `kubectl explain` reads.
        let document: Value =
            dry_run::get(&cluster, "/openapi/v3/apis/foresail.dev/v1alpha1").await?;
        let schemas = document["components"]["schemas"].clone();
        for (kind, least) in [
            ("Pipeline", 10),
            ("ModelVersion", 10),
            ("ProviderAccount", 8),
        ] {
            let name = format!("dev.foresail.v1alpha1.{kind}");
            let schema = schemas
                .get(&name)
                .with_context(|| format!("{name} is not published"))?;
            let root = schema["description"].as_str().unwrap_or_default();
            ensure!(
                !root.is_empty() && !root.contains("generated"),
                "{kind}: {root}"
            );
            let (fields, bare) = schema::explained(&schema["properties"]["spec"]);
            ensure!(fields > least, "{kind}: only {fields} fields");
            ensure!(bare.is_empty(), "{kind}: fields without a text: {bare:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn lists_merge_under_server_side_apply() -> Result<()> {
    in_namespace("ssa", async |space| {
        let mut whole = repo::yaml("examples/minimal.yaml", &repo::nowhere())?;
        whole["spec"]["suspend"] = json!(true);
        space.apply_pipeline(&whole).await?;
        let other = json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "minimal"},
            "spec": {"instruments": [{"symbol": "IBM"}], "features": [{"name": "rsi_14d", "function": "Rsi", "window": 14}]}});
        dry_run::apply_as(&space, "second-manager", &other).await?;
        let stored = space.pipelines().get("minimal").await?;
        let symbols: Vec<_> = stored.spec.instruments.iter().map(|i| &*i.symbol).collect();
        ensure!(symbols == ["AAPL", "IBM"], "instruments are {symbols:?}");
        ensure!(stored.spec.features.len() == 3, "features are {:?}", stored.spec.features);
        // The first manager applies again: nothing of the second is lost, nothing changes.
        let again = space.apply_pipeline(&whole).await?;
        ensure!(again.spec.instruments.len() == 2, "the second manager's instrument is lost");
        ensure!(again.metadata.generation == stored.metadata.generation, "a repeated apply changed the spec");
        Ok(())
    })
    .await
}
