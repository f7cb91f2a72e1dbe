//! A series of a request as consecutive bars of the Pipeline's interval.

use foresail_crds::pipeline::spec::{self, FeatureSpec};
use foresail_domain::{Bar, BarGrid, Interval};
use foresail_features::{columns_read, reads_date};

use super::body::{Column, SeriesInput};
use crate::routes::bounded::{Points, Text};
use crate::routes::errors::BadParameter;

/// One series, and its place in the request for the messages.
pub(super) struct Series<'a> {
    pub(super) input: &'a SeriesInput,
    pub(super) index: usize,
}

impl Series<'_> {
    /// A refusal of one field of this series.
    pub(super) fn refuse(&self, field: &str, message: impl Into<String>) -> BadParameter {
        BadParameter::new(format!("inputs[{}].{field}", self.index), message)
    }

    /// The points as bars from `start_timestamp` on, with all that these features read.
    pub(super) fn bars(
        &self,
        grid: &BarGrid,
        features: &[FeatureSpec],
    ) -> Result<Vec<Bar>, BadParameter> {
        let columns = self.columns()?;
        self.check_columns(features, columns)?;
        let mut event_time = self.start(grid, features)?;
        let place = |column| columns.iter().position(|c| *c == column);
        let symbol = self.input.name.as_ref().map_or("", |name| &name.0);
        let mut bars = Vec::with_capacity(self.input.series.iter().len());
        for point in self.input.series.iter() {
            let value = |column| point.get(place(column)?).copied().flatten();
            let close = value(Column::Close)
                .ok_or_else(|| self.refuse("series", "every point must have a close"))?;
            bars.push(Bar {
                symbol: symbol.to_owned(),
                interval: grid.interval(),
                event_time,
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
            event_time = grid.after(event_time, 1);
        }
        Ok(bars)
    }

    /// What the values of a point mean.
    fn columns(&self) -> Result<&[Column], BadParameter> {
        let Points { width, values } = &self.input.series;
        match self.input.kind.0.as_str() {
            "univariate_time_series" if width.is_none() => Ok(&[Column::Close]),
            "univariate_time_series" => Err(self.refuse("series", "must be a list of numbers")),
            "multivariate_time_series" => {
                let columns = self.input.columns.as_ref().map(|c| c.0.as_slice());
                let columns = columns
                    .ok_or_else(|| self.refuse("columns", "must name the columns of the series"))?;
                if !values.is_empty() && *width != Some(columns.len()) {
                    let message = "every point must be a list with one value per column";
                    return Err(self.refuse("series", message));
                }
                Ok(columns)
            }
            other => {
                let message = format!(
                    "`{other}` is not known; use univariate_time_series or multivariate_time_series"
                );
                Err(self.refuse("type", message))
            }
        }
    }

    /// A column that a feature reads and the body lacks would be filled with something else, and the forecast would
    /// look like one.
    fn check_columns(
        &self,
        declared: &[FeatureSpec],
        columns: &[Column],
    ) -> Result<(), BadParameter> {
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                let message = format!("{} is named twice", wire_name(*column));
                return Err(self.refuse("columns", message));
            }
        }
        let mut missing: Vec<Column> = Vec::new();
        let mut features: Vec<&str> = Vec::new();
        for feature in declared {
            let read = columns_read(feature).iter().filter_map(column_of);
            let lacking: Vec<Column> = read.filter(|c| !columns.contains(c)).collect();
            if !lacking.is_empty() {
                features.push(&feature.name);
            }
            missing.extend(lacking);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let all = [Column::Open, Column::High, Column::Low, Column::Volume];
        let missing = all.iter().filter(|c| missing.contains(c));
        let missing: Vec<String> = missing.map(|c| wire_name(*c)).collect();
        let message = format!(
            "{} must be among the columns of a multivariate_time_series (null where a value is not known): \
             features {} read them",
            missing.join(", "),
            features.join(", ")
        );
        Err(self.refuse("columns", message))
    }

    /// End of the first bar, milliseconds UTC.
    fn start(&self, grid: &BarGrid, features: &[FeatureSpec]) -> Result<i64, BadParameter> {
        let first = |date| grid.session(date).next().map(|span| span.end);
        let Some(Text(text)) = &self.input.start_timestamp else {
            let dated = features
                .iter()
                .filter(|f| reads_date(f))
                .map(|f| f.name.as_str())
                .collect::<Vec<_>>();
            if !dated.is_empty() {
                let message = format!("must be given: features {} read dates", dated.join(", "));
                return Err(self.refuse("start_timestamp", message));
            }
            let date = grid.calendar().next_session(jiff::civil::date(2000, 1, 2));
            return Ok(first(date).unwrap_or_default());
        };
        if grid.interval() == Interval::Session {
            let date = text.get(..10).and_then(|date| date.parse().ok());
            return date
                .and_then(first)
                .ok_or_else(|| self.refuse("start_timestamp", "must be an RFC 3339 time"));
        }
        let at: Option<jiff::Timestamp> = text.parse().ok();
        let at = at.map(jiff::Timestamp::as_millisecond);
        at.filter(|at| grid.ending(*at).is_some()).ok_or_else(|| {
            let interval = grid.interval();
            let message = format!("must be an RFC 3339 time at which a bar of {interval} ends");
            self.refuse("start_timestamp", message)
        })
    }
}

/// The column of a body that holds what a feature reads.
fn column_of(read: &spec::Column) -> Option<Column> {
    match read {
        spec::Column::Open => Some(Column::Open),
        spec::Column::High => Some(Column::High),
        spec::Column::Low => Some(Column::Low),
        spec::Column::Volume => Some(Column::Volume),
        // Every point has one, and what is worked out of others is never named.
        spec::Column::Close | spec::Column::TypicalPrice => None,
    }
}

fn wire_name(column: Column) -> String {
    let name = serde_json::to_value(column).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}
