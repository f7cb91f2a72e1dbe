//! One fitted kind, without its scaler: what is stored in an artifact and asked for changes.

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::pipeline::spec::{ModelKind, Target};
use foresail_recurrent::Shape as RecurrentShape;

use crate::boosted::Boosted;
use crate::ensemble::Ensemble;
use crate::linear::Linear;
use crate::network::{Network, Shape};
use crate::recurrent::{Recurrent, cell};
use crate::{ModelError, seasonal};

/// A fitted kind.
#[derive(Clone, Debug)]
pub enum Part {
    /// Every step equals the last close.
    Naive,
    /// The close one season before, for the given number of sessions in a season.
    Seasonal(usize),
    /// Ridge regression.
    Linear(Linear),
    /// Two-layer perceptron.
    Perceptron(Box<Network>),
    /// LSTM or GRU.
    Recurrent(Recurrent),
    /// Gradient-boosted trees.
    Boosted(Boosted),
    /// Weighted mean of other parts.
    Ensemble(Ensemble),
}

/// What a part is asked with: as many rows as the model looks back, oldest first.
pub(crate) struct Input {
    /// Scaled features.
    pub rows: Vec<Vec<f64>>,
    /// Adjusted closes of the same rows.
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
    pub fn of(manifest: &ModelManifest) -> Self {
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

impl Part {
    /// Reads the stored weights of a kind.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when they are absent or do not fit.
    pub fn decode(
        kind: ModelKind,
        weights: Option<&[u8]>,
        sizes: &Sizes,
    ) -> Result<Self, ModelError> {
        let bytes = || weights.ok_or_else(|| ModelError::Weights("there are none".into()));
        Ok(match kind {
            ModelKind::Naive => Self::Naive,
            ModelKind::SeasonalNaive => Self::Seasonal(sizes.season),
            ModelKind::Linear => {
                Self::Linear(Linear::decode(bytes()?, sizes.features, sizes.steps)?)
            }
            ModelKind::GradientBoosting => {
                Self::Boosted(Boosted::decode(bytes()?, sizes.features, sizes.steps)?)
            }
            ModelKind::Mlp => {
                let shape = Shape {
                    features: sizes.features,
                    hidden: sizes.hidden,
                    steps: sizes.steps,
                };
                Self::Perceptron(Box::new(Network::decode(bytes()?, shape)?))
            }
            ModelKind::Lstm | ModelKind::Gru => {
                let shape = sizes.recurrent(kind);
                let shape = shape.ok_or_else(|| ModelError::Weights("no shape".into()))?;
                Self::Recurrent(Recurrent::decode(bytes()?, shape)?)
            }
            ModelKind::Ensemble => Self::Ensemble(Ensemble::decode(bytes()?, sizes)?),
        })
    }

    /// As stored; `None` for parts without weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Option<Vec<u8>>, ModelError> {
        match self {
            Self::Naive | Self::Seasonal(_) => Ok(None),
            Self::Linear(model) => model.encode().map(Some),
            Self::Perceptron(model) => model.encode().map(Some),
            Self::Recurrent(model) => model.encode().map(Some),
            Self::Boosted(model) => model.encode().map(Some),
            Self::Ensemble(model) => model.encode().map(Some),
        }
    }

    /// Rows this part looks at.
    pub(crate) fn lookback(&self, sizes: &Sizes) -> usize {
        match self {
            Self::Seasonal(season) => *season,
            Self::Recurrent(_) => sizes.sequence,
            Self::Ensemble(model) => model.lookback(sizes),
            Self::Naive | Self::Linear(_) | Self::Perceptron(_) | Self::Boosted(_) => 1,
        }
    }

    /// Changes per step in units of the target. The input holds at least the rows of this part.
    pub(crate) fn predict(&self, input: &Input, sizes: &Sizes) -> Result<Vec<f64>, ModelError> {
        let missing = || ModelError::Input("there is no row".into());
        let last = || input.rows.last().ok_or_else(missing);
        Ok(match self {
            Self::Naive => vec![0.0; sizes.steps],
            Self::Seasonal(season) => {
                seasonal::changes(&input.closes, *season, sizes).ok_or_else(missing)?
            }
            Self::Linear(model) => model.predict(last()?),
            Self::Perceptron(model) => model.predict(last()?)?,
            Self::Boosted(model) => model.predict(last()?),
            Self::Recurrent(model) => {
                let from = input.rows.len().saturating_sub(sizes.sequence);
                model.predict(input.rows.get(from..).unwrap_or_default())?
            }
            Self::Ensemble(model) => model.predict(input, sizes)?,
        })
    }
}
