//! The KServe time-series protocol: forecasts from series in the request.

mod body;
mod series;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderName;
use actix_web::web::{self, Bytes};
use foresail_crds::records::PredictionRecord;
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureRow, FeatureSet};
use foresail_model::Row;
use foresail_model::quantiles::QuantileError;

use self::body::{SeriesForecast, SeriesForecasts, SeriesOutput, SeriesRequest, SeriesType};
use self::series::Series;
use super::answers;
use super::bounded::Text;
use super::errors::{BadParameter, ErrorAnswer, unavailable};
use super::{VERSION_HEADER, identify};
use crate::answer::{expired, rfc3339};
use crate::served::Origin;
use crate::state::{Loaded, State};

/// Models served here
///
/// The name of the Pipeline, alone in a list.
#[utoipa::path(
    get,
    path = "/v1/timeseries/models",
    tag = "KServe time-series protocol",
    responses((status = 200, description = "Names", body = Vec<String>, example = json!(["five-day-close"])))
)]
pub(crate) async fn models(state: web::Data<Arc<State>>) -> HttpResponse {
    HttpResponse::Ok().json([&state.config.pipeline.name])
}

/// Forecast from series in the request
///
/// Needs no bar of the Pipeline: what the features and the model look back on must be in the series.
#[utoipa::path(
    post,
    path = "/v1/timeseries/forecast",
    tag = "KServe time-series protocol",
    request_body(content = SeriesRequest, example = json!({
        "inputs": [{
            "type": "univariate_time_series", "name": "IBM", "series": [98.0, 99.5, 101.0],
            "frequency": "day", "start_timestamp": "2026-01-02T21:00:00Z"
        }],
        "options": {"horizon": 1}
    })),
    responses(
        (status = 200, description = "Forecasts in the order of the series", body = SeriesForecasts,
         headers(
            ("X-Foresail-Model-Version" = u32, description = "Version that answered"),
            ("X-Foresail-Prediction-Id" = String, description = "Identity of the answer")
         )),
        (status = 400, description = "What is wrong, and with which parameter", body = ErrorAnswer),
        (status = 408, description = "The body came too slowly", body = ErrorAnswer),
        (status = 413, description = "The body is larger than 2 MiB", body = ErrorAnswer),
        (status = 415, description = "The body is packed", body = ErrorAnswer),
        (status = 503, description = "Not ready, or too busy; Retry-After says when to come again", body = ErrorAnswer)
    )
)]
pub(crate) async fn forecast(state: web::Data<Arc<State>>, body: Bytes) -> HttpResponse {
    let Some(champion) = state.champion() else {
        return unavailable("no version is loaded yet");
    };
    let version = champion.served.version;
    let worker = Arc::clone(&state);
    let work = move |request: SeriesRequest| answer(&worker, &champion, &request);
    let mut response = answers::answer(&state.limits, body, work).await;
    if response.status().is_success() {
        let name = HeaderName::from_static(VERSION_HEADER);
        response.headers_mut().insert(name, version.into());
        identify(&mut response);
    }
    response
}

fn answer(
    state: &State,
    champion: &Loaded,
    request: &SeriesRequest,
) -> Result<SeriesForecasts, BadParameter> {
    let name = &state.config.pipeline.name;
    if let Some(Text(model)) = request.model.as_ref().filter(|m| m.0 != *name) {
        let message = format!("`{model}` is not served here; use `{name}`");
        return Err(BadParameter::new("model", message));
    }
    let most = u32::try_from(champion.predictor.horizon()).unwrap_or(u32::MAX);
    let horizon = request.options.horizon.unwrap_or(most);
    if horizon == 0 || horizon > most {
        let message = format!("must be between 1 and {most}");
        return Err(BadParameter::new("options.horizon", message));
    }
    let inputs = &request.inputs.0;
    if inputs.is_empty() {
        let message = "must hold at least one series";
        return Err(BadParameter::new("inputs", message));
    }
    let levels = request.options.quantiles.as_ref();
    let levels = levels.map_or(&[][..], |levels| &levels.0);
    let asked = Asked { horizon, levels };
    let mut outputs = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let forecast = forecast_series(state, champion, &Series { input, index }, &asked)?;
        outputs.push(SeriesOutput {
            kind: "time_series_forecast",
            id: format!("o-{}", index + 1),
            status: "completed",
            error: None,
            content: vec![forecast],
        });
    }
    let created_at = foresail_runtime_base::clock::now_ms() / 1000;
    Ok(SeriesForecasts {
        id: format!("f-{created_at}-{}", champion.served.version),
        created_at,
        status: "completed",
        error: None,
        model: name.clone(),
        outputs,
    })
}

/// Steps and quantile levels asked for.
struct Asked<'a> {
    horizon: u32,
    levels: &'a [f64],
}

