//! What a provider changes afterwards: bars, splits, and bars that come late or go away.

use foresail_crds::pipeline::status::ProviderState;
use foresail_crds::records::header;
use foresail_domain::Bar;
use foresail_providers::request::Provider;

use super::world::{PROVIDERS, Reader};
use crate::provider::report;
use crate::testing::ALL;

/// On Friday evening the close of Wednesday is corrected, and a split of Thursday becomes known; Tuesday's bar arrives, and
/// Monday's is no longer there. A reverse split of Friday restates a history in which shares are rounded.
const CHANGING: &str = "
seed: 5
start: 2023-01-03
clock: 2024-02-01T22:00:00Z
symbols:
- symbol: FIXED
  mistakes: [{date: 2024-01-31, factor: 1.01, until: 2024-02-02T20:00:00Z}]
- symbol: SPLIT
  splits: [{date: 2024-02-01, numerator: 4, denominator: 1, known: 2024-02-02T20:00:00Z}]
  dividends: [{date: 2024-01-30, amount: 0.5}]
- symbol: LATE
  holes: [{date: 2024-01-30, until: 2024-02-02T20:00:00Z}]
- symbol: GONE
  holes: [{date: 2024-01-29, from: 2024-02-02T20:00:00Z}]
- symbol: REVERSE
  splits: [{date: 2024-02-02, numerator: 1, denominator: 50}]
keys: [{key: CANARYKEY0000001, premium: true}]
";
const SYMBOLS: [&str; 5] = ["FIXED", "SPLIT", "LATE", "GONE", "REVERSE"];
const THURSDAY: &str = "2024-02-01T22:00:00Z";
const FRIDAY: &str = "2024-02-02T22:00:00Z";
const MONDAY: &str = "2024-02-05T22:00:00Z";

fn revised(reader: &Reader, symbol: &str) -> Vec<Bar> {
    let mut bars = reader.bars(symbol);
    bars.retain(|bar| bar.revision > 0);
    bars
}

/// What came of the changes, wherever the process died meanwhile.
fn check(reader: &Reader) {
    let sent = |symbol: &str| reader.bars(symbol).len();
    let sessions = sent("FIXED") - 1;
    assert_eq!(sent("SPLIT"), sessions + 1, "a split is one bar");
    assert_eq!((sent("LATE"), sent("GONE")), (sessions, sessions));
    let fixed = revised(reader, "FIXED");
    let split = revised(reader, "SPLIT");
    assert_eq!((fixed.len(), fixed[0].revision), (1, 1));
    assert_eq!((split.len(), split[0].split_factor), (1, 4.0));
    for symbol in ["LATE", "GONE", "REVERSE"] {
        assert!(revised(reader, symbol).is_empty(), "{symbol}");
    }
    assert_eq!(reader.latest("GONE").len(), sessions);
    let late = &reader.kafka.records;
    let late = late.iter().filter(|r| {
        r.headers
            .iter()
            .any(|(name, _)| name == header::NEWEST_EVENT_TIME)
    });
    assert_eq!(late.count(), 3, "two corrections and a late bar");
}

#[test]
fn what_has_changed_is_sent_once_with_the_next_bar_and_at_no_request_more() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &SYMBOLS, CHANGING);
        let mut process = reader.start();
        reader.round(&mut process, THURSDAY, ALL);
        let asked = reader.asked.len();
        let status = reader.round(&mut process, FRIDAY, ALL);
        let requests = if provider == Provider::Yahoo { 5 } else { 15 };
        assert_eq!(reader.asked.len(), asked + requests);
        assert_eq!((status.rows_revised, status.rows_late), (2, 1));
        check(&reader);
        let mut state = ProviderState::default();
        report::compared(&process.entries, &mut state);
        assert_eq!((state.no_longer_sent, state.restated), (1, Vec::new()));
        let again = reader.round(&mut process, MONDAY, ALL);
        assert_eq!((again.rows_revised, again.rows_late), (2, 1));
        check(&reader);
        let sent: usize = SYMBOLS.iter().map(|symbol| reader.bars(symbol).len()).sum();
        assert_eq!(again.rows_sent, sent as u64);
        assert_eq!(reader.kafka.quarantined(), 0);
    }
}

#[test]
fn a_process_that_dies_anywhere_sends_no_correction_twice() {
    for provider in PROVIDERS {
        for transactions in 0..3 {
            let mut reader = Reader::new(provider, &SYMBOLS, CHANGING);
            let mut process = reader.start();
            reader.round(&mut process, THURSDAY, ALL);
            for _ in 0..2 {
                let mut process = reader.start();
                reader.round(&mut process, FRIDAY, transactions);
            }
            let mut process = reader.start();
            reader.round(&mut process, FRIDAY, ALL);
            let status = reader.round(&mut process, MONDAY, ALL);
            check(&reader);
            assert_eq!((status.rows_revised, status.rows_late), (2, 1));
        }
    }
}

#[test]
fn without_a_recheck_what_was_sent_stays_and_what_was_missing_still_comes() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &SYMBOLS, CHANGING);
        let source = reader.config.source.provider.as_mut();
        source.unwrap().recheck_sessions = 0;
        let mut process = reader.start();
        for (evening, late) in [(THURSDAY, 0), (FRIDAY, 1), (MONDAY, 1)] {
            let status = reader.round(&mut process, evening, ALL);
            assert_eq!((status.rows_revised, status.rows_late), (0, late));
        }
    }
}
