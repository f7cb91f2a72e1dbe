//! `evaluate` on a file whose naive errors are computed apart, and whose returns repeat themselves: a
//! linear model finds that, and the counts add up.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::Folder;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_train::evaluate_command::{Report, Request, Score, evaluate};

const SESSIONS: usize = 1_200;
const HORIZON: usize = 5;

impl Folder {
    fn request(&self, csv: &str, features: &str) -> Request {
        Request {
            csv: self.file("bars.csv", csv),
            pipeline: self.file("pipeline.yaml", &yaml(features)),
            test_from: Some("2003-01-02".parse().unwrap()),
            refit_every: None,
            kinds: vec![],
            allow_refused: false,
            allow_suspicious: false,
        }
    }
}

fn yaml(features: &str) -> String {
    format!(
        "apiVersion: foresail.dev/v1alpha1
kind: Pipeline
metadata: {{name: file}}
spec:
  instruments: [{{symbol: X}}]
  calendar: Weekdays
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

/// The same market in half hours of some days: a horizon is five half hours, and a refit comes after so many days.
#[test]
fn parts_of_sessions_are_forecast_by_parts() {
    const A_DAY: usize = 42;
    let folder = Folder::new("half-hours");
    let closes: Vec<f64> = market().into_iter().map(|(_, close)| close).collect();
    let mut date = jiff::civil::date(2024, 1, 1);
    let mut text = "Datetime,Close\n".to_owned();
    let mut days = Vec::new();
    for day in closes.chunks(A_DAY) {
        while date.weekday().to_monday_zero_offset() > 4 {
            date = date.tomorrow().unwrap();
        }
        for (place, close) in (0..).zip(day) {
            let time = date.at(0, 0, 0, 0) + jiff::Span::new().minutes(30 * place);
            text.push_str(&format!("{},{close}\n", time.strftime("%Y-%m-%d %H:%M")));
        }
        days.push(date);
        date = date.tomorrow().unwrap();
    }
    let with = |pipeline: &str| Request {
        pipeline: folder.file("parts.yaml", pipeline),
        test_from: Some(days[20]),
        ..folder.request(&text, RETURN)
    };
    let half_hours = yaml(RETURN).replace("source: {csv", "source: {interval: 30m, csv");
    let report = run(&with(&half_hours));
    // Every half hour from the twentieth day on of which the file holds the outcome.
    assert_eq!(report.naive.count, closes.len() - 20 * A_DAY - HORIZON);
    assert_eq!(report.rows.bars, closes.len());
    assert!(report.rows.refused.is_empty(), "{:?}", report.rows.refused);
    assert!(report.model.rmse_ratio.unwrap() < 0.9, "{report}");
    let refitted = Request {
        refit_every: Some(4),
        ..with(&half_hours)
    };
    assert_eq!(
        run(&refitted).folds,
        (closes.len() - 20 * A_DAY - HORIZON).div_ceil(4 * A_DAY)
    );
    let error = evaluate(&with(&yaml(RETURN)), &|_| {}).unwrap_err();
    assert_eq!(error.reason, "IntervalDoesNotFit", "{error}");
    let found =
        foresail_train::inspect_command::inspect(&foresail_train::inspect_command::Request {
            file: folder.file("x.csv", &text),
            pipeline: None,
        })
        .unwrap();
    let pipeline = found.pipeline().unwrap();
    assert!(pipeline.contains("interval: 30m"), "{pipeline}");
}

/// Errors say it of every forecast at once: those of a walk-forward are the errors of one fit per block, each made on a
/// file that ends where the last outcome of its block is known. A refit that saw less than that, or anything that came
/// later, would forecast something else.
#[test]
fn refits_see_more_and_a_later_past_changes_no_earlier_forecast() {
    const BLOCK: usize = 100;
    let (folder, bars) = (Folder::new("refit"), market());
    let evaluated = |until: usize, from: usize, refit_every: Option<usize>| {
        let mut request = folder.request(&file(&bars[..until]), RETURN);
        request.test_from = Some(bars[from].0);
        request.refit_every = refit_every;
        request.kinds = vec![ModelKind::GradientBoosting, ModelKind::Gru];
        run(&request)
    };
    let from = bars
        .iter()
        .position(|(date, _)| *date >= jiff::civil::date(2003, 1, 2));
    let (from, end) = (from.unwrap(), bars.len() - HORIZON);
    let refitted = evaluated(bars.len(), from, Some(BLOCK));
    let starts = (from..end).step_by(BLOCK);
    let blocks: Vec<Report> = starts
        .map(|start| evaluated((start + BLOCK).min(end) + HORIZON, start, None))
        .collect();
    assert!(blocks.len() > 3 && refitted.folds == blocks.len());
    let kinds: Vec<&str> = refitted.kinds.keys().map(String::as_str).collect();
    let expected = [
        "GradientBoosting",
        "Gru",
        "Linear",
        "Naive",
        "SeasonalNaive",
    ];
    assert_eq!(kinds, expected);
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
    let squared = |s: &Score| s.rmse.powi(2) * s.count as f64;
    let absolute = |s: &Score| s.mae * s.count as f64;
    let once = evaluated(bars.len(), from, None);
    for kind in expected {
        let of = |report: &Report| report.kinds[kind].clone();
        let sum = |value: fn(&Score) -> f64| blocks.iter().map(|b| value(&of(b))).sum::<f64>();
        let all = of(&refitted);
        let counted = blocks.iter().map(|block| of(block).count);
        assert_eq!(counted.sum::<usize>(), all.count);
        assert_eq!(all.count, end - from);
        assert!(
            same(squared(&all), sum(squared)) && same(absolute(&all), sum(absolute)),
            "{kind}: {refitted}\n{blocks:?}"
        );
        // What is not fitted again tells that these errors would show it.
        let fitted = !kind.contains("Naive");
        assert_eq!(same(squared(&once.kinds[kind]), squared(&all)), !fitted);
    }
}

#[test]
fn what_cannot_be_evaluated_is_explained() {
    let (folder, bars) = (Folder::new("bad"), market());
    let reason = |request: &Request| evaluate(request, &|_| {}).unwrap_err();
    let good = file(&bars);
    let error = reason(&folder.request("Date,Quote\n2000-01-03,1\n", RETURN));
    assert!(
        error.reason == "CsvHeader" && error.message.contains("close"),
        "{error}"
    );
    let error = reason(&folder.request("Date,Close\n2000-01-03,-1\n", RETURN));
    assert_eq!(error.reason, "NoBars", "{error}");
    let expression = "{name: r, function: Expression, expression: 1 + nobody}";
    let error = reason(&folder.request(&good, expression));
    assert_eq!(error.reason, "InvalidFeatures", "{error}");
    let early = Request {
        test_from: Some("1999-01-04".parse().unwrap()),
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

/// What a person writes, and part of what is said: by both commands, as by the API server.
#[test]
fn wrong_pipelines_are_refused_as_the_api_server_refuses_them() {
    let folder = Folder::new("wrong");
    let request = folder.request(&file(&market()), RETURN);
    let good = yaml(RETURN);
    for (old, new, says) in [
        (
            "[{symbol: X}]",
            "[{symbol: ON}]",
            "line 5: spec.instruments[0].symbol: Invalid value: \"boolean\"",
        ),
        (
            "[{symbol: X}]",
            "[{symbol: ON}]",
            "YAML reads ON as true; write \"ON\", in quotes",
        ),
        (
            "[{symbol: X}]",
            "[{symbol: 1234}]",
            "YAML reads 1234 as 1234; write \"1234\", in quotes",
        ),
        (
            "[{symbol: X}]",
            "[{symbol: \"A,B\"}]",
            "spec.instruments[0].symbol in body should match",
        ),
        (
            "[{symbol: X}]",
            "[]",
            "spec.instruments in body should have at least 1 items",
        ),
        (
            "calendar: Weekdays",
            "calendar: NO",
            "spec.calendar: Invalid value: \"boolean\"",
        ),
        (
            "calendar: Weekdays",
            "calender: Weekdays",
            "unknown field \"spec.calender\"",
        ),
        (
            "horizon: 5",
            "horizon: 61",
            "should be less than or equal to 60",
        ),
        (
            "function: LogReturn",
            "function: Rsi",
            "features[].window must be set for this function",
        ),
        (
            ", symbol: X}",
            ", symbol: X}, simulator: {seed: 1, start: \"2010-01-04\", sessions: 10}",
            "source must have exactly one of csv, provider, simulator and pipelineRef",
        ),
        (
            "kind: Linear",
            "kind: Naive",
            "retraining.triggers must not hold Drift or Performance when training.model.kind is Naive",
        ),
        (
            "s3://bucket/lake",
            "s3://b/lake",
            "spec.lake.uri in body should match",
        ),
        (
            "s3://bucket/lake",
            "s3://bucket/lake, uri: s3://bucket/other",
            "line 9: spec.lake.uri stands there twice",
        ),
    ] {
        assert!(good.contains(old), "{old}");
        fs::write(&request.pipeline, good.replacen(old, new, 1)).unwrap();
        let inspected = foresail_train::inspect_command::Request {
            file: request.csv.clone(),
            pipeline: Some(request.pipeline.clone()),
        };
        let errors = [
            evaluate(&request, &|_| {}).unwrap_err(),
            foresail_train::inspect_command::inspect(&inspected).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.reason, "BadPipeline", "{error}");
            assert!(error.message.contains(says), "{new}: {error}");
        }
    }
    fs::write(
        &request.pipeline,
        good.replace("[{symbol: X}]", "[{symbol: 'X'}]"),
    )
    .unwrap();
    assert!(evaluate(&request, &|_| {}).is_ok());
}

/// Review, case 29.
#[test]
fn codes_of_vendors_are_evaluated_and_shown_as_they_are_written() {
    let codes = [
        "M&M.NS",
        "BTC/USDT",
        "GC1!",
        "NYSE:BRK.B",
        "$SPX",
        "BF B",
        "^GSPC",
        "EURUSD=X",
        "ON",
        "1234",
        "@ES#",
        "/ES",
    ];
    let mut rows = "symbol,date,close\n".to_owned();
    for (date, close) in market() {
        for code in codes {
            rows.push_str(&format!("{code},{date},{close}\n"));
        }
    }
    let folder = Folder::new("codes");
    let request = folder.request(&rows, RETURN);
    let declared: Vec<String> = codes
        .iter()
        .map(|code| format!("{{symbol: '{code}'}}"))
        .collect();
    let pipeline = yaml(RETURN)
        .replace("{symbol: X}", &declared.join(", "))
        .replace(", symbol: X}, adj", "}, adj");
    fs::write(&request.pipeline, pipeline).unwrap();
    let report = run(&request);
    assert_eq!(report.rows.bars, codes.len() * SESSIONS);
    assert_eq!(report.rows.without_bars, [""; 0]);
    // What inspect says to write is taken: the words of YAML in quotes.
    let inspected = foresail_train::inspect_command::Request {
        file: request.csv.clone(),
        pipeline: None,
    };
    let text = foresail_train::inspect_command::inspect(&inspected)
        .unwrap()
        .to_string();
    let (_, spec) = text.split_once("In the spec of a Pipeline:\n").unwrap();
    assert!(!spec.contains("refuse"), "{spec}");
    let mut written =
        "apiVersion: foresail.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: file}\nspec:\n"
            .to_owned();
    written.push_str(&spec.replace("s3://bucket/", "http://host/"));
    written.push_str("\n  kafka: {bootstrapServers: \"host:9092\"}\n  lake: {uri: s3://bucket/lake, endpoint: \"http://host\", secretName: s}\n");
    written.push_str(
        "  features: [{name: r, function: LogReturn}]\n  training: {model: {kind: Linear}}\n",
    );
    fs::write(&request.pipeline, written).unwrap();
    assert_eq!(run(&request).rows.bars, codes.len() * SESSIONS);
    fs::write(&request.csv, rows.replace("GC1!", "\"GC,1\"")).unwrap();
    let text = foresail_train::inspect_command::inspect(&inspected)
        .unwrap()
        .to_string();
    assert!(
        text.contains("The API server would refuse it: spec.instruments["),
        "{text}"
    );
}

#[test]
fn a_price_that_never_moves_is_a_fault_of_the_source_and_not_ours() {
    let folder = Folder::new("constant");
    let bars: Vec<_> = market().into_iter().map(|(date, _)| (date, 10.0)).collect();
    let error = evaluate(&folder.request(&file(&bars), RETURN), &|_| {}).unwrap_err();
    assert_eq!(error.reason, "NotFittable", "{error}");
}

/// What keeps a file from being evaluated, and whether it goes on when that is allowed.
fn refused(name: &str, csv: &str, change: impl Fn(&str) -> String) -> (String, String, bool) {
    let folder = Folder::new(name);
    let mut request = folder.request(csv, RETURN);
    fs::write(&request.pipeline, change(&yaml(RETURN))).unwrap();
    let error = evaluate(&request, &|_| {}).unwrap_err();
    request.allow_refused = true;
    let goes_on = evaluate(&request, &|_| {}).is_ok();
    (error.reason.to_string(), error.message, goes_on)
}

#[test]
fn a_file_that_is_not_what_the_pipeline_describes_is_refused_by_example() {
    let same = |yaml: &str| yaml.to_owned();
    let mut bad = file(&market());
    (0..200).for_each(|row| bad.push_str(&format!("2004-12-01,x{row}\n")));
    let (reason, message, goes_on) = refused("bad", &bad, same);
    assert_eq!(
        (reason.as_str(), goes_on),
        ("RowsRefused", true),
        "{message}"
    );
    assert!(
        message.contains("200 NotANumber, the first is line 1202: close `x0`"),
        "{message}"
    );

    let mut weekends = file(&market());
    for week in 0..100 {
        let saturday = jiff::civil::date(2000, 1, 8) + jiff::Span::new().days(week * 7);
        weekends.push_str(&format!("{saturday},50\n"));
    }
    let (reason, message, goes_on) = refused("weekends", &weekends, same);
    assert_eq!(
        (reason.as_str(), goes_on),
        ("CalendarDoesNotFit", true),
        "{message}"
    );
    assert!(message.contains("AlwaysOpen has these days"), "{message}");
}

#[test]
fn a_declared_symbol_without_rows_is_named_with_the_one_that_is_meant() {
    let rows: String = market()
        .iter()
        .map(|(date, close)| format!("x,{date},{close}\nX,{date},{close}\n"))
        .collect();
    let folder = Folder::new("without");
    let request = folder.request(&format!("symbol,date,close\n{rows}"), RETURN);
    let declared = yaml(RETURN)
        .replace(
            "[{symbol: X}]",
            "[{symbol: X}, {symbol: X.}, {symbol: \"Y\"}]",
        )
        .replace(", symbol: X}, adj", "}, adj");
    fs::write(&request.pipeline, declared).unwrap();
    let lines = std::cell::RefCell::new(String::new());
    let report = evaluate(&request, &|line| {
        lines.borrow_mut().push_str(&format!("{line}\n"))
    })
    .unwrap();
    assert_eq!(report.rows.without_bars, ["X.", "Y"]);
    let lines = lines.into_inner();
    assert!(
        lines.contains("no bar of X.; the file has `x`") && lines.contains("no bar of Y\n"),
        "{lines}"
    );
    let inspected = foresail_train::inspect_command::Request {
        file: request.csv.clone(),
        pipeline: Some(request.pipeline.clone()),
    };
    let text = foresail_train::inspect_command::inspect(&inspected)
        .unwrap()
        .to_string();
    assert!(
        text.contains("no bar of X.; the file has `x`") && text.contains("no bar of Y\n"),
        "{text}"
    );
}

#[test]
fn inspect_shows_a_file_that_nobody_described() {
    let folder = Folder::new("inspect");
    let rows: Vec<String> = market()
        .iter()
        .map(|(date, close)| {
            let (y, m, d) = (date.year(), date.month(), date.day());
            let close = if *date < jiff::civil::date(2002, 1, 2) {
                close * 2.0
            } else {
                *close
            };
            format!(
                "{d:02}.{m:02}.{y};{}",
                format!("{close:.4}").replace('.', ",")
            )
        })
        .collect();
    let rows: Vec<String> = rows.into_iter().rev().collect();
    let file = folder.0.join("acme.csv");
    fs::write(
        &file,
        format!("Export\n\nDatum;Date;Close\n{}\n", rows.join("\n"))
            .replace("Datum;", "")
            .as_bytes(),
    )
    .unwrap();
    let request = foresail_train::inspect_command::Request {
        file,
        pipeline: None,
    };
    let found = foresail_train::inspect_command::inspect(&request).unwrap();
    let text = found.to_string();
    for part in [
        "delimiter Semicolon, decimal Comma, dates DayMonthYear, 2 lines before the header",
        "1200 rows: 1200 bars, 0 of other symbols, 0 refused",
        "ACME: 1200 bars, 2000-01-03 to",
        "SuspectedSplit: 2002-01-01",
        "split of 2:1",
        "symbol: ACME",
        "calendar: Weekdays",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Parquet, packed or not, is what its text is.
#[test]
fn a_file_of_columns_is_inspected_as_its_text() {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch};
    use datafusion::parquet::arrow::ArrowWriter;

    let folder = Folder::new("columns");
    let bars = market();
    let days = bars.iter().map(|(date, _)| {
        let days = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1)));
        days.unwrap().get_days()
    });
    let columns: [(&str, ArrayRef); 2] = [
        ("Date", Arc::new(Date32Array::from_iter_values(days))),
        (
            "Close",
            Arc::new(Float64Array::from_iter_values(bars.iter().map(|bar| bar.1))),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let stored = writer.into_inner().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &stored).unwrap();
    let inspected = |bytes: &[u8]| {
        let path = folder.0.join("acme.table");
        fs::write(&path, bytes).unwrap();
        let request = foresail_train::inspect_command::Request {
            file: path,
            pipeline: None,
        };
        foresail_train::inspect_command::inspect(&request)
            .unwrap()
            .to_string()
    };
    let text = inspected(file(&bars).as_bytes());
    assert!(text.contains("1200 rows: 1200 bars"), "{text}");
    assert_eq!(inspected(&stored), text);
    assert_eq!(inspected(&packed.finish().unwrap()), text);
}

/// What `evaluate` says of a file: its error, or its report.
fn said(name: &str, csv: &str, source: &str, allow: bool) -> Result<Report, (String, String)> {
    let folder = Folder::new(name);
    let mut request = folder.request(csv, RETURN);
    request.allow_suspicious = allow;
    let declared =
        yaml(RETURN).replace("adjustment: Splits", &format!("adjustment: Splits{source}"));
    fs::write(&request.pipeline, declared).unwrap();
    evaluate(&request, &|_| {}).map_err(|e| (e.reason.to_string(), e.message))
}

/// A split 4:1 in the middle, on a day without another move, that nothing declares.
fn unadjusted() -> String {
    let (mut bars, middle) = (market(), SESSIONS / 2);
    let before = bars[middle].1 / bars[middle - 1].1;
    for (_, close) in &mut bars[..middle] {
        *close *= 4.0 * before;
    }
    file(&bars)
}

#[test]
fn a_split_that_nobody_declared_stops_a_first_training_unless_a_person_says_otherwise() {
    let csv = unadjusted();
    let (reason, message) = said("split", &csv, "", false).unwrap_err();
    assert_eq!(reason, "SuspiciousMoves", "{message}");
    for part in [
        "1 moves may be mistakes",
        "SuspectedSplit: X: 2002-04-19 closes at ",
        " and 2002-04-22 at ",
        "as after a split of 4:1",
        "source.onSuspicion to Warn",
        "--allow-suspicious",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let stop = said("stop", &csv, ", onSuspicion: Stop", false).unwrap_err();
    assert_eq!(stop.0, "SuspiciousMoves");
    for (name, source, allow) in [
        ("allowed", "", true),
        ("warn", ", onSuspicion: Warn", false),
        ("quarantine", ", onSuspicion: Quarantine", false),
    ] {
        let report = said(name, &csv, source, allow).unwrap();
        assert_eq!(report.rows.suspicions.len(), 1, "{name}");
        let held = report.rows.refused.get("SuspectedSplit").copied();
        assert_eq!(held, (name == "quarantine").then_some(2));
    }
}

#[test]
fn rows_over_a_long_gap_are_left_out_and_counted() {
    // 60 sessions are missing.
    let bars = market().into_iter().enumerate();
    let bars = bars
        .filter(|(i, _)| !(500..560).contains(i))
        .map(|(_, bar)| bar);
    let csv = file(&bars.collect::<Vec<_>>());
    let whole = said("whole", &file(&market()), "", false).unwrap();
    assert_eq!(whole.rows.over_gaps, 0);
    let report = said("gap", &csv, "", false).unwrap();
    // A return reads two bars, the seasonal naive forecast five rows, and the labels five bars more: no row of which a part
    // of these eleven bars lies before the gap and a part behind it.
    assert_eq!(report.rows.over_gaps, 10);
}
