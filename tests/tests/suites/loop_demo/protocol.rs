//! The KServe time-series protocol against the served model: the same bars give the same forecast,
//! and what cannot be answered is refused in words.

use anyhow::{Context, Result, ensure};
use foresail_domain::Bar;
use foresail_tests::Checks;
use foresail_tests::predictor::{Answer, Predictor};
use foresail_tests::topics::Ledger;
use serde_json::{Value, json};

const ROUTE: &str = "/v1/timeseries/forecast";
const COLUMNS: [&str; 7] = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "split_factor",
    "dividend",
];

/// Everything about one symbol.
pub async fn check(checks: &mut Checks, predictor: &Predictor, ledger: &Ledger, symbol: &str) {
    checks.add(
        "a forecast from a request is the served one",
        full_answer(predictor, ledger, symbol).await,
    );
    let short: Vec<f64> = (1..200).map(f64::from).collect();
    let one = |kind: &str, series: Value| json!({"inputs": [{"type": kind, "name": symbol, "series": series, "frequency": "day"}]});
    let closes = one("univariate_time_series", json!(short));
    checks.add(
        "closes alone are refused, and what is missing is named",
        refused(predictor, &closes, "volume").await,
    );
    let mut far = request(ledger, symbol);
    far["options"] = json!({"horizon": 6});
    checks.add(
        "a sixth step is refused",
        refused(predictor, &far, "horizon").await,
    );
    let mut few = request(ledger, symbol);
    few["inputs"][0]["series"] = json!([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]]);
    checks.add(
        "a single bar is refused",
        refused(predictor, &few, "needed").await,
    );
    let mut model = request(ledger, symbol);
    model["model"] = json!("gpt");
    checks.add(
        "another model is refused",
        refused(predictor, &model, "gpt").await,
    );
    checks.add(
        "text is refused",
        refused(predictor, &json!("please"), "").await,
    );
    checks.add(
        "an unknown symbol is not found",
        status(predictor.get("/v1/forecasts/NOBODY").await, 404),
    );
    checks.add(
        "an unknown route is not found",
        status(predictor.get("/v2/nothing").await, 404),
    );
    checks.add("the API describes itself", described(predictor).await);
}

/// Every bar of a symbol as one multivariate series.
fn request(ledger: &Ledger, symbol: &str) -> Value {
    let point = |b: &Bar| {
        json!([
            b.open,
            b.high,
            b.low,
            b.close,
            b.volume,
            b.split_factor,
            b.dividend
        ])
    };
    let bars = ledger.bars.values().filter(|b| b.symbol == symbol);
    let series: Vec<Value> = bars.map(point).collect();
    json!({"inputs": [{"type": "multivariate_time_series", "name": symbol, "columns": COLUMNS, "series": series, "frequency": "day"}]})
}

async fn full_answer(predictor: &Predictor, ledger: &Ledger, symbol: &str) -> Result<String> {
    let answer = predictor
        .post(ROUTE, &request(ledger, symbol))
        .await?
        .forecast()?;
    let served = predictor.forecast(symbol).await?;
    ensure!(
        answer == served,
        "{answer:?} from the request, {served:?} served"
    );
    Ok(format!("{:.2?}", served.1))
}

async fn refused(predictor: &Predictor, body: &Value, word: &str) -> Result<String> {
    let answer = predictor.post(ROUTE, body).await?;
    ensure!(
        answer.status == 400,
        "answer {}: {}",
        answer.status,
        answer.body
    );
    let error = &answer.body["error"];
    for field in ["code", "message", "type"] {
        ensure!(
            error[field].is_string(),
            "the error has no {field}: {error}"
        );
    }
    ensure!(
        error.to_string().contains(word),
        "`{word}` is not named: {error}"
    );
    Ok(error["message"].to_string())
}

fn status(answer: Result<Answer>, expected: u16) -> Result<u16> {
    let answer = answer?;
    ensure!(
        answer.status == expected,
        "answer {}: {}",
        answer.status,
        answer.body
    );
    Ok(expected)
}

async fn described(predictor: &Predictor) -> Result<String> {
    let document = predictor.get("/openapi.json").await?.body;
    let paths = document["paths"].as_object().context("no paths")?;
    for path in [ROUTE, "/v1/forecasts/{symbol}", "/v1/features"] {
        ensure!(paths.contains_key(path), "{path} is not described");
    }
    let forecast = &document["components"]["schemas"]["Forecast"]["properties"];
    let answer = predictor.get("/v1/forecasts").await?.body;
    let one = answer["forecasts"][0]
        .as_object()
        .context("no forecast is served")?;
    for field in one.keys() {
        ensure!(
            forecast[field].is_object(),
            "the field {field} is not described"
        );
    }
    Ok(format!("{} routes", paths.len()))
}
