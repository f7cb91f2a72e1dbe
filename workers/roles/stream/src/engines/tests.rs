//! The engines against a log in memory that takes whole transactions or nothing: interrupted
//! anywhere, with whatever snapshots are left, the log ends up the same.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, FeatureFunction, FeatureSpec};
use foresail_crds::records::{FeatureRecord, StreamSnapshot};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;

use super::*;
use crate::records::snapshot_key;

fn spec(name: &str, function: FeatureFunction, window: Option<u32>) -> FeatureSpec {
    FeatureSpec {
        window,
        ..FeatureSpec::new(name, function)
    }
}

fn specs() -> Vec<FeatureSpec> {
    vec![
        spec("ret", FeatureFunction::LogReturn, None),
        spec("vol", FeatureFunction::Volatility, Some(5)),
        spec("ema", FeatureFunction::EmaRatio, Some(4)),
    ]
}

fn bar(symbol: &str, day: i64, close: f64) -> Bar {
    Bar {
        symbol: symbol.into(),
        interval: Interval::Session,
        event_time: day * 86_400_000,
        open: None,
        high: None,
        low: None,
        close,
        volume: Some(1_000.0 + day as f64),
        split_factor: if day == 17 { 2.0 } else { 1.0 },
        dividend: 0.0,
        ingested_at: 1_000_000 + day,
        provider: "test".into(),
        revision: 0,
    }
}

fn message(partition: i32, offset: i64, value: Vec<u8>) -> BarMessage {
    BarMessage {
        partition,
        offset,
        value,
        source_position: Some(7),
        ..BarMessage::default()
    }
}

/// Two partitions, three symbols, with repeats, late bars, poison, and offsets with gaps (as
/// transaction markers leave them).
fn bars_topic(days: i64) -> Vec<BarMessage> {
    let mut messages = Vec::new();
    let mut next = [0_i64, 0];
    let mut put = |partition: usize, value: Vec<u8>| {
        messages.push(message(partition as i32, next[partition], value));
        next[partition] += 1;
        if next[partition] % 5 == 0 {
            next[partition] += 1;
        }
    };
    let json = |bar: &Bar| serde_json::to_vec(bar).unwrap();
    for day in 1..=days {
        let wave = |phase: f64| 100.0 + 10.0 * (day as f64 * 0.7 + phase).sin();
        put(0, json(&bar("A", day, wave(0.0))));
        put(1, json(&bar("B", day, wave(1.0))));
        if day > days / 2 {
            put(0, json(&bar("C", day, wave(2.0))));
        }
        if day % 6 == 0 {
            put(0, json(&bar("A", day, wave(0.0))));
            put(1, b"{\"poison\":".to_vec());
        }
        if day % 11 == 0 {
            let late = Bar {
                revision: day as u32,
                ..bar("B", day - 5, 1.0)
            };
            put(1, json(&late));
        }
    }
    messages
}

/// What Kafka holds.
#[derive(Clone, Default, PartialEq, Debug)]
struct Log {
    rows: Vec<(i32, i64, String, String)>,
    refused: Vec<(i32, i64, String)>,
    state: BTreeMap<String, StreamSnapshot>,
}

/// Rows (partition, offset, fingerprint, record) and refusals.
type Sorted = (Vec<(i32, i64, String, String)>, Vec<(i32, i64, String)>);

impl Log {
    fn commit(&mut self, engines: &mut Engines, mut steps: Vec<Step>, idle: bool) {
        loop {
            let again = engines.rewrite();
            if again.is_empty() {
                break;
            }
            steps.extend(again);
        }
        engines.trim();
        let mut refused_in = std::collections::BTreeSet::new();
        for step in steps.into_iter().filter(|s| s.fresh) {
            let (set, partition) = (step.set, step.partition);
            match step.output {
                Output::Row(row) => self.rows.push((
                    step.partition,
                    step.offset,
                    engines.of(set).unwrap().fingerprint().to_string(),
                    serde_json::to_string(&row).unwrap(),
                )),
                Output::Refused(refused) => {
                    refused_in.insert((set, partition));
                    let text = serde_json::to_string(&refused).unwrap();
                    self.refused.push((step.partition, step.offset, text));
                }
            }
        }
        let mut snapshots: Vec<_> = refused_in
            .into_iter()
            .map(|(set, p)| engines.of(set).unwrap().partition_snapshot(p))
            .collect();
        for due in engines.due(idle) {
            let engine = engines.of(due.set).unwrap();
            snapshots.extend(engine.snapshots(due.partition));
        }
        for snapshot in snapshots {
            self.state.insert(snapshot_key(&snapshot), snapshot);
        }
    }

