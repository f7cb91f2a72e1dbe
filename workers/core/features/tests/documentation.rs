//! The table of `docs/features.md` is made from the catalogue. After a change of the catalogue:
//! `FORESAIL_WRITE_DOCS=1 cargo test -p foresail-features --test documentation`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write;

use foresail_crds::pipeline::spec::{
    Adjustment, Argument, FeatureFunction as F, FeatureSpec, History, LONGEST_WINDOW, Reads, WarmUp,
};
use foresail_features::FeatureSet;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/features.md");

/// In `golden/world.json` too, but written out there by their definition: neither pandas nor TA-Lib has
/// them.
const NO_COUNTERPART: [F; 11] = [
    F::RangeMean,
    F::Adx,
    F::Autocorrelation,
    F::ObvRatio,
    F::VwapRatio,
    F::Amihud,
    F::Parkinson,
    F::GarmanKlass,
    F::YangZhang,
    F::BarsSinceHigh,
    F::BarsSinceLow,
];

#[test]
fn the_table_is_the_catalogue() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let lines: Vec<&str> = page.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.starts_with("| function |"))
        .unwrap();
    let rows = lines[first..]
        .iter()
        .take_while(|line| line.starts_with('|'));
    let after = first + rows.count();
    let table = table();
    if lines[first..after].join("\n") == table.trim_end() {
        return;
    }
    if std::env::var_os("FORESAIL_WRITE_DOCS").is_some() {
        let parts = [&lines[..first], &[table.trim_end()], &lines[after..]];
        std::fs::write(PAGE, parts.concat().join("\n") + "\n").unwrap();
        return;
    }
    panic!("docs/features.md is not what the catalogue says. The table must be:\n{table}");
}

fn table() -> String {
    let worlds: serde_json::Value =
        serde_json::from_str(include_str!("golden/world.json")).unwrap();
    let world: BTreeSet<&str> = worlds[0]["values"]
        .as_object()
        .unwrap()
        .keys()
        .map(|name| name.split_once(' ').map_or(name.as_str(), |(name, _)| name))
        .collect();
    let mut table = String::from(
        "| function | value | reads | arguments | warm-up | recursive | agrees |\n|---|---|---|---|---|---|---|\n",
    );
    for function in F::ALL {
        let d = function.describe();
        let arguments: Vec<String> = d
            .arguments
            .iter()
            .map(|a| format!("`{}`", a.field()))
            .collect();
        let recursive = match d.history {
            History::Windowed => "",
            History::Recursive => "yes",
        };
        let agrees = world.contains(d.name) && !NO_COUNTERPART.contains(function);
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {recursive} | {} |",
            d.name,
            d.formula.replace('|', "&#124;"),
            reads(d.reads),
            arguments.join(", "),
            warm_up(d.warm_up),
            if agrees { "✓" } else { "" },
        )
        .unwrap();
    }
    table
}

fn reads(reads: Reads) -> &'static str {
    match reads {
        Reads::Close => "closes",
        Reads::Column => "`column`",
        Reads::Date => "date",
        Reads::Bar => "whole bars",
        Reads::Features => "features",
    }
}

fn warm_up(warm_up: WarmUp) -> String {
    match warm_up {
        WarmUp::Bars(bars) => bars.to_string(),
        WarmUp::Window(0) => "window".into(),
        WarmUp::Window(more) => format!("window + {more}"),
        WarmUp::TwoWindows => "2 window".into(),
        WarmUp::WindowAndSignal => "window + signal - 1".into(),
        WarmUp::Slow => "slow".into(),
        WarmUp::SlowAndSignal => "slow + signal - 1".into(),
    }
}

#[test]
fn warm_up_and_bounds_are_those_of_the_kernels() {
    assert_eq!(F::ALL.len(), 61);
    let (window, slow, signal) = (11, 9, 4);
    for function in F::ALL {
        let d = function.describe();
        let mut spec = FeatureSpec::new("x", *function);
        let take = |field, value: u32| d.takes(field).then_some(value);
        spec.window = take("window", window);
        (spec.fast, spec.slow) = (take("fast", 3), take("slow", slow));
        spec.signal = take("signal", signal);
        spec.deviations = d.takes("deviations").then(|| "2".into());
        spec.quantile = d.takes("quantile").then(|| "0.5".into());
        spec.expression = d.takes("expression").then(|| "1".into());
        let expected = match d.warm_up {
            WarmUp::Bars(bars) => bars,
            WarmUp::Window(more) => window + more,
            WarmUp::TwoWindows => 2 * window,
            WarmUp::WindowAndSignal => window + signal - 1,
            WarmUp::Slow => slow,
            WarmUp::SlowAndSignal => slow + signal - 1,
        };
        let set = |spec: &FeatureSpec| {
            let one = std::slice::from_ref(spec);
            FeatureSet::new(one, Adjustment::All)
        };
        assert_eq!(set(&spec).unwrap().warm_up(), expected, "{}", d.name);
        if d.takes("window") {
            let windows = |valid, window: u32| {
                let spec = FeatureSpec {
                    window: Some(window),
                    ..spec.clone()
                };
                assert_eq!(set(&spec).is_ok(), valid, "{} {window}", d.name);
            };
            let least = least_window(*function);
            windows(true, least);
            windows(false, least - 1);
            windows(true, LONGEST_WINDOW);
            windows(false, LONGEST_WINDOW + 1);
        }
    }
}

fn least_window(function: F) -> u32 {
    let arguments = function.describe().arguments.iter();
    let window = arguments.filter_map(|a| match a {
        Argument::Window { least } => Some(*least),
        _ => None,
    });
    window.max().unwrap()
}
