//! `GET /v1/forecasts/{symbol}` and `GET /v1/forecasts`: the newest forecast by key.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::errors::{ErrorAnswer, error, unavailable};
use super::{VERSION_HEADER, identify};
use crate::answer::{Unanswered, forecast};
use crate::forecast::{Forecast, Origin};
use crate::state::{Loaded, Panicked, State};

/// Newest forecasts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Forecasts {
    /// One per symbol that has enough rows, by symbol.
    #[schema(value_type = Vec<Forecast>)]
    #[serde(serialize_with = "shared")]
    forecasts: Vec<Arc<Forecast>>,
}

fn shared<S: Serializer>(forecasts: &[Arc<Forecast>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(forecasts.iter().map(|forecast| &**forecast))
}

/// Newest forecast of one symbol
#[utoipa::path(
    get,
    operation_id = "one",
    path = "/v1/forecasts/{symbol}",
    tag = "Foresail",
    params(("symbol" = String, Path, description = "Instrument code of the Pipeline, percent-encoded: BTC%2FUSDT, BF%20B, %24SPX", example = "IBM")),
    responses(
        (status = 200, description = "The forecast", body = Forecast, headers(
            ("X-Foresail-Model-Version" = u32, description = "Version that made it"),
            ("X-Foresail-Prediction-Id" = String, description = "Identity of the answer"),
            ("X-Foresail-As-Of" = String, description = "End of the bar it was made at, RFC 3339"),
            ("X-Foresail-Cache" = String, description = "hit-local, hit-redis or miss")
        )),
        (status = 404, description = "Not a symbol of the Pipeline", body = ErrorAnswer),
        (status = 500, description = "The model gives no finite forecast, or it reaches behind the end of the calendar (`CalendarExpired`)", body = ErrorAnswer),
        (status = 501, description = "The server runs without a Pipeline", body = ErrorAnswer),
        (status = 503, description = "Not ready, or too busy; Retry-After says when to come again", body = ErrorAnswer)
    )
)]
pub(crate) async fn by_symbol(
    state: web::Data<Arc<State>>,
    symbol: web::Path<String>,
) -> HttpResponse {
    if state.is_alone() {
        return without_bars();
    }
    let Some(champion) = state.champion() else {
        return unavailable("no version is loaded yet");
    };
    match newest(&state, &champion, &symbol).await {
        Ok((forecast, origin)) => {
            let mut response = HttpResponse::Ok()
                .insert_header((VERSION_HEADER, forecast.model_version.to_string()))
                .insert_header(("X-Foresail-Cache", origin.header()))
                .insert_header(("X-Foresail-As-Of", forecast.as_of.as_str()))
                .json(&*forecast);
            identify(&mut response);
            response
        }
        Err(refused) => refused.answer,
    }
}

/// Whoever serves alone has no bars of a Pipeline to forecast from.
fn without_bars() -> HttpResponse {
    let message = "this server runs without a Pipeline and knows no bars; send them to POST /v1/timeseries/forecast";
    let status = StatusCode::NOT_IMPLEMENTED;
    error(status, "NotImplementedError", "symbol", message)
}

/// Why there is no forecast of a symbol.
struct Refused {
    answer: HttpResponse,
    /// The cause is none of this symbol alone.
    is_general: bool,
}

impl From<HttpResponse> for Refused {
    fn from(answer: HttpResponse) -> Self {
        Self {
            answer,
            is_general: false,
        }
    }
}

/// Newest forecast of every symbol
///
/// Symbols without enough feature rows are left out.
#[utoipa::path(
    get,
    operation_id = "all",
    path = "/v1/forecasts",
    tag = "Foresail",
    responses(
        (status = 200, description = "Forecasts", body = Forecasts,
         headers(("X-Foresail-Model-Version" = u32, description = "Version that made them"))),
        (status = 500, description = "Forecasts reach behind the end of the calendar (`CalendarExpired`)", body = ErrorAnswer),
        (status = 501, description = "The server runs without a Pipeline", body = ErrorAnswer),
        (status = 503, description = "Not ready, or too busy; Retry-After says when to come again", body = ErrorAnswer)
    )
)]
pub(crate) async fn all_symbols(state: web::Data<Arc<State>>) -> HttpResponse {
    if state.is_alone() {
        return without_bars();
    }
    let Some(champion) = state.champion() else {
        return unavailable("no version is loaded yet");
    };
    let mut forecasts: Vec<Arc<Forecast>> = Vec::new();
    for symbol in state.table.symbols(&champion.fingerprint) {
        match newest(&state, &champion, &symbol).await {
            Ok((forecast, _)) => forecasts.push(forecast),
            Err(refused) if refused.is_general => return refused.answer,
            Err(_) => {}
        }
    }
    HttpResponse::Ok()
        .insert_header((VERSION_HEADER, champion.served.version.to_string()))
        .json(Forecasts { forecasts })
}

async fn newest(
    state: &State,
    champion: &Loaded,
    symbol: &str,
) -> Result<(Arc<Forecast>, Origin), Refused> {
    let declared = state
        .config
        .instruments
        .iter()
        .any(|i| *i.symbol == *symbol);
    if !declared {
        let known = state.config.symbols().join(", ");
        let message = format!("`{symbol}` is not forecast here; known symbols: {known}");
        return Err(error(StatusCode::NOT_FOUND, "NotFoundError", "symbol", &message).into());
    }
    let lookback = champion.predictor.lookback();
    let Some(rows) = state.table.last(&champion.fingerprint, symbol, lookback) else {
        return Err(unavailable("no feature row of this symbol yet").into());
    };
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let made = forecast(state, champion, &rows).await;
    made.map_err(|why| match why {
        Unanswered::NotFinite => {
            let message = "the forecast is not finite and is not served";
            error(status, "InternalServerError", "symbol", message).into()
        }
        Unanswered::Panicked => {
            error(status, "InternalServerError", "symbol", Panicked::MESSAGE).into()
        }
        Unanswered::CalendarExpired(message) => Refused {
            answer: error(status, "CalendarExpired", "symbol", &message),
            is_general: true,
        },
    })
}
