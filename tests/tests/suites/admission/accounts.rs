//! ProviderAccount: what is refused, and that an account stays with its provider.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use foresail_crds::ProviderAccount;
use foresail_tests::{in_namespace, on_cluster};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::dry_run::{Case, DryRun};
use super::schema;

fn valid() -> Value {
    json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount", "metadata": {"name": "base"}, "spec": {
        "provider": "AlphaVantage", "secretName": "alpha-vantage",
        "limits": {"perSecond": 1, "perMinute": 75, "perDay": 25, "resetTimeZone": "America/New_York"},
        "endpoint": "http://simulator.market:8080", "userAgent": "desk/1.0 (desk@example.com)"}})
}

#[rustfmt::skip] // a table
fn cases() -> Vec<Case> {
    let rows: Vec<(&str, &str, Value, &str)> = vec![
        ("a name of 64 letters", "/metadata/name", json!("a".repeat(64)), "metadata.name must have at most 63 characters"),
        ("Alpha Vantage without a key", "/spec/secretName", Value::Null, "secretName must be set when provider is AlphaVantage"),
        ("Yahoo with a key", "/spec/provider", json!("Yahoo"), "secretName must not be set when provider is Yahoo"),
        ("a provider that nobody knows", "/spec/provider", json!("Bloomberg"), "supported values"),
        ("a key in the object", "/spec/apiKey", json!("ABC"), "unknown field \"spec.apiKey\""),
        ("a secret of another namespace", "/spec/secretNamespace", json!("kube-system"), "unknown field \"spec.secretNamespace\""),
        ("an endpoint with a path", "/spec/endpoint", json!("http://simulator/query"), "spec.endpoint"),
        ("an endpoint with a user", "/spec/endpoint", json!("http://user@simulator"), "spec.endpoint"),
        ("an endpoint by FTP", "/spec/endpoint", json!("ftp://simulator"), "spec.endpoint"),
        ("a second line in the User-Agent", "/spec/userAgent", json!("a\r\nCookie: b"), "spec.userAgent"),
        ("a day of no length", "/spec/limits/resetTimeZone", json!("every 0s"), "spec.limits.resetTimeZone"),
        ("no request a second", "/spec/limits/perSecond", json!(0), "spec.limits.perSecond"),
    ];
    rows.into_iter()
        .map(|(name, pointer, value, says)| {
            let mut object = valid();
            let (parent, last) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(place)) = object.pointer_mut(parent) {
                place.remove(last);
                // Nothing in place of a value: the field is left out.
                if !value.is_null() {
                    place.insert(last.to_owned(), value);
                }
            }
            Case { name: name.into(), object, says: says.into() }
        })
        .collect()
}

#[tokio::test]
async fn invalid_accounts_are_refused() -> Result<()> {
    on_cluster(async |cluster| {
        let dry_run = DryRun::accounts(&cluster);
        dry_run
            .create(&valid())
            .await
            .map_err(|refused| refused.error("the valid account"))?;
        let bounds = schema::violations("provideraccounts", &[valid()])?;
        ensure!(bounds.len() > 20, "only {} violations made", bounds.len());
        for case in cases().into_iter().chain(bounds) {
            dry_run.expect_refusal(&case).await?;
        }
        Ok(())
    })
    .await
}

#[test]
fn every_rule_of_an_account_has_a_case() -> Result<()> {
    let said: BTreeSet<String> = cases().into_iter().map(|case| case.says).collect();
    let messages = schema::rule_messages("provideraccounts")?;
    ensure!(messages.len() == 4, "{messages:?}");
    for message in messages {
        // That it cannot be changed has a test of its own below.
        let tested = message.contains("cannot be changed")
            || said.iter().any(|s| message.contains(s.as_str()));
        ensure!(tested, "no case for `{message}`");
    }
    Ok(())
}

#[tokio::test]
async fn an_account_stays_with_its_provider() -> Result<()> {
    in_namespace("accounts", async |space| {
        let stored: ProviderAccount = space.apply("base", &valid()).await?;
        let api = space.api::<ProviderAccount>();
        let patch = async |spec: Value| {
            let patch = json!({"spec": spec});
            api.patch("base", &PatchParams::default(), &Patch::Merge(&patch))
                .await
        };
        let answer = patch(json!({"provider": "Yahoo", "secretName": null})).await;
        let Err(kube::Error::Api(status)) = answer else {
            bail!("another provider was accepted: {answer:?}");
        };
        ensure!(
            status.code == 422 && status.message.contains("provider cannot be changed"),
            "{}",
            status.message
        );
        let edited = patch(json!({"secretName": "another", "limits": {"perDay": 500}})).await?;
        ensure!(edited.spec.provider == stored.spec.provider, "{edited:?}");
        ensure!(
            edited.spec.secret_name.as_deref() == Some("another"),
            "{edited:?}"
        );
        Ok(())
    })
    .await
}
