//! Bars that change the past, in any order, with restarts anywhere: the last row of every event time is what a fold over
//! the highest revisions gives, bit for bit, and no row is written twice.

use std::collections::BTreeSet;

use super::*;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// Below `most`.
    fn throw(&mut self, most: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.throw(100) < percent
    }
}

/// A topic of two partitions and three symbols in which bars are missing, come late, are corrected, split late, repeated
/// and damaged.
fn disturbed_topic(dice: &mut Dice, days: i64) -> Vec<BarMessage> {
    let mut next = [0_i64, 0];
    let mut messages = Vec::new();
    let mut sent: Vec<Bar> = Vec::new();
    let mut missing: Vec<Bar> = Vec::new();
    for day in 1..=days {
        for symbol in ["A", "B", "C"] {
            let close = 50.0 + dice.throw(10_000) as f64 / 100.0;
            let fresh = bar(symbol, day, close);
            if dice.chance(8) {
                missing.push(fresh);
            } else {
                put(&mut messages, &mut next, &fresh);
                sent.push(fresh);
            }
        }
        if dice.chance(30) {
            // A correction, of the last sessions or of any.
            let reach = if dice.chance(70) {
                12
            } else {
                sent.len() as u64
            };
            let at = sent.len() - 1 - dice.throw(reach.min(sent.len() as u64)) as usize;
            let mut other = sent[at].clone();
            let known = sent
                .iter()
                .filter(|b| (&b.symbol, b.event_time) == (&other.symbol, other.event_time));
            other.revision = known.map(|b| b.revision).max().unwrap() + 1 + dice.throw(2) as u32;
            match dice.throw(4) {
                0 => other.split_factor = 2.0,
                1 => other.volume = None,
                2 => other.close = f64::MAX,
                _ => other.close += 1.0,
            }
            put(&mut messages, &mut next, &other);
            sent.push(other);
        }
        if dice.chance(20) && !missing.is_empty() {
            let late = missing.remove(dice.throw(missing.len() as u64) as usize);
            put(&mut messages, &mut next, &late);
            sent.push(late);
        }
        if dice.chance(20) {
            let repeat = sent[dice.throw(sent.len() as u64) as usize].clone();
            put(&mut messages, &mut next, &repeat);
        }
        if dice.chance(5) {
            messages.push(message(1, next[1], b"poison".to_vec()));
            next[1] += 1;
        }
    }
    messages
}

fn put(messages: &mut Vec<BarMessage>, next: &mut [i64; 2], bar: &Bar) {
    let partition = usize::from(bar.symbol == "B");
    let value = serde_json::to_vec(bar).unwrap();
    messages.push(message(partition as i32, next[partition], value));
    next[partition] += 1;
}

/// One run of the worker, until it is killed, with batches and snapshots of any size.
fn disturbed_run(log: &mut Log, topic: &[BarMessage], dice: &mut Dice, is_killed: bool) -> Engines {
    let set = specs();
    let mut engines = recover_all(log, &[&set]);
    let from = engines.positions();
    let wanted = |m: &&BarMessage| m.offset >= from.get(&m.partition).copied().unwrap_or(0);
    let mut messages: Vec<&BarMessage> = topic.iter().filter(wanted).collect();
    if is_killed {
        messages.truncate(dice.throw(messages.len() as u64 + 1) as usize);
    }
    while !messages.is_empty() {
        let size = 1 + dice.throw(40) as usize;
        let batch: Vec<_> = messages.drain(..size.min(messages.len())).collect();
        let mut steps = Vec::new();
        for message in batch {
            steps.extend(take(&mut engines, topic, message));
        }
        if is_killed && messages.is_empty() {
            break;
        }
        log.commit(&mut engines, steps, dice.chance(30));
        let keep = dice.throw(30) as usize;
        engines.0.iter_mut().for_each(|engine| engine.trim_to(keep));
    }
    engines
}

#[test]
fn the_last_rows_are_those_of_the_highest_revisions_whatever_comes_and_wherever_a_run_ends() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let topic = disturbed_topic(&mut dice, 120);
        let mut log = Log::default();
        for _ in 0..dice.throw(8) {
            disturbed_run(&mut log, &topic, &mut dice, true);
            if dice.chance(20) {
                log.state.retain(|_, snapshot| snapshot.symbol.is_empty());
            }
        }
        let totals = disturbed_run(&mut log, &topic, &mut dice, false).totals();
        let expected = folded(&topic);
        assert_eq!(last_rows(&log), expected, "seed {seed}");
        assert_eq!(totals.rows as usize, expected.len(), "seed {seed}");
        let mut once = BTreeSet::new();
        for (partition, offset, _, text) in &log.rows {
            let row: FeatureRecord = serde_json::from_str(text).unwrap();
            let place = (*partition, *offset, row.event_time);
            assert!(once.insert(place), "seed {seed}: {place:?} twice");
        }
        // What is counted does not hang on where the runs ended.
        let mut whole = Log::default();
        let undisturbed = disturbed_run(&mut whole, &topic, &mut dice, false).totals();
        assert_eq!(totals, undisturbed, "seed {seed}");
        let refusals = |log: &Log| log.sorted().1;
        assert_eq!(refusals(&log), refusals(&whole), "seed {seed}");
        assert_eq!(suffix_with_a_hole(&log), None, "seed {seed}");
    }
}

