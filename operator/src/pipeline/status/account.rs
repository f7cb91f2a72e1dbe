//! What is said of the ProviderAccounts that a source names: that one is not there, and what their own conditions say. Pure.

use foresail_crds::ProviderAccount;
use foresail_crds::pipeline::conditions as names;

use super::part::PartState;
use crate::pipeline::observed::{NamedAccount, Observed};
use crate::pipeline::plan::types::Plan;
use crate::pipeline::validate::ValidatedPipeline;

/// An account that cannot be used. A person must make or correct it, so it is not waited for.
pub(super) fn lacking(
    pipeline: &ValidatedPipeline,
    plan: &Plan,
    observed: &Observed,
) -> Option<PartState> {
    let first = pipeline.account.as_ref().filter(|_| plan.lacks_account)?;
    let stays = "no new bar is read before, and what was read and trained stays and serves";
    let others = observed.other_accounts.iter();
    let others = others.map(|(name, account)| (name, account, "source"));
    let mut all =
        std::iter::once((first, &observed.account, "source.provider.account")).chain(others);
    let (name, account, field) = all.find(|(_, account, _)| account.found().is_none())?;
    let (reason, message) = match account {
        NamedAccount::Undecodable(error) => (
            "AccountUndecodable",
            format!("ProviderAccount {name} does not decode: {error}; correct it; {stays}"),
        ),
        NamedAccount::Absent | NamedAccount::Found(_) => (
            "AccountMissing",
            format!(
                "there is no ProviderAccount {name} in namespace {}; make it, or name another one in \
                 spec.{field}; {stays}",
                pipeline.name.namespace
            ),
        ),
    };
    Some(PartState {
        stalled: true,
        ..PartState::waiting(names::SOURCES_READY, reason, message)
    })
}

/// What keeps accounts from being Ready, for the end of a message; nothing when they are, or were not judged yet.
pub(super) fn note(observed: &Observed) -> String {
    observed.accounts().map(note_of).collect()
}

fn note_of(account: &ProviderAccount) -> String {
    let conditions = account.status.iter().flat_map(|s| &s.conditions);
    let ready = conditions.into_iter().find(|c| c.type_ == names::READY);
    match ready.filter(|ready| ready.status != "True") {
        Some(bad) => {
            let name = account.metadata.name.as_deref().unwrap_or_default();
            let (reason, message) = (&bad.reason, &bad.message);
            format!("; ProviderAccount {name}: {reason}: {message}")
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::plan::plan;
    use crate::pipeline::validate::tests::{from_provider, pipeline};

    fn found(status: Value) -> Observed {
        let account: ProviderAccount = serde_json::from_value(json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
            "metadata": {"name": "market", "namespace": "n"},
            "spec": {"provider": "Yahoo"}, "status": status
        }))
        .unwrap();
        Observed {
            account: NamedAccount::Found(Box::new(account)),
            ..Observed::default()
        }
    }

    fn said(pipeline: &ValidatedPipeline, observed: &Observed) -> Option<(String, String)> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let part = lacking(pipeline, &plan(pipeline, observed, now), observed)?;
        assert!(!part.truth && part.stalled);
        Some((part.reason, part.message))
    }

    #[test]
    fn an_account_that_cannot_be_used_is_named_with_what_to_do() {
        let p = pipeline(from_provider);
        let (reason, message) = said(&p, &Observed::default()).unwrap();
        assert_eq!(reason, "AccountMissing");
        assert!(
            message.contains("ProviderAccount market in namespace n; make it"),
            "{message}"
        );
        let undecodable = Observed {
            account: NamedAccount::Undecodable("`Mars/Olympus` is not a time zone".into()),
            ..Observed::default()
        };
        let (reason, message) = said(&p, &undecodable).unwrap();
        assert_eq!(reason, "AccountUndecodable");
        assert!(
            message.contains("market does not decode: `Mars/Olympus`"),
            "{message}"
        );
        assert_eq!(said(&p, &found(json!(null))), None);
        assert_eq!(said(&pipeline(|_| {}), &Observed::default()), None);
    }

    #[test]
    fn another_account_of_the_source_that_is_missing_is_named_as_well() {
        let p = pipeline(|v| {
            from_provider(v);
            v["spec"]["source"]["fallback"] = json!([{"account": "a"}, {"account": "b"}]);
        });
        let status = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "Parked", "message": "BadKey",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]});
        let mut observed = found(json!(null));
        let there = || found(status.clone()).account;
        observed.other_accounts = vec![("a".into(), there()), ("b".into(), NamedAccount::Absent)];
        let (reason, message) = said(&p, &observed).unwrap();
        assert_eq!(reason, "AccountMissing");
        assert!(
            message.contains(
                "no ProviderAccount b in namespace n; make it, or name another one in spec.source;"
            ),
            "{message}"
        );
        observed.other_accounts[1].1 = there();
        assert_eq!(said(&p, &observed), None);
        assert_eq!(note(&observed).matches("Parked: BadKey").count(), 2);
    }

    #[test]
    fn what_the_account_says_of_itself_is_repeated_while_it_is_not_ready() {
        let with = |status: &str| {
            note(&found(json!({"conditions": [{
                "type": "Ready", "status": status, "reason": "PlanInfeasible", "message": "40 of 25",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            }]})))
        };
        assert_eq!(
            with("False"),
            "; ProviderAccount market: PlanInfeasible: 40 of 25"
        );
        assert_eq!(with("True"), "");
        assert_eq!(note(&found(json!(null))), "", "not judged yet");
        assert_eq!(note(&Observed::default()), "");
    }
}
