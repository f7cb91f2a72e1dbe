//! From answers to rows as traded, and to the text that the checker reads. Pure.

use foresail_bars::{Fields, RawRow, moment_text};
use foresail_providers::action::{Dividend, Split};
use foresail_providers::verdict::Basis;
use foresail_providers::{Row, Series, traded};
use jiff::civil::Date;
use serde::Serialize;
use smol_str::ToSmolStr;

use super::entry::{Entry, Fate, Parts};
use super::gathered;
use super::minutes;
use super::review::Review;
use super::timetable::Timetable;
use super::wanted;

/// Splits, and dividends with what else was paid out.
type Actions = (Vec<Split>, Vec<Dividend>);

/// Makes the answers about a symbol rows that are ready to be sent, when all of them are there. Rows of bars that are not
/// expected yet are left out: they are asked for again. True when there is something new among them.
pub(crate) fn settle(entry: &mut Entry, timetable: &Timetable, now: i64) -> bool {
    let mut parts = std::mem::take(&mut entry.parts);
    if entry.review.is_none() {
        entry.history = minutes::next_month(entry, &parts, timetable, now);
        entry.goes_on = entry.history.is_some();
    }
    let Some(mut series) = parts.series.take() else {
        return false;
    };
    tell_reach(entry, &series, timetable);
    let is_news = match series.basis {
        _ if entry.review.is_some() => true,
        Basis::AsTraded => wanted::has_news(entry, &series, timetable, now),
        Basis::SplitAdjusted => true,
    };
    if !is_news {
        return false;
    }
    let unread = unread(entry, &series);
    let (splits, dividends) = match series.basis {
        Basis::SplitAdjusted => {
            let actions = undone(&mut series, timetable.today(now));
            gather(&mut series, &parts, timetable);
            let rounding =
                |date| traded::rounding_of_volume(date, &actions.0) * parts.per_bar(timetable);
            let end = |row: &Row| timetable.row_end(row);
            entry.memory.round_volumes(&mut series.rows, end, rounding);
            actions
        }
        Basis::AsTraded => {
            gather(&mut series, &parts, timetable);
            // A bar without its split would be a wrong one for ever.
            let Some(actions) = entry.actions(&mut parts, timetable, now) else {
                return false;
            };
            within(actions, &series, timetable)
        }
    };
    let count = unread.len();
    series.rows.splice(0..0, unread);
    let apart = traded::join(&mut series.rows, &splits, &dividends, series.currency);
    let unread: Vec<Row> = series.rows.drain(..count).collect();
    if !apart.foreign.is_empty() {
        let (symbol, count) = (&*entry.symbol, apart.foreign.len());
        tracing::warn!(
            symbol,
            count,
            "dividends in another currency than the prices are left out"
        );
    }
    let mut rows = series.rows;
    rows.retain(|row| row.is_final && timetable.is_expected(row, now));
    let is_news = rows.iter().any(|row| entry.wants(row, timetable, now));
    entry.compare(&rows, timetable);
    if entry.mark.is_none() && entry.review.is_none() {
        // All of it was read just now.
        entry.had_turn(rows.last().map(|row| row.date));
    }
    if let Some(review) = entry.review {
        rows = reviewed(entry, rows, (review, timetable));
        // That something is listed no more is nothing to believe without its row.
        let has_changed = |row: &Row| {
            let has_action = row.split_factor != 1.0 || row.dividend != 0.0;
            has_action && matches!(entry.fate(row, timetable), Fate::Beside(1..))
        };
        let changed = unread.into_iter().filter(has_changed);
        rows.splice(
            0..0,
            changed
                .filter(|row| review.contains(row.date))
                .collect::<Vec<_>>(),
        );
    }
    entry.ready = rows;
    is_news
}

/// Says from when on the history of a symbol is read, where the provider does not have what is wanted.
fn tell_reach(entry: &Entry, series: &Series, timetable: &Timetable) {
    let first = series.rows.first().map(|row| row.date);
    let is_history = entry.mark.is_none() && timetable.is_intraday();
    let wanted = timetable.from();
    if let Some(first) = first.filter(|first| is_history && wanted.is_none_or(|from| from < *first))
    {
        let (symbol, from) = (&*entry.symbol, first.to_string());
        tracing::info!(symbol, from, "the history of the provider begins");
    }
}

