//! What the program says of a command line that cannot work, before it asks any API server.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn a_label_selector_that_is_none_ends_it_with_one_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_foresail-operator"))
        .args(["--worker-image=w", "--trainer-image=t"])
        .env(
            "FORESAIL_WATCH_LABEL_SELECTOR",
            "tier=gold,shard between (a,b)",
        )
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let start = "foresail-operator: --watch-label-selector: ";
    assert!(said.starts_with(start), "{said}");
    assert!(said.contains("`shard between (a,b)`"), "{said}");
}
