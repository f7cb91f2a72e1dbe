//! Bars that change the past, written to the bars topic as ingest writes them: a corrected close, a split that is told
//! late, a bar that was missing. What the stream worker has written last, what the trainer folds and what predict computes
//! in a request are the same bits before and after; what was known earlier stays what it was.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::records::FeatureRecord;
use foresail_domain::Bar;
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::{self, Ledger};
use foresail_tests::{Checks, Space, in_namespace, pipelines, programs};
use jiff::Timestamp;
use serde_json::json;

use super::parity;

const FIRST_MODEL: Duration = Duration::from_secs(300);
const FOLLOWED: Duration = Duration::from_secs(90);
const NAME: &str = "revised";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bars_that_change_the_past_change_every_part_alike() -> Result<()> {
    in_namespace(NAME, async |space| {
        let mut object = pipelines::small(&space, NAME);
        object["spec"]["source"]["adjustment"] = json!("All");
        object["spec"]["retraining"] = json!({"triggers": []});
        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, NAME, FIRST_MODEL).await?;
        pipelines::drained(&space, NAME, FOLLOWED).await?;
        let market = Market {
            space: &space,
            predictor: Predictor::find(&space, NAME).await?,
            symbols: pipelines::symbols(&object),
        };
        let mut checks = Checks::new();
        let before = market.agree(&mut checks, "as ingested").await?;
        let then = Timestamp::now().as_millisecond();
        let known = market.known(then).await?;
        ensure!(known == market.known_now().await?, "not all of it is known");
        let told = market.told(then).await?;

        let bars = market.bars().await?;
        let of =
            |symbol: &str| -> Vec<&Bar> { bars.values().filter(|b| b.symbol == symbol).collect() };
        let (a, b) = (of("SIMA"), of("SIMB"));
        let corrected = a.get(a.len() - 5).context("no bars of SIMA")?;
        let split = b.get(b.len() / 2).context("no bars of SIMB")?;
        let revisions = [
            Bar {
                close: other_close(corrected),
                ..revision(corrected)
            },
            Bar {
                split_factor: 2.0,
                ..revision(split)
            },
        ];
        market.write(&revisions).await?;
        let after = market.agree(&mut checks, "corrected").await?;
        let changed = |symbol: &str| {
            let of_symbol = before.iter().filter(|((of, _), _)| of == symbol);
            of_symbol
                .filter(|(at, row)| after.get(*at) != Some(*row))
                .count()
        };
        checks.equal("rows of SIMA that are others", changed("SIMA"), 5);
        let from_split = b.len() - b.len() / 2;
        checks.equal("rows of SIMB that are others", changed("SIMB"), from_split);
        let is_known = market.known(then).await? == known;
        checks.equal("what was known then, dumped again", is_known, true);
        checks.equal("and asked for with SQL", market.told(then).await?, told);
        let is_known = market.known_now().await? == known;
        checks.equal("is all that is known now", is_known, false);

        // Its symbol had no bar between two that lie days apart.
        let gap = a.windows(2).rev().skip(30);
        let gap = gap.map(|pair| (pair[0], pair[1]));
        let gap = gap.map(|(before, next)| (before, next.event_time - before.event_time));
        let (before, _) = gap
            .clone()
            .find(|(_, days)| *days > 2 * DAY)
            .context("no gap")?;
        let missing = Bar {
            event_time: before.event_time + DAY,
            ..revision(before)
        };
        let missing = Bar {
            revision: 0,
            split_factor: 1.0,
            dividend: 0.0,
            ..missing
        };
        market.write(&[missing]).await?;
        let last = market
            .agree(&mut checks, "with a bar that was missing")
            .await?;
        checks.equal("one row more", last.len(), after.len() + 1);
        checks.verdict()
    })
    .await
}

const DAY: i64 = 86_400_000;

/// The same bar, told once more now.
pub(super) fn revision(bar: &Bar) -> Bar {
    Bar {
        revision: bar.revision + 1,
        ingested_at: Timestamp::now().as_millisecond(),
        ..bar.clone()
    }
}

