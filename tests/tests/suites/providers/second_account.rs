//! A source that names other accounts: one that brings the bars that the first one cannot, and one that confirms them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::conditions::{self, REFETCH_ANNOTATION};
use foresail_crds::pipeline::status::{AccountState, ProviderState};
use foresail_crds::records::QuarantineRecord;
use foresail_domain::{Bar, TradingCalendar};
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::FIRST_MODEL;
use super::market::{self, PAID, SYMBOLS, account, from_provider};

const SOON: Duration = Duration::from_secs(180);
/// The provider does not know it.
const WRONG: &str = "WRONG-2N8C5Z0R7T3L";

/// Accounts with both providers; `locked` has a wrong key.
async fn accounts(space: &Space) -> Result<()> {
    market::now(&space.cluster).await?;
    let limits = json!({"perMinute": 1200});
    let vantage = json!({"provider": "AlphaVantage", "limits": limits});
    account(space, "locked", vantage.clone(), Some(WRONG)).await?;
    account(space, "paid", vantage, Some(PAID)).await?;
    let chart = json!({"provider": "Yahoo", "limits": limits});
    account(space, "free-of-charge", chart, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_brings_what_the_first_one_cannot() -> Result<()> {
    in_namespace("second-account", async |space| {
        accounts(&space).await?;
        // One symbol that the chart does not know.
        let symbol = format!("ONE{}", Timestamp::now().as_second() % 1_000_000);
        let listing = json!({"symbol": symbol, "provider": "AlphaVantage"});
        market::list(&space.cluster, &listing).await?;
        let mut parked = from_provider(&space, "parked", "locked");
        parked["spec"]["source"]["fallback"] = json!([{"account": "free-of-charge"}]);
        let mut unknown = from_provider(&space, "unknown", "free-of-charge");
        unknown["spec"]["source"]["fallback"] = json!([{"account": "locked"}, {"account": "paid"}]);
        unknown["spec"]["instruments"] = json!([{"symbol": SYMBOLS[0]}, {"symbol": symbol}]);
        for object in [&parked, &unknown] {
            space.apply_pipeline(object).await?;
        }
        pipelines::ready(&space, "parked", FIRST_MODEL).await?;
        for name in ["parked", "unknown"] {
            pipelines::drained(&space, name, FIRST_MODEL).await?;
        }
        let (version, closes) = Predictor::find(&space, "parked")
            .await?
            .forecast(SYMBOLS[0])
            .await?;
        println!("parked: version {version}: {closes:.2?}");
        let mut checks = Checks::new();
        let all = |_: &Bar| "yahoo";
        checks.add(
            "parked: every bar is of the chart",
            of(&space, "parked", all).await,
        );
        let alone = |bar: &Bar| {
            if bar.symbol == symbol {
                "alpha-vantage"
            } else {
                "yahoo"
            }
        };
        checks.add(
            "unknown: one symbol is of another",
            of(&space, "unknown", alone).await,
        );
        let stands_in = [("locked", 0), ("free-of-charge", 2)];
        checks.add("parked: told", told(&space, "parked", &stands_in).await);
        let stands_in = [("free-of-charge", 0), ("locked", 0), ("paid", 1)];
        checks.add("unknown: told", told(&space, "unknown", &stands_in).await);
        checks.verdict()
    })
    .await
}

/// Each bar is of the provider that it should be of, and came once.
async fn of(space: &Space, name: &str, expected: impl Fn(&Bar) -> &'static str) -> Result<usize> {
    let ledger = Ledger::read(space, name).await?;
    for bar in ledger.bars.values() {
        ensure!(bar.provider == expected(bar), "{bar:?}");
    }
    ensure!(
        ledger.repeated_bars == 0,
        "{} bars came twice",
        ledger.repeated_bars
    );
    ensure!(ledger.bars.len() > 500, "{} bars", ledger.bars.len());
    Ok(ledger.bars.len())
}

async fn provider(space: &Space, name: &str) -> Result<ProviderState> {
    let status = space.pipelines().get(name).await?.status;
    let ingest = status.and_then(|status| status.ingest);
    let provider = ingest.and_then(|ingest| ingest.provider);
    provider.context("no status.ingest.provider")
}

/// Status says who brought the newest bars, and a condition who stands in and why.
async fn told(space: &Space, name: &str, expected: &[(&str, u32)]) -> Result<Value> {
    until("the accounts in status", SOON, async || {
        let accounts = provider(space, name).await?.accounts;
        let stands_in = |state: &AccountState| (state.account.clone(), state.standing_in);
        let found: Vec<_> = accounts.iter().map(stands_in).collect();
        let all = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        ensure!(found == all.collect::<Vec<_>>(), "{accounts:?}");
        let pipeline = space.pipelines().get(name).await?;
        let sources = pipelines::condition(&pipeline, conditions::SOURCES_READY);
        let sources = sources.context("no SourcesReady")?;
        for (account, count) in expected.iter().filter(|(_, count)| *count > 0) {
            let said = format!("newest bars of {count} symbols are from {account}");
            ensure!(sources.message.contains(&said), "{}", sources.message);
        }
        ensure!(
            sources.status == "True",
            "{}: {}",
            sources.reason,
            sources.message
        );
        let locked = accounts.iter().find(|state| state.account == "locked");
        ensure!(
            locked.is_some_and(|state| state.reason.as_deref() == Some("BadKey")),
            "{locked:?}"
        );
        Ok(json!(accounts))
    })
    .await
}

/// The chart has one close wrong: that bar alone waits in quarantine, with both numbers, until it is corrected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bar_of_which_two_accounts_differ_is_held_with_both_closes() -> Result<()> {
    in_namespace("quorum", async |space| {
        accounts(&space).await?;
        let symbol = format!("TWO{}", Timestamp::now().as_second() % 1_000_000);
        let day = sessions_ago(60)?;
        let mistake = json!({"date": day.to_string(), "factor": 1.02, "provider": "Yahoo"});
        let wrong = json!({"symbol": symbol, "mistakes": [mistake]});
        market::list(&space.cluster, &wrong).await?;
        let name = "confirmed";
        let mut object = from_provider(&space, name, "paid");
        object["spec"]["instruments"] = json!([{"symbol": symbol}]);
        object["spec"]["source"]["quorum"] = json!({"account": "free-of-charge"});
        space.apply_pipeline(&object).await?;
        pipelines::drained(&space, name, FIRST_MODEL).await?;
        let mut checks = Checks::new();
        checks.add("one bar is held", held(&space, name, day, true).await);
        let quarantined = Ledger::read(&space, name).await?.quarantine;
        checks.add("both closes are told", both_closes(&quarantined, day));
        let listing = json!({"symbol": symbol});
        market::list(&space.cluster, &listing).await?;
        // As a gap it is asked for again after a poll, a day and four more, and at once when a person wants it.
        let value = format!("{symbol} {day}..{day}");
        let patch = json!({"metadata": {"annotations": {REFETCH_ANNOTATION: value}}});
        let (api, patch) = (space.pipelines(), Patch::Merge(&patch));
        api.patch(name, &PatchParams::default(), &patch).await?;
        checks.add(
            "it is sent once they agree",
            held(&space, name, day, false).await,
        );
        checks.verdict()
    })
    .await
}

/// A session of New York, so many before today.
fn sessions_ago(count: usize) -> Result<Date> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let sessions = TradingCalendar::Xnys.sessions(today.saturating_sub(200.days()), today);
    let sessions: Vec<Date> = sessions.collect();
    let day = sessions.iter().rev().nth(count).copied();
    day.context("the calendar is too short")
}

