//! What goes wrong between a Pipeline and its provider is told, with who acts; nothing else stops, and no key is seen.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::ProviderAccount;
use foresail_tests::secrets::Secrets;
use foresail_tests::{Space, in_namespace, pipelines, until};
use serde_json::{Value, json};

use super::market::{self, ECHOED, ECHOING, PAID, account, from_provider};

const SHOWN: Duration = Duration::from_secs(180);
/// Accounts with places that only the cluster, the machine or a cloud reaches.
const INSIDE: [(&str, &str); 6] = [
    ("api-server", "https://kubernetes.default.svc"),
    (
        "by-its-full-name",
        "https://kubernetes.default.svc.cluster.local.",
    ),
    ("metadata", "http://169.254.169.254"),
    ("metadata-in-numbers", "http://2852039166"),
    ("own-pod", "http://127.0.0.1:8081"),
    ("own-pod-in-short", "http://0x7f.1:8081"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_bars_from_a_pipeline_is_told() -> Result<()> {
    in_namespace("no-bars", async |space| {
        let mut secrets = Secrets::default();
        secrets.add("the key", PAID);
        secrets.add("the key that comes back", ECHOED);
        let wrong = secrets.make("the wrong key");
        market::now(&space.cluster).await?;
        let vantage = json!({"provider": "AlphaVantage", "limits": {"perMinute": 1200}});
        account(&space, "paid", vantage.clone(), Some(PAID)).await?;
        account(&space, "wrong-key", vantage.clone(), Some(&wrong)).await?;
        account(&space, "echo", vantage, Some(ECHOED)).await?;
        let elsewhere = json!({"provider": "Yahoo", "endpoint": "http://10.96.0.1:443"});
        account(&space, "elsewhere", elsewhere, None).await?;
        for (name, endpoint) in INSIDE {
            let spec = json!({"provider": "Yahoo", "endpoint": endpoint});
            account(&space, name, spec, None).await?;
        }

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
        let mut echoed = from_provider(&space, "echoed", "echo");
        echoed["spec"]["instruments"] = json!(ECHOING.map(|symbol| json!({"symbol": symbol})));
        space.apply_pipeline(&echoed).await?;
        pipelines::explained(&space, "lost", "AccountMissing", SHOWN).await?;
        pipelines::explained(&space, "locked", "BadKey", SHOWN).await?;
        pipelines::explained(&space, "curious", "NotAllowed", SHOWN).await?;
        for (name, _) in INSIDE {
            until("a refused endpoint", SHOWN, async || {
                is_refused(&space, name).await
            })
            .await?;
        }
        only_one_is_missing(&space, "strange").await?;
        the_key_comes_back(&space, "echoed").await?;
        println!("{}", secrets.stay_out_of_records(&space, "echoed").await?);
        println!("{}", secrets.stay_out_of_sight(&space).await?);
        Ok(())
    })
    .await
}

/// The account says that its endpoint is not allowed.
async fn is_refused(space: &Space, name: &str) -> Result<()> {
    let account = space.api::<ProviderAccount>().get(name).await?;
    let conditions = account.status.unwrap_or_default().conditions;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let ready = ready.with_context(|| format!("{name} has no condition yet"))?;
    ensure!(
        ready.status == "False" && ready.reason == "NotAllowed",
        "{name}: {} {}",
        ready.reason,
        ready.message
    );
    Ok(())
}

/// Each symbol was asked for, and what was answered of the first one is in quarantine.
async fn the_key_comes_back(space: &Space, name: &str) -> Result<()> {
    until("each of its symbols is asked for", SHOWN, async || {
        let seen = market::seen(&space.cluster).await?;
        let answered = &seen["keys"][ECHOED]["answered"];
        let answered = answered.as_object().context("the key was never seen")?;
        let answered: u64 = answered.values().filter_map(Value::as_u64).sum();
        ensure!(answered >= ECHOING.len() as u64, "{answered} answers");
        let ingest = space.pipelines().get(name).await?.status;
        let ingest = ingest.and_then(|status| status.ingest);
        let ingest = ingest.context("no status.ingest")?;
        ensure!(
            ingest.rows_quarantined > 0 && ingest.rows_sent == 0,
            "{ingest:?}"
        );
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
