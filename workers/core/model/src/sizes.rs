//! What every kind is asked with, and the sizes that its stored weights must have.

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::pipeline::spec::{ModelKind, Target};
use foresail_recurrent::Shape as RecurrentShape;

use crate::recurrent::cell;

/// What a model is asked with: as many rows as it looks back, oldest first.
pub(crate) struct Input {
    /// Scaled features, `[rows][features]`.
    pub rows: Vec<Vec<f64>>,
    /// Adjusted closes of the same rows, `[rows]`.
    pub closes: Vec<f64>,
}

/// Sizes that stored weights must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Columns of a row.
    pub features: usize,
    /// Steps forecast.
    pub steps: usize,
    /// Units per layer of networks.
    pub hidden: usize,
    /// Layers of recurrent networks.
    pub layers: usize,
    /// Rows a recurrent network looks at.
    pub sequence: usize,
    /// Sessions in a season.
    pub season: usize,
    /// What is predicted.
    pub target: Target,
}

impl Sizes {
    /// The sizes a manifest declares.
    pub fn from_manifest(manifest: &ModelManifest) -> Self {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            features: manifest.features.len(),
            steps: size(manifest.horizon),
            hidden: size(manifest.hidden),
            layers: size(manifest.layers),
            sequence: size(manifest.sequence).max(1),
            season: size(manifest.season).max(1),
            target: manifest.target,
        }
    }

    /// Shape of a recurrent network of these sizes; `None` for kinds that are not recurrent.
    pub fn recurrent(&self, kind: ModelKind) -> Option<RecurrentShape> {
        Some(RecurrentShape {
            cell: cell(kind)?,
            features: self.features,
            hidden: self.hidden,
            layers: self.layers,
            outputs: self.steps,
        })
    }

    /// Rows a kind looks at. An ensemble looks at what its members do.
    pub fn lookback(&self, kind: ModelKind) -> usize {
        match kind {
            ModelKind::Lstm | ModelKind::Gru => self.sequence,
            ModelKind::SeasonalNaive => self.season,
            ModelKind::Naive
            | ModelKind::Linear
            | ModelKind::Mlp
            | ModelKind::GradientBoosting
            | ModelKind::Ensemble => 1,
        }
    }
}
