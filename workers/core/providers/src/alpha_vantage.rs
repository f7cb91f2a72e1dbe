//! Answers of Alpha Vantage, which are 200 whatever they say.

mod actions;
mod document;
mod raw_row;
mod sentence;
mod series;

use document::{Document, List};

use crate::body;
use crate::headers::Headers;
use crate::request::{Kind, Minutes, Request};
use crate::verdict::{Answer, Fault, Said, Series, Verdict};

/// What a JSON body says.
///
/// # Errors
/// When nothing of it can be believed.
pub(crate) fn classify(request: &Request, headers: &Headers, text: &str) -> Result<Said, Fault> {
    let document: Document = body::parse(text)?;
    // A refusal comes with a sample of data at times, which is not real.
    if !document.sentences.is_empty() {
        return Ok(sentence::verdict(&document.sentences, request).into());
    }
    let has_data = match request.kind {
        Kind::Splits | Kind::Dividends => !matches!(document.list, List::None),
        _ => document.series.is_some() || document.other_series,
    };
    // Names change. Under a new one only a text that is known to refuse counts against data.
    let refusal = sentence::verdict(&document.other_texts, request);
    match (refusal, has_data) {
        (Some(refusal), _) => Ok(Said::Words(refusal)),
        (None, true) => data(request, headers, document).map(Said::Data),
        (None, false) if document.other_texts.is_empty() => Ok(Said::Data(Verdict::Empty)),
        (None, false) => Ok(Said::Nothing),
    }
}

fn data(request: &Request, headers: &Headers, document: Document) -> Result<Verdict, Fault> {
    let symbol = document.symbol.as_deref().ok_or(Fault::NoSymbol)?;
    if !symbol.eq_ignore_ascii_case(&request.symbol) {
        return Err(Fault::WrongSymbol);
    }
    let answer = match request.kind {
        Kind::Splits => Answer::Splits(actions::splits(document.list)?),
        Kind::Dividends => Answer::Dividends(actions::dividends(document.list)?),
        kind => match rows(kind, headers, document)? {
            Some(series) => Answer::Series(series),
            None => return Ok(Verdict::Empty),
        },
    };
    Ok(Verdict::Data(Box::new(answer)))
}

/// The rows of a series; `None` when it has none.
fn rows(kind: Kind, headers: &Headers, document: Document) -> Result<Option<Series>, Fault> {
    let minutes: Option<Minutes> = match kind {
        Kind::Intraday { interval, .. } => Some(interval),
        _ => None,
    };
    let length = minutes.map_or("Daily", Minutes::as_str);
    let found = document.series.ok_or(Fault::WrongInterval)?;
    // The head of daily rows does not name their length.
    let is_named = match minutes {
        Some(_) => document.interval.as_deref() == Some(length),
        None => document.interval.is_none(),
    };
    if found.length != length || !is_named || document.other_series {
        return Err(Fault::WrongInterval);
    }
    if found.rows.is_empty() {
        return Ok(None);
    }
    let zone = document.zone.as_deref().ok_or(Fault::NoTimeZone)?;
    let reading = series::Reading {
        minutes,
        is_adjusted: matches!(kind, Kind::DailyAdjusted(_)),
        answered: headers.date().map(|at| at.as_second()),
        zone: crate::zone::Zone::named(zone).ok_or(Fault::NoTimeZone)?,
    };
    let mut series = reading.series(&found.rows);
    series.is_compact = document.is_compact;
    Ok(Some(series))
}