    fn recovered(&self, fingerprint: &str) -> Recovered {
        let mut last_source_offsets = BTreeMap::new();
        for (partition, offset, of, _) in &self.rows {
            if of == fingerprint {
                let last = last_source_offsets.entry(*partition).or_insert(*offset);
                *last = (*last).max(*offset);
            }
        }
        Recovered {
            last_source_offsets,
            snapshots: self.state.values().cloned().collect(),
        }
    }

    fn sorted(&self) -> Sorted {
        let (mut rows, mut refused) = (self.rows.clone(), self.refused.clone());
        rows.sort();
        refused.sort();
        (rows, refused)
    }
}

fn recover(log: &Log, specs: &[FeatureSpec]) -> StreamEngine {
    let fingerprint = foresail_features::fingerprint(specs, Adjustment::Splits).unwrap();
    let recovered = log.recovered(&fingerprint);
    StreamEngine::recover(specs, Adjustment::Splits, &recovered).unwrap()
}

fn recover_all(log: &Log, sets: &[&[FeatureSpec]]) -> Engines {
    let sets: Vec<FeatureSetSpec> = sets
        .iter()
        .map(|features| FeatureSetSpec {
            features: features.to_vec(),
            adjustment: Adjustment::Splits,
        })
        .collect();
    let recovered = sets.iter().map(|set| {
        let fingerprint = foresail_features::fingerprint(&set.features, set.adjustment).unwrap();
        (set, log.recovered(&fingerprint))
    });
    Engines::recover(recovered).unwrap()
}

/// Takes a message of a topic that can be read again.
fn take(engines: &mut Engines, topic: &[BarMessage], message: &BarMessage) -> Vec<Step> {
    if let Ok(steps) = engines.push(message) {
        return steps;
    }
    let lack = engines.lacks(message).unwrap();
    let below = |m: &&BarMessage| m.partition == lack.partition && m.offset < message.offset;
    let mut past = Past::default();
    for message in topic.iter().filter(below) {
        match serde_json::from_slice::<Bar>(&message.value) {
            Ok(bar) if bar.symbol == lack.symbol => past.take(&bar),
            _ => {}
        }
    }
    engines.supply(message, &past);
    engines.push(message).unwrap()
}

/// Reads what `engine` asks for in batches and commits each; stops before batch `crash`, whose
/// work is lost.
fn run(
    log: &mut Log,
    topic: &[BarMessage],
    specs: &[FeatureSpec],
    crash: Option<usize>,
) -> Engines {
    run_all(log, topic, &[specs], crash)
}

/// The same with several feature sets.
fn run_all(
    log: &mut Log,
    topic: &[BarMessage],
    sets: &[&[FeatureSpec]],
    crash: Option<usize>,
) -> Engines {
    let mut engines = recover_all(log, sets);
    let from = engines.positions();
    let wanted = |m: &&BarMessage| m.offset >= from.get(&m.partition).copied().unwrap_or(0);
    let messages: Vec<&BarMessage> = topic.iter().filter(wanted).collect();
    for (number, batch) in messages.chunks(3).enumerate() {
        let take = |m: &&BarMessage| take(&mut engines, topic, m);
        let steps = batch.iter().flat_map(take).collect();
        if crash == Some(number) {
            return engines;
        }
        log.commit(&mut engines, steps, number % 4 == 3);
    }
    engines
}

/// What the trainer makes of the topic: of each event time the highest revision, in order.
fn folded(topic: &[BarMessage]) -> Vec<FeatureRecord> {
    let mut bars: BTreeMap<(String, i64), Bar> = BTreeMap::new();
    for message in topic {
        let Ok(bar) = serde_json::from_slice::<Bar>(&message.value) else {
            continue;
        };
        let key = (bar.symbol.clone(), bar.event_time);
        let known = bars.entry(key).or_insert_with(|| bar.clone());
        if bar.counts_before(known) {
            *known = bar;
        }
    }
    let mut sets: BTreeMap<String, FeatureSet> = BTreeMap::new();
    let mut rows = Vec::new();
    for bar in bars.into_values() {
        let set = sets
            .entry(bar.symbol.clone())
            .or_insert_with(|| FeatureSet::new(&specs(), Adjustment::Splits).unwrap());
        if let Ok(Some(row)) = set.push(&bar) {
            rows.push(FeatureRecord {
                symbol: bar.symbol,
                event_time: row.event_time,
                close: row.close,
                adjustment_factor: row.adjustment_factor,
                values: row.values,
            });
        }
    }
    rows
}

/// The last row of each event time, by symbol and event time.
fn last_rows(log: &Log) -> Vec<FeatureRecord> {
    let mut rows = BTreeMap::new();
    for (_, _, _, text) in &log.rows {
        let row: FeatureRecord = serde_json::from_str(text).unwrap();
        rows.insert((row.symbol.clone(), row.event_time), row);
    }
    rows.into_values().collect()
}

