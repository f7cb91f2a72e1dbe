//! The newest forecast of a symbol: from the process, from Redis, or computed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foresail_crds::records::{FeatureRecord, PredictionRecord};
use foresail_domain::{Calendar, Interval, symbol};
use foresail_model::{Row, quantiles};

use crate::forecast::{Forecast, Origin};
use crate::served;
use crate::state::{Loaded, Panicked, State};

/// Why a symbol has no forecast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The model gives none that is finite.
    NotFinite,
    /// It reaches behind the end of the calendar, so that nobody knows of which dates it is.
    CalendarExpired(String),
    /// The model has panicked.
    Panicked,
}

/// The forecast at the newest rows, oldest first.
///
/// # Errors
/// [`Unanswered`].
pub(crate) async fn forecast(
    state: &State,
    champion: &Loaded,
    rows: &[FeatureRecord],
) -> Result<(Arc<Forecast>, Origin), Unanswered> {
    let last = rows.last().ok_or(Unanswered::NotFinite)?;
    let digest = Arc::clone(&champion.digest);
    // Not the version number: a Pipeline that is made again begins with v1, and Redis still knows the old one.
    let symbol = symbol::key(&last.symbol);
    // Nor the bar alone: its rows are others once a bar before it has been corrected.
    let sum = checksum(rows);
    let name = format!("forecast:{digest}:{}:{sum:016x}:{symbol}", last.event_time);
    let key = (last.symbol.clone(), sum, digest);
    let (forecast, origin) = if let Some(known) = state.local.get(&key) {
        (known, Origin::Local)
    } else {
        let dates = dates(state, last.event_time, champion.predictor.horizon())?;
        if let Some(shared) = from_redis(state, &name, (last, &dates), champion).await {
            (Arc::new(shared), Origin::Redis)
        } else {
            let computed = champion.compute(|| compute(champion, rows, dates));
            let computed = computed.map_err(|Panicked| Unanswered::Panicked)?;
            let computed = computed.ok_or(Unanswered::NotFinite)?;
            to_redis(state, &name, &computed).await;
            (Arc::new(computed), Origin::Computed)
        }
    };
    if origin != Origin::Local {
        state.local.insert(key, Arc::clone(&forecast));
    }
    state.metrics.cache.with([origin.header()]).inc();
    log(state, last, &forecast);
    Ok((forecast, origin))
}

/// Changes with any bit of the rows, and is the same in every pod.
pub(crate) fn checksum(rows: &[FeatureRecord]) -> u64 {
    // FNV-1a, by words instead of bytes: it is asked for with every forecast.
    let add = |sum: u64, word: u64| {
        (sum ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23)
    };
    let row = |sum: u64, row: &FeatureRecord| {
        let time = u64::from_ne_bytes(row.event_time.to_ne_bytes());
        let numbers = [row.close, row.adjustment_factor];
        let words = numbers
            .iter()
            .chain(&row.values)
            .map(|number| number.to_bits());
        words.fold(add(sum, time), add)
    };
    rows.iter().fold(0xcbf2_9ce4_8422_2325, row)
}

fn compute(champion: &Loaded, rows: &[FeatureRecord], dates: Vec<String>) -> Option<Forecast> {
    let last = rows.last()?;
    let known: Vec<Row<'_>> = rows.iter().map(Row::from).collect();
    let closes = champion.predictor.forecast(&known, last.close).ok()?;
    let quantiles = match &champion.quantiles {
        Some(known) => quantiles::closes(known, (last.close, &closes), &known.levels).ok()?,
        None => BTreeMap::new(),
    };
    Some(Forecast {
        quantiles,
        symbol: last.symbol.clone(),
        as_of: rfc3339(last.event_time),
        model_version: champion.served.version,
        close: last.close,
        horizon: u32::try_from(closes.len()).unwrap_or(u32::MAX),
        dates,
        mean_forecast: closes,
        event_time: last.event_time,
    })
}

/// The next `count` bars after a bar: dates of their sessions, or their ends where they are parts of sessions. Dates that are
/// guessed would look like those that are known, so there are none.
///
/// # Errors
/// The calendar ends before the last of them.
fn dates(state: &State, event_time: i64, count: usize) -> Result<Vec<String>, Unanswered> {
    let calendar = state.grid.calendar();
    let next = |end: &i64| Some(state.grid.after(*end, 1));
    let ends = std::iter::successors(next(&event_time), next).take(count);
    let told = |end: i64| {
        let date = calendar.session_date(end);
        match state.grid.interval() {
            _ if calendar.is_expired(date) => Err(Unanswered::CalendarExpired(expired(calendar))),
            Interval::Session => Ok(date.to_string()),
            _ => Ok(rfc3339(end)),
        }
    };
    ends.map(told).collect()
}

/// What is to be done where a calendar ends.
pub(crate) fn expired(calendar: &Calendar) -> String {
    let exchange = calendar.exchange();
    format!(
        "the forecast reaches behind {}, the end of the calendar {}; update Foresail, or declare the days behind it in \
         spec.calendarOverrides",
        exchange.valid_through(),
        exchange.name()
    )
}

pub(crate) fn rfc3339(event_time: i64) -> String {
    jiff::Timestamp::from_millisecond(event_time)
        .map(|t| t.to_string())
        .unwrap_or_default()
}

/// What Redis holds is checked before it is believed.
async fn from_redis(
    state: &State,
    key: &str,
    (last, dates): (&FeatureRecord, &[String]),
    champion: &Loaded,
) -> Option<Forecast> {
    let bytes = state.cache.as_ref()?.get(key).await?;
    let mut found: Forecast = serde_json::from_slice(&bytes).ok()?;
    let ours = found.symbol == last.symbol
        && found.model_version == champion.served.version
        && found.as_of == rfc3339(last.event_time)
        // The calendar may have been another one when they were written.
        && found.dates == dates
        && found.close.to_bits() == last.close.to_bits()
        && found.mean_forecast.iter().all(|c| c.is_finite())
        // An older program's entry may lack them.
        && found.quantiles.len() == champion.quantiles.as_ref().map_or(0, |q| q.levels.len())
        && found.quantiles.values().flatten().all(|c| c.is_finite());
    found.event_time = last.event_time;
    ours.then_some(found)
}

async fn to_redis(state: &State, key: &str, forecast: &Forecast) {
    let (Some(cache), Ok(bytes)) = (&state.cache, serde_json::to_vec(forecast)) else {
        return;
    };
    let ttl = Duration::from_secs(state.config.cache_ttl_seconds.max(1));
    if let Err(error) = cache.put(key, &bytes, ttl).await {
        tracing::debug!(%error, "forecast not cached");
    }
}

fn log(state: &State, row: &FeatureRecord, forecast: &Forecast) {
    if let Some(log) = &state.log {
        let record = PredictionRecord {
            symbol: row.symbol.clone(),
            event_time: row.event_time,
            model_version: forecast.model_version,
            close: row.close,
            adjustment_factor: row.adjustment_factor,
            forecast: forecast.mean_forecast.clone(),
        };
        log.send(record, served::Origin::Pipeline);
    }
}
