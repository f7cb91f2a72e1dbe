//! Bars from providers of market data, which the simulator of the chart plays: both of them up to the forecast, of days and of
//! hours, one key shared by many Pipelines while their workers are killed, what is corrected later, and what goes wrong.

mod another;
mod corrected;
mod market;
mod second_account;
mod shared_key;
mod troubles;
mod within;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_domain::Bar;
use foresail_tests::cluster::S3_SECRET;
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, in_namespace, pipelines, s3};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use market::{ACTIONS, PAID, SYMBOLS, account, from_provider, listed_actions};

const FIRST_MODEL: Duration = Duration::from_secs(300);
/// Yahoo sends 32-bit floats.
const SINGLE: f64 = 1e-5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bars_of_both_providers_reach_forecasts() -> Result<()> {
    in_namespace("providers", async |space| {
        market::now(&space.cluster).await?;
        account(
            &space,
            "paid",
            json!({"provider": "AlphaVantage", "limits": {"perMinute": 1200}}),
            Some(PAID),
        )
        .await?;
        account(
            &space,
            "free-of-charge",
            json!({"provider": "Yahoo", "limits": {"perMinute": 1200}}),
            None,
        )
        .await?;
        for (name, account) in [("vantage", "paid"), ("chart", "free-of-charge")] {
            space
                .apply_pipeline(&from_provider(&space, name, account))
                .await?;
        }
        let mut ledgers = Vec::new();
        for name in ["vantage", "chart"] {
            pipelines::ready(&space, name, FIRST_MODEL).await?;
            pipelines::drained(&space, name, FIRST_MODEL).await?;
            let (version, closes) = Predictor::find(&space, name)
                .await?
                .forecast(SYMBOLS[0])
                .await?;
            println!("{name}: version {version}: {closes:.2?}");
            ledgers.push(Ledger::read(&space, name).await?);
        }
        let [vantage, chart] = &ledgers[..] else {
            anyhow::bail!("two were read")
        };
        let mut checks = Checks::new();
        checks.add("both read the same bars", same_bars(vantage, chart, 0.0));
        let chained = after_a_history(&space, vantage).await;
        checks.add("a file, and the provider from there on", chained);
        checks.add("splits and dividends are in the bars", actions(vantage));
        for (name, ledger) in [("vantage", vantage), ("chart", chart)] {
            checks.add(
                &format!("{name}: the counts add up"),
                counts(&space, name, ledger).await,
            );
            checks.equal(
                &format!("{name}: bars that came twice"),
                ledger.repeated_bars,
                0,
            );
        }
        checks.verdict()
    })
    .await
}

/// A Pipeline whose years before come from a file, as those of a free key do.
async fn after_a_history(space: &Space, whole: &Ledger) -> Result<usize> {
    let name = "chained";
    let key = format!("tests/{}/history.csv", space.name);
    let uri = format!("s3://{}/{key}", space.cluster.settings.s3_bucket);
    s3::put(&space.cluster, &key, &file(whole)?).await?;
    let mut object = from_provider(space, name, "free-of-charge");
    object["spec"]["source"]["csv"] = json!({"uri": uri, "endpoint": space.cluster.settings.s3_endpoint,
        "secretName": S3_SECRET, "columns": {"splitFactor": "split_factor", "dividend": "dividend"}});
    space.apply_pipeline(&object).await?;
    pipelines::drained(space, name, FIRST_MODEL).await?;
    let ledger = Ledger::read(space, name).await?;
    let of_file = |bar: &&Bar| bar.provider == "csv";
    let old = ledger.bars.values().filter(of_file).count();
    ensure!(old > 0 && old < ledger.bars.len(), "{old} bars of the file");
    ensure!(
        ledger.repeated_bars == 0,
        "{} bars came twice",
        ledger.repeated_bars
    );
    same_bars(whole, &ledger, 0.0)
}