#[test]
fn rows_equal_a_plain_fold_of_the_bars() {
    let topic = bars_topic(40);
    let mut log = Log::default();
    let engine = run(&mut log, &topic, &specs(), None);
    let expected = folded(&topic);
    assert!(expected.len() > 70);
    assert_eq!(last_rows(&log), expected);
    // Six poison messages; repeats are neither rows nor refusals, and late bars are used.
    assert_eq!(log.refused.len(), 6);
    assert!(log.refused.iter().all(|r| r.2.contains("NotABar")));
    let totals = engine.totals();
    assert_eq!(totals.rows as usize, expected.len());
    assert_eq!(totals.revised, 3);
    assert_eq!(totals.bars as usize, topic.len() - 6, "all but the repeats");
    assert_eq!(totals.last_event_time, Some(40 * 86_400_000));
    // Each row once, and once more those from a late bar on: it was five sessions late.
    assert!(log.rows.len() <= expected.len() + 3 * 6);
}

#[test]
fn a_restart_at_every_point_gives_identical_logs() {
    let topic = bars_topic(30);
    let mut whole = Log::default();
    let totals = run(&mut whole, &topic, &specs(), None).totals();
    let batches = topic.len().div_ceil(3);
    type Loss = fn(&mut Log);
    let lose: [(&str, Loss); 4] = [
        ("all snapshots", |_| {}),
        ("no snapshots", |log| log.state.clear()),
        ("one damaged snapshot", |log| {
            let mut of_a = log.state.values_mut();
            if let Some(s) = of_a.find(|s| s.symbol == "A") {
                s.state = serde_json::json!("garbage");
            }
        }),
        ("snapshots of another feature set", |log| {
            for s in log.state.values_mut() {
                s.fingerprint = "another".into();
            }
        }),
    ];
    for (name, lose) in lose {
        for first in 0..batches {
            let mut log = Log::default();
            run(&mut log, &topic, &specs(), Some(first));
            // Refusals are known from the snapshots of partitions alone, so those are kept.
            let kept: Vec<_> = log.state.clone().into_iter().collect();
            lose(&mut log);
            let kept = kept.into_iter().filter(|(_, s)| s.symbol.is_empty());
            log.state.extend(kept);
            run(&mut log, &topic, &specs(), Some(2));
            let engine = run(&mut log, &topic, &specs(), None);
            assert_eq!(log.sorted(), whole.sorted(), "{name}, crash {first}");
            assert_eq!(engine.totals(), totals, "{name}, crash {first}");
        }
    }
}

#[test]
fn another_feature_set_starts_over_and_the_first_one_goes_on() {
    let topic = bars_topic(30);
    let half = topic.len() / 2;
    let mut other = specs();
    other.pop();
    let mut whole = Log::default();
    run(&mut whole, &topic, &specs(), None);
    run(&mut whole, &topic, &other, None);

    let mut log = Log::default();
    run(&mut log, &topic[..half], &specs(), None);
    run(&mut log, &topic[..half], &other, Some(4));
    run(&mut log, &topic, &other, None);
    run(&mut log, &topic, &specs(), None);
    assert_eq!(log.sorted(), whole.sorted());
}

/// Audit A2: an edit of the features takes no row from the champion.
#[test]
fn two_feature_sets_write_what_each_writes_alone_and_refuse_a_bar_once() {
    let topic = bars_topic(30);
    let mut other = specs();
    other.pop();
    let (declared, served) = (other.as_slice(), &specs()[..]);
    let mut apart = Log::default();
    run(&mut apart, &topic, served, None);
    run(&mut apart, &topic, declared, None);
    let half = topic.len() / 2;
    for crash in [None, Some(0), Some(3), Some(half / 3)] {
        // The champion's alone, until the features are edited; then both, then only the new ones.
        let mut log = Log::default();
        run(&mut log, &topic[..half], served, None);
        run_all(&mut log, &topic, &[declared, served], crash);
        let engines = run_all(&mut log, &topic, &[declared, served], None);
        assert_eq!(log.sorted(), apart.sorted(), "crash {crash:?}");
        let newest = engines.totals().last_event_time;
        assert_eq!(newest, Some(30 * 86_400_000));
        run(&mut log, &topic, declared, None);
        assert_eq!(log.sorted(), apart.sorted(), "crash {crash:?}");
    }
}

