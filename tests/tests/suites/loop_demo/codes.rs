//! Codes as vendors write them, from the spec to the forecast: through Kafka, the lake, Redis and addresses.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use foresail_tests::pipelines::CODES;
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, in_namespace, pipelines, redis, until};
use serde_json::json;

use super::parity;

const NAME: &str = "codes";
const FIRST_MODEL: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_of_vendors_go_from_the_spec_to_the_forecast() -> Result<()> {
    in_namespace("codes", async |space| {
        let mut object = pipelines::small(&space, NAME);
        object["spec"]["instruments"] = json!(CODES.map(|code| json!({"symbol": code})));
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, NAME, FIRST_MODEL).await?;
        pipelines::drained(&space, NAME, SOON).await?;
        let predictor = Predictor::find(&space, NAME).await?;
        let ledger = Ledger::read(&space, NAME).await?;

        let mut checks = Checks::new();
        let declared: BTreeSet<&str> = CODES.into_iter().collect();
        let bars: BTreeSet<&str> = ledger.bars.keys().map(|(s, _)| s.as_str()).collect();
        let rows: BTreeSet<&str> = ledger.features.keys().map(|(s, _)| s.as_str()).collect();
        checks.equal("symbols of bars", &bars, &declared);
        checks.equal("symbols of feature rows", &rows, &declared);
        let dumped = parity::against_dump(&space, NAME, &ledger).await;
        checks.add("the trainer folds the same rows", dumped);
        checks.add("each has a list in Redis", in_redis(&space).await);
        for code in CODES {
            checks.add(code, answered(&predictor, code).await);
        }
        checks.verdict()
    })
    .await
}

async fn in_redis(space: &Space) -> Result<usize> {
    let pattern = format!("fs:{}/{NAME}:rows:*", space.name);
    until("the lists", SOON, async || {
        let keys = redis::keys(&space.cluster, &pattern).await?;
        ensure!(keys.len() == CODES.len(), "{keys:?}");
        ensure!(keys.iter().all(|key| !key.contains(' ')), "{keys:?}");
        Ok(keys.len())
    })
    .await
}

/// By its encoded code, and by the path as a proxy may hand it on.
async fn answered(predictor: &Predictor, code: &str) -> Result<String> {
    let (version, closes) = predictor.forecast(code).await?;
    if code == "BTC/USDT" {
        let raw = predictor.get("/v1/forecasts/BTC/USDT").await?;
        ensure!(raw.forecast()?.1 == closes, "{}", raw.body);
    }
    Ok(format!("version {version}: {closes:.2?}"))
}