/// Makes the rows of a series those that were traded, and gives what has happened to the shares until today.
fn undone(series: &mut Series, today: Date) -> Actions {
    // What is declared for a later day has not changed a price.
    let mut happened = std::mem::take(&mut series.splits.items);
    happened.retain(|split| split.date <= today);
    let mut paid = std::mem::take(&mut series.dividends.items);
    paid.append(&mut series.capital_gains.items);
    traded::undo_splits(&mut series.rows, &happened);
    traded::undo_splits_of_dividends(&mut paid, &happened);
    (happened, paid)
}

/// Puts rows within sessions together to bars.
fn gather(series: &mut Series, parts: &Parts, timetable: &Timetable) {
    if let Some(seconds) = parts.row_seconds {
        let rows = std::mem::take(&mut series.rows);
        series.rows = gathered::bars(rows, seconds, series.is_compact, timetable);
    }
}

/// What concerns the bars of a series. One that begins within a session does not have the bar that what happened on its day
/// belongs to.
fn within((mut splits, mut dividends): Actions, series: &Series, timetable: &Timetable) -> Actions {
    let first = series.rows.first().filter(|_| series.is_compact);
    if let Some(first) = first.filter(|first| !gathered::is_first(first, timetable)) {
        splits.retain(|split| split.date > first.date);
        dividends.retain(|dividend| dividend.ex_date > first.date);
    }
    (splits, dividends)
}

/// Bars of before the first row of an answer, when prices are as they were traded: a split or dividend of their day that was
/// told late concerns them, and a key that reads the newest rows alone shows them no more.
fn unread(entry: &Entry, series: &Series) -> Vec<Row> {
    let first = series
        .rows
        .first()
        .filter(|_| series.basis == Basis::AsTraded);
    match first.filter(|_| entry.review.is_some()) {
        Some(first) => entry.memory.rows_before(first.date),
        None => Vec::new(),
    }
}

/// The rows of an answer that a review is about. Each bar that was missing has the row before it with it, by which its move
/// is judged.
fn reviewed(
    entry: &Entry,
    mut rows: Vec<Row>,
    (review, timetable): (Review, &Timetable),
) -> Vec<Row> {
    rows.retain(|row| review.contains(row.date));
    if review.compares(timetable) {
        return rows;
    }
    let is_missing = |row: &Row| entry.gaps.contains(row.date);
    let wanted: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| is_missing(row) || rows.get(index + 1).is_some_and(is_missing))
        .collect();
    let both = rows.into_iter().zip(wanted);
    both.filter(|(_, wanted)| *wanted)
        .map(|(row, _)| row)
        .collect()
}

/// A row as it is kept where it is refused.
#[derive(Serialize)]
struct Original<'a> {
    symbol: &'a str,
    date: String,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<f64>,
    split: f64,
    dividend: f64,
}

/// The text of a row: the shortest decimal of each number, which is read as the same bits again.
pub(crate) fn raw(symbol: &str, row: &Row, position: u64) -> RawRow {
    // Within a session, the moment that the bar begins.
    let start = row
        .start
        .and_then(|start| moment_text(start.saturating_mul(1000)));
    let original = Original {
        symbol,
        date: start.unwrap_or_else(|| row.date.to_string()),
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: row.volume,
        split: row.split_factor,
        dividend: row.dividend,
    };
    let text = serde_json::to_vec(&original).unwrap_or_default();
    let number = |value: f64| Some(value.to_smolstr());
    RawRow {
        position,
        length: text.len() as u64,
        original: text.into(),
        fields: Fields {
            symbol: Some(symbol.into()),
            date: Some(original.date.as_str().into()),
            open: number(row.open),
            high: number(row.high),
            low: number(row.low),
            close: number(row.close),
            volume: row.volume.and_then(number),
            adjusted_close: None,
            split_factor: number(row.split_factor),
            dividend: number(row.dividend),
        },
        ..RawRow::default()
    }
}

/// An answer of no known kind, as what is refused.
pub(crate) fn unknown(symbol: &str, scrubbed: &str, position: u64) -> RawRow {
    RawRow {
        position,
        length: scrubbed.len() as u64,
        original: scrubbed.as_bytes().into(),
        fields: Fields {
            symbol: Some(symbol.into()),
            ..Fields::default()
        },
        ..RawRow::default()
    }
}
