//! What of a first line may be shown: a person needs the columns that are there, and whoever answered in place of
//! the file must not be quoted (docs/adr/0021).

use foresail_crds::role_error::presentable;

/// Most characters that are shown.
const MOST: usize = 80;
/// Longest name of a column that looks like one.
const LONGEST_NAME: usize = 64;

/// The beginning of a first line that looks like the header of a table; `None` for a page, a document or bytes.
pub(crate) fn shown(line: &str) -> Option<String> {
    // Some vendors write <DATE>,<CLOSE>.
    let mut names = (line.split(',')).map(|name| name.trim().trim_matches(['"', '<', '>']));
    let is_name = |name: &str| {
        let plain = |c: char| c.is_alphanumeric() || " _-./()%#$&".contains(c);
        !name.starts_with('#') && name.chars().count() <= LONGEST_NAME && name.chars().all(plain)
    };
    let is_table = line.contains(',') && names.all(is_name);
    is_table.then(|| presentable(line, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_shown_and_an_answer_of_somebody_else_is_not() {
        let header = "Date, Adj Close,\"Volume (000)\",4. close";
        assert_eq!(shown(header).as_deref(), Some(header));
        assert!(shown("<TICKER>,<DTYYYYMMDD>,<CLOSE>").is_some());
        let long = vec!["column"; 50].join(",");
        assert_eq!(shown(&long).unwrap().chars().count(), MOST);
        for line in [
            "",
            "close",
            "<!DOCTYPE html>, <html>",
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code>,",
            "{\"token\": \"abc\", \"b\": 1}",
            "[1, 2]",
            "# HELP requests, total",
            "root:x:0:0:root,,,:/root:/bin/bash",
            "password=hunter2,x",
            "PK\u{3}\u{4}, \u{fffd}",
            &format!("{},x", "a".repeat(65)),
        ] {
            assert_eq!(shown(line), None, "{line}");
        }
    }
}
