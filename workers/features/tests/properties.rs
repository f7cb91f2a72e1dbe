//! What every feature promises, on generated bars: causal, restartable, washing out, finite.

use foresail_crds::pipeline::spec::{Adjustment, FeatureFunction as F, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureRow, FeatureSet, Refused};

struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn bars(count: usize, seed: u64) -> Vec<Bar> {
    let mut noise = Noise(seed);
    let mut close = 50.0;
    (0..count)
        .map(|i| {
            close *= 1.0 + 0.04 * (noise.uniform() - 0.5);
            let spread = 1.0 + 0.02 * noise.uniform();
            Bar {
                symbol: "X".into(),
                interval: Interval::Daily,
                event_time: 86_400_000 * (i as i64 + 1),
                open: None,
                high: (i % 7 != 0).then_some(close * spread),
                low: (i % 7 != 0).then_some(close / spread),
                close,
                volume: (i % 11 != 3).then(|| (1e6 * noise.uniform()).round()),
                split_factor: 1.0,
                dividend: if i % 60 == 59 { 0.2 } else { 0.0 },
                ingested_at: 0,
                provider: "test".into(),
                revision: 0,
            }
        })
        .collect()
}

fn spec(function: F, window: u32) -> FeatureSpec {
    FeatureSpec {
        name: format!("{function:?}").to_lowercase(),
        function,
        window: Some(window),
        fast: Some(3),
        slow: Some(8),
        signal: Some(4),
        deviations: Some("2".into()),
    }
}

const ALL: [F; 17] = [
    F::LogReturn,
    F::LogReturnOver,
    F::RateOfChange,
    F::SmaRatio,
    F::EmaRatio,
    F::Volatility,
    F::ZScore,
    F::BollingerUpper,
    F::BollingerLower,
    F::BollingerWidth,
    F::BollingerPercentB,
    F::Macd,
    F::MacdSignal,
    F::MacdHistogram,
    F::Rsi,
    F::VolumeZScore,
    F::RangeMean,
];

fn catalogue() -> Vec<FeatureSpec> {
    ALL.into_iter().map(|f| spec(f, 10)).collect()
}

fn run(specs: &[FeatureSpec], adjustment: Adjustment, bars: &[Bar]) -> Vec<FeatureRow> {
    let mut set = FeatureSet::new(specs, adjustment).unwrap();
    bars.iter().filter_map(|b| set.push(b).unwrap()).collect()
}

fn bits(rows: &[FeatureRow]) -> Vec<(i64, Vec<u64>)> {
    rows.iter()
        .map(|r| (r.event_time, r.values.iter().map(|v| v.to_bits()).collect()))
        .collect()
}

#[test]
fn the_first_row_comes_exactly_after_the_warm_up() {
    for function in ALL {
        let specs = [spec(function, 10)];
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
    let whole = bits(&run(&specs, Adjustment::All, &past));
    for cut in [20, 47, 80, 119] {
        let mut other = past.clone();
        for (bar, strange) in other.iter_mut().zip(bars(120, 99)).skip(cut) {
            (bar.close, bar.volume, bar.dividend, bar.split_factor) =
                (strange.close * 7.0, None, 0.0, 2.0);
            (bar.high, bar.low) = (None, None);
        }
        let rows = bits(&run(&specs, Adjustment::All, &other));
        let upto = whole
            .iter()
            .filter(|(t, _)| *t <= past[cut - 1].event_time)
            .count();
        assert_eq!(rows[..upto], whole[..upto]);
        assert_ne!(rows[upto..], whole[upto..], "the change itself must show");
    }
}

#[test]
fn a_snapshot_at_any_bar_continues_bit_for_bit() {
    let (specs, series) = (catalogue(), bars(60, 5));
    let whole = bits(&run(&specs, Adjustment::All, &series));
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
        assert_eq!(bits(&rows), whole, "cut at {cut}");
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
    ];
    let series = bars(100, 7);
    for function in ALL.into_iter().filter(|f| !recursive.contains(f)) {
        let specs = [spec(function, 10)];
        let whole = bits(&run(&specs, Adjustment::None, &series));
        // Bar 36 has a volume, so the rule for missing ones does not reach back further.
        let later = bits(&run(&specs, Adjustment::None, &series[37..]));
        assert_eq!(
            whole[whole.len() - later.len()..],
            later[..],
            "{function:?}"
        );
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

#[test]
fn strange_but_valid_bars_give_finite_values() {
    let specs = catalogue();
    let make = |close: f64, volume: Option<f64>, i: i64| Bar {
        close,
        volume,
        high: None,
        low: None,
        event_time: i,
        ..bars(1, 1).remove(0)
    };
    let constant: Vec<Bar> = (1..80).map(|i| make(5.0, Some(0.0), i)).collect();
    let silent: Vec<Bar> = (1..80)
        .map(|i| make(5.0 + (i % 2) as f64, None, i))
        .collect();
    let wild: Vec<Bar> = (1..80)
        .map(|i| make(if i % 2 == 0 { 1e-9 } else { 1e9 }, Some(1e18), i))
        .collect();
    for series in [constant, silent, wild] {
        let rows = run(&specs, Adjustment::All, &series);
        assert!(!rows.is_empty() && rows.iter().flat_map(|r| &r.values).all(|v| v.is_finite()));
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
        Err(Refused::OutOfOrder { .. })
    ));
    let stranger = Bar {
        symbol: "Y".into(),
        ..series[30].clone()
    };
    assert!(matches!(
        set.push(&stranger),
        Err(Refused::WrongSymbol { .. })
    ));
    let huge = Bar {
        close: 1e-320,
        ..series[30].clone()
    };
    assert!(matches!(
        set.push(&huge),
        Err(Refused::NonFinite { .. }) | Ok(_)
    ));
    let infinite = Bar {
        close: 0.0,
        ..series[30].clone()
    };
    if set.snapshot() == before {
        assert!(matches!(
            set.push(&infinite),
            Err(Refused::NonFinite { .. })
        ));
        assert_eq!(set.snapshot(), before);
    }
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
    let mut damaged = set.snapshot();
    damaged["features"][0]["state"]["Lag"]["closes"]["oldest"] = 99.into();
    assert!(FeatureSet::restore(&specs, Adjustment::All, &damaged).is_err());
}
