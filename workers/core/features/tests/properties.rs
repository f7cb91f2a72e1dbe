//! What every feature promises, on generated bars: causal, restartable, washing out, finite.

#![allow(clippy::unwrap_used)]

mod catalogue;

use catalogue::{LEVELS, Noise, bars, bits, catalogue, columns, run, spec, with_needs};
use foresail_crds::pipeline::spec::{
    Adjustment, Column, FeatureFunction as F, FeatureSpec, History,
};
use foresail_domain::Bar;
use foresail_features::{FeatureRow, FeatureSet, PushError, check, columns_read, reads_date};

#[test]
fn the_first_row_comes_exactly_after_the_warm_up() {
    for &function in F::ALL {
        let specs = with_needs(function, 10);
        let warm_up = FeatureSet::new(&specs, Adjustment::All).unwrap().warm_up() as usize;
        let rows = run(&specs, Adjustment::All, &bars(50, 1));
        assert_eq!(rows.len(), 50 - warm_up + 1, "{function:?}");
    }
    let expected = [
        (F::LogReturn, 2),
        (F::SmaRatio, 10),
        (F::Volatility, 11),
        (F::Rsi, 11),
        (F::Macd, 8),
        (F::MacdSignal, 11),
    ];
    for (function, bars) in expected {
        assert_eq!(
            FeatureSet::new(&[spec(function, 10)], Adjustment::All)
                .unwrap()
                .warm_up(),
            bars,
            "{function:?}"
        );
    }
}

#[test]
fn the_future_changes_nothing() {
    let specs = catalogue();
    let past = bars(120, 3);
    let complete = bits(&run(&specs, Adjustment::All, &past));
    for cut in [20, 47, 80, 119] {
        let mut other = past.clone();
        for (bar, strange) in other.iter_mut().zip(bars(120, 99)).skip(cut) {
            (bar.close, bar.volume, bar.dividend, bar.split_factor) =
                (strange.close * 7.0, None, 0.0, 2.0);
            (bar.high, bar.low) = (None, None);
        }
        let rows = bits(&run(&specs, Adjustment::All, &other));
        let upto = complete
            .iter()
            .filter(|(t, _)| *t <= past[cut - 1].event_time)
            .count();
        assert_eq!(rows[..upto], complete[..upto]);
        assert_ne!(
            rows[upto..],
            complete[upto..],
            "the change itself must show"
        );
    }
}

#[test]
fn a_snapshot_at_any_bar_continues_bit_for_bit() {
    let (specs, mut series) = (catalogue(), bars(60, 5));
    (series[12].split_factor, series[30].dividend) = (3.0, 0.7);
    let complete = bits(&run(&specs, Adjustment::All, &series));
    for cut in 0..series.len() {
        let mut set = FeatureSet::new(&specs, Adjustment::All).unwrap();
        let mut rows: Vec<FeatureRow> = series[..cut]
            .iter()
            .filter_map(|b| set.push(b).unwrap())
            .collect();
        let text = serde_json::to_string(&set.snapshot()).unwrap();
        let snapshot = serde_json::from_str(&text).unwrap();
        let mut set = FeatureSet::restore(&specs, Adjustment::All, &snapshot).unwrap();
        rows.extend(series[cut..].iter().filter_map(|b| set.push(b).unwrap()));
        assert_eq!(bits(&rows), complete, "cut at {cut}");
    }
}

