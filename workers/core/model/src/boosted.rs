//! Gradient-boosted trees (Friedman 2001; histogram splits as in XGBoost), one booster per forecast
//! step, by the library forust.

use std::fmt;
use std::sync::Arc;

use forust_ml::tree::Tree;
use forust_ml::{GradientBooster, Matrix};

use crate::ModelError;

/// Parameters of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Trees per step, at least 1.
    pub trees: usize,
    /// Depth of a tree, at least 1.
    pub depth: usize,
    /// Weight of each tree, in (0, 1].
    pub shrinkage: f32,
    /// Seed.
    pub seed: u64,
}

/// One booster per step.
#[derive(Clone)]
pub struct Boosted(Arc<[GradientBooster]>);

impl fmt::Debug for Boosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boosted({} steps)", self.0.len())
    }
}

impl Boosted {
    /// Fits one booster per step: `rows` are scaled features, `[rows][features]`; `labels` are `[rows][steps]`. On
    /// one thread, so that equal inputs give equal trees.
    ///
    /// # Errors
    /// [`ModelError::Input`] without rows or when the library refuses them.
    pub fn fit(
        rows: &[Vec<f64>],
        labels: &[&[f64]],
        settings: Settings,
    ) -> Result<Self, ModelError> {
        let (count, width) = (rows.len(), rows.first().map_or(0, Vec::len));
        let steps = labels.first().map_or(0, |l| l.len());
        if count == 0 || width == 0 || steps == 0 || labels.len() != count {
            return Err(ModelError::Input("there is no row to fit".into()));
        }
        // The library wants columns one after the other.
        let columns: Vec<f64> = (0..width)
            .flat_map(|j| rows.iter().map(move |row| row[j]))
            .collect();
        let data = Matrix::new(&columns, count, width);
        let one = |step: usize| {
            let label: Vec<f64> = labels.iter().map(|l| l[step]).collect();
            let mut booster = GradientBooster::default()
                .set_objective_type(forust_ml::objective::ObjectiveType::SquaredLoss)
                .set_iterations(settings.trees)
                .set_max_depth(settings.depth)
                .set_learning_rate(settings.shrinkage)
                .set_seed(settings.seed)
                .set_parallel(false)
                .set_initialize_base_score(true)
                // A leaf holds at least one row in fifty: daily returns are mostly noise.
                .set_min_leaf_weight((count as f32 / 50.0).max(1.0));
            let fitted = booster.fit_unweighted(&data, &label, None);
            fitted.map_err(|e| ModelError::Input(e.to_string()))?;
            Ok(booster)
        };
        let boosters: Result<Vec<_>, ModelError> = (0..steps).map(one).collect();
        Ok(Self(boosters?.into()))
    }

    /// Prediction per step, `[steps]`, for one scaled row, `[features]`.
    pub fn predict(&self, row: &[f64]) -> Vec<f64> {
        let data = Matrix::new(row, 1, row.len());
        let one = |booster: &GradientBooster| booster.predict(&data, false).first().copied();
        self.0.iter().map(|b| one(b).unwrap_or(f64::NAN)).collect()
    }

    /// As stored: a JSON array with the library's own document per step.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let one = |booster: &GradientBooster| booster.json_dump();
        let texts: Result<Vec<String>, _> = self.0.iter().map(one).collect();
        let texts = texts.map_err(|e| ModelError::Weights(e.to_string()))?;
        serde_json::to_vec(&texts).map_err(|e| ModelError::Weights(e.to_string()))
    }

    /// Reads stored boosters and asks each once, for `features` columns and `steps` steps.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn decode(bytes: &[u8], features: usize, steps: usize) -> Result<Self, ModelError> {
        let to_error = ModelError::Weights;
        let texts: Vec<String> =
            serde_json::from_slice(bytes).map_err(|e| to_error(e.to_string()))?;
        if texts.len() != steps {
            return Err(to_error(format!(
                "they are {} steps, not {steps}",
                texts.len()
            )));
        }
        let one =
            |text: &String| GradientBooster::from_json(text).map_err(|e| to_error(e.to_string()));
        let boosters: Result<Vec<_>, ModelError> = texts.iter().map(one).collect();
        let boosters = boosters?;
        // The library takes the number of trees to ask from the file, and slices with it.
        let is_complete = |b: &GradientBooster| {
            b.prediction_iteration.unwrap_or(0) <= b.trees.len()
                && b.trees.iter().all(|tree| is_valid(tree, features))
        };
        if !boosters.iter().all(is_complete) {
            return Err(to_error(format!(
                "a tree is damaged or splits on more than {features} features"
            )));
        }
        Ok(Self(boosters.into()))
    }
}

/// Every split asks for a feature that is there and leads to later nodes of the same tree: a walk ends.
fn is_valid(tree: &Tree, features: usize) -> bool {
    let within = |from: usize, to: usize| to > from && to < tree.nodes.len();
    let mut nodes = tree.nodes.iter().enumerate();
    !tree.nodes.is_empty()
        && nodes.all(|(place, node)| {
            let children = [node.left_child, node.right_child, node.missing_node];
            node.is_leaf
                || (node.split_feature < features
                    && children.iter().all(|child| within(place, *child)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        trees: 20,
        depth: 3,
        shrinkage: 0.3,
        seed: 1,
    };

    fn rows() -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let rows: Vec<Vec<f64>> = (0..400)
            .map(|i| vec![f64::from(i % 20) - 10.0, f64::from(i % 7) - 3.0])
            .collect();
        let labels = rows.iter().map(|r| vec![r[0].abs(), f64::from(r[1] > 0.0)]);
        let labels = labels.collect();
        (rows, labels)
    }

    fn fitted() -> Boosted {
        let (rows, labels) = rows();
        let labels: Vec<&[f64]> = labels.iter().map(Vec::as_slice).collect();
        Boosted::fit(&rows, &labels, SETTINGS).unwrap()
    }

    #[test]
    fn what_no_line_fits_is_fitted_and_equal_inputs_give_equal_bytes() {
        let model = fitted();
        let found = model.predict(&[-9.0, 2.0]);
        assert!((found[0] - 9.0).abs() < 1.5 && found[1] > 0.8, "{found:?}");
        assert_eq!(model.encode().unwrap(), fitted().encode().unwrap());
        let read = Boosted::decode(&model.encode().unwrap(), 2, 2).unwrap();
        assert_eq!(read.predict(&[3.0, -1.0]), model.predict(&[3.0, -1.0]));
    }

    #[test]
    fn other_weights_are_refused_and_damage_never_panics() {
        let bytes = fitted().encode().unwrap();
        assert!(Boosted::decode(&bytes, 1, 2).is_err());
        assert!(Boosted::decode(&bytes, 2, 3).is_err());
        for cut in (0..bytes.len()).step_by(97) {
            assert!(Boosted::decode(&bytes[..cut], 2, 2).is_err());
        }
        assert!(Boosted::fit(&[], &[], SETTINGS).is_err());
    }
}
