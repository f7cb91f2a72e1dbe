//! What the programs show at `/metrics`, compared with the manual: every metric is in it, and a scenario of the suites
//! moves each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::Role;
use foresail_crds::role::ADMIN_PORT;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};

use crate::{Cluster, Operator, Space, faults, repo, until};

const MOVED: Duration = Duration::from_secs(45);

/// What moves metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// `a_break_is_answered_with_exactly_one_promotion`, while the alarm holds.
    Alarm,
    /// `corrupt_artifact`, and rows in Redis that are damaged.
    Corrupt,
    /// `a_new_predictor_starts_while_redis_is_down`.
    WithoutRedis,
    /// `what_a_person_sets_is_done`, with what it does to the topics at its end.
    ByHand,
    /// No cluster: thousands of forecasts would have to be served while one is handed over. In `predict`:
    /// `what_does_not_fit_the_log_is_counted`. Providers are asked by no Pipeline of these suites: in `simulate`,
    /// `a_quota_that_is_used_up_and_a_bad_key_are_not_asked_again`. No bar of these suites changes what is not kept any
    /// more: in `stream`, `bars_that_change_the_past_are_followed_across_kills_and_in_redis`.
    UnitTest,
    /// Shown where a certificate is declared alone, which no Pipeline of these suites does. In `runtime-http`, the tests of
    /// certificates.
    WithTls,
}

/// Every metric, and what moves it.
const METRICS: [(&str, Scenario); 37] = [
    ("foresail_cache_damaged_total", Scenario::Corrupt),
    ("foresail_cache_errors_total", Scenario::WithoutRedis),
    ("foresail_cache_repairs_total", Scenario::ByHand),
    ("foresail_drift_alarm", Scenario::Alarm),
    ("foresail_drift_ks", Scenario::Alarm),
    ("foresail_drift_psi", Scenario::Alarm),
    ("foresail_drift_score", Scenario::Alarm),
    ("foresail_drift_threshold", Scenario::Alarm),
    ("foresail_effects_total", Scenario::Alarm),
    ("foresail_ingest_rows_total", Scenario::Alarm),
    ("foresail_lake_bars_total", Scenario::Alarm),
    (
        "foresail_monitor_connections_failed_total",
        Scenario::ByHand,
    ),
    ("foresail_monitor_failed_predictions", Scenario::ByHand),
    ("foresail_monitor_predictions_total", Scenario::Alarm),
    ("foresail_monitor_rows_total", Scenario::Alarm),
    ("foresail_operator_reconciles_total", Scenario::Alarm),
    ("foresail_predict_cache_total", Scenario::Alarm),
    ("foresail_predict_loads_refused_total", Scenario::Corrupt),
    ("foresail_predict_model_version", Scenario::Alarm),
    ("foresail_predict_request_seconds", Scenario::Alarm),
    ("foresail_predict_requests_total", Scenario::Alarm),
    ("foresail_predict_table_rows", Scenario::Alarm),
    ("foresail_provider_answers_total", Scenario::UnitTest),
    ("foresail_provider_waits_total", Scenario::UnitTest),
    ("foresail_realised_excess_ratio", Scenario::Alarm),
    ("foresail_realised_rmse_ratio", Scenario::Alarm),
    ("foresail_served_log_dropped_total", Scenario::ByHand),
    ("foresail_served_log_overflow_total", Scenario::UnitTest),
    ("foresail_stream_bars_total", Scenario::Alarm),
    ("foresail_stream_connections_failed_total", Scenario::ByHand),
    ("foresail_stream_last_event_time_seconds", Scenario::Alarm),
    ("foresail_stream_look_backs_total", Scenario::UnitTest),
    ("foresail_stream_refused_bars_total", Scenario::ByHand),
    ("foresail_stream_rows_total", Scenario::Alarm),
    (
        "foresail_tls_certificate_not_after_seconds",
        Scenario::WithTls,
    ),
    ("foresail_tls_handshakes_total", Scenario::WithTls),
    ("foresail_tls_loads_total", Scenario::WithTls),
];

/// Values by name: the sum of what a metric shows under all its labels, without signs.
pub type Metrics = BTreeMap<String, f64>;

