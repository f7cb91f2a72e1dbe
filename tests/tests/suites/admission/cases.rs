//! Invalid and hostile Pipelines, each an edit of a valid one, with part of the answer a person gets.

mod hostile;
mod model;
mod sources;

use anyhow::{Context, Result};
use foresail_tests::{pipelines, repo};
use serde_json::{Value, json};

use super::dry_run::Case;

/// In place of a value: remove the field.
const GONE: &str = "(gone)";

/// Name of the case, edits (JSON pointer below the object, value), part of the answer.
type Row = (&'static str, Vec<(&'static str, Value)>, &'static str);

/// The commented example with every optional field set; source is CSV.
pub fn with_csv() -> Result<Value> {
    let mut base = repo::yaml("examples/commented.yaml", &repo::nowhere())?;
    base["metadata"] = json!({"name": "base"});
    base["spec"]["source"]["csv"]["symbol"] = json!("AAPL");
    base["spec"]["promotion"]["championVersion"] = json!(3);
    // The first feature carries every parameter, so that each one's bounds are reached.
    base["spec"]["features"][0] = json!({"name": "return_1d", "function": "MacdSignal", "window": 20,
        "fast": 12, "slow": 26, "signal": 9, "deviations": "2"});
    Ok(base)
}

/// The same with a provider of market data, whose bars arrive live.
pub fn with_provider() -> Result<Value> {
    let mut base = with_csv()?;
    let source = base["spec"]["source"]
        .as_object_mut()
        .context("no source")?;
    source.remove("csv");
    source.remove("replay");
    source.insert(
        "provider".into(),
        json!({"account": "alpha-vantage", "delay": "30m", "poll": "1h", "recheckSessions": 5}),
    );
    source.insert("fallback".into(), json!([{"account": "yahoo"}]));
    let quorum = json!({"account": "yahoo", "tolerance": "0.001"});
    source.insert("quorum".into(), quorum);
    Ok(base)
}

/// The same with the market simulator.
pub fn with_simulator() -> Result<Value> {
    let mut base = with_csv()?;
    let source = base["spec"]["source"]
        .as_object_mut()
        .context("no source")?;
    source.remove("csv");
    source.insert(
        "simulator".into(),
        json!({"seed": 1, "start": "2010-01-04", "sessions": 4000, "annualVolatility": "0.2",
            "volatilityClustering": "0.5", "autocorrelation": "0", "splitEverySessions": 0, "badRowEvery": 0,
            "gapEverySessions": 0, "break": {"atSession": 1500, "annualVolatility": "0.4", "autocorrelation": "-0.4"}}),
    );
    base["spec"]["source"]["interval"] = json!("5m");
    base["spec"]["drift"]["windowSessions"] = json!(1);
    base["spec"]["promotion"]["gateWindowSessions"] = json!(1);
    base["spec"]["calendarOverrides"] = json!([{"date": "2027-01-23", "open": true}]);
    // Parameters that no other function may carry.
    base["spec"]["features"][0] = json!({"name": "return_1d", "function": "RollingQuantile", "window": 20,
        "column": "High", "quantile": "0.9"});
    Ok(base)
}

/// The same with the bars of another Pipeline, trained again when they are revised.
pub fn with_pipeline_ref() -> Result<Value> {
    let mut base = with_csv()?;
    base["spec"]["retraining"]["triggers"] = json!(["DataRevised"]);
    let source = base["spec"]["source"]
        .as_object_mut()
        .context("no source")?;
    for field in ["csv", "backfill", "replay", "onSuspicion"] {
        source.remove(field);
    }
    source.insert("pipelineRef".into(), json!({"name": "prices"}));
    Ok(base)
}

/// The commented example with an expression for its first feature.
pub fn with_expression() -> Result<Value> {
    let mut base = with_csv()?;
    base["spec"]["calendarOverrides"] = json!([{"date": "2027-07-02", "closesAt": "13:00"}]);
    base["spec"]["features"][0] =
        json!({"name": "return_1d", "function": "Expression", "expression": "1 / 3"});
    Ok(base)
}

/// The commented example with codes as vendors write them.
pub fn with_codes() -> Result<Value> {
    let mut base = with_csv()?;
    let codes = pipelines::CODES.map(|code| json!({"symbol": code}));
    base["spec"]["instruments"] = codes.to_vec().into();
    Ok(base)
}

/// All of them.
pub fn all() -> Result<Vec<Case>> {
    let (csv, simulator, provider) = (with_csv()?, with_simulator()?, with_provider()?);
    let another = with_pipeline_ref()?;
    let mut cases = Vec::new();
    let csv_rows = [sources::rows(), model::rows(), hostile::rows()].concat();
    for (base, rows) in [
        (&csv, csv_rows),
        (&simulator, sources::simulator_rows()),
        (&provider, sources::provider_rows()),
        (&another, sources::pipeline_rows()),
    ] {
        for (name, edits, says) in rows {
            let mut object = base.clone();
            for (pointer, value) in edits {
                edit(&mut object, pointer, value).with_context(|| name.to_owned())?;
            }
            cases.push(Case {
                name: name.into(),
                object,
                says: says.into(),
            });
        }
    }
    Ok(cases)
}

fn edit(object: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let (parent, last) = pointer.rsplit_once('/').context("no pointer")?;
    let parent = object
        .pointer_mut(parent)
        .with_context(|| format!("the base has no {parent}"))?;
    match (parent, value) {
        (Value::Object(fields), value) if value == GONE => {
            fields
                .remove(last)
                .with_context(|| format!("the base has no {pointer}"))?;
        }
        (Value::Object(fields), value) => {
            fields.insert(last.to_owned(), value);
        }
        (Value::Array(items), value) => {
            let index: usize = last.parse()?;
            *items.get_mut(index).context("no such item")? = value;
        }
        _ => anyhow::bail!("{pointer} is no place"),
    }
    Ok(())
}
