//! What goes wrong between a Pipeline and its provider is told, with who acts; nothing else stops, and no key is seen.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::secrets::Secrets;
use foresail_tests::{Space, in_namespace, pipelines};
use serde_json::json;

use super::market::{self, PAID, account, from_provider};

const SHOWN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_bars_from_a_pipeline_is_told() -> Result<()> {
    in_namespace("no-bars", async |space| {
        let mut secrets = Secrets::default();
        secrets.add("the key", PAID);
        let wrong = secrets.make("the wrong key");
        market::now(&space.cluster).await?;
        let vantage = json!({"provider": "AlphaVantage", "limits": {"perMinute": 1200}});
        account(&space, "paid", vantage.clone(), Some(PAID)).await?;
        account(&space, "wrong-key", vantage, Some(&wrong)).await?;
        let elsewhere = json!({"provider": "Yahoo", "endpoint": "http://10.96.0.1:443"});
        account(&space, "elsewhere", elsewhere, None).await?;

        let mut strange = from_provider(&space, "strange", "paid");
        strange["spec"]["instruments"] = json!([{"symbol": "MKTA"}, {"symbol": "NOPE"}]);
        space.apply_pipeline(&strange).await?;
        for (name, account) in [
            ("lost", "nobody"),
            ("locked", "wrong-key"),
            ("curious", "elsewhere"),
        ] {
            space
                .apply_pipeline(&from_provider(&space, name, account))
                .await?;
        }
        pipelines::explained(&space, "lost", "AccountMissing", SHOWN).await?;
        pipelines::explained(&space, "locked", "BadKey", SHOWN).await?;
        pipelines::explained(&space, "curious", "NotAllowed", SHOWN).await?;
        only_one_is_missing(&space, "strange").await?;
        println!("{}", secrets.stay_out_of_sight(&space).await?);
        Ok(())
    })
    .await
}

/// The symbol that the provider does not know is named; the other one has its bars.
async fn only_one_is_missing(space: &Space, name: &str) -> Result<()> {
    pipelines::wait(space, name, "names the symbol", SHOWN, |pipeline| {
        let ingest = pipeline
            .status
            .as_ref()
            .and_then(|status| status.ingest.as_ref());
        let ingest = ingest.context("no status.ingest")?;
        let missing = ingest
            .provider
            .as_ref()
            .context("no status.ingest.provider")?;
        let named: Vec<_> = missing
            .missing
            .iter()
            .map(|m| (m.symbol.as_str(), m.reason.as_str()))
            .collect();
        ensure!(named == [("NOPE", "BadSymbol")], "{named:?}");
        ensure!(ingest.rows_sent > 300, "{} rows sent", ingest.rows_sent);
        Ok(())
    })
    .await
    .map(drop)
}
