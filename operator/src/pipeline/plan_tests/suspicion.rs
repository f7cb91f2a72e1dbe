use super::*;

/// Whether a run starts on a source with suspicious moves, under a policy.
fn starts(policy: Option<&str>, observed: impl Fn(&ValidatedPipeline) -> Observed) -> bool {
    let mut observed = observed(&pipeline(|_| {}));
    let p = pipeline(|v| {
        if let Some(policy) = policy {
            v["spec"]["source"]["onSuspicion"] = json!(policy);
        }
        v["metadata"]["annotations"] = json!({"foresail.dev/retrain": "now"});
    });
    let clean = plan(&p, &observed, now());
    assert!(clean.starts() && !clean.stopped);
    observed.status.ingest.as_mut().unwrap().suspicious_moves = 1;
    let plan = plan(&p, &observed, now());
    assert_eq!(plan.starts(), !plan.stopped);
    plan.starts()
}

#[test]
fn suspicious_moves_stop_a_first_training_until_a_person_says_what_they_are() {
    assert!(!starts(None, ready) && !starts(Some("Stop"), ready));
    assert!(starts(Some("Warn"), ready) && starts(Some("Quarantine"), ready));
}

#[test]
fn once_there_is_a_version_only_a_declared_stop_stops() {
    assert!(starts(None, with_champion) && starts(Some("Warn"), with_champion));
    assert!(!starts(Some("Stop"), with_champion));
}

#[test]
fn nothing_is_said_before_the_backfill_is_read() {
    let p = pipeline(|_| {});
    let mut observed = ready(&p);
    let ingest = observed.status.ingest.as_mut().unwrap();
    (ingest.suspicious_moves, ingest.backfill_complete) = (1, false);
    assert!(!plan(&p, &observed, now()).stopped);
}
