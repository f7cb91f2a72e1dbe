use super::*;
use crate::testing::model;

/// Champion and previous version by number, 0 for none, and the others.
type Numbers = (u32, u32, Vec<u32>);

fn served(version: u32) -> ServedVersion {
    model(version).served.clone()
}

fn wanted((champion, previous, others): (u32, u32, &[u32])) -> ServingConfig {
    let some = |version: u32| (version > 0).then(|| served(version));
    ServingConfig {
        champion: some(champion),
        previous: some(previous),
        versions: others.iter().copied().map(served).collect(),
        ..ServingConfig::default()
    }
}

fn here((champion, previous): (u32, u32)) -> Here {
    let some = |version: u32| (version > 0).then(|| model(version));
    Here {
        champion: some(champion),
        previous: some(previous),
        others: Vec::new(),
    }
}

fn numbers(here: &Here) -> Numbers {
    let number = |loaded: &Arc<Loaded>| loaded.served.version;
    let labelled = |label: &Option<Arc<Loaded>>| label.as_ref().map_or(0, number);
    let others = here.others.iter().map(number).collect();
    (labelled(&here.champion), labelled(&here.previous), others)
}

/// What requests see next, of these versions that are loaded.
fn next(now: (u32, u32), wants: (u32, u32, &[u32]), loaded: &[u32], takes_over: bool) -> Numbers {
    let loaded: Vec<Arc<Loaded>> = loaded.iter().copied().map(model).collect();
    let next = arrange(&here(now), &wanted(wants), &loaded, |_| takes_over);
    numbers(&next)
}

#[test]
fn the_champion_is_loaded_first_and_what_was_refused_is_left_out() {
    let wanted = wanted((3, 2, &[7, 2, 9]));
    let missing = |loaded: &[u32], refused: &[u32]| {
        let loaded: Vec<Arc<Loaded>> = loaded.iter().copied().map(model).collect();
        let is_refused = |served: &ServedVersion| refused.contains(&served.version);
        missing(&wanted, &loaded, is_refused).map(|served| served.version)
    };
    assert_eq!(missing(&[], &[]), Some(3));
    assert_eq!(missing(&[], &[3]), Some(2));
    assert_eq!(missing(&[3, 2], &[]), Some(7));
    assert_eq!(missing(&[3, 2, 4], &[7]), Some(9));
    assert_eq!(missing(&[3, 2, 9], &[7]), None);
}

#[test]
fn a_version_is_known_by_all_that_it_takes_to_load_it() {
    let mut other = served(3);
    other.manifest_sha256 = "of a version that was deleted and made again".into();
    assert!(find(&[model(3)], &other).is_none());
    assert!(find(&[model(3)], &served(3)).is_some());
}

#[test]
fn after_a_start_the_champion_answers_or_the_version_before_it() {
    let wants = (3, 2, &[7u32][..]);
    assert_eq!(next((0, 0), wants, &[], true), (0, 0, vec![]));
    assert_eq!(next((0, 0), wants, &[3], true), (3, 0, vec![]));
    assert_eq!(next((0, 0), wants, &[2, 7], true), (2, 2, vec![7]));
    assert_eq!(next((2, 2), wants, &[2, 7, 3], true), (3, 2, vec![7]));
    // Nothing is promoted that nobody wants to answer.
    assert_eq!(next((0, 0), (0, 2, &[]), &[2], true), (0, 2, vec![]));
}

#[test]
fn whoever_answers_goes_on_until_the_next_one_takes_over() {
    let wants = (3, 2, &[][..]);
    assert_eq!(next((2, 1), wants, &[2, 1], true), (2, 1, vec![]));
    assert_eq!(next((2, 1), wants, &[2, 1, 3], false), (2, 1, vec![]));
    assert_eq!(next((2, 1), wants, &[2, 1, 3], true), (3, 2, vec![]));
    // Pins change meanwhile.
    assert_eq!(
        next((2, 1), (3, 2, &[5]), &[2, 1, 5], true),
        (2, 1, vec![5])
    );
    // Nothing else has to take over from itself.
    assert_eq!(next((3, 2), (3, 1, &[]), &[3, 2, 1], false), (3, 1, vec![]));
}

#[test]
fn the_version_before_stands_in_for_a_previous_one_that_is_not_loaded() {
    assert_eq!(next((2, 1), (3, 9, &[]), &[2, 1, 3], true), (3, 2, vec![]));
    assert_eq!(next((3, 2), (3, 9, &[]), &[3, 2], true), (3, 2, vec![]));
    assert_eq!(next((3, 2), (3, 9, &[]), &[3, 2, 9], true), (3, 9, vec![]));
    // Nothing stands behind a champion that took the place of one whose ModelVersion was deleted.
    assert_eq!(next((3, 2), (2, 0, &[]), &[3, 2], true), (2, 0, vec![]));
}

#[test]
fn without_a_champion_in_the_document_nobody_goes() {
    assert_eq!(next((3, 2), (0, 0, &[]), &[3, 2], true), (3, 2, vec![]));
}

#[test]
fn pins_are_loaded_in_their_order_and_dropped_with_the_list() {
    let pinning = |others: &[u32]| next((3, 2), (3, 2, others), &[3, 2, 8, 5], true);
    assert_eq!(pinning(&[5, 6, 8]), (3, 2, vec![5, 8]));
    assert_eq!(pinning(&[]), (3, 2, vec![]));
    // A version with a label may be named by its number too.
    assert_eq!(pinning(&[2, 3]), (3, 2, vec![2, 3]));
}

#[test]
fn digests_are_told_once() {
    let mut here = here((3, 2));
    here.others = vec![model(2), model(5)];
    assert_eq!(here.digests().len(), 3);
    assert_eq!(here.version(5).unwrap().served.version, 5);
    assert!(here.version(4).is_none());
}