#[test]
fn a_feature_set_that_is_new_is_read_from_the_first_bar_and_the_other_is_not_repeated() {
    let topic = bars_topic(30);
    let mut other = specs();
    other.pop();
    let mut log = Log::default();
    run(&mut log, &topic, &specs(), None);
    let served = specs();
    let known = recover_all(&log, &[&served]).positions();
    assert!(known.values().all(|offset| *offset > 0), "{known:?}");
    for sets in [[&other, &served], [&served, &other]] {
        let both = recover_all(&log, &sets.map(Vec::as_slice));
        assert!(both.positions().values().all(|offset| *offset == 0));
    }
    let both = recover_all(&log, &[&other, &served]);
    assert_eq!(
        both.known_ends(),
        recover_all(&log, &[&served]).known_ends()
    );
    // One that has come less far: both are read from there.
    let mut behind = log.clone();
    let half = topic.len() / 2;
    run(&mut behind, &topic[..half], &other, None);
    let least = recover_all(&behind, &[&other]).positions();
    assert!(least != known && !least.is_empty(), "{least:?}");
    for sets in [[&other, &served], [&served, &other]] {
        let both = recover_all(&behind, &sets.map(Vec::as_slice));
        assert_eq!(both.positions(), least);
    }
    // What it kept of a set is there when the set comes back.
    run(&mut log, &topic, &other, None);
    assert_eq!(recover_all(&log, &[&served]).positions(), known);
}

#[test]
fn the_newest_of_two_snapshots_counts_whatever_their_keys() {
    let mut log = Log::default();
    run(&mut log, &bars_topic(15), &specs(), None);
    let old: Vec<StreamSnapshot> = log.state.values().cloned().collect();
    run(&mut log, &bars_topic(30), &specs(), None);
    let positions = recover(&log, &specs()).positions();
    for (key, snapshot) in old.into_iter().enumerate() {
        // As a release before this one named them, before and behind.
        log.state.insert(format!("0{key}"), snapshot.clone());
        log.state.insert(format!("z{key}"), snapshot);
    }
    assert_eq!(recover(&log, &specs()).positions(), positions);
}

#[test]
fn snapshots_move_the_start_forward_and_a_short_topic_is_seen() {
    let topic = bars_topic(29);
    let mut log = Log::default();
    run(&mut log, &topic, &specs(), None);
    let engine = recover(&log, &specs());
    assert!(engine.positions()[&0] > 20, "{:?}", engine.positions());
    let end = topic.iter().filter(|m| m.partition == 0).map(|m| m.offset);
    assert_eq!(engine.known_ends()[&0], end.max().unwrap() + 1);
}

#[test]
fn snapshots_are_due_by_count_or_when_idle() {
    let mut engine = StreamEngine::new(&specs(), Adjustment::None).unwrap();
    let push = |engine: &mut StreamEngine, n: i64| {
        let value = serde_json::to_vec(&bar("A", n, 10.0)).unwrap();
        engine.push(&ReadBar::of(&message(3, n, value)));
    };
    assert!(engine.due(true).is_empty());
    push(&mut engine, 1);
    assert!(engine.due(false).is_empty());
    assert_eq!(engine.due(true), [3]);
    for n in 2..=500 {
        push(&mut engine, n);
    }
    assert_eq!(engine.due(false), [3]);
    assert_eq!(engine.snapshots(3).len(), 2);
    assert!(engine.due(true).is_empty());
}

#[test]
fn symbols_that_nobody_declared_do_not_fill_the_memory() {
    let mut engine = recover(&Log::default(), &specs());
    let mut push = |offset: i64, symbol: &str, day: i64| {
        let value = serde_json::to_vec(&bar(symbol, day, 1.0)).unwrap();
        engine.push(&ReadBar::of(&message(0, offset, value)))
    };
    for symbol in 0..1_024 {
        assert!(push(symbol, &format!("S{symbol}"), 1).is_empty());
    }
    let steps = push(1_024, "ONE.MORE", 1);
    let [
        Step {
            output: Output::Refused(refused),
            ..
        },
    ] = steps.as_slice()
    else {
        panic!("{steps:?}");
    };
    assert_eq!(refused.reason, "TooManySymbols");
    assert!(
        push(1_025, "S0", 2).is_empty(),
        "those that are there go on"
    );
    assert_eq!(engine.totals().bars, 1_026);
}

#[test]
fn records_that_were_gone_are_counted_across_restarts() {
    let mut log = Log::default();
    let mut engines = run(&mut log, &bars_topic(20), &specs(), None);
    engines.lose(1, 40);
    let due: Vec<i32> = engines.due(true).iter().map(|due| due.partition).collect();
    assert_eq!(due, [0, 1], "it is saved though no bar comes");
    log.commit(&mut engines, vec![], true);
    assert_eq!(recover(&log, &specs()).totals().lost, 40);
}

mod revised;
