//! One key, many Pipelines: no limit is broken at the provider's door, whoever dies, and everybody gets his bars.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::settings::in_soak;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, faults, in_namespace, until, with_own_operator};
use serde_json::{Value, json};

use super::market::{self, SYMBOLS, account, from_provider};

/// A key of the scenario: a request a second, so many a day, the last hundred bars.
struct Key {
    value: &'static str,
    per_day: u32,
    /// Each asks three times a session: as many as the key carries in a day, or, in the soak, in less than three.
    pipelines: usize,
    kills: usize,
}

const SHORT: Key = Key {
    value: "FREE-3H6W0B5N2R9C",
    per_day: 6,
    pipelines: 2,
    kills: 1,
};
const LONG: Key = Key {
    value: "FREE-9T4S1L8Z6Y3G",
    per_day: 25,
    pipelines: 20,
    kills: 10,
};

/// A day of the market, on the wall.
const DAY: i64 = 60;
/// The last hundred, less those of days to which only the market's clock has come.
const BARS: usize = 90;
const SYMBOL: &str = SYMBOLS[0];
const BACK: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_key_is_never_asked_too_often() -> Result<()> {
    if !in_soak(false, true) {
        return in_namespace("one-key", async |space| shared(&space, &SHORT).await).await;
    }
    // Two operators write the account's conditions while the workers write its ledger.
    with_own_operator("one-key", 2, async |space, _| shared(&space, &LONG).await).await
}

async fn shared(space: &Space, key: &Key) -> Result<()> {
    market::fast(&space.cluster, DAY).await?;
    let limits =
        json!({"perSecond": 1, "perDay": key.per_day, "resetTimeZone": format!("every {DAY}s")});
    let spec = json!({"provider": "AlphaVantage", "limits": limits});
    account(space, "shared", spec, Some(key.value)).await?;
    let names: Vec<String> = (0..key.pipelines).map(|i| format!("share-{i}")).collect();
    for name in &names {
        let mut object = from_provider(space, name, "shared");
        object["spec"]["instruments"] = json!([{"symbol": SYMBOL}]);
        space.apply_pipeline(&object).await?;
    }
    for name in names.iter().take(key.kills) {
        until("its first answer", DAYS, async || asked(space, name).await).await?;
        faults::kill_child(space, &format!("{name}-ingest"), BACK).await?;
    }
    let mut checks = Checks::new();
    for name in &names {
        checks.add(
            &format!("{name} has its bars"),
            until("every bar", DAYS, async || has_bars(space, name).await).await,
        );
    }
    market::clock(&space.cluster, &json!({"speed": 1})).await?;
    let seen = market::seen(&space.cluster).await?;
    let (counts, most) = (&seen["keys"][key.value], u64::from(key.per_day));
    checks.add("no limit was broken", unbroken(counts, most));
    checks.verdict()
}

/// As many days as the requests take, and some.
const DAYS: Duration = Duration::from_secs(900);

/// The worker runs, and the account knows of its Pipeline.
async fn asked(space: &Space, name: &str) -> Result<()> {
    let accounts = space.api::<foresail_crds::ProviderAccount>();
    let status = accounts.get("shared").await?.status.unwrap_or_default();
    let ledger = status.ledger.context("no ledger")?;
    let pipeline = format!("{}/{name}", space.name);
    let share = ledger
        .shares
        .iter()
        .find(|share| share.pipeline == pipeline);
    let share = share.with_context(|| format!("no share of {pipeline}"))?;
    ensure!(share.last_grant > 0, "nothing was asked for {pipeline}");
    Ok(())
}

async fn has_bars(space: &Space, name: &str) -> Result<usize> {
    let ledger = Ledger::read(space, name).await?;
    let counts = ledger.per_symbol();
    let bars = counts.get(SYMBOL).copied().unwrap_or(0);
    ensure!(bars >= BARS, "{bars} of {BARS} bars");
    ensure!(
        ledger.repeated_bars == 0,
        "{} bars came twice",
        ledger.repeated_bars
    );
    Ok(ledger.bars.len())
}

/// What the provider has counted.
fn unbroken(key: &Value, limit: u64) -> Result<String> {
    let refused = key["refused"]
        .as_object()
        .context("the key was never seen")?;
    ensure!(refused.is_empty(), "refused: {key}");
    let days = key["answered"].as_object().context("no days")?;
    let counts = || days.values().filter_map(Value::as_u64);
    let most = counts().max().unwrap_or(0);
    ensure!(most <= limit && counts().sum::<u64>() > limit, "{key}");
    ensure!(key["mostInASecond"] == 1, "{key}");
    Ok(format!("{} days, {most} requests at most", days.len()))
}