/// Waits until what `scenario` moves has moved in the pods of a Pipeline or the operator.
///
/// # Errors
/// Also a metric that is shown and not in the manual, and one that is in the manual and nobody shows.
pub async fn check(space: &Space, pipeline: &str, scenario: Scenario) -> Result<String> {
    let manual = manual()?;
    until("the metrics have moved", MOVED, async || {
        let shown = of_pipeline(space, pipeline).await?;
        let unknown: Vec<_> = shown.keys().filter(|n| !manual.contains_key(*n)).collect();
        ensure!(unknown.is_empty(), "not in the manual: {unknown:?}");
        // One with labels is shown once it has a value.
        let is_elsewhere = |name: &str| METRICS.contains(&(name, Scenario::WithTls));
        let mut plain = manual
            .iter()
            .filter(|(name, labels)| labels.is_empty() && !is_elsewhere(name));
        let missing = plain.find(|(name, _)| !shown.contains_key(*name));
        ensure!(missing.is_none(), "shown by no role: {missing:?}");
        let ours = METRICS.iter().filter(|(_, by)| *by == scenario);
        let value = |name: &str| shown.get(name).copied().unwrap_or_default();
        let still: Vec<_> = ours.clone().filter(|(n, _)| value(n) == 0.0).collect();
        ensure!(still.is_empty(), "not moved: {still:?}");
        Ok(format!("{} shown, {} moved", shown.len(), ours.count()))
    })
    .await
}

/// What the long-running programs of a Pipeline and the operator show.
async fn of_pipeline(space: &Space, pipeline: &str) -> Result<Metrics> {
    let mut found = Metrics::new();
    let mut pods = Operator::shared(&space.cluster).pods().await?;
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    for role in Role::ALL.iter().filter(|role| role.runs_all_day()) {
        let of_role = faults::pods_of(space, &format!("{pipeline}-{role}")).await?;
        ensure!(!of_role.is_empty(), "no pod of {role} runs");
        pods.extend(of_role);
    }
    for pod in &pods {
        for (name, value) in of_pod(&space.cluster, pod).await? {
            *found.entry(name).or_default() += value;
        }
    }
    Ok(found)
}

/// What a pod shows, through the API server.
async fn of_pod(cluster: &Cluster, pod: &Pod) -> Result<Metrics> {
    let shown = parse(&text_of_pod(cluster, pod).await?);
    ensure!(!shown.is_empty(), "{} shows no metric", pod.name_any());
    Ok(shown)
}

/// The same as it is shown.
///
/// # Errors
/// When the API server or the pod does not answer.
pub async fn text_of_pod(cluster: &Cluster, pod: &Pod) -> Result<String> {
    let name = pod.name_any();
    let path = Pod::url_path(&(), pod.metadata.namespace.as_deref());
    let target = format!("{name}:{ADMIN_PORT}");
    let request = kube::core::Request::new(path).get_subresource("proxy/metrics", &target)?;
    let text = cluster.client.request_text(request).await;
    text.with_context(|| format!("/metrics of {name}"))
}

/// Reads the text format of Prometheus: samples follow the line that names their metric.
pub fn parse(text: &str) -> Metrics {
    let mut found = Metrics::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("# TYPE ") {
            let name = named.split(' ').next().unwrap_or_default();
            current = Some(found.entry(name.to_owned()).or_default());
        } else if !line.starts_with('#')
            && let Some(sum) = current.as_deref_mut()
        {
            let value = line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
            *sum += value.map_or(0.0, f64::abs);
        }
    }
    found
}

/// Names and labels of `docs/operations.md`.
fn manual() -> Result<BTreeMap<String, String>> {
    let page = repo::text("docs/operations.md")?;
    let (_, section) = page
        .split_once("\n## Every metric\n")
        .context("docs/operations.md has no list of metrics")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeMap<String, String> = rows
        .filter_map(|row| {
            let (name, rest) = row.split_once("` |")?;
            let labels = rest.split('|').next()?.trim();
            Some((name.to_owned(), labels.to_owned()))
        })
        .collect();
    let moved: BTreeSet<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let listed: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
    let differ: Vec<_> = moved.symmetric_difference(&listed).collect();
    ensure!(
        differ.is_empty(),
        "no scenario, or not in the manual: {differ:?}"
    );
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_manual_has_a_scenario() {
        let manual = manual().unwrap();
        assert_eq!(manual.len(), METRICS.len());
        assert_eq!(manual["foresail_effects_total"], "`system`, `operation`");
        assert_eq!(manual["foresail_drift_alarm"], "");
    }

    #[test]
    fn samples_are_those_of_the_metric_above_them() {
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"y z\"} 2\na_total{x=\"q\"} 3\n\
            # TYPE b gauge\nb -0.5\n# TYPE c histogram\nc_bucket{le=\"+Inf\"} 1\nc_sum 0.25\nc_count 1\n# TYPE d gauge\nd 0\n";
        let expected = [("a_total", 5.0), ("b", 0.5), ("c", 2.25), ("d", 0.0)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(parse(text), Metrics::from(expected));
    }
}
