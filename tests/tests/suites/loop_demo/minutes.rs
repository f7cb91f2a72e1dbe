//! Minute bars of 50 symbols, from the source to the forecast.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_domain::{BarGrid, Interval, TradingCalendar};
use foresail_tests::predictor::Predictor;
use foresail_tests::{Checks, Space, audit, in_namespace, pipelines, until};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

const FIRST_MODEL: Duration = Duration::from_secs(600);
const REPLAY: Duration = Duration::from_secs(600);
const REST: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);
const SYMBOLS: usize = 50;
/// Seven sessions around Thanksgiving: the fourth is the half day after it.
const FROM: Date = date(2024, 11, 25);
const BACKFILL_TO: &str = "2024-12-02";
const TO: Date = date(2024, 12, 4);

fn minutes(space: &Space, name: &str) -> Value {
    let mut object = pipelines::small(space, name);
    let spec = &mut object["spec"];
    let symbols = (0..SYMBOLS).map(|i| json!({"symbol": format!("MIN{i:02}")}));
    spec["instruments"] = symbols.collect();
    spec["source"] = json!({
        "interval": "1m",
        "simulator": {"seed": 5, "start": FROM.to_string(), "sessions": 7, "autocorrelation": "0.3",
            "volatilityClustering": "0.2", "splitEverySessions": 20, "badRowEvery": 2000},
        "backfill": {"to": BACKFILL_TO},
        "replay": {"sessionsPerSecond": "0.5"}
    });
    spec["drift"] = json!({"windowSessions": 1});
    spec["promotion"] = json!({"gateWindowSessions": 1});
    spec["retraining"] = json!({"triggers": []});
    object
}

fn utc(ms: i64) -> Result<String> {
    Ok(Timestamp::from_millisecond(ms)?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minute_bars_of_50_symbols_reach_forecasts() -> Result<()> {
    in_namespace("minutes", async |space| {
        let (name, object) = ("minutes", minutes(&space, "minutes"));
        let grid = BarGrid::new(TradingCalendar::Xnys, Interval::OneMinute);
        let days = grid.calendar().sessions(FROM, TO);
        let bars: Vec<i64> = days
            .flat_map(|day| grid.session(day))
            .map(|bar| bar.end)
            .collect();
        ensure!(
            bars.len() == 6 * 390 + 210,
            "the market has {} bars",
            bars.len()
        );
        let newest = *bars.last().context("no bar")?;

        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, name, FIRST_MODEL).await?;
        let end = pipelines::drained(&space, name, REPLAY).await?;
        let rested = pipelines::at_rest(&space, name, REST).await?;

        let mut checks = Checks::new();
        let ingest = end
            .status
            .as_ref()
            .and_then(|status| status.ingest.as_ref());
        let sent = ingest.map(|ingest| ingest.rows_sent);
        checks.equal("bars sent", sent, Some((bars.len() * SYMBOLS) as u64));
        let last = ingest.and_then(|ingest| ingest.last_event_time.as_ref());
        let last = last.map(|time| time.0.to_string());
        checks.equal("the newest bar", last, Some(utc(newest)?));
        let drift = rested
            .status
            .as_ref()
            .and_then(|status| status.drift.as_ref());
        checks.equal(
            "minutes are compared with the reference",
            drift.is_some(),
            true,
        );
        let runs = audit::training_jobs(&space.cluster, &space.name, name)?;
        checks.equal("training runs", runs.len(), 1);

        let steps: Vec<String> = (1..=5)
            .map(|step| utc(grid.after(newest, step)))
            .collect::<Result<_>>()?;
        let predictor = Predictor::find(&space, name).await?;
        for symbol in pipelines::symbols(&object) {
            let answer = until(&format!("the forecast of {symbol}"), SOON, async || {
                let answer = predictor.get(&format!("/v1/forecasts/{symbol}")).await?;
                answer.forecast()?;
                ensure!(
                    answer.body["as_of"] == json!(utc(newest)?),
                    "{symbol} as of {}",
                    answer.body["as_of"]
                );
                Ok(answer)
            })
            .await?;
            checks.equal(
                &format!("steps of {symbol}"),
                &answer.body["dates"],
                &json!(steps),
            );
        }
        let series = json!({"inputs": [{"type": "univariate_time_series", "frequency": "minute",
            "series": (0..60).map(|i| 100.0 + f64::from(i % 5)).collect::<Vec<f64>>(),
            "start_timestamp": utc(bars[0])?}]});
        let answer = predictor.post("/v1/timeseries/forecast", &series).await?;
        let content = &answer.body["outputs"][0]["content"][0];
        checks.equal(
            "a series of minutes",
            &content["frequency"],
            &json!("minute"),
        );
        checks.equal(
            "goes on a minute later",
            &content["start_timestamp"],
            &json!(utc(bars[60])?),
        );
        checks.verdict()
    })
    .await
}
