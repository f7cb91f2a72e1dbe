//! Bodies of the KServe time-series protocol, as far as it is served here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{MOST_LEVELS, MOST_SERIES};
use crate::routes::bounded::{self, Few, Text};
use crate::routes::errors::ErrorObject;

/// Series to forecast from. Fields the protocol has and Foresail does not use are allowed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SeriesRequest {
    /// Name of the Pipeline, when the client wants it checked.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) model: Option<Text>,
    /// At least one series, at most 100.
    #[schema(value_type = Vec<SeriesInput>, min_items = 1, max_items = 100)]
    pub(crate) inputs: Few<SeriesInput, MOST_SERIES>,
    /// What to answer.
    #[serde(default)]
    pub(crate) options: SeriesOptions,
}

/// One series, oldest point first; its points are consecutive bars of the interval of the Pipeline.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SeriesInput {
    /// Whether the points are closes or whole bars.
    #[serde(rename = "type")]
    #[schema(value_type = SeriesType)]
    pub(crate) kind: Text,
    /// Symbol, repeated in the answer.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub(crate) name: Option<Text>,
    /// Closes, or one list per point with a value per column (`null` where unknown); at most 20,000 points.
    #[schema(value_type = Points)]
    pub(crate) series: bounded::Points,
    /// Meaning of the values of a point; only for a multivariate series. It must name what the features of the
    /// Pipeline read.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Column>>)]
    pub(crate) columns: Option<Few<Column, MOST_LEVELS>>,
    /// The interval of the Pipeline: `day` or `D`, `hour` or `H`, `minute` or `T`; `5m`, `15m` and `30m` as they are.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) frequency: Option<Text>,
    /// Time of the first point, RFC 3339: its session, or the end of its bar where bars are parts of sessions. It decides which
    /// bars the forecast is for, and must be given when a feature of the Pipeline reads the date.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) start_timestamp: Option<Text>,
}

/// Kind of a series.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeriesType {
    /// Closes alone.
    UnivariateTimeSeries,
    /// Bars, as `columns` say.
    MultivariateTimeSeries,
}

/// The points of a series as the document describes them; [`bounded::Points`] reads them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the wire only")]
pub(crate) enum Points {
    /// Closes.
    Univariate(Vec<f64>),
    /// A value per column.
    Multivariate(Vec<Vec<Option<f64>>>),
}

/// A column of a multivariate series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Column {
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price; every point must have it.
    Close,
    /// Shares traded.
    Volume,
    /// Shares after / shares before a split effective that session.
    SplitFactor,
    /// Cash per share going ex that session.
    Dividend,
}

/// What to answer.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SeriesOptions {
    /// Bars to forecast, at most as many as the model does; all of them when absent.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub(crate) horizon: Option<u32>,
    /// Quantile levels wanted, of those the version has.
    #[serde(default)]
    #[schema(value_type = Option<Vec<f64>>, max_items = 100)]
    pub(crate) quantiles: Option<Few<f64, MOST_LEVELS>>,
}

/// Forecasts of all series of a request, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesForecasts {
    /// Identity of the answer.
    pub(crate) id: String,
    /// Seconds since the Unix epoch.
    pub(crate) created_at: i64,
    /// Always `completed`.
    pub(crate) status: &'static str,
    /// Always `null`: a request is answered whole or refused.
    pub(crate) error: Option<ErrorObject>,
    /// Name of the Pipeline.
    pub(crate) model: String,
    /// One per series.
    pub(crate) outputs: Vec<SeriesOutput>,
}

/// Forecast of one series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesOutput {
    /// Always `time_series_forecast`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Identity within the answer.
    pub(crate) id: String,
    /// Always `completed`.
    pub(crate) status: &'static str,
    /// Always `null`.
    pub(crate) error: Option<ErrorObject>,
    /// One forecast.
    pub(crate) content: Vec<SeriesForecast>,
}

/// Closes of the bars after a series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesForecast {
    /// Always `univariate_time_series`: closes.
    #[serde(rename = "type")]
    pub(crate) kind: SeriesType,
    /// Symbol of the series.
    pub(crate) name: Option<String>,
    /// Forecast closes, one per bar.
    pub(crate) mean_forecast: Vec<f64>,
    /// Closes per quantile level asked for; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantiles: Option<BTreeMap<String, Vec<f64>>>,
    /// Interval of the Pipeline: `day`, `hour`, `minute`, or `5m`, `15m` or `30m`.
    pub(crate) frequency: &'static str,
    /// End of the first bar forecast, RFC 3339.
    #[schema(format = DateTime)]
    pub(crate) start_timestamp: String,
    /// Version that made it.
    pub(crate) model_version: u32,
}