/// Within the range of the bar: its high or its low, whichever is further away.
pub(super) fn other_close(bar: &Bar) -> f64 {
    let (high, low) = bar.high.zip(bar.low).unwrap_or((bar.close, bar.close));
    if high - bar.close > bar.close - low {
        high
    } else {
        low
    }
}

type Rows = BTreeMap<(String, i64), FeatureRecord>;

struct Market<'a> {
    space: &'a Space,
    predictor: Predictor,
    symbols: Vec<String>,
}

impl Market<'_> {
    /// Of each event time the highest revision.
    async fn bars(&self) -> Result<BTreeMap<(String, i64), Bar>> {
        let topic = topics::names(self.space, NAME).bars;
        let mut bars: BTreeMap<(String, i64), Bar> = BTreeMap::new();
        for bar in topics::values::<Bar>(self.space, &topic).await? {
            let known = bars.entry((bar.symbol.clone(), bar.event_time));
            let known = known.or_insert_with(|| bar.clone());
            if bar.revision > known.revision {
                *known = bar;
            }
        }
        Ok(bars)
    }

    /// Writes bars, and waits until the lake and the stream worker have them.
    async fn write(&self, bars: &[Bar]) -> Result<()> {
        let topic = topics::names(self.space, NAME).bars;
        let held = topics::values::<Bar>(self.space, &topic).await?.len();
        topics::write_bars(self.space, NAME, bars).await?;
        let expected = (held + bars.len()) as u64;
        pipelines::wait(self.space, NAME, "has read them", FOLLOWED, |pipeline| {
            let status = pipeline.status.as_ref().context("no status")?;
            let lake = status.lake.as_ref().map_or(0, |lake| lake.rows);
            let stream = status.stream.as_ref().map_or(0, |stream| stream.bars);
            ensure!(
                (lake, stream) == (expected, expected),
                "lake {lake}, stream {stream}"
            );
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Compares all three; the last row of each event time.
    async fn agree(&self, checks: &mut Checks, when: &str) -> Result<Rows> {
        let mut ledger = Ledger::read(self.space, NAME).await?;
        ledger.bars = self.bars().await?;
        let topic = topics::names(self.space, NAME).features;
        let rows = topics::values::<FeatureRecord>(self.space, &topic).await?;
        // The topic is read in the order of offsets: later rows take the place of earlier ones.
        let keyed = rows
            .into_iter()
            .map(|row| ((row.symbol.clone(), row.event_time), row));
        ledger.features = keyed.collect();
        checks.add(
            &format!("{when}: rows in Kafka = POST /v1/features, bit for bit"),
            parity::against_requests(&self.predictor, &ledger, &self.symbols).await,
        );
        checks.add(
            &format!("{when}: rows in Kafka = the trainer's dump, bit for bit"),
            parity::against_dump(self.space, NAME, &ledger).await,
        );
        let refused = ledger.quarantine.iter().map(|q| q.reason.as_str());
        let late = refused.filter(|reason| *reason == "OutOfOrder").count();
        checks.equal(&format!("{when}: bars refused as late"), late, 0);
        Ok(ledger.features)
    }

    /// The Parquet file of what was known at a time.
    async fn known(&self, time: i64) -> Result<Vec<u8>> {
        let as_of = Timestamp::from_millisecond(time)?.to_string();
        let version = self.version().await?;
        let file = programs::dump_as_of(self.space, NAME, version, Some(&as_of)).await?;
        Ok(file.to_vec())
    }

    async fn known_now(&self) -> Result<Vec<u8>> {
        let version = self.version().await?;
        let file = programs::dump(self.space, NAME, version).await?;
        Ok(file.to_vec())
    }

    /// What SQL says of it.
    async fn told(&self, time: i64) -> Result<String> {
        let as_of = Timestamp::from_millisecond(time)?.to_string();
        let query = "SELECT symbol, count(*), sum(close), sum(split_factor) FROM bars GROUP BY symbol ORDER BY symbol";
        programs::sql_with(self.space, NAME, &["--as-of", &as_of, query]).await
    }

    async fn version(&self) -> Result<u64> {
        let status = self.space.pipelines().get(NAME).await?.status;
        let lake = status.context("no status")?.lake;
        Ok(lake.context("no status.lake")?.version)
    }
}
