//! `foresail-worker simulate`: providers of market data behind a port, for demos and tests without keys and network. What
//! they answer is in `foresail-simulation`; here are the port, the clock, and the ways in which a body can be sent badly.
//!
//! Beside the routes of the providers there are three of the simulator itself: `GET /simulator/seen` tells who has asked how
//! often, `PUT /simulator/clock` moves the clock of the market, and `PUT /simulator/listing` changes what is traded.

mod bodies;
mod clock;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use foresail_runtime_base::{RoleError, Shutdown, spawn};
use foresail_simulation::{Listing, Request, Scenario, Simulation};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::clock::{Clock, Moved};

/// Largest body of a request to the simulator itself.
const LARGEST_BODY: usize = 4096;
/// Connections of one worker thread.
const MOST_CONNECTIONS: usize = 1_024;

/// How the simulator runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// File of the scenario, YAML.
    pub scenario: PathBuf,
    /// Where it listens.
    pub bind: SocketAddr,
}

/// The market and its clock.
struct State {
    simulation: Mutex<Simulation>,
    clock: Mutex<Clock>,
}

/// Answers until shutdown.
///
/// # Errors
/// User errors `ScenarioUnreadable` and `BadScenario`, outside error `PortInUse`.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), RoleError> {
    let path = settings.scenario.display();
    let text = std::fs::read_to_string(&settings.scenario)
        .map_err(|e| RoleError::user("ScenarioUnreadable", format!("{path}: {e}")))?;
    let scenario = Scenario::read(&text)
        .map_err(|e| RoleError::user("BadScenario", format!("{path}: {e}")))?;
    let state = web::Data::new(State {
        clock: Mutex::new(Clock::new(
            scenario.clock.unwrap_or_else(Timestamp::now),
            scenario.speed,
        )),
        simulation: Mutex::new(Simulation::new(scenario)),
    });
    let bind = settings.bind;
    let server = HttpServer::new(move || App::new().configure(|app| routes(app, state.clone())))
        .workers(2)
        .max_connections(MOST_CONNECTIONS)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(bind)
        .map_err(|e| RoleError::outside("PortInUse", format!("simulator on {bind}: {e}")))?
        .run();
    tracing::info!(%bind, "the simulator answers");
    let handle = server.handle();
    spawn(async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    server
        .await
        .map_err(|e| RoleError::internal("ServerFailed", e.to_string()))
}

fn routes(app: &mut web::ServiceConfig, state: web::Data<State>) {
    app.app_data(state)
        .app_data(web::JsonConfig::default().limit(LARGEST_BODY))
        .route("/simulator/seen", web::get().to(seen))
        .route("/simulator/clock", web::get().to(clock))
        .route("/simulator/clock", web::put().to(move_clock))
        .route("/simulator/listing", web::put().to(list))
        .default_service(web::get().to(answer));
}

async fn answer(
    request: HttpRequest,
    query: web::Query<BTreeMap<String, String>>,
    state: web::Data<State>,
) -> HttpResponse {
    let request = Request {
        // What is not UTF-8 is no symbol anyway.
        path: percent_decode_str(request.path())
            .decode_utf8_lossy()
            .into_owned(),
        query: query.into_inner(),
    };
    let work = web::block(move || {
        let (now, wall) = {
            let clock = state.clock.lock().unwrap_or_else(PoisonError::into_inner);
            (clock.now(), clock.wall())
        };
        let mut simulation = state
            .simulation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        simulation.answer(&request, now, wall)
    });
    let Ok(answer) = work.await else {
        return HttpResponse::InternalServerError().finish();
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    bodies::send(response, answer).await
}

async fn seen(state: web::Data<State>) -> HttpResponse {
    let simulation = state
        .simulation
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    HttpResponse::Ok().json(simulation.seen())
}

async fn clock(state: web::Data<State>) -> HttpResponse {
    let clock = state.clock.lock().unwrap_or_else(PoisonError::into_inner);
    HttpResponse::Ok().json(clock.told())
}

async fn move_clock(state: web::Data<State>, moved: web::Json<Moved>) -> HttpResponse {
    let mut clock = state.clock.lock().unwrap_or_else(PoisonError::into_inner);
    match clock.move_to(&moved) {
        Ok(()) => HttpResponse::Ok().json(clock.told()),
        Err(why) => HttpResponse::BadRequest().body(why),
    }
}

async fn list(state: web::Data<State>, listing: web::Json<Listing>) -> HttpResponse {
    let mut simulation = state
        .simulation
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match simulation.list(listing.into_inner()) {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(why) => HttpResponse::BadRequest().body(why.to_string()),
    }
}

#[cfg(test)]
mod tests;
