//! What the monitor will compare live features with.

use foresail_crds::model_manifest::DriftReference;
use foresail_crds::worker_config::TrainConfig;
use foresail_drift::{DriftError, Session, Sessions, build_reference};
use foresail_runtime_base::RoleError;

use crate::data::dataset::{Dataset, Sample};

/// Builds the reference from the rows the model was made from.
///
/// # Errors
/// User errors `NotEnoughRows` and `InvalidDrift`.
pub(crate) fn build(
    config: &TrainConfig,
    data: &Dataset,
    rows: &[&Sample],
) -> Result<DriftReference, RoleError> {
    let to_error = |e: DriftError| {
        let reason = if matches!(e, DriftError::TooFewSessions { .. }) {
            "NotEnoughRows"
        } else {
            "InvalidDrift"
        };
        RoleError::user(
            reason,
            format!("{e}; lower drift.windowSessions or train on more"),
        )
    };
    let grid = config.model.bar_grid();
    let window = grid.bars(config.model.drift_window_sessions);
    let window = usize::try_from(window).unwrap_or(usize::MAX);
    let sessions = by_session(&data.names, rows);
    build_reference(&sessions, window, grid.bars_per_year()).map_err(to_error)
}

/// Feature rows by the time of their bars.
fn by_session(names: &[String], samples: &[&Sample]) -> Sessions {
    let mut sessions: Vec<Session> = Vec::new();
    for sample in samples {
        match sessions.last_mut() {
            Some(last) if last.event_time == sample.event_time => {
                last.rows.push(sample.values().to_vec())
            }
            _ => sessions.push(Session {
                event_time: sample.event_time,
                rows: vec![sample.values().to_vec()],
            }),
        }
    }
    Sessions {
        names: names.to_vec(),
        sessions,
    }
}
