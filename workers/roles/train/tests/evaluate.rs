//! `evaluate` on a file whose naive errors are computed apart, and whose returns repeat themselves: a
//! linear model finds that, and the counts add up.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use foresail_crds::pipeline::spec::ModelKind;
use foresail_train::evaluate_command::{Report, Request, evaluate};

const SESSIONS: usize = 1_200;
const HORIZON: usize = 5;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("foresail-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn request(&self, csv: &str, features: &str) -> Request {
        let (file, pipeline) = (self.0.join("bars.csv"), self.0.join("pipeline.yaml"));
        fs::write(&file, csv).unwrap();
        fs::write(&pipeline, yaml(features)).unwrap();
        Request {
            csv: file,
            pipeline,
            test_from: "2003-01-02".parse().unwrap(),
            refit_every: None,
            kinds: vec![],
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn yaml(features: &str) -> String {
    format!(
        "apiVersion: foresail.dev/v1alpha1
kind: Pipeline
metadata: {{name: file}}
spec:
  instruments: [{{symbol: X}}]
  source: {{csv: {{uri: \"http://host/bars.csv\", symbol: X}}, adjustment: Splits}}
  kafka: {{bootstrapServers: \"host:9092\"}}
  lake: {{uri: s3://bucket/lake, endpoint: \"http://host\", secretName: s}}
  features: [{features}]
  training: {{model: {{kind: Linear, ridge: \"0.001\"}}, horizon: {HORIZON}}}
"
    )
}

const RETURN: &str = "{name: r, function: LogReturn}";

/// Dates and closes: nine tenths of yesterday's return come again.
fn market() -> Vec<(jiff::civil::Date, f64)> {
    let (mut date, mut close, mut change) = (jiff::civil::date(2000, 1, 3), 50.0, 0.0);
    let mut state = 7u64;
    let mut bars = Vec::new();
    while bars.len() < SESSIONS {
        if date.weekday().to_monday_zero_offset() < 5 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
            change = 0.9 * change + 0.03 * noise;
            close *= f64::exp(change);
            bars.push((date, close));
        }
        date = date.tomorrow().unwrap();
    }
    bars
}

fn file(bars: &[(jiff::civil::Date, f64)]) -> String {
    let lines = bars.iter().map(|(date, close)| format!("{date},{close}\n"));
    format!("Date,Close\n{}", lines.collect::<String>())
}

fn run(request: &Request) -> Report {
    evaluate(request, &|_| {}).unwrap()
}

#[test]
fn naive_errors_are_those_of_the_file_and_what_repeats_is_found() {
    let (folder, bars) = (Folder::new("found"), market());
    let mut text = file(&bars);
    text.push_str("2004-12-01,\nnot a line\n");
    let report = run(&folder.request(&text, RETURN));
    let from = jiff::civil::date(2003, 1, 2);
    let errors: Vec<f64> = bars
        .windows(HORIZON + 1)
        .filter(|window| window[0].0 >= from)
        .map(|window| window[HORIZON].1 - window[0].1)
        .collect();
    let rmse = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    let mae = errors.iter().map(|e| e.abs()).sum::<f64>() / errors.len() as f64;
    assert_eq!(report.naive.count, errors.len());
    assert!((report.naive.rmse - rmse).abs() < 1e-9 && (report.naive.mae - mae).abs() < 1e-9);
    assert_eq!(report.test[0], "2003-01-02");
    let (rows, refused) = (&report.rows, &report.rows.refused);
    assert_eq!((rows.read, rows.bars), (SESSIONS as u64 + 2, SESSIONS));
    assert_eq!(refused.values().sum::<u64>(), 2, "{refused:?}");
    assert!(report.model.rmse_ratio.unwrap() < 0.9, "{report}");
    assert!(report.model.p_value_vs_naive.unwrap() < 0.05, "{report}");
    let coverage = report.model.coverage_80.unwrap();
    assert!((0.7..0.9).contains(&coverage), "{report}");
    assert!(
        report.guards.len() == 4 && report.guards.iter().all(|g| g.passed),
        "{report}"
    );
}

#[test]
fn refits_see_more_and_a_later_past_changes_no_earlier_forecast() {
    let (folder, bars) = (Folder::new("refit"), market());
    let mut request = folder.request(&file(&bars), RETURN);
    request.refit_every = Some(100);
    request.kinds = vec![ModelKind::GradientBoosting, ModelKind::Gru];
    let report = run(&request);
    assert!(report.folds > 3, "{report}");
    let kinds: Vec<&str> = report.kinds.keys().map(String::as_str).collect();
    let expected = [
        "GradientBoosting",
        "Gru",
        "Linear",
        "Naive",
        "SeasonalNaive",
    ];
    assert_eq!(kinds, expected);
    // Cut off after the first test year: the naive errors of what is left are the same ones.
    let short: Vec<_> = bars.iter().copied().take(1_000).collect();
    let once = run(&folder.request(&file(&short), RETURN));
    assert!(once.naive.count < report.naive.count);
    assert_eq!(once.test[0], report.test[0]);
}

#[test]
fn what_cannot_be_evaluated_is_explained() {
    let (folder, bars) = (Folder::new("bad"), market());
    let reason = |request: &Request| evaluate(request, &|_| {}).unwrap_err();
    let good = file(&bars);
    let error = reason(&folder.request("Date,Price\n2000-01-03,1\n", RETURN));
    assert!(
        error.reason == "CsvHeader" && error.message.contains("close"),
        "{error}"
    );
    let error = reason(&folder.request("Date,Close\n2000-01-03,-1\n", RETURN));
    assert_eq!(error.reason, "NoBars", "{error}");
    let error = reason(&folder.request(&good, "{name: r, function: Rsi}"));
    assert_eq!(error.reason, "InvalidFeatures", "{error}");
    let early = Request {
        test_from: "1999-01-04".parse().unwrap(),
        ..folder.request(&good, RETURN)
    };
    assert_eq!(reason(&early).reason, "NotEnoughRows");
    let missing = Request {
        csv: "nowhere.csv".into(),
        ..folder.request(&good, RETURN)
    };
    assert_eq!(reason(&missing).reason, "FileUnreadable");
    let mut request = folder.request(&good, RETURN);
    fs::write(&request.pipeline, "kind: Deployment\n").unwrap();
    assert_eq!(reason(&request).reason, "BadPipeline");
    request.pipeline = PathBuf::from("nowhere.yaml");
    assert_eq!(reason(&request).reason, "FileUnreadable");
}
