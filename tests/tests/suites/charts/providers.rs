//! Chart values about providers of market data: where accounts may have them asked, and the simulator.

use anyhow::{Context, Result, ensure};
use foresail_tests::on_cluster;

use super::{documents, environment, render};

/// Values that run the simulator.
pub const SIMULATOR: [&str; 4] = [
    "--set",
    "providers.simulator.enabled=true",
    "--set-json",
    r#"providers.simulator.scenario={"start":"2015-01-02","clock":"2024-01-02T15:00:00Z","symbols":[{"symbol":"IBM"}]}"#,
];

const HOSTS: &str = "FORESAIL_PROVIDER_HOSTS";

#[tokio::test]
async fn the_operator_is_told_which_hosts_accounts_may_name() -> Result<()> {
    on_cluster(async |_| {
        ensure!(!environment(&[])?.contains(HOSTS), "allowed by default");
        let two = [
            "--set",
            "providers.allowedHosts={data.internal,10.0.0.7:8080}",
        ];
        let told = environment(&two)?;
        ensure!(
            told.contains(HOSTS) && told.contains("\"data.internal,10.0.0.7:8080\""),
            "{told}"
        );
        // As `--reuse-values` leaves them after a release that did not have the value.
        ensure!(
            !environment(&["--set", "providers=null"])?.contains(HOSTS),
            "allowed by nothing"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_simulator_is_a_pod_behind_a_service_whose_host_is_allowed() -> Result<()> {
    on_cluster(async |_| {
        let name = "foresail-provider-simulator";
        let named = |values: &[&str], kind: &str| {
            let all = documents(&render(values)?)?;
            let mut found = all.into_iter();
            anyhow::Ok(found.find(|o| o["kind"] == kind && o["metadata"]["name"] == name))
        };
        for kind in ["Deployment", "ConfigMap", "Service"] {
            ensure!(named(&[], kind)?.is_none(), "{kind} by default");
        }
        let values = [&SIMULATOR[..], &["--namespace", "market"]].concat();
        let service = named(&values, "Service")?.context("no Service")?;
        let pods = named(&values, "Deployment")?.context("no Deployment")?;
        let map = named(&values, "ConfigMap")?.context("no ConfigMap")?;
        ensure!(
            service["spec"]["selector"] == pods["spec"]["selector"]["matchLabels"],
            "{}",
            service["spec"]["selector"]
        );
        ensure!(service["spec"]["ports"][0]["port"] == 8080, "{service}");
        let scenario = map["data"]["scenario.yaml"].as_str().unwrap_or_default();
        ensure!(scenario.contains("symbol: IBM"), "{scenario}");
        let told = environment(&values)?;
        for host in [
            format!("{name}.market:8080"),
            format!("{name}.market.svc:8080"),
        ] {
            ensure!(told.contains(&host), "{told}");
        }
        Ok(())
    })
    .await
}
