//! Weighted mean of several kinds. Members see the same scaled rows; their weights add up to one.

use foresail_crds::pipeline::spec::ModelKind;
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::single_model::SingleModel;
use crate::sizes::{Input, Sizes};

/// Most members.
const MOST: usize = 16;

/// A weighted mean.
#[derive(Clone, Debug)]
pub struct Ensemble(Vec<Member>);

#[derive(Clone, Debug)]
struct Member {
    kind: ModelKind,
    weight: f64,
    model: SingleModel,
}

/// A member as stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: ModelKind,
    weight: f64,
    /// Hex of its own stored form; absent for kinds without weights.
    bytes: Option<String>,
}

impl Ensemble {
    /// Members with weights that are not negative; they are divided by their sum.
    ///
    /// # Errors
    /// [`ModelError::Input`] without a weight above zero, or for an ensemble of ensembles.
    pub fn new(members: Vec<(ModelKind, f64, SingleModel)>) -> Result<Self, ModelError> {
        let total: f64 = members.iter().map(|(_, weight, _)| weight).sum();
        let are_valid = members.iter().all(|(kind, weight, _)| {
            *weight >= 0.0 && weight.is_finite() && *kind != ModelKind::Ensemble
        });
        if !are_valid || total <= 0.0 || !total.is_finite() || members.len() > MOST {
            let message = format!("{} members with total weight {total}", members.len());
            return Err(ModelError::Input(message));
        }
        let member = |(kind, weight, model): (ModelKind, f64, SingleModel)| Member {
            kind,
            weight: weight / total,
            model,
        };
        Ok(Self(members.into_iter().map(member).collect()))
    }

    /// Kinds and their weights.
    pub fn weights(&self) -> Vec<(ModelKind, f64)> {
        self.0.iter().map(|m| (m.kind, m.weight)).collect()
    }

    /// Rows that the member which looks back most looks at.
    pub(crate) fn lookback(&self, sizes: &Sizes) -> usize {
        let each = self.0.iter().map(|m| m.model.lookback(sizes));
        each.max().unwrap_or(1)
    }

    /// Whether a member reads the closes of the rows.
    pub(crate) fn reads_closes(&self) -> bool {
        self.0.iter().any(|m| m.model.reads_closes())
    }

    /// The mean of what the members predict, `[steps]`.
    pub(crate) fn predict(&self, input: &Input, sizes: &Sizes) -> Result<Vec<f64>, ModelError> {
        let mut sum = vec![0.0; sizes.steps];
        for member in &self.0 {
            let changes = member.model.predict(input, sizes)?;
            for (total, change) in sum.iter_mut().zip(changes) {
                *total += member.weight * change;
            }
        }
        Ok(sum)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let mut stored = Vec::new();
        for member in &self.0 {
            stored.push(Stored {
                kind: member.kind,
                weight: member.weight,
                bytes: member.model.encode()?.map(hex::encode),
            });
        }
        serde_json::to_vec(&stored).map_err(|e| ModelError::Weights(e.to_string()))
    }

    pub(crate) fn decode(bytes: &[u8], sizes: &Sizes) -> Result<Self, ModelError> {
        let to_error = ModelError::Weights;
        let stored: Vec<Stored> =
            serde_json::from_slice(bytes).map_err(|e| to_error(e.to_string()))?;
        let mut members = Vec::new();
        for member in stored {
            let bytes = member.bytes.map(hex::decode).transpose();
            let bytes = bytes.map_err(|e| to_error(e.to_string()))?;
            let model = SingleModel::decode(member.kind, bytes.as_deref(), sizes)?;
            members.push((member.kind, member.weight, model));
        }
        Self::new(members).map_err(|e| to_error(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::spec::Target;

    use super::*;
    use crate::linear::Linear;

    #[test]
    fn members_are_averaged_by_weight_and_survive_storage() {
        let sizes = Sizes {
            features: 1,
            steps: 1,
            hidden: 0,
            layers: 0,
            sequence: 1,
            season: 2,
            target: Target::Close,
        };
        let linear = Linear {
            intercepts: vec![1.0],
            coefficients: vec![vec![2.0]],
        };
        let members = vec![
            (ModelKind::Naive, 1.0, SingleModel::Naive),
            (ModelKind::Linear, 2.0, SingleModel::Linear(linear)),
            (ModelKind::SeasonalNaive, 1.0, SingleModel::Seasonal(2)),
        ];
        let ensemble = Ensemble::new(members).unwrap();
        let input = Input {
            rows: vec![vec![0.0], vec![3.0]],
            closes: vec![3.0, 1.0],
        };
        // (1 * 0 + 2 * 7 + 1 * 2) / 4
        assert_eq!(ensemble.predict(&input, &sizes).unwrap(), [4.0]);
        assert_eq!(ensemble.lookback(&sizes), 2);
        let bytes = ensemble.encode().unwrap();
        let read = Ensemble::decode(&bytes, &sizes).unwrap();
        assert_eq!(read.predict(&input, &sizes).unwrap(), [4.0]);
        for cut in 0..bytes.len() {
            assert!(Ensemble::decode(&bytes[..cut], &sizes).is_err());
        }
        let nested = br#"[{"kind":"Ensemble","weight":1.0,"bytes":"5b5d"}]"#;
        assert!(Ensemble::decode(nested, &sizes).is_err());
        assert!(Ensemble::new(vec![(ModelKind::Naive, 0.0, SingleModel::Naive)]).is_err());
    }
}
