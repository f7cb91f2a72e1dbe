//! One key, many Pipelines: no limit is broken at the provider's door, whoever dies, and everybody gets his bars.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::settings::in_soak;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, faults, in_namespace, until};
use serde_json::{Value, json};

use super::market::{self, SYMBOLS, account, from_provider};

/// A key of the scenario: a request a second, six a day, the last hundred bars.
const FREE: &str = "FREE-3H6W0B5N2R9C";
const PER_DAY: u32 = 6;
/// A day of the market, on the wall.
const DAY: i64 = 60;
/// The last hundred, less those of days to which only the market's clock has come.
const BARS: usize = 90;
/// As many as the key can carry: each asks three times a session. In the soak ten times as many.
const PIPELINES: [usize; 2] = [2, 20];
const SYMBOL: &str = SYMBOLS[0];
const BACK: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_key_is_never_asked_too_often() -> Result<()> {
    in_namespace("one-key", async |space| {
        market::fast(&space.cluster, DAY).await?;
        let limits =
            json!({"perSecond": 1, "perDay": PER_DAY, "resetTimeZone": format!("every {DAY}s")});
        account(
            &space,
            "shared",
            json!({"provider": "AlphaVantage", "limits": limits}),
            Some(FREE),
        )
        .await?;
        let count = in_soak(PIPELINES[0], PIPELINES[1]);
        let names: Vec<String> = (0..count).map(|i| format!("share-{i}")).collect();
        for name in &names {
            let mut object = from_provider(&space, name, "shared");
            object["spec"]["instruments"] = json!([{"symbol": SYMBOL}]);
            space.apply_pipeline(&object).await?;
        }
        for name in names.iter().take(in_soak(1, 10)) {
            until("its first answer", DAYS, async || asked(&space, name).await).await?;
            faults::kill_child(&space, &format!("{name}-ingest"), BACK).await?;
        }
        let mut checks = Checks::new();
        for name in &names {
            checks.add(
                &format!("{name} has its bars"),
                until("every bar", DAYS, async || has_bars(&space, name).await).await,
            );
        }
        market::clock(&space.cluster, &json!({"speed": 1})).await?;
        let seen = market::seen(&space.cluster).await?;
        checks.add("no limit was broken", unbroken(&seen["keys"][FREE]));
        checks.verdict()
    })
    .await
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
fn unbroken(key: &Value) -> Result<String> {
    let refused = key["refused"]
        .as_object()
        .context("the key was never seen")?;
    ensure!(refused.is_empty(), "refused: {key}");
    let days = key["answered"].as_object().context("no days")?;
    let counts = || days.values().filter_map(Value::as_u64);
    let (most, limit) = (counts().max().unwrap_or(0), u64::from(PER_DAY));
    ensure!(most <= limit && counts().sum::<u64>() > limit, "{key}");
    ensure!(key["mostInASecond"] == 1, "{key}");
    Ok(format!("{} days, {most} requests at most", days.len()))
}