/// The bars before 2026 as a file.
fn file(ledger: &Ledger) -> Result<String> {
    let mut text = "symbol,date,open,high,low,close,volume,split_factor,dividend\n".to_owned();
    for bar in ledger.bars.values() {
        let date = session(bar)?;
        if date.year() >= 2026 {
            continue;
        }
        let prices = [bar.open, bar.high, bar.low, Some(bar.close), bar.volume];
        let prices = prices.map(|price| price.map_or_else(String::new, |price| price.to_string()));
        let (symbol, actions) = (&bar.symbol, [bar.split_factor, bar.dividend]);
        writeln!(
            text,
            "{symbol},{date},{},{},{}",
            prices.join(","),
            actions[0],
            actions[1]
        )?;
    }
    Ok(text)
}

/// The day of a bar: sessions of New York end on their own day by UTC.
fn session(bar: &Bar) -> Result<Date> {
    let end = Timestamp::from_millisecond(bar.event_time)?;
    Ok(end.to_zoned(TimeZone::UTC).date())
}

/// As traded, whatever a provider has restated. Volumes may differ by so many `shares`.
fn same_bars(vantage: &Ledger, chart: &Ledger, shares: f64) -> Result<usize> {
    let keys = |ledger: &Ledger| ledger.bars.keys().cloned().collect::<Vec<_>>();
    ensure!(
        keys(vantage) == keys(chart),
        "{} and {} bars",
        vantage.bars.len(),
        chart.bars.len()
    );
    let near = |a: f64, b: f64| (a - b).abs() <= a.abs().max(b.abs()) * SINGLE;
    for (one, other) in vantage.bars.values().zip(chart.bars.values()) {
        let numbers = |bar: &Bar| {
            let rest = [bar.close, bar.split_factor, bar.dividend].map(Some);
            let all = [bar.open, bar.high, bar.low].into_iter().chain(rest);
            all.flatten().collect::<Vec<_>>()
        };
        let (one_numbers, other_numbers) = (numbers(one), numbers(other));
        let both = one_numbers.iter().zip(&other_numbers);
        let equal = one_numbers.len() == other_numbers.len()
            && both.into_iter().all(|(a, b)| near(*a, *b))
            && same_volume(one, other, shares);
        ensure!(equal, "{one:?} and {other:?}");
    }
    Ok(vantage.bars.len())
}

fn same_volume(one: &Bar, other: &Bar, shares: f64) -> bool {
    match (one.volume, other.volume) {
        (Some(a), Some(b)) => (a - b).abs() <= (a.abs().max(b.abs()) * SINGLE).max(shares),
        (a, b) => a == b,
    }
}

/// Each bar of a day with an action carries it.
fn actions(ledger: &Ledger) -> Result<usize> {
    let mut found = BTreeMap::new();
    for bar in ledger
        .bars
        .values()
        .filter(|bar| bar.split_factor != 1.0 || bar.dividend != 0.0)
    {
        let date = session(bar)?;
        found.insert(
            (bar.symbol.clone(), date.to_string()),
            (bar.split_factor, bar.dividend),
        );
    }
    ensure!(found == listed_actions(), "{found:?}");
    ensure!(found.len() == ACTIONS.len(), "{} actions", found.len());
    Ok(found.len())
}

async fn counts(space: &Space, name: &str, ledger: &Ledger) -> Result<Value> {
    let pipeline = space.pipelines().get(name).await?;
    let ingest = pipeline
        .status
        .and_then(|status| status.ingest)
        .context("no status.ingest")?;
    let sum = ingest.rows_sent + ingest.rows_quarantined + ingest.rows_unchanged;
    ensure!(
        ingest.rows_read == sum,
        "{} read, {sum} told",
        ingest.rows_read
    );
    ensure!(
        ingest.rows_sent == ledger.bars.len() as u64,
        "{} sent, {} bars",
        ingest.rows_sent,
        ledger.bars.len()
    );
    ensure!(
        ledger.quarantine.is_empty(),
        "{:?}",
        ledger.quarantine.first()
    );
    Ok(json!({"read": ingest.rows_read, "sent": ingest.rows_sent}))
}
