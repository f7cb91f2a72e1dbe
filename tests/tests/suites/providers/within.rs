//! Bars within a session: hours of both providers up to the forecast, alike though one of them has half hours alone.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use foresail_domain::Interval;
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, in_namespace, pipelines};
use serde_json::{Value, json};

use super::market::{self, PAID, SYMBOLS, account, from_provider, listed_actions};
use super::{FIRST_MODEL, same_bars, session};

/// First session that is read.
const FROM: &str = "2026-01-02";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_of_both_providers_reach_forecasts() -> Result<()> {
    in_namespace("within", async |space| {
        market::now(&space.cluster).await?;
        let limits = json!({"perMinute": 1200});
        let vantage = json!({"provider": "AlphaVantage", "limits": limits});
        account(&space, "paid", vantage, Some(PAID)).await?;
        let chart = json!({"provider": "Yahoo", "limits": limits});
        account(&space, "free-of-charge", chart, None).await?;
        let readers = [("vantage", "paid"), ("chart", "free-of-charge")];
        for (name, account) in readers {
            space.apply_pipeline(&hours(&space, name, account)).await?;
        }
        let mut ledgers = Vec::new();
        for (name, _) in readers {
            pipelines::ready(&space, name, FIRST_MODEL).await?;
            pipelines::drained(&space, name, FIRST_MODEL).await?;
            let predictor = Predictor::find(&space, name).await?;
            let (version, closes) = predictor.forecast(SYMBOLS[0]).await?;
            println!("{name}: version {version}: {closes:.2?}");
            ledgers.push(Ledger::read(&space, name).await?);
        }
        // An hour may have ended between the two.
        let newest = ledgers.iter().filter_map(|ledger| {
            let ends = ledger.bars.keys().map(|(_, end)| *end);
            ends.max()
        });
        let newest = newest.min().unwrap_or_default();
        let mut checks = Checks::new();
        for ((name, _), ledger) in readers.iter().zip(&mut ledgers) {
            ledger.bars.retain(|(_, end), _| *end <= newest);
            let none: usize = 0;
            checks.equal(
                &format!("{name}: bars that came twice"),
                ledger.repeated_bars,
                none,
            );
            checks.equal(
                &format!("{name}: refused rows"),
                ledger.quarantine.len(),
                none,
            );
            checks.add(
                &format!("{name}: bars are hours of the session"),
                grid(ledger),
            );
            checks.add(
                &format!("{name}: splits and dividends are in its first bar"),
                actions(ledger),
            );
        }
        if let [vantage, chart] = &ledgers[..] {
            // The chart counts whole shares of today: behind a split of one for two it knows them to one share.
            let same = same_bars(vantage, chart, 1.0);
            checks.add("both read the same bars", same);
        }
        checks.verdict()
    })
    .await
}

fn hours(space: &Space, name: &str, account: &str) -> Value {
    let mut object = from_provider(space, name, account);
    object["spec"]["source"]["interval"] = json!("1h");
    object["spec"]["source"]["backfill"] = json!({"from": FROM});
    object["spec"]["drift"]["windowSessions"] = json!(10);
    object["spec"]["promotion"]["gateWindowSessions"] = json!(10);
    object
}

/// New York trades six bars of an hour and one of half an hour.
fn grid(ledger: &Ledger) -> Result<usize> {
    let grid =
        foresail_domain::BarGrid::new(foresail_domain::TradingCalendar::Xnys, Interval::OneHour);
    for bar in ledger.bars.values() {
        ensure!(bar.interval == Interval::OneHour, "{bar:?}");
        ensure!(
            grid.ending(bar.event_time).is_some(),
            "{bar:?} ends with no bar"
        );
    }
    let first = ledger
        .bars
        .keys()
        .map(|(_, end)| *end)
        .min()
        .unwrap_or_default();
    let last = ledger
        .bars
        .keys()
        .map(|(_, end)| *end)
        .max()
        .unwrap_or_default();
    let expected = SYMBOLS.len() * (1 + grid.ended(first, last));
    ensure!(
        ledger.bars.len() == expected,
        "{} bars, {expected} have ended",
        ledger.bars.len()
    );
    Ok(expected)
}

fn actions(ledger: &Ledger) -> Result<usize> {
    let has_any = |bar: &&foresail_domain::Bar| bar.split_factor != 1.0 || bar.dividend != 0.0;
    let mut found = BTreeMap::new();
    for bar in ledger.bars.values().filter(has_any) {
        let key = (bar.symbol.clone(), session(bar)?.to_string());
        let again = found.insert(key, (bar.split_factor, bar.dividend));
        ensure!(again.is_none(), "twice: {bar:?}");
    }
    let mut listed = listed_actions();
    listed.retain(|(_, date), _| date.as_str() >= FROM);
    ensure!(found == listed, "{found:?}");
    Ok(found.len())
}
