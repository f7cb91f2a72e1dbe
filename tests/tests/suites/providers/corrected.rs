//! What a provider changes after its bars were read: a close, a split that it knows of late, and a bar of long ago that a person
//! asks for. Each is one revision on the bars topic, whatever happens to the worker meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::conditions::REFETCH_ANNOTATION;
use foresail_crds::pipeline::status::IngestStatus;
use foresail_domain::{Bar, TradingCalendar};
use foresail_tests::{Checks, Space, faults, in_namespace, topics, until};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::market::{self, PAID, account, from_provider};

const SOON: Duration = Duration::from_secs(180);
const BACK: Duration = Duration::from_secs(120);
/// The Pipelines, with the account that each reads from.
const READERS: [(&str, &str); 2] = [("chart", "free-of-charge"), ("vantage", "paid")];

/// Days of the market on which something changes.
struct Days {
    /// A close of long ago is corrected.
    old: Date,
    /// A split becomes known late.
    split: Date,
    /// A close is corrected.
    close: Date,
    /// The newest bar that is expected.
    newest: Date,
}

impl Days {
    fn new() -> Result<Self> {
        let now = Timestamp::now();
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let calendar = TradingCalendar::Xnys;
        let delay = SignedDuration::from_mins(30).as_millis() as i64;
        let is_over = |date: &Date| calendar.session_end(*date) + delay <= now.as_millisecond();
        let sessions = calendar.sessions(today.saturating_sub(200.days()), today);
        let sessions: Vec<Date> = sessions.filter(is_over).collect();
        let back = |count: usize| {
            let day = sessions.iter().rev().nth(count).copied();
            day.context("the calendar is too short")
        };
        Ok(Self {
            old: back(60)?,
            split: back(3)?,
            close: back(2)?,
            newest: back(0)?,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_bar_and_a_late_split_arrive_once() -> Result<()> {
    in_namespace("corrected", async |space| {
        market::now(&space.cluster).await?;
        let symbol = format!("FIX{}", Timestamp::now().as_second() % 1_000_000);
        let days = Days::new()?;
        let wrong = |date: Date| json!({"date": date.to_string(), "factor": 1.05});
        let late = json!({"date": days.split.to_string(), "numerator": 4, "denominator": 1, "known": "2100-01-01T00:00:00Z"});
        let newest = json!([{"date": days.newest.to_string()}]);
        let before = json!({"symbol": symbol, "splits": [late], "holes": newest,
            "mistakes": [wrong(days.old), wrong(days.close)]});
        market::list(&space.cluster, &before).await?;
        let limits = json!({"perMinute": 1200});
        let vantage = json!({"provider": "AlphaVantage", "limits": limits});
        account(&space, "paid", vantage, Some(PAID)).await?;
        let chart = json!({"provider": "Yahoo", "limits": limits});
        account(&space, "free-of-charge", chart, None).await?;
        for (name, account) in READERS {
            let mut object = from_provider(&space, name, account);
            object["spec"]["instruments"] = json!([{"symbol": symbol}]);
            space.apply_pipeline(&object).await?;
        }
        for (name, _) in READERS {
            until("bars but the newest", SOON, async || {
                let bars = bars(&space, name).await?;
                ensure!(bars.len() > 300, "{} bars", bars.len());
                ensure!(revisions(&bars)?.is_empty(), "{:?}", revisions(&bars));
                Ok(())
            })
            .await?;
        }
        let split = json!({"date": days.split.to_string(), "numerator": 4, "denominator": 1});
        let old = json!([wrong(days.old)]);
        let corrected = json!({"symbol": symbol, "splits": [split], "holes": newest, "mistakes": old});
        market::list(&space.cluster, &corrected).await?;
        let both = vec![days.split, days.close];
        // The newest bar is asked for again and again, and those before it come with each answer.
        revised(&space, "chart", &both).await?;
        faults::kill_child(&space, "chart-ingest", BACK).await?;
        let whole = json!({"symbol": symbol, "splits": [split], "mistakes": old});
        market::list(&space.cluster, &whole).await?;
        for (name, _) in READERS {
            until("the newest bar", SOON, async || {
                let bars = bars(&space, name).await?;
                let dates = bars.iter().map(session).collect::<Result<Vec<_>>>()?;
                ensure!(dates.contains(&days.newest), "no bar of {}", days.newest);
                Ok(())
            })
            .await?;
        }
        let mut checks = Checks::new();
        for (name, _) in READERS {
            checks.add(&format!("{name}: revisions"), revised(&space, name, &both).await);
            checks.add(&format!("{name}: the split"), has_split(&space, name, days.split).await);
            checks.add(&format!("{name}: the counts add up"), counts(&space, name).await);
        }
        let fixed = json!({"symbol": symbol, "splits": [split]});
        market::list(&space.cluster, &fixed).await?;
        let all = vec![days.split, days.close, days.old];
        let asked = asked_for(&space, "chart", &symbol, days.old, &all).await;
        checks.add("what a person asks for is read again", asked);
        checks.verdict()
    })
    .await
}

async fn bars(space: &Space, name: &str) -> Result<Vec<Bar>> {
    topics::values(space, &topics::names(space, name).bars).await
}

fn session(bar: &Bar) -> Result<Date> {
    let end = Timestamp::from_millisecond(bar.event_time)?;
    Ok(end.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Days of which another bar was sent, in the order in which it was.
fn revisions(bars: &[Bar]) -> Result<Vec<Date>> {
    let corrections = bars.iter().filter(|bar| bar.revision > 0);
    corrections.map(session).collect()
}

/// Exactly these days have a second bar, and none has a third.
async fn revised(space: &Space, name: &str, days: &[Date]) -> Result<usize> {
    until("the corrections", SOON, async || {
        let bars = bars(space, name).await?;
        let found = revisions(&bars)?;
        ensure!(found == days, "{name}: {found:?}, not {days:?}");
        ensure!(
            bars.iter().all(|bar| bar.revision <= 1),
            "{name}: a third bar"
        );
        Ok(found.len())
    })
    .await
}

async fn has_split(space: &Space, name: &str, day: Date) -> Result<usize> {
    let bars = bars(space, name).await?;
    let split: Vec<&Bar> = bars.iter().filter(|bar| bar.split_factor != 1.0).collect();
    ensure!(split.len() == 1 && session(split[0])? == day, "{split:?}");
    ensure!(
        split[0].split_factor == 4.0 && split[0].revision == 1,
        "{split:?}"
    );
    Ok(bars.len())
}

async fn status(space: &Space, name: &str) -> Result<IngestStatus> {
    let status = space.pipelines().get(name).await?.status;
    status
        .and_then(|status| status.ingest)
        .context("no status.ingest")
}

async fn counts(space: &Space, name: &str) -> Result<Value> {
    until("the counts", SOON, async || {
        let (bars, told) = (bars(space, name).await?, status(space, name).await?);
        let sum = told.rows_sent + told.rows_quarantined + told.rows_unchanged;
        ensure!(told.rows_read == sum, "{} read, {sum} told", told.rows_read);
        let (sent, revised) = (bars.len() as u64, revisions(&bars)?.len() as u64);
        ensure!(told.rows_sent == sent, "{} of {sent} sent", told.rows_sent);
        ensure!(
            told.rows_revised == revised,
            "{} of {revised}",
            told.rows_revised
        );
        ensure!(told.rows_late == 0, "{} late", told.rows_late);
        Ok(json!({"read": told.rows_read, "sent": sent, "revised": revised}))
    })
    .await
}

/// Has a day read again, and waits until it was.
async fn asked_for(
    space: &Space,
    name: &str,
    symbol: &str,
    day: Date,
    all: &[Date],
) -> Result<Value> {
    let value = format!("{symbol} {day}..{day}");
    let patch = json!({"metadata": {"annotations": {REFETCH_ANNOTATION: value}}});
    let (pipelines, patch) = (space.pipelines(), Patch::Merge(&patch));
    pipelines
        .patch(name, &PatchParams::default(), &patch)
        .await?;
    until("the days are read again", SOON, async || {
        let told = status(space, name).await?.provider.unwrap_or_default();
        let refetch = told.refetch.context("no status.ingest.provider.refetch")?;
        ensure!(refetch.asked == value && refetch.left == 0, "{refetch:?}");
        Ok(())
    })
    .await?;
    revised(space, name, all).await?;
    counts(space, name).await
}