/// Whoever reads the rows of a symbol from anywhere has those of successive bars up to the newest: the symbol and the
/// event times of which that is not so.
fn suffix_with_a_hole(log: &Log) -> Option<(&'static str, Vec<i64>)> {
    let all = last_rows(log);
    for symbol in ["A", "B", "C"] {
        let of_symbol = |row: &&FeatureRecord| row.symbol == symbol;
        let times: Vec<i64> = all.iter().filter(of_symbol).map(|r| r.event_time).collect();
        let mut seen: BTreeSet<i64> = BTreeSet::new();
        for (_, _, _, text) in log.rows.iter().rev() {
            let row: FeatureRecord = serde_json::from_str(text).unwrap();
            if row.symbol == symbol {
                seen.insert(row.event_time);
                let first = times.partition_point(|time| *time < *seen.first().unwrap());
                if !seen.iter().eq(&times[first..]) {
                    return Some((symbol, seen.into_iter().collect()));
                }
            }
        }
    }
    None
}

#[test]
fn a_history_of_an_older_release_that_refused_late_bars_is_healed_with_the_next_change() {
    let mut topic = bars_topic(30);
    let late = |day: i64, revision| Bar {
        revision,
        ..bar("A", day, 77.0)
    };
    let set = specs();
    let mut log = Log::default();
    // As a release wrote it that knew no revisions: the rows of a topic without the late bar, and its states.
    let mut engines = run(&mut log, &topic, &set, None);
    log.commit(&mut engines, vec![], true);
    let end = topic.iter().filter(|m| m.partition == 0).map(|m| m.offset);
    let end = end.max().unwrap();
    let value = |bar: &Bar| serde_json::to_vec(bar).unwrap();
    topic.push(message(0, end + 1, value(&late(9, 1))));
    for snapshot in log.state.values_mut() {
        snapshot.next_offset = end + 2;
        if let Some(counts) = snapshot.state.pointer_mut("/counts") {
            counts.as_object_mut().unwrap().remove("used");
        }
    }
    topic.push(message(0, end + 2, value(&late(28, 1))));
    let totals = run(&mut log, &topic, &set, None).totals();
    assert_eq!(last_rows(&log), folded(&topic));
    assert_eq!(totals.rows as usize, folded(&topic).len());
}

#[test]
fn a_change_whose_past_the_topic_has_lost_is_refused() {
    let topic = bars_topic(30);
    let set = specs();
    let mut log = Log::default();
    run(&mut log, &topic, &set, None);
    let before = last_rows(&log);
    let mut engines = recover_all(&log, &[&set]);
    let late = Bar {
        revision: 3,
        ..bar("A", 4, 5.0)
    };
    let message = message(0, 1_000, serde_json::to_vec(&late).unwrap());
    let lack = engines.push(&message).unwrap_err();
    assert_eq!((lack.partition, lack.symbol.as_str()), (0, "A"));
    let past = Past {
        is_cut: true,
        ..Past::default()
    };
    engines.supply(&message, &past);
    let steps = engines.push(&message).unwrap();
    log.commit(&mut engines, steps, true);
    assert!(log.refused.iter().any(|r| r.2.contains("OutOfOrder")));
    assert_eq!(last_rows(&log), before);
}

/// What is restated as a whole is computed again once.
#[test]
fn changes_of_one_transaction_make_each_row_once() {
    let set = specs();
    let mut topic = bars_topic(30);
    let mut log = Log::default();
    run(&mut log, &topic, &set, None);
    let rows = log.rows.len();
    let mut engines = recover_all(&log, &[&set]);
    let from = topic.len();
    for day in 1..=30 {
        let other = Bar {
            revision: 1,
            ..bar("C", day, 10.0 + day as f64)
        };
        topic.push(message(0, 1_000 + day, serde_json::to_vec(&other).unwrap()));
    }
    let mut steps = Vec::new();
    for message in &topic[from..] {
        steps.extend(take(&mut engines, &topic, message));
    }
    assert!(steps.is_empty());
    assert!(engines.rewrites() > 0 && engines.due(true).is_empty());
    log.commit(&mut engines, steps, true);
    let of_c = folded(&topic).iter().filter(|r| r.symbol == "C").count();
    assert_eq!(log.rows.len() - rows, of_c);
    assert_eq!(last_rows(&log), folded(&topic));
    assert_eq!((engines.rewrites(), engines.due(true).len()), (0, 0));
}
