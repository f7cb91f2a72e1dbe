//! Refused rows by reason, for status.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use foresail_bars::RawRow;
use foresail_crds::pipeline::status::RefusalCount;
use foresail_crds::records::Refusal;
use foresail_crds::role_error::presentable;

/// Most reasons in status.
const MOST: usize = 16;
/// Characters of an example.
const LONGEST_EXAMPLE: usize = 80;

/// Rows and an example of each reason. There are some twenty reasons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(BTreeMap<&'static str, (u64, String)>);

impl Refusals {
    /// Counts a refused row; `file` is its file where the source has several.
    pub(crate) fn add(&mut self, row: &RawRow, refusal: &Refusal, file: Option<&str>) {
        let (rows, _) = self
            .0
            .entry(refusal.reason)
            .or_insert_with(|| (0, example(row, refusal, file)));
        *rows += 1;
    }

    /// The most frequent reasons first.
    pub(crate) fn list(&self) -> Vec<RefusalCount> {
        let mut list: Vec<_> = self.0.iter().collect();
        list.sort_by_key(|(_, (rows, _))| Reverse(*rows));
        let count = |(reason, (rows, example)): (&&str, &(u64, String))| RefusalCount {
            reason: reason.to_string(),
            rows: *rows,
            example: example.clone(),
        };
        list.into_iter().take(MOST).map(count).collect()
    }
}

fn example(row: &RawRow, refusal: &Refusal, file: Option<&str>) -> String {
    let example = row.example(refusal, LONGEST_EXAMPLE);
    let Some(file) = file else { return example };
    // The end of a key tells its file from others.
    let name = file.rsplit('/').next().unwrap_or(file);
    presentable(&format!("{name} {example}"), LONGEST_EXAMPLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(position: u64, original: &[u8]) -> RawRow {
        RawRow {
            position,
            line: position + 2,
            original: original.into(),
            ..RawRow::default()
        }
    }

    #[test]
    fn reasons_are_counted_and_the_most_frequent_comes_first() {
        let mut refusals = Refusals::default();
        refusals.add(
            &row(0, b"a"),
            &Refusal::new("MissingClose", "close is empty"),
            None,
        );
        for position in 1..4 {
            let message = format!("date `03/0{position}/2000` must be YYYY-MM-DD");
            refusals.add(
                &row(position, b"b"),
                &Refusal::new("BadDate", message),
                None,
            );
        }
        let list = refusals.list();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].reason.as_str(), list[0].rows), ("BadDate", 3));
        assert_eq!(
            list[0].example,
            "line 3: date `03/01/2000` must be YYYY-MM-DD"
        );
        assert_eq!(list[1].example, "line 2: close is empty");
    }

    #[test]
    fn there_are_never_more_than_the_schema_takes_and_bytes_are_in_hexadecimal() {
        let reasons = "abcdefghijklmnopqrstuvwxyz";
        let mut refusals = Refusals::default();
        for i in 0..reasons.len() {
            let long = "\u{1b}".repeat(200);
            refusals.add(
                &row(7, b"\xff\x00"),
                &Refusal::new(&reasons[i..=i], long),
                None,
            );
        }
        let list = refusals.list();
        assert_eq!(list.len(), MOST);
        for count in list {
            assert_eq!(count.example.chars().count(), LONGEST_EXAMPLE);
            assert!(count.example.starts_with("line 9: 0xff00: \u{fffd}"));
        }
    }
}
