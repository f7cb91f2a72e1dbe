//! `POST /v1/features`: feature rows of the bars in the request, by the one feature implementation.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answers;
use super::bounded::{Few, Text};
use super::errors::{BadParameter, ErrorAnswer, unavailable};
use crate::limits::MOST_POINTS;
use crate::state::{Loaded, State};

/// Bars to compute features of.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct FeaturesRequest {
    /// Bars of one symbol, oldest first, at most 20,000.
    #[schema(value_type = Vec<BarInput>, max_items = 20_000)]
    bars: Few<BarInput, MOST_POINTS>,
}

/// A bar as traded. The last four fields are those of a bar on Kafka; features do not depend on them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BarInput {
    /// Instrument code.
    #[schema(value_type = String, max_length = 64)]
    symbol: Text,
    /// End of the bar, milliseconds since the Unix epoch, UTC.
    event_time: i64,
    /// First price, where known.
    open: Option<f64>,
    /// Highest price, where known.
    high: Option<f64>,
    /// Lowest price, where known.
    low: Option<f64>,
    /// Last price, positive.
    close: f64,
    /// Shares traded, where known.
    volume: Option<f64>,
    /// Shares after / shares before a split effective from this bar on.
    #[serde(default = "no_split")]
    split_factor: f64,
    /// Cash per share going ex with this bar.
    #[serde(default)]
    dividend: f64,
    /// Length of the bar: that of the Pipeline, which it is when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    interval: Option<Interval>,
    /// When the row was read, milliseconds since the Unix epoch, UTC.
    #[serde(default)]
    ingested_at: i64,
    /// Where it came from.
    #[serde(default = "unnamed")]
    #[schema(value_type = String, max_length = 64)]
    provider: Text,
    /// 0 for the first report of a bar, higher for corrections.
    #[serde(default)]
    revision: u32,
}

fn no_split() -> f64 {
    1.0
}

fn unnamed() -> Text {
    Text(String::new())
}

impl BarInput {
    /// The bar, in a Pipeline of bars of `interval`; the interval of the bar where that is another one.
    fn into_bar(self, interval: Interval) -> Result<Bar, Interval> {
        if let Some(other) = self.interval.filter(|other| *other != interval) {
            return Err(other);
        }
        Ok(Bar {
            symbol: self.symbol.0,
            interval,
            event_time: self.event_time,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            split_factor: self.split_factor,
            dividend: self.dividend,
            ingested_at: self.ingested_at,
            provider: self.provider.0,
            revision: self.revision,
        })
    }
}

/// Feature rows of the bars; the first bars, which only warm up, have none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Features {
    /// Identity of the feature set (hex): that of the version that answers.
    fingerprint: String,
    /// Names of the features, in the order of `values`.
    names: Vec<String>,
    /// Bars needed before the first row, that of the row included.
    warm_up: u32,
    /// Rows, oldest first.
    rows: Vec<Row>,
}

/// Features at one bar.
#[derive(Debug, Serialize, ToSchema)]
struct Row {
    /// End of the bar, milliseconds since the Unix epoch, UTC.
    event_time: i64,
    /// Close of the bar as traded.
    close: f64,
    /// Cumulative adjustment: adjusted close = close * factor.
    adjustment_factor: f64,
    /// One value per feature.
    values: Vec<f64>,
}

/// Feature rows of bars in the request
///
/// Computed by the code that the stream worker and the trainer use, with the features of the
/// version that answers.
#[utoipa::path(
    post,
    path = "/v1/features",
    tag = "Foresail",
    request_body(content = FeaturesRequest, example = json!({"bars": [
        {"symbol": "IBM", "event_time": 1_767_387_600_000_i64, "open": 98.5, "high": 99.0, "low": 97.5, "close": 98.0, "volume": 1_200_000.0},
        {"symbol": "IBM", "event_time": 1_767_646_800_000_i64, "open": 98.0, "high": 100.0, "low": 98.0, "close": 99.5, "volume": 1_500_000.0}
    ]})),
    responses(
        (status = 200, description = "The rows", body = Features),
        (status = 400, description = "What is wrong, and with which parameter", body = ErrorAnswer),
        (status = 408, description = "The body came too slowly", body = ErrorAnswer),
        (status = 413, description = "The body is larger than 2 MiB", body = ErrorAnswer),
        (status = 415, description = "The body is packed", body = ErrorAnswer),
        (status = 503, description = "Not ready, or too busy; Retry-After says when to come again", body = ErrorAnswer)
    )
)]
pub(crate) async fn compute(state: web::Data<Arc<State>>, body: Bytes) -> HttpResponse {
    let Some(champion) = state.champion() else {
        return unavailable("no version is loaded yet");
    };
    let interval = state.grid.interval();
    let work = move |request: FeaturesRequest| rows(&champion, interval, request);
    answers::answer(&state.limits, body, work).await
}

fn rows(
    champion: &Loaded,
    interval: Interval,
    request: FeaturesRequest,
) -> Result<Features, BadParameter> {
    let declared = &champion.feature_set;
    let mut set = FeatureSet::new(&declared.features, declared.adjustment)
        .map_err(|error| BadParameter::new("features", error.to_string()))?;
    let mut rows = Vec::new();
    for (index, bar) in request.bars.0.into_iter().enumerate() {
        let refuse = |message| BadParameter::new(format!("bars[{index}]"), message);
        let bar = bar.into_bar(interval).map_err(|other| {
            refuse(format!(
                "interval is {other}; the Pipeline has bars of {interval}"
            ))
        })?;
        bar.check(i64::MAX).map_err(|e| refuse(e.to_string()))?;
        let row = set.push(&bar).map_err(|e| refuse(e.to_string()))?;
        rows.extend(row.map(|row| Row {
            event_time: row.event_time,
            close: row.close,
            adjustment_factor: row.adjustment_factor,
            values: row.values,
        }));
    }
    Ok(Features {
        fingerprint: set.fingerprint().to_string(),
        names: set.names().to_vec(),
        warm_up: set.warm_up(),
        rows,
    })
}
