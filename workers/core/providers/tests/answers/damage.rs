//! Bodies that were cut or changed on their way never become other bars.

use crate::cases::{Case, cases};
use foresail_providers::{Answer, Fault, Row, Verdict};

/// What may not differ: of each row its time and its numbers. Whether it is final is told by other numbers.
type Bar = (String, Option<i64>, [u64; 7]);

fn bar(row: &Row) -> Bar {
    let volume = row.volume.unwrap_or(-1.0);
    let numbers = [
        row.open,
        row.high,
        row.low,
        row.close,
        volume,
        row.split_factor,
        row.dividend,
    ];
    (row.date.to_string(), row.start, numbers.map(f64::to_bits))
}

/// The bars of a verdict, and entries of its lists as text.
fn bars(verdict: &Verdict) -> (Vec<Bar>, Vec<String>) {
    let Verdict::Data(answer) = verdict else {
        return Default::default();
    };
    match &**answer {
        Answer::Series(series) => (series.rows.iter().map(bar).collect(), Vec::new()),
        Answer::Splits(list) => (Vec::new(), texts(&list.items)),
        Answer::Dividends(list) => (Vec::new(), texts(&list.items)),
    }
}

fn texts(items: &[impl std::fmt::Debug]) -> Vec<String> {
    items.iter().map(|item| format!("{item:?}")).collect()
}

/// Numbers that nobody can foresee, but the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn a_body_cut_anywhere_is_no_data() {
    let mut cuts = 0;
    for case in cases() {
        let whole = case.verdict_of(&case.body);
        for end in 0..case.body.len() {
            let (kept, lost) = case.body.split_at(end);
            let verdict = case.verdict_of(kept);
            cuts += 1;
            // Behind a whole document stands another one: without it there would be nothing wrong.
            let is_followed = whole == Verdict::Malformed(Fault::NotJson);
            if matches!(verdict, Verdict::Data(_)) && !is_followed {
                // Nothing but the spaces at its end is gone.
                assert!(
                    lost.iter().all(u8::is_ascii_whitespace),
                    "{} {end}",
                    case.name
                );
                assert_eq!(verdict, whole, "{} {end}", case.name);
            }
        }
    }
    assert!(cuts > 50_000, "{cuts}");
}

/// Whether a byte belongs to a number, a date or a time of day: it and the new one may both stand in one. Such a change
/// cannot be told from another price.
fn is_in_number(old: u8, new: u8) -> bool {
    let may = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    may(old) || may(new)
}

/// Whether a whole body holds something that speaks against good rows of its own: without that, they are good.
fn contradicts_itself(name: &str) -> bool {
    name.contains("daily-beside-")
        || name.ends_with("two-series.json")
        || name.ends_with("repeated-days.json")
}

/// Whether a byte belongs to the names that say what numbers mean: GBp is a hundredth of GBP, another time zone has other
/// days, and rows outside of trading periods are left out.
fn is_in_unit(body: &[u8], at: usize) -> bool {
    let line = |byte: &u8| matches!(byte, b'\n' | b',');
    let start = body[..at].iter().rposition(line).map_or(0, |at| at + 1);
    let end = body[at..]
        .iter()
        .position(line)
        .map_or(body.len(), |end| at + end);
    let text = String::from_utf8_lossy(&body[start..end]).to_lowercase();
    ["currency", "zone", "period", "regular", "start", "end"]
        .iter()
        .any(|name| text.contains(name))
}

/// A body with one byte changed, one left out, or one put in. What was there and what is there now comes with it.
fn changed(case: &Case, dice: &mut Dice) -> (Vec<u8>, usize, [u8; 2]) {
    let mut body = case.body.clone();
    let at = dice.below(body.len());
    let signs = b"{}[]\":,\\ \nxA0129.-eE\0\xff";
    let sign = signs[dice.below(signs.len())];
    let old = body[at];
    match dice.below(4) {
        0 => {
            body.remove(at);
            (body, at, [old, b' '])
        }
        1 => {
            body.insert(at, sign);
            (body, at, [b' ', sign])
        }
        2 => {
            let new = old ^ (1 << dice.below(8));
            body[at] = new;
            (body, at, [old, new])
        }
        _ => {
            body[at] = sign;
            (body, at, [old, sign])
        }
    }
}

/// Asserted: after one change outside of numbers, and of the units they are in, every bar that is given is one of the whole
/// body. Bars may be missing, where the change has made them unreadable, and then they are counted or the verdict is
/// another.
#[test]
fn a_changed_byte_makes_no_other_bar() {
    let mut dice = Dice(0x5eed);
    let (mut given, mut refused) = (0, 0);
    let is_of_use = |case: &Case| !case.body.is_empty() && !contradicts_itself(&case.name);
    for case in cases().into_iter().filter(is_of_use) {
        let (rows, items) = bars(&case.verdict_of(&case.body));
        for _ in 0..400 {
            let (body, at, [old, new]) = changed(&case, &mut dice);
            let verdict = case.verdict_of(&body);
            if is_in_number(old, new) || is_in_unit(&case.body, at) {
                continue;
            }
            let (now_rows, now_items) = bars(&verdict);
            let shown = String::from_utf8_lossy(&body);
            for row in &now_rows {
                assert!(
                    rows.contains(row),
                    "{} at {at}: {row:?}\n{shown}",
                    case.name
                );
            }
            for item in &now_items {
                assert!(
                    items.contains(item),
                    "{} at {at}: {item}\n{shown}",
                    case.name
                );
            }
            let is_less = now_rows.len() < rows.len() || now_items.len() < items.len();
            match &verdict {
                Verdict::Data(answer) if is_less => {
                    let dropped = match &**answer {
                        Answer::Series(series) => series.dropped.total(),
                        Answer::Splits(list) => list.dropped.total(),
                        Answer::Dividends(list) => list.dropped.total(),
                    };
                    assert!(dropped > 0, "{} at {at}\n{shown}", case.name);
                    given += 1;
                }
                Verdict::Data(_) => given += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(given > 500 && refused > 5_000, "{given} {refused}");
}

#[test]
fn noise_is_no_data() {
    let mut dice = Dice(0xfeed);
    for case in cases() {
        for length in [1, 3, 50, 400] {
            let body: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
            assert!(
                !matches!(case.verdict_of(&body), Verdict::Data(_)),
                "{body:?}"
            );
        }
    }
}
