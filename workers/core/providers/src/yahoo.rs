//! Answers of the v8 chart of Yahoo Finance.

mod chart;
mod document;
mod refusal;

use document::Document;

use crate::body;
use crate::headers::Headers;
use crate::request::{ChartInterval, Kind, Request};
use crate::verdict::{Answer, Fault, Said, Verdict};

/// What a JSON body says.
///
/// # Errors
/// When nothing of it can be believed.
pub(crate) fn classify(request: &Request, headers: &Headers, text: &str) -> Result<Said, Fault> {
    let Kind::Chart { interval, .. } = request.kind else {
        return Ok(Said::Nothing);
    };
    let document: Document = body::parse(text)?;
    let is_chart = document.chart.is_some();
    let refused = document.finance.and_then(|gate| gate.error);
    let chart = document.chart.unwrap_or_default();
    if let Some(error) = refused.or(chart.error) {
        return Ok(refusal::verdict(&error, interval, headers).into());
    }
    let Some(results) = chart.result else {
        return Ok(match is_chart {
            true => Said::Data(Verdict::Empty),
            false => Said::Nothing,
        });
    };
    let mut results = results.0.into_iter();
    match (results.next(), results.next()) {
        (None, _) => Ok(Said::Data(Verdict::Empty)),
        (Some(result), None) => data(request, interval, headers, result).map(Said::Data),
        // One symbol was asked.
        (Some(_), Some(_)) => Err(Fault::Shape),
    }
}

fn data(
    request: &Request,
    interval: ChartInterval,
    headers: &Headers,
    result: document::Part,
) -> Result<Verdict, Fault> {
    let symbol = result.meta.symbol.as_deref().ok_or(Fault::NoSymbol)?;
    if !symbol.eq_ignore_ascii_case(&request.symbol) {
        return Err(Fault::WrongSymbol);
    }
    let granularity = result.meta.data_granularity.as_deref();
    if !granularity.is_some_and(|name| interval.is(name)) {
        return Err(Fault::WrongInterval);
    }
    let answered = headers.date().map(|at| at.as_second());
    let series = chart::series(interval, answered, result)?;
    Ok(series.map_or(Verdict::Empty, |series| {
        Verdict::Data(Box::new(Answer::Series(series)))
    }))
}
