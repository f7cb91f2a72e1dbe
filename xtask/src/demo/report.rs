//! What the demo shows at its end: forecasts, the state of each part, and where to look further.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{NAMESPACE, facts};
use crate::install::Cluster;
use foresail_node::exec;
use foresail_node::node::{Node, env};

/// Prints forecasts and states.
pub fn print(cluster: &Cluster<'_>, pipelines: &[Value]) -> Result<()> {
    for pipeline in pipelines {
        let name = pipeline["metadata"]["name"].as_str().unwrap_or("?");
        println!("\nForecasts of Pipeline {name} (closes of the next sessions)");
        for symbol in symbols(pipeline) {
            println!("{}", row(&symbol, &forecast(cluster, name, &symbol)?));
        }
        println!("\nParts of Pipeline {name}");
        for fact in facts::facts(pipeline) {
            println!("  {:<16} {}", fact.part, fact.phrase());
        }
    }
    for kind in ["pipelines", "modelversions", "provideraccounts", "pods,hpa"] {
        println!(
            "\n{}",
            exec::capture(
                cluster
                    .kubectl()
                    .args(["get", kind, "--namespace", NAMESPACE])
            )?
            .trim_end()
        );
    }
    Ok(())
}

/// Prints addresses and commands.
pub fn print_node(node: &Node) {
    println!("\nEverything keeps running. To look further:");
    println!("  . {}", env::file(node).display());
    println!("  kubectl describe pipeline --namespace {NAMESPACE}");
    println!(
        "  kubectl get events --namespace {NAMESPACE} --field-selector involvedObject.kind=Pipeline"
    );
    println!(
        "  kubectl get services --namespace {NAMESPACE}    # their addresses answer from this machine: curl http://ADDRESS/v1/forecasts/AAPL"
    );
    println!(
        "  Kafka {}   Redis {}   S3 {}   logs {}",
        env::kafka(node),
        env::redis(node),
        env::s3(node).endpoint,
        node.state.join("log").display()
    );
    println!("  make down    # removes it all");
}

/// Codes of the Pipeline's instruments.
pub fn symbols(pipeline: &Value) -> Vec<String> {
    let instruments = pipeline["spec"]["instruments"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    instruments
        .iter()
        .filter_map(|instrument| instrument["symbol"].as_str().map(str::to_owned))
        .collect()
}

/// Asks the predictors, through the API server, so that it works on any cluster.
pub fn forecast(cluster: &Cluster<'_>, pipeline: &str, symbol: &str) -> Result<Value> {
    let path = format!(
        "/api/v1/namespaces/{NAMESPACE}/services/{pipeline}-predict:http/proxy/v1/forecasts/{symbol}"
    );
    let text = exec::capture(cluster.kubectl().args(["get", "--raw", &path]))
        .with_context(|| format!("no forecast for {symbol}"))?;
    serde_json::from_str(&text)
        .with_context(|| format!("the forecast for {symbol} is no JSON: {text}"))
}

fn row(symbol: &str, answer: &Value) -> String {
    let mut found = BTreeMap::new();
    collect(answer, &mut found);
    let Some(values) = ["mean_forecast", "forecast"]
        .iter()
        .find_map(|key| found.get(*key)?.as_array())
    else {
        return format!("  {symbol:<8} {answer}");
    };
    let closes: Vec<String> = values
        .iter()
        .map(|value| format!("{:>10.2}", value.as_f64().unwrap_or(f64::NAN)))
        .collect();
    let labelled = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| found.get(*key))
            .map(|value| plain(value))
            .unwrap_or_default()
    };
    let version = labelled(&["model_version", "modelVersion"]);
    let as_of: String = labelled(&["as_of", "asOf", "eventTime"])
        .chars()
        .take(10)
        .collect();
    format!(
        "  {symbol:<8} {}   version {version}, as of {as_of}",
        closes.join(" ")
    )
}

/// The first value of every key, wherever it stands.
fn collect<'a>(value: &'a Value, found: &mut BTreeMap<&'a str, &'a Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.entry(key).or_insert(value);
                collect(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_shows_closes_version_and_date() {
        let answer = json!({"model_version": 2, "outputs": [{"content": [{"mean_forecast": [1.0, 2.5], "as_of": "2009-12-31T21:00:00Z"}]}]});
        assert_eq!(
            row("IBM", &answer),
            "  IBM            1.00       2.50   version 2, as of 2009-12-31"
        );
    }

    #[test]
    fn an_unknown_answer_is_shown_as_it_is() {
        assert!(row("IBM", &json!({"x": 1})).contains("{\"x\":1}"));
    }
}
