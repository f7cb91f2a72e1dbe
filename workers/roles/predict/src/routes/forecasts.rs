//! `GET /v1/forecasts/{symbol}` and `GET /v1/forecasts`: the newest forecast by key.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::{error, unavailable};
use crate::answer::forecast;
use crate::forecast::{Forecast, Origin};
use crate::state::{Loaded, State};

pub(crate) async fn one(state: web::Data<Arc<State>>, symbol: web::Path<String>) -> HttpResponse {
    let Some(champion) = state.champion.load_full() else {
        return unavailable("no version is loaded yet");
    };
    match newest(&state, &champion, &symbol).await {
        Ok((forecast, origin)) => HttpResponse::Ok()
            .insert_header((
                "X-Foresail-Model-Version",
                forecast.model_version.to_string(),
            ))
            .insert_header(("X-Foresail-Cache", origin.header()))
            .insert_header(("X-Foresail-As-Of", forecast.as_of.as_str()))
            .json(&*forecast),
        Err(response) => response,
    }
}

pub(crate) async fn all(state: web::Data<Arc<State>>) -> HttpResponse {
    let Some(champion) = state.champion.load_full() else {
        return unavailable("no version is loaded yet");
    };
    let mut forecasts: Vec<Arc<Forecast>> = Vec::new();
    for symbol in state.table.symbols() {
        if let Ok((forecast, _)) = newest(&state, &champion, &symbol).await {
            forecasts.push(forecast);
        }
    }
    HttpResponse::Ok()
        .insert_header((
            "X-Foresail-Model-Version",
            champion.served.version.to_string(),
        ))
        .json(serde_json::json!({ "forecasts": forecasts }))
}

async fn newest(
    state: &State,
    champion: &Loaded,
    symbol: &str,
) -> Result<(Arc<Forecast>, Origin), HttpResponse> {
    let declared = state.config.instruments.iter().any(|i| i.symbol == symbol);
    if !declared {
        let known = state.config.symbols().join(", ");
        let message = format!("`{symbol}` is not forecast here; known symbols: {known}");
        return Err(error(
            StatusCode::NOT_FOUND,
            "NotFoundError",
            "symbol",
            &message,
        ));
    }
    let Some(rows) = state.table.last(symbol, champion.predictor.lookback()) else {
        return Err(unavailable("no feature row of this symbol yet"));
    };
    forecast(state, champion, &rows).await.ok_or_else(|| {
        error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "symbol",
            "the forecast is not finite and is not served",
        )
    })
}
