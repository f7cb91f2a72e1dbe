//! Trained models: weights, scaler, prediction. Pure; called by the trainer (evaluation, gate), the
//! predictors and the monitor, so that all of them compute the same numbers.

pub mod artifact;
pub mod boosted;
pub mod ensemble;
mod fitted_model;
pub mod golden;
pub mod linear;
pub mod network;
mod predictor;
pub mod quantiles;
pub mod recurrent;
pub mod scaler;
mod seasonal;
mod single_model;
mod sizes;

use thiserror::Error;

pub use fitted_model::FittedModel;
pub use predictor::{Predictor, Row};
pub use single_model::SingleModel;
pub use sizes::Sizes;

/// Why a model cannot be loaded or asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// The manifest is no manifest of this version.
    #[error("the manifest cannot be used: {0}")]
    Manifest(String),
    /// The weights do not belong to the manifest.
    #[error("the weights cannot be used: {0}")]
    Weights(String),
    /// The input has the wrong shape or a value that is not finite.
    #[error("the input cannot be used: {0}")]
    Input(String),
    /// The forecast is not finite.
    #[error("the model gives a forecast that is not finite")]
    NotFinite,
}
