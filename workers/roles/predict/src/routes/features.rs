//! `POST /v1/features`: feature rows of the bars in the request, by the one feature implementation.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use foresail_domain::Bar;
use foresail_features::FeatureSet;
use serde::Deserialize;
use serde_json::json;

use super::bad_request;
use crate::state::State;

/// Bars of one symbol, oldest first.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    bars: Vec<Bar>,
}

pub(crate) async fn compute(
    state: web::Data<Arc<State>>,
    request: web::Json<Request>,
) -> HttpResponse {
    let config = &state.config;
    let mut set = match FeatureSet::new(&config.features, config.source.adjustment) {
        Ok(set) => set,
        Err(error) => return bad_request("features", &error.to_string()),
    };
    let mut rows = Vec::new();
    for (index, bar) in request.bars.iter().enumerate() {
        let param = format!("bars[{index}]");
        if let Err(error) = bar.check(i64::MAX) {
            return bad_request(&param, &error.to_string());
        }
        match set.push(bar) {
            Ok(Some(row)) => rows.push(json!({
                "eventTime": row.event_time,
                "close": row.close,
                "adjustmentFactor": row.adjustment_factor,
                "values": row.values,
            })),
            Ok(None) => {}
            Err(refused) => return bad_request(&param, &refused.to_string()),
        }
    }
    HttpResponse::Ok().json(json!({
        "fingerprint": set.fingerprint(),
        "names": set.names(),
        "warmUp": set.warm_up(),
        "rows": rows,
    }))
}