/// Whether all bars but that of one day were sent, each once, or that one as well.
async fn held(space: &Space, name: &str, day: Date, is_held: bool) -> Result<usize> {
    until("the bars", SOON, async || {
        let ledger = Ledger::read(space, name).await?;
        let end = TradingCalendar::Xnys.session_end(day);
        let mut bars = ledger.bars.values();
        let is_sent = bars.any(|bar| bar.event_time == end);
        ensure!(is_sent != is_held, "the bar of {day} is sent: {is_sent}");
        ensure!(
            ledger.repeated_bars == 0,
            "{} bars came twice",
            ledger.repeated_bars
        );
        let quorum = provider(space, name).await?.quorum.context("no quorum")?;
        ensure!(quorum.differing == u64::from(is_held), "{quorum:?}");
        // What a person asks for is a change of configuration: the worker starts again, and counts anew.
        let confirmed = if is_held { ledger.bars.len() - 1 } else { 1 };
        ensure!(quorum.confirmed as usize >= confirmed, "{quorum:?}");
        Ok(ledger.bars.len())
    })
    .await
}

fn both_closes(quarantined: &[QuarantineRecord], day: Date) -> Result<String> {
    ensure!(quarantined.len() == 1, "{quarantined:?}");
    let record = &quarantined[0];
    let said = [
        "by account paid and",
        "by account free-of-charge",
        "1.96 % apart",
    ];
    let tells = |part: &&str| record.message.contains(*part);
    ensure!(
        record.reason == "SourcesDiffer" && said.iter().all(tells),
        "{record:?}"
    );
    ensure!(record.message.contains(&day.to_string()), "{record:?}");
    Ok(record.message.clone())
}
