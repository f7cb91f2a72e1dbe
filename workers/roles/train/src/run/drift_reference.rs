//! What the monitor will compare live features with.

use foresail_crds::model_manifest::DriftReference;
use foresail_crds::worker_config::WorkerConfig;
use foresail_drift::{DriftError, DriftPolicy, build_reference};
use foresail_runtime_base::RoleError;

use crate::data::dataset::{Dataset, Sample, sessions};

/// Builds the reference from the rows the model was made from.
///
/// # Errors
/// User errors `NotEnoughRows` and `InvalidDrift`.
pub(crate) fn build(
    config: &WorkerConfig,
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
    let policy = DriftPolicy::try_from(&config.drift).map_err(to_error)?;
    let sessions = sessions(&data.names, rows);
    let per_year = config.calendar.sessions_per_year();
    build_reference(
        &sessions,
        policy.window_sessions,
        per_year,
        policy.false_alarms_per_year,
    )
    .map_err(to_error)
}
