//! The KServe time-series protocol: forecasts from series in the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureSet, needs_close_only};
use foresail_model::Row;
use foresail_model::quantiles::QuantileError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{bad_request, unavailable};
use crate::answer::rfc3339;
use crate::state::{Loaded, State};

/// Request body; unknown fields are allowed by the protocol.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    model: Option<String>,
    inputs: Vec<Input>,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Deserialize)]
struct Input {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    series: Value,
    #[serde(default)]
    columns: Option<Vec<String>>,
    #[serde(default)]
    frequency: Option<String>,
    #[serde(default)]
    start_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    horizon: Option<u32>,
    #[serde(default)]
    quantiles: Option<Vec<f64>>,
}

/// A refusal: parameter and message.
type Refusal = (String, String);

fn refuse(param: impl Into<String>, message: impl Into<String>) -> Refusal {
    (param.into(), message.into())
}

pub(crate) async fn models(state: web::Data<Arc<State>>) -> HttpResponse {
    HttpResponse::Ok().json([&state.config.pipeline.name])
}

pub(crate) async fn forecast(
    state: web::Data<Arc<State>>,
    request: web::Json<Request>,
) -> HttpResponse {
    let Some(champion) = state.champion.load_full() else {
        return unavailable("no version is loaded yet");
    };
    match answer(&state, &champion, &request) {
        Ok(body) => HttpResponse::Ok()
            .insert_header((
                "X-Foresail-Model-Version",
                champion.served.version.to_string(),
            ))
            .json(body),
        Err((param, message)) => bad_request(&param, &message),
    }
}

fn answer(state: &State, champion: &Loaded, request: &Request) -> Result<Value, Refusal> {
    let name = &state.config.pipeline.name;
    if let Some(model) = request.model.as_ref().filter(|m| *m != name) {
        return Err(refuse(
            "model",
            format!("`{model}` is not served here; use `{name}`"),
        ));
    }
    let most = u32::try_from(champion.predictor.horizon()).unwrap_or(u32::MAX);
    let horizon = request.options.horizon.unwrap_or(most);
    if horizon == 0 || horizon > most {
        return Err(refuse(
            "options.horizon",
            format!("must be between 1 and {most}"),
        ));
    }
    let wanted = request.options.quantiles.as_deref().unwrap_or_default();
    if request.inputs.is_empty() {
        return Err(refuse("inputs", "must hold at least one series"));
    }
    let mut outputs = Vec::new();
    for (index, input) in request.inputs.iter().enumerate() {
        let forecast = one(state, champion, input, (index, horizon))?;
        let mut content = forecast.content;
        if !wanted.is_empty() {
            content["quantiles"] = json!(quantiles(champion, &forecast.point, wanted)?);
        }
        outputs.push(json!({
            "type": "time_series_forecast", "id": format!("o-{}", index + 1), "status": "completed",
            "error": null, "content": [content]
        }));
    }
    let created = foresail_runtime_base::clock::now_ms() / 1000;
    Ok(json!({
        "id": format!("f-{created}-{}", champion.served.version), "created_at": created,
        "status": "completed", "error": null, "model": name, "outputs": outputs
    }))
}

/// The answer to one series, with what its quantiles are made from: last close and forecast.
struct Answered {
    content: Value,
    point: (f64, Vec<f64>),
}

fn quantiles(
    champion: &Loaded,
    (close, forecast): &(f64, Vec<f64>),
    wanted: &[f64],
) -> Result<BTreeMap<String, Vec<f64>>, Refusal> {
    let version = champion.served.version;
    let Some(known) = &champion.quantiles else {
        let message = format!("v{version} has none; the next version trained will");
        return Err(refuse("options.quantiles", message));
    };
    let found = foresail_model::quantiles::closes(known, (*close, forecast), wanted);
    found.map_err(|error| {
        let message = match error {
            QuantileError::UnknownLevel(level) => {
                format!("v{version} has no {level}; it has {:?}", known.levels)
            }
            QuantileError::NotFinite => error.to_string(),
        };
        refuse("options.quantiles", message)
    })
}

