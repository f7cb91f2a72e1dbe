//! A fitted model of any kind, without its scaler: what is stored in an artifact and asked for changes.

use foresail_crds::pipeline::spec::ModelKind;

use crate::ModelError;
use crate::ensemble::Ensemble;
use crate::single_model::SingleModel;
use crate::sizes::{Input, Sizes};

/// A fitted model.
#[derive(Clone, Debug)]
pub enum FittedModel {
    /// One kind.
    Single(SingleModel),
    /// Weighted mean of several.
    Ensemble(Ensemble),
}

impl From<SingleModel> for FittedModel {
    fn from(model: SingleModel) -> Self {
        Self::Single(model)
    }
}

impl From<Ensemble> for FittedModel {
    fn from(model: Ensemble) -> Self {
        Self::Ensemble(model)
    }
}

impl FittedModel {
    /// Reads the stored weights of a kind.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when they are absent or do not fit.
    pub fn decode(
        kind: ModelKind,
        weights: Option<&[u8]>,
        sizes: &Sizes,
    ) -> Result<Self, ModelError> {
        if kind != ModelKind::Ensemble {
            return SingleModel::decode(kind, weights, sizes).map(Self::Single);
        }
        let bytes = weights.ok_or_else(|| ModelError::Weights("there are none".into()))?;
        Ensemble::decode(bytes, sizes).map(Self::Ensemble)
    }

    /// As stored; `None` for kinds without weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Option<Vec<u8>>, ModelError> {
        match self {
            Self::Single(model) => model.encode(),
            Self::Ensemble(model) => model.encode().map(Some),
        }
    }

    /// Rows it looks at.
    pub(crate) fn lookback(&self, sizes: &Sizes) -> usize {
        match self {
            Self::Single(model) => model.lookback(sizes),
            Self::Ensemble(model) => model.lookback(sizes),
        }
    }

    /// Whether it reads the closes of the rows.
    pub(crate) fn reads_closes(&self) -> bool {
        match self {
            Self::Single(model) => model.reads_closes(),
            Self::Ensemble(model) => model.reads_closes(),
        }
    }

    /// Changes per step, `[steps]`, in units of the target. The input holds at least the rows it looks at.
    pub(crate) fn predict(&self, input: &Input, sizes: &Sizes) -> Result<Vec<f64>, ModelError> {
        match self {
            Self::Single(model) => model.predict(input, sizes),
            Self::Ensemble(model) => model.predict(input, sizes),
        }
    }
}
