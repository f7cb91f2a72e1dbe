//! A series of a request as bars on consecutive sessions.

use foresail_domain::{Bar, Interval};
use foresail_features::needs_close_only;
use serde::de::DeserializeOwned;

use super::body::{Column, SeriesInput};
use crate::routes::errors::BadParameter;
use crate::state::State;

/// One series, and its place in the request for the messages.
pub(super) struct Series<'a> {
    pub(super) input: &'a SeriesInput,
    pub(super) index: usize,
}

/// Values of each point, in the order of the columns.
struct Table {
    columns: Vec<Column>,
    points: Vec<Vec<Option<f64>>>,
}

impl Series<'_> {
    /// A refusal of one field of this series.
    pub(super) fn refuse(&self, field: &str, message: impl Into<String>) -> BadParameter {
        BadParameter::new(format!("inputs[{}].{field}", self.index), message)
    }

    /// The points as bars from `start_timestamp` on.
    pub(super) fn bars(&self, state: &State) -> Result<Vec<Bar>, BadParameter> {
        let mut date = self.start()?;
        let table = self.table(state)?;
        let mut bars = Vec::with_capacity(table.points.len());
        for point in &table.points {
            let value = |column: Column| {
                let at = table.columns.iter().position(|c| *c == column)?;
                point.get(at).copied().flatten()
            };
            let close = value(Column::Close)
                .ok_or_else(|| self.refuse("series", "every point must have a close"))?;
            bars.push(Bar {
                symbol: self.input.name.clone().unwrap_or_default(),
                interval: Interval::Daily,
                event_time: state.calendar.session_end(date),
                open: value(Column::Open),
                high: value(Column::High),
                low: value(Column::Low),
                close,
                volume: value(Column::Volume),
                split_factor: value(Column::SplitFactor).unwrap_or(1.0),
                dividend: value(Column::Dividend).unwrap_or(0.0),
                ingested_at: 0,
                provider: "request".into(),
                revision: 0,
            });
            date = state.calendar.next_session(date);
        }
        Ok(bars)
    }

    fn start(&self) -> Result<jiff::civil::Date, BadParameter> {
        let Some(text) = self.input.start_timestamp.as_deref() else {
            return Ok(jiff::civil::date(2000, 1, 3));
        };
        let date = text.get(..10).and_then(|date| date.parse().ok());
        date.ok_or_else(|| self.refuse("start_timestamp", "must be an RFC 3339 time"))
    }

    fn table(&self, state: &State) -> Result<Table, BadParameter> {
        match self.input.kind.as_str() {
            "univariate_time_series" => self.univariate(state),
            "multivariate_time_series" => self.multivariate(),
            other => {
                let message = format!(
                    "`{other}` is not known; use univariate_time_series or multivariate_time_series"
                );
                Err(self.refuse("type", message))
            }
        }
    }

    fn univariate(&self, state: &State) -> Result<Table, BadParameter> {
        let features = state.config.features.iter();
        let missing: Vec<&str> = features
            .filter(|f| !needs_close_only(f))
            .map(|f| f.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "features {} need high, low or volume; send a multivariate_time_series with columns \
                 [\"open\", \"high\", \"low\", \"close\", \"volume\"]",
                missing.join(", ")
            );
            return Err(self.refuse("type", message));
        }
        let closes: Vec<f64> = self.points("must be a list of finite numbers")?;
        Ok(Table {
            columns: vec![Column::Close],
            points: closes.into_iter().map(|close| vec![Some(close)]).collect(),
        })
    }

    fn multivariate(&self) -> Result<Table, BadParameter> {
        let columns = self.input.columns.clone();
        let columns =
            columns.ok_or_else(|| self.refuse("columns", "must name the columns of the series"))?;
        let points: Vec<Vec<Option<f64>>> =
            self.points("must be a list of lists of numbers or null")?;
        if points.iter().any(|point| point.len() != columns.len()) {
            return Err(self.refuse("series", "every point must have one value per column"));
        }
        Ok(Table { columns, points })
    }

    fn points<T: DeserializeOwned>(&self, expected: &str) -> Result<T, BadParameter> {
        serde_json::from_value(self.input.series.clone())
            .map_err(|_| self.refuse("series", expected))
    }
}