#[test]
fn history_washes_out_where_the_definition_is_not_recursive() {
    let recursive = [
        F::EmaRatio,
        F::Macd,
        F::MacdSignal,
        F::MacdHistogram,
        F::Rsi,
        F::AtrRatio,
        F::Adx,
    ];
    for function in F::ALL {
        let said = function.describe().history == History::Recursive;
        assert_eq!(said, recursive.contains(function), "{function:?}");
    }
    let series = bars(100, 7);
    let functions = F::ALL.iter().filter(|f| !recursive.contains(f));
    let each = functions.map(|f| with_needs(*f, 10));
    for specs in each.chain(columns().map(|level| vec![level])) {
        let last = specs.last().unwrap();
        let level = LEVELS.contains(&last.function) || last.function == F::Expression;
        let name = &last.name;
        for adjustment in [Adjustment::None, Adjustment::All] {
            let complete = run(&specs, adjustment, &series);
            // Bar 36 has a volume, so the rule for missing ones does not reach back further, and
            // the only dividend, at bar 59, is part of both runs.
            let later = run(&specs, adjustment, &series[37..]);
            let same = complete[complete.len() - later.len()..].to_vec();
            assert_eq!(bits(&same), bits(&later), "{name}");
            if level {
                continue;
            }
            // A start after the dividend scales all adjusted prices: equal but for rounding.
            let latest = run(&specs, adjustment, &series[71..]);
            for (row, expected) in latest
                .iter()
                .zip(&complete[complete.len() - latest.len()..])
            {
                let (value, expected) = (row.values[0], expected.values[0]);
                let bound = 1e-12 * expected.abs().max(1.0);
                assert!(
                    (value - expected).abs() < bound,
                    "{name}: {value} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_split_changes_no_feature() {
    let specs = catalogue();
    let plain = bars(80, 11);
    let mut split = plain.clone();
    // From bar 40 on the stock trades at half the price with twice the shares.
    for bar in &mut split[40..] {
        bar.close /= 2.0;
        bar.open = bar.open.map(|v| v / 2.0);
        bar.high = bar.high.map(|v| v / 2.0);
        bar.low = bar.low.map(|v| v / 2.0);
        bar.volume = bar.volume.map(|v| v * 2.0);
        bar.dividend /= 2.0;
    }
    split[40].split_factor = 2.0;
    for adjustment in [Adjustment::Splits, Adjustment::All] {
        assert_eq!(
            bits(&run(&specs, adjustment, &split)),
            bits(&run(&specs, adjustment, &plain))
        );
    }
    assert_ne!(
        bits(&run(&specs, Adjustment::None, &split)),
        bits(&run(&specs, Adjustment::None, &plain))
    );
}

/// Bars within the bounds of `Bar::check`, chosen to be as bad as allowed.
fn extreme(count: i64, seed: u64) -> Vec<Bar> {
    let mut noise = Noise(seed);
    let mut pick = |choices: &[f64]| {
        let index = (noise.uniform() * choices.len() as f64) as usize;
        choices[index]
    };
    (1..=count)
        .map(|i| {
            let close = pick(&[1e-12, 1e-12, 3.3e-7, 1.0, 1e12]);
            let known = pick(&[0.0, 1.0, 1.0]) > 0.0;
            Bar {
                close,
                open: known.then_some(1.0),
                high: known.then_some(1e12),
                low: known.then_some(1e-12),
                volume: (pick(&[0.0, 1.0, 1.0]) > 0.0).then(|| pick(&[0.0, 5e-324, 1.0, 1e24])),
                split_factor: pick(&[1.0, 1.0, 1e4, 1e-4, 1.5]),
                dividend: pick(&[0.0, 0.0, 1e-12, 0.999_999_999e-12, 1e12]),
                event_time: i,
                ..bars(1, 1).remove(0)
            }
        })
        .collect()
}

#[test]
fn splits_of_any_ratio_change_no_feature_but_for_rounding() {
    let specs = catalogue();
    let plain = bars(80, 17);
    for factor in [3.0, 1.5, 7.0, 0.1, 1.0 / 3.0] {
        let mut split = plain.clone();
        for bar in &mut split[40..] {
            bar.close /= factor;
            bar.open = bar.open.map(|v| v / factor);
            bar.high = bar.high.map(|v| v / factor);
            bar.low = bar.low.map(|v| v / factor);
            bar.volume = bar.volume.map(|v| v * factor);
            bar.dividend /= factor;
        }
        split[40].split_factor = factor;
        let (split, plain) = (
            run(&specs, Adjustment::All, &split),
            run(&specs, Adjustment::All, &plain),
        );
        for (row, expected) in split.iter().zip(&plain) {
            for (value, expected) in row.values.iter().zip(&expected.values) {
                let bound = 1e-9 * expected.abs().max(1.0);
                assert!((value - expected).abs() < bound, "{factor}: {row:?}");
            }
        }
    }
}

#[test]
fn every_bar_that_passes_its_check_gives_finite_values() {
    let specs = catalogue();
    let flat = |price: fn(i64) -> f64, volume, split_factor| {
        let make = move |i| Bar {
            close: price(i),
            volume,
            high: None,
            low: None,
            event_time: i,
            split_factor,
            dividend: 0.0,
            ..bars(1, 1).remove(0)
        };
        (1..2000).map(make).collect::<Vec<Bar>>()
    };
    let mut all = vec![
        flat(|_| 5.0, Some(0.0), 1.0),
        flat(|i| 5.0 + (i % 2) as f64, None, 1.0),
        flat(|i| if i % 2 == 0 { 1e-12 } else { 1e12 }, Some(1e24), 1.0),
        flat(|_| 1e12, Some(1e24), 1e4),
        flat(|_| 1e-12, Some(1e24), 1e-4),
        // One rise, then calm until the averages of the RSI have decayed to nothing.
        flat(|i| if i == 1 { 1.0 } else { 1.5 }, Some(1.0), 1.0),
    ];
    all.extend((0..20).map(|seed| extreme(500, seed)));
    for series in all {
        assert!(series.iter().all(|bar| bar.check(i64::MAX).is_ok()));
        for adjustment in [Adjustment::None, Adjustment::Splits, Adjustment::All] {
            let warm_up = FeatureSet::new(&specs, adjustment).unwrap().warm_up() as usize;
            let rows = run(&specs, adjustment, &series);
            // A row that is not finite would be withheld, so every one must be there.
            assert_eq!(rows.len(), series.len() - warm_up + 1);
            assert!(rows.iter().flat_map(|r| &r.values).all(|v| v.is_finite()));
            assert!(rows.iter().all(|r| r.adjustment_factor.is_finite()));
        }
    }
}

#[test]
fn refused_bars_leave_no_trace() {
    let (specs, series) = (catalogue(), bars(40, 13));
    let mut set = FeatureSet::new(&specs, Adjustment::All).unwrap();
    for bar in &series[..30] {
        set.push(bar).unwrap();
    }
    let before = set.snapshot();
    assert!(matches!(
        set.push(&series[29]),
        Err(PushError::OutOfOrder { .. })
    ));
    let stranger = Bar {
        symbol: "Y".into(),
        ..series[30].clone()
    };
    assert!(matches!(
        set.push(&stranger),
        Err(PushError::WrongSymbol { .. })
    ));
    let broken = [
        Bar {
            close: f64::NAN,
            ..series[30].clone()
        },
        Bar {
            close: 0.0,
            ..series[30].clone()
        },
        Bar {
            high: Some(f64::INFINITY),
            ..series[30].clone()
        },
        Bar {
            volume: Some(-1.0),
            ..series[30].clone()
        },
        Bar {
            split_factor: 0.0,
            ..series[30].clone()
        },
        Bar {
            dividend: f64::NAN,
            ..series[30].clone()
        },
    ];
    for bar in broken {
        assert!(matches!(set.push(&bar), Err(PushError::NonFinite { .. })));
    }
    assert_eq!(set.snapshot(), before);
    assert!(set.push(&series[30]).unwrap().is_some());
}

#[test]
fn the_fingerprint_names_everything_that_changes_numbers() {
    let base = catalogue();
    let print =
        |specs: &[FeatureSpec], a| FeatureSet::new(specs, a).unwrap().fingerprint().to_string();
    let reference = print(&base, Adjustment::All);
    assert_eq!(reference, print(&base, Adjustment::All));
    assert_ne!(reference, print(&base, Adjustment::Splits));
    let mut swapped = base.clone();
    swapped.swap(0, 1);
    assert_ne!(reference, print(&swapped, Adjustment::All));
    let mut wider = base.clone();
    wider[3].window = Some(11);
    assert_ne!(reference, print(&wider, Adjustment::All));
}

#[test]
fn foreign_or_damaged_snapshots_are_refused() {
    let specs = catalogue();
    let set = FeatureSet::new(&specs, Adjustment::All).unwrap();
    let other = [spec(F::Rsi, 5)];
    assert!(FeatureSet::restore(&other, Adjustment::All, &set.snapshot()).is_err());
    assert!(FeatureSet::restore(&specs, Adjustment::All, &serde_json::json!({"x": 1})).is_err());
    assert!(FeatureSet::restore(&specs, Adjustment::Splits, &set.snapshot()).is_err());
    let wider: Vec<FeatureSpec> = F::ALL.iter().map(|f| spec(*f, 11)).collect();
    assert!(FeatureSet::restore(&wider, Adjustment::All, &set.snapshot()).is_err());
    let damages = [
        "/state/features/0/state/Lag/closes/window",
        "/state/features/3/state/Window/columns/0/window",
        "/state/features/4/state/Ema/count",
        "/state/features/14/state/Rsi/window",
        "/state/features/34/state/Atr/range/window",
        "/state/features/35/state/Adx/index/range/window",
        "/state/features/54/state/Rolling/values/window",
        "/state/features/59/state/Rolling/quantile",
        "/state/features/60/state",
        "/state/adjuster/price_factor",
    ];
    for path in damages {
        let mut damaged = set.snapshot();
        let place = damaged.pointer_mut(path).expect(path);
        *place = if path.ends_with("factor") {
            (-1.0).into()
        } else {
            99.into()
        };
        assert!(
            FeatureSet::restore(&specs, Adjustment::All, &damaged).is_err(),
            "{path}"
        );
    }
}

#[test]
fn the_named_arguments_are_what_a_function_needs() {
    for &function in F::ALL {
        let complete = spec(function, 10);
        let only = |kept: &[&str]| FeatureSpec {
            window: complete.window.filter(|_| kept.contains(&"window")),
            fast: complete.fast.filter(|_| kept.contains(&"fast")),
            slow: complete.slow.filter(|_| kept.contains(&"slow")),
            signal: complete.signal.filter(|_| kept.contains(&"signal")),
            deviations: complete
                .deviations
                .clone()
                .filter(|_| kept.contains(&"deviations")),
            quantile: complete
                .quantile
                .clone()
                .filter(|_| kept.contains(&"quantile")),
            expression: complete
                .expression
                .clone()
                .filter(|_| kept.contains(&"expression")),
            ..complete.clone()
        };
        let needs: Vec<&str> = function
            .describe()
            .arguments
            .iter()
            .map(|argument| argument.field())
            .collect();
        assert_eq!(check(&only(&needs)), Ok(()), "{function:?}");
        for gone in &needs {
            let rest: Vec<&str> = needs.iter().copied().filter(|n| n != gone).collect();
            assert!(check(&only(&rest)).is_err(), "{function:?} without {gone}");
        }
    }
}

#[test]
fn a_feature_depends_on_the_columns_it_names_and_on_no_other() {
    let mut complete = bars(80, 17);
    for (i, bar) in complete.iter_mut().enumerate() {
        let (above, below) = (0.01 * (1 + i % 7) as f64, 0.01 * (1 + i % 5) as f64);
        (bar.high, bar.low) = (
            Some(bar.close * (1.0 + above)),
            Some(bar.close * (1.0 - below)),
        );
        bar.volume.get_or_insert(5e5);
        bar.open.get_or_insert(bar.close * 1.003);
    }
    let without = |column: Column| {
        let mut series = complete.clone();
        for bar in &mut series {
            match column {
                Column::Open => bar.open = None,
                Column::High => bar.high = None,
                Column::Low => bar.low = None,
                Column::Volume => bar.volume = None,
                Column::Close | Column::TypicalPrice => {}
            }
        }
        series
    };
    let mut later = complete.clone();
    for bar in &mut later {
        bar.event_time += 40 * 86_400_000;
    }
    let values = |spec: &FeatureSpec, series: &[Bar]| -> Vec<Vec<u64>> {
        let rows = bits(&run(std::slice::from_ref(spec), Adjustment::All, series));
        rows.into_iter().map(|(_, values)| values).collect()
    };
    let alone = F::ALL.iter().filter(|f| **f != F::Expression);
    for spec in alone.map(|f| spec(*f, 10)).chain(columns()) {
        let whole = values(&spec, &complete);
        for column in [Column::Open, Column::High, Column::Low, Column::Volume] {
            let differs = values(&spec, &without(column)) != whole;
            let named = columns_read(&spec).contains(&column);
            assert_eq!(differs, named, "{} without {column:?}", spec.name);
        }
        let differs = values(&spec, &later) != whole;
        assert_eq!(differs, reads_date(&spec), "{} at another time", spec.name);
    }
}