fn one(
    state: &State,
    champion: &Loaded,
    input: &Input,
    (index, horizon): (usize, u32),
) -> Result<Answered, Refusal> {
    let at = |field: &str| format!("inputs[{index}].{field}");
    if let Some(frequency) = input
        .frequency
        .as_deref()
        .filter(|f| !["day", "D"].contains(f))
    {
        return Err(refuse(
            at("frequency"),
            format!("`{frequency}` is not served; the model forecasts days"),
        ));
    }
    let bars = bars(state, input, index)?;
    let config = &state.config;
    let mut set = FeatureSet::new(&config.features, config.source.adjustment)
        .map_err(|e| refuse("features", e.to_string()))?;
    let mut rows = Vec::new();
    for bar in &bars {
        bar.check(i64::MAX)
            .map_err(|e| refuse(at("series"), e.to_string()))?;
        rows.extend(
            set.push(bar)
                .map_err(|e| refuse(at("series"), e.to_string()))?,
        );
    }
    let lookback = champion.predictor.lookback();
    let needed = usize::try_from(set.warm_up()).unwrap_or(0) + lookback - 1;
    let Some(from) = rows.len().checked_sub(lookback) else {
        let message = format!("{} points given, at least {needed} are needed", bars.len());
        return Err(refuse(at("series"), message));
    };
    let known: Vec<Row<'_>> = rows
        .iter()
        .skip(from)
        .map(|r| Row {
            values: &r.values,
            close: r.adjusted_close(),
        })
        .collect();
    let last = bars
        .last()
        .ok_or_else(|| refuse(at("series"), "must not be empty"))?;
    let mut closes = champion
        .predictor
        .forecast(&known, last.close)
        .map_err(|e| refuse(at("series"), e.to_string()))?;
    closes.truncate(usize::try_from(horizon).unwrap_or(usize::MAX));
    let start = state
        .calendar
        .next_session(state.calendar.session_date(last.event_time));
    let content = json!({
        "type": "univariate_time_series", "name": input.name, "mean_forecast": closes,
        "frequency": "day", "start_timestamp": rfc3339(state.calendar.session_end(start)),
        "model_version": champion.served.version
    });
    Ok(Answered {
        content,
        point: (last.close, closes),
    })
}

/// The series as bars on consecutive sessions from `start_timestamp` on.
fn bars(state: &State, input: &Input, index: usize) -> Result<Vec<Bar>, Refusal> {
    let at = |field: &str| format!("inputs[{index}].{field}");
    let start = match input.start_timestamp.as_deref() {
        Some(text) => text
            .get(..10)
            .and_then(|d| d.parse::<jiff::civil::Date>().ok())
            .ok_or_else(|| refuse(at("start_timestamp"), "must be an RFC 3339 time"))?,
        None => jiff::civil::date(2000, 1, 3),
    };
    let (columns, points) = points(state, input, &at)?;
    let mut date = start;
    let mut bars = Vec::with_capacity(points.len());
    for point in points {
        let value = |name: &str| {
            columns
                .iter()
                .position(|c| c == name)
                .and_then(|i| point.get(i).copied().flatten())
        };
        let close =
            value("close").ok_or_else(|| refuse(at("series"), "every point must have a close"))?;
        bars.push(Bar {
            symbol: input.name.clone().unwrap_or_default(),
            interval: Interval::Daily,
            event_time: state.calendar.session_end(date),
            open: value("open"),
            high: value("high"),
            low: value("low"),
            close,
            volume: value("volume"),
            split_factor: value("splitFactor").unwrap_or(1.0),
            dividend: value("dividend").unwrap_or(0.0),
            ingested_at: 0,
            provider: "request".into(),
            revision: 0,
        });
        date = state.calendar.next_session(date);
    }
    Ok(bars)
}

type Points = (Vec<String>, Vec<Vec<Option<f64>>>);

fn points(state: &State, input: &Input, at: &impl Fn(&str) -> String) -> Result<Points, Refusal> {
    let wrong = |message: &str| refuse(at("series"), message);
    match input.kind.as_str() {
        "univariate_time_series" => {
            let missing: Vec<&str> = state
                .config
                .features
                .iter()
                .filter(|f| !needs_close_only(f))
                .map(|f| f.name.as_str())
                .collect();
            if !missing.is_empty() {
                let message = format!(
                    "features {} need high, low or volume; send a multivariate_time_series with columns \
                     [\"open\", \"high\", \"low\", \"close\", \"volume\"]",
                    missing.join(", ")
                );
                return Err(refuse(at("type"), message));
            }
            let series: Vec<f64> = serde_json::from_value(input.series.clone())
                .map_err(|_| wrong("must be a list of finite numbers"))?;
            Ok((
                vec!["close".into()],
                series.into_iter().map(|v| vec![Some(v)]).collect(),
            ))
        }
        "multivariate_time_series" => {
            let columns = input
                .columns
                .clone()
                .ok_or_else(|| refuse(at("columns"), "must name the columns of the series"))?;
            let series: Vec<Vec<Option<f64>>> = serde_json::from_value(input.series.clone())
                .map_err(|_| wrong("must be a list of lists of numbers or null"))?;
            if series.iter().any(|p| p.len() != columns.len()) {
                return Err(wrong("every point must have one value per column"));
            }
            Ok((columns, series))
        }
        other => Err(refuse(
            at("type"),
            format!(
                "`{other}` is not known; use univariate_time_series or multivariate_time_series"
            ),
        )),
    }
}
