//! The versions that `serving.versions` names.

use foresail_crds::worker_config::DeclaredModel;

use super::*;

fn pinning(numbers: &[u32]) -> ValidatedPipeline {
    pipeline(|v| v["spec"]["serving"] = json!({"versions": numbers}))
}

fn of_number(p: &ValidatedPipeline, number: u32) -> ModelVersion {
    let mut version = version(p, number, &format!("r{number}"), None);
    version.spec.manifest_sha256 = format!("{number:064}");
    version
}

fn numbers(plan: &Plan) -> Vec<u32> {
    plan.serving.versions.iter().map(|v| v.version).collect()
}

#[test]
fn versions_that_exist_are_told_to_predictors_and_the_others_are_named() {
    let before = with_champion(&pipeline(|_| {}));
    let p = pinning(&[7, 1, 9, 5]);
    let mut observed = before.clone();
    observed
        .versions
        .extend([of_number(&p, 5), of_number(&p, 7)]);
    let plan = plan(&p, &observed, now());
    assert_eq!(
        (numbers(&plan), &*plan.missing_versions),
        (vec![7, 1, 5], &[9][..])
    );
    // It is a list of what is loaded: nothing is promoted and nobody's rows are made.
    assert_eq!(plan.steps, []);
    assert_eq!(plan.champion(), before.status.champion.as_ref());
    assert!(
        decides(&plan, &observed),
        "a number that is named was not found"
    );
    let role = |number| plan.roles.iter().find(|r| r.version == number).unwrap();
    assert!(role(7).reason.ends_with("; answers requests that name it"));
    assert_eq!(role(1).reason, "answers requests");
}

#[test]
fn once_told_a_list_of_versions_decides_nothing() {
    let p = pinning(&[5]);
    let mut observed = with_champion(&p);
    observed.versions.push(of_number(&p, 5));
    let told = plan(&p, &observed, now());
    assert!(decides(&told, &observed));
    let observed = follow(observed, &p, &told);
    let again = plan(&p, &observed, now());
    assert!(!decides(&again, &observed), "{again:#?}");
    assert_eq!(again.serving, told.serving);
    let none = plan(&pipeline(|_| {}), &observed, now());
    assert_eq!(numbers(&none), [0; 0]);
    assert!(decides(&none, &observed));
}

#[test]
fn a_named_version_that_cannot_be_read_stays_as_predictors_know_it() {
    let p = pinning(&[5]);
    let mut observed = with_champion(&p);
    observed.versions.push(of_number(&p, 5));
    let told = plan(&p, &observed, now());
    let mut observed = follow(observed, &p, &told);
    observed.versions.retain(|v| v.spec.version != 5);
    observed.unreadable_versions = vec![5];
    let again = plan(&p, &observed, now());
    assert_eq!(again.serving.versions, told.serving.versions);
    observed.unreadable_versions = vec![];
    let deleted = plan(&p, &observed, now());
    assert_eq!(
        (numbers(&deleted), &*deleted.missing_versions),
        (vec![], &[5][..])
    );
}

#[test]
fn predictors_are_told_what_model_versions_say() {
    let p = pinning(&[5, 1]);
    let mut observed = with_champion(&p);
    let mut foreign = of_number(&p, 5);
    foreign.spec.kind = ModelKind::Mlp;
    foreign.spec.fingerprint = "of the tools of another house".into();
    (foreign.spec.trigger, foreign.spec.run_id) = (None, None);
    (foreign.spec.delta_version, foreign.spec.trained_through) = (None, None);
    observed.versions.push(foreign.clone());
    let plan = plan(&p, &observed, now());
    let declared = |version: &ModelVersion| DeclaredModel {
        manifest_sha256: version.spec.manifest_sha256.clone(),
        kind: version.spec.kind,
        fingerprint: version.spec.fingerprint.clone(),
    };
    let first = observed.version(1).unwrap();
    assert_eq!(plan.serving.declared, [declared(first), declared(&foreign)]);
}