fn forecast_series(
    state: &State,
    champion: &Loaded,
    series: &Series<'_>,
    asked: &Asked<'_>,
) -> Result<SeriesForecast, BadParameter> {
    let frequency = series.input.frequency.as_ref();
    let served = frequencies(state.grid.interval());
    if let Some(Text(other)) = frequency.filter(|f| !served.contains(&f.0.as_str())) {
        let message = format!("`{other}` is not served; the model forecasts {}", served[0]);
        return Err(series.refuse("frequency", message));
    }
    let declared = &champion.feature_set;
    let bars = series.bars(&state.grid, &declared.features)?;
    let mut set = FeatureSet::new(&declared.features, declared.adjustment)
        .map_err(|e| BadParameter::new("features", e.to_string()))?;
    let lookback = champion.predictor.lookback();
    let mut rows: VecDeque<FeatureRow> = VecDeque::with_capacity(lookback);
    for bar in &bars {
        bar.check(i64::MAX)
            .map_err(|e| series.refuse("series", e.to_string()))?;
        let row = set.push(bar);
        let row = row.map_err(|e| series.refuse("series", e.to_string()))?;
        if row.is_some() && rows.len() == lookback {
            rows.pop_front();
        }
        rows.extend(row);
    }
    if rows.len() < lookback {
        let needed = usize::try_from(set.warm_up()).unwrap_or(0) + lookback - 1;
        let message = format!("{} points given, at least {needed} are needed", bars.len());
        return Err(series.refuse("series", message));
    }
    let newest = rows.iter().map(|row| Row {
        values: &row.values,
        close: row.adjusted_close(),
    });
    let newest: Vec<Row<'_>> = newest.collect();
    let last = bars
        .last()
        .ok_or_else(|| series.refuse("series", "must not be empty"))?;
    let mut closes = champion
        .predictor
        .forecast(&newest, last.close)
        .map_err(|e| series.refuse("series", e.to_string()))?;
    let whole = closes.clone();
    closes.truncate(usize::try_from(asked.horizon).unwrap_or(usize::MAX));
    let start = state.grid.after(last.event_time, 1);
    // Without a start the dates are made up, and no feature reads them.
    let calendar = state.grid.calendar();
    let is_known = !calendar.is_expired(calendar.session_date(start));
    if series.input.start_timestamp.is_some() && !is_known {
        return Err(series.refuse("start_timestamp", expired(calendar)));
    }
    let quantiles = quantiles(champion, last.close, &closes, asked.levels)?;
    if let Some(row) = rows.back() {
        log(state, champion, (last, row), whole);
    }
    Ok(SeriesForecast {
        kind: SeriesType::UnivariateTimeSeries,
        name: series.input.name.clone().map(|name| name.0),
        quantiles,
        mean_forecast: closes,
        frequency: served[0],
        start_timestamp: rfc3339(start),
        model_version: champion.served.version,
    })
}

/// Names of an interval in the protocol, that of answers first; where it has none, those of pandas.
fn frequencies(interval: Interval) -> &'static [&'static str] {
    match interval {
        Interval::OneMinute => &["minute", "T", "min", "1m"],
        Interval::FiveMinutes => &["5m", "5T", "5min"],
        Interval::FifteenMinutes => &["15m", "15T", "15min"],
        Interval::ThirtyMinutes => &["30m", "30T", "30min"],
        Interval::OneHour => &["hour", "H", "1h"],
        Interval::Session => &["day", "D", "1d"],
    }
}

/// All steps, however many were asked for.
fn log(state: &State, champion: &Loaded, (last, row): (&Bar, &FeatureRow), forecast: Vec<f64>) {
    let Some(log) = &state.log else {
        return;
    };
    let record = PredictionRecord {
        symbol: last.symbol.clone(),
        event_time: last.event_time,
        model_version: champion.served.version,
        close: last.close,
        adjustment_factor: row.adjustment_factor,
        forecast,
    };
    log.send(record, Origin::Request);
}

fn quantiles(
    champion: &Loaded,
    close: f64,
    forecast: &[f64],
    levels: &[f64],
) -> Result<Option<BTreeMap<String, Vec<f64>>>, BadParameter> {
    if levels.is_empty() {
        return Ok(None);
    }
    let version = champion.served.version;
    let refuse = |message| BadParameter::new("options.quantiles", message);
    let known = champion.quantiles.as_ref();
    let known = known.ok_or_else(|| {
        refuse(format!(
            "v{version} has none; the next version trained will"
        ))
    })?;
    foresail_model::quantiles::closes(known, (close, forecast), levels)
        .map(Some)
        .map_err(|error| match error {
            QuantileError::UnknownLevel(level) => {
                let levels = &known.levels;
                refuse(format!("v{version} has no {level}; it has {levels:?}"))
            }
            QuantileError::NotFinite => refuse(error.to_string()),
        })
}
