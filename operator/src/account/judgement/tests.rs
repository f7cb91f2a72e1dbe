use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn account(change: impl FnOnce(&mut Value)) -> ProviderAccount {
    let mut value = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
        "metadata": {"name": "market", "namespace": "n"},
        "spec": {"provider": "AlphaVantage", "secretName": "key"},
        "status": {"ledger": {"keyHash": "h1"}}
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn load(pipeline: &str, symbols: u32) -> Load {
    Load {
        pipeline: pipeline.into(),
        symbols: (0..symbols).map(|i| format!("S{i}")).collect(),
        interval: "1d".into(),
        poll: Duration::from_secs(3600),
        open: Duration::ZERO,
        per_poll: 1,
        per_session: 2,
    }
}

fn judged(account: &ProviderAccount, loads: &[Load]) -> Verdict {
    judge(Seen {
        account,
        keys: &[("n/market".into(), "h1"), ("n/other".into(), "h2")],
        loads,
        hosts: &["simulator.market".into()],
    })
}

fn parked(reason: &str, more: Value) -> ProviderAccount {
    account(|v| {
        let mut park = json!({"reason": reason, "attempt": 1, "until": "2026-01-02T05:00:00Z"});
        for (key, value) in more.as_object().unwrap() {
            park[key] = value.clone();
        }
        v["status"]["ledger"]["parked"] = park;
    })
}

#[test]
fn an_account_without_trouble_says_what_is_planned() {
    let verdict = judged(&account(|_| {}), &[load("n/p", 3), load("n/q", 4)]);
    assert_eq!((verdict.ready, verdict.reason), (true, "Ready"));
    assert_eq!(
        verdict.message,
        "2 Pipelines plan 21 requests a day, of which 25 are allowed"
    );
    let unlimited = account(|v| v["spec"]["limits"] = json!({"perMinute": 75}));
    assert_eq!(
        judged(&unlimited, &[load("n/p", 3)]).message,
        "1 Pipeline plans 9 requests a day"
    );
    let new = account(|v| v["status"] = json!(null));
    assert_eq!(
        judged(&new, &[]).message,
        "no Pipeline asks for new bars, of which 25 are allowed"
    );
}

#[test]
fn each_park_says_who_acts_and_when_it_ends() {
    for (reason, attempt, says) in [
        ("DailyQuota", 1, "nothing is to be done"),
        ("Refused", 1, "told us to wait"),
        ("Burst", 3, "lower limits.perSecond"),
    ] {
        let verdict = judged(&parked(reason, json!({"attempt": attempt})), &[]);
        assert_eq!(
            (verdict.ready, verdict.reason),
            (false, "Parked"),
            "{reason}"
        );
        for part in [reason, says, "2026-01-02T05:00:00Z"] {
            assert!(verdict.message.contains(part), "{}", verdict.message);
        }
    }
    assert!(judged(&parked("Burst", json!({})), &[]).ready);
    let verdict = judged(&parked("BadKey", json!({"until": null})), &[]);
    assert_eq!((verdict.ready, verdict.reason), (false, "Parked"));
    assert!(
        verdict.message.contains("BadKey") && verdict.message.contains("Secret key"),
        "{}",
        verdict.message
    );
}

#[test]
fn a_provider_that_does_not_answer_is_told_until_it_does() {
    let with = |state: &str| {
        let breaker = json!({"state": state, "until": "2026-01-02T05:00:00Z"});
        judged(
            &account(|v| v["status"]["ledger"]["breaker"] = breaker),
            &[],
        )
    };
    assert!(with("Closed").ready);
    for state in ["Open", "HalfOpen"] {
        let verdict = with(state);
        assert_eq!(
            (verdict.ready, verdict.reason),
            (false, "Parked"),
            "{state}"
        );
        assert!(verdict.message.contains("Down"), "{}", verdict.message);
    }
}

#[test]
fn too_many_requests_are_told_with_a_change_that_can_be_declared() {
    // Both read the same, which a Pipeline that refers to another would save.
    let verdict = judged(&account(|_| {}), &[load("n/p", 5), load("n/q", 5)]);
    assert_eq!((verdict.ready, verdict.reason), (false, "PlanInfeasible"));
    let message = verdict.message;
    assert!(
        message.contains("need 30 requests a day and it allows 25"),
        "{message}"
    );
    assert!(message.contains("leave out symbols: 2 of 5"), "{message}");
    assert!(!message.contains("pipelineRef"), "{message}");
    let narrow = account(|v| v["spec"]["limits"] = json!({"perDay": 1}));
    let message = judged(&narrow, &[load("n/p", 1)]).message;
    assert!(message.contains("larger limits"), "{message}");
}

#[test]
fn one_key_in_two_accounts_is_named() {
    let verdict = judged(
        &account(|v| v["status"]["ledger"]["keyHash"] = json!("h2")),
        &[],
    );
    assert_eq!((verdict.ready, verdict.reason), (false, "SameKey"));
    assert!(verdict.message.contains("n/other"), "{}", verdict.message);
}

#[test]
fn what_a_person_must_correct_comes_first() {
    let mut account = parked("DailyQuota", json!({}));
    let many = [load("n/p", 50)];
    assert_eq!(judged(&account, &many).reason, "PlanInfeasible");
    account.spec.endpoint = Some("http://169.254.169.254".into());
    let verdict = judged(&account, &many);
    assert_eq!((verdict.ready, verdict.reason), (false, "NotAllowed"));
    assert!(verdict.message.contains("providers.allowedHosts"));
    account.spec.endpoint = Some("http://simulator.market:8080".into());
    assert_eq!(judged(&account, &[]).reason, "Parked");
}
