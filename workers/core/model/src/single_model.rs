//! One fitted model that is no mean of others: what an ensemble is made of.

use foresail_crds::pipeline::spec::ModelKind;

use crate::boosted::Boosted;
use crate::linear::Linear;
use crate::network::{Network, Shape};
use crate::recurrent::Recurrent;
use crate::sizes::{Input, Sizes};
use crate::{ModelError, seasonal};

/// A fitted model of one kind, without its scaler.
#[derive(Clone, Debug)]
pub enum SingleModel {
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
}

impl SingleModel {
    /// Reads the stored weights of a kind.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when they are absent, do not fit, or are those of an ensemble.
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
            // A member of an ensemble could hold another one, and so on.
            ModelKind::Ensemble => {
                return Err(ModelError::Weights("an ensemble is a member".into()));
            }
        })
    }

    /// As stored; `None` for kinds without weights.
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
        }
    }

    /// Rows it looks at.
    pub(crate) fn lookback(&self, sizes: &Sizes) -> usize {
        match self {
            Self::Seasonal(season) => *season,
            Self::Recurrent(_) => sizes.sequence,
            Self::Naive | Self::Linear(_) | Self::Perceptron(_) | Self::Boosted(_) => 1,
        }
    }

    /// Whether it reads the closes of the rows, and not their features alone.
    pub(crate) const fn reads_closes(&self) -> bool {
        matches!(self, Self::Seasonal(_))
    }

    /// Changes per step, `[steps]`, in units of the target. The input holds at least the rows it looks at.
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
        })
    }
}
