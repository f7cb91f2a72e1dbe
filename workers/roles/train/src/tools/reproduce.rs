//! `foresail-trainer reproduce`: trains a version once more from what its manifest says, and compares
//! weights bit for bit.

use std::fmt;

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::names::sha256_hex;
use foresail_crds::worker_config::TrainConfig;
use foresail_recurrent::InstructionSet;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_store::{S3Uri, Store};

use crate::data::split::{Plan, split};
use crate::fit::{SILENT, fit, not_fittable};
use crate::inputs::{Declared, baseline_kinds, parameters};
use crate::lake;

/// Result of a comparison.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Training run.
    pub run_id: String,
    /// Rows it was fitted on.
    pub rows: usize,
    /// Hex SHA-256 of the weights, of the version and of the new fit; empty for kinds without weights.
    pub weights: [String; 2],
    /// Everything was equal, bit for bit.
    pub equal: bool,
}

/// Trains again and compares. `config` says where the lake is; everything else is the manifest's.
///
/// # Errors
/// `NotReproducible` (user) where the version does not say how it was trained, or was trained with other
/// instructions; failures of S3 and of the fit.
pub async fn reproduce(
    config: &TrainConfig,
    outside: &Outside,
    manifest: &str,
    progress: &dyn Fn(&str),
) -> Result<Reproduction, RoleError> {
    let uri = S3Uri::parse(manifest)?;
    let store = Store::of_lake(&config.lake, outside)?;
    let manifest = foresail_artifacts::manifest_at(&store, &uri).await?;
    let refused = |what: String| RoleError::user("NotReproducible", format!("{uri}: {what}"));
    let recipe = manifest.recipe.as_ref().ok_or_else(|| {
        refused("it was made by a version that did not store its recipe; train again".into())
    })?;
    let here = InstructionSet::detect().name();
    if recurrent(&manifest) && manifest.instruction_set != here {
        return Err(refused(format!(
            "it was trained with {} instructions, this machine has {here}: other ones round differently",
            manifest.instruction_set
        )));
    }
    progress(&format!(
        "reading Delta version {}",
        manifest.data.delta_version
    ));
    let bars = lake::read(config, outside, manifest.data.delta_version).await?;
    let bars = lake::of_symbols(bars, &manifest.data.symbols);
    let grid = config.model.bar_grid();
    let parameters = parameters(&recipe.training, &grid)?;
    let declared = Declared {
        features: &manifest.features,
        adjustment: manifest.adjustment,
        grid: &grid,
        parameters: &parameters,
    };
    let data = declared.feature_rows(&bars, &baseline_kinds(manifest.kind))?;
    let plan = Plan {
        gate_sessions: recipe.gate_sessions as usize,
        max_sessions: parameters.max_sessions,
    };
    let rows = split(&data, plan).before;
    progress(&format!(
        "fitting {:?} on {} rows",
        manifest.kind,
        rows.len()
    ));
    let fitted = fit(manifest.kind, &rows, &parameters, SILENT)?;
    let encoded = fitted.encode();
    let encoded = encoded.map_err(|e| not_fittable(manifest.kind, &e))?;
    let refitted = encoded.map_or_else(String::new, |bytes| sha256_hex(&bytes));
    let stored = manifest.weights.as_ref();
    let stored = stored.map_or_else(String::new, |file| file.sha256.clone());
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let (old, new) = (&manifest.scaler, fitted.scaler());
    let same_scaler = bits(&old.mean) == bits(&new.mean) && bits(&old.std) == bits(&new.std);
    Ok(Reproduction {
        run_id: manifest.run_id.clone(),
        rows: rows.len(),
        equal: stored == refitted && same_scaler && manifest.fingerprint == data.fingerprint,
        weights: [stored, refitted],
    })
}

/// Its weights come from the kernels that are chosen by the machine.
fn recurrent(manifest: &ModelManifest) -> bool {
    use foresail_crds::pipeline::spec::ModelKind::{Ensemble, Gru, Lstm};
    matches!(manifest.kind, Lstm | Gru | Ensemble)
}

impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [stored, refitted] = &self.weights;
        let verdict = if self.equal {
            "equal, bit for bit"
        } else {
            "DIFFERENT"
        };
        writeln!(f, "run      {} ({} rows)", self.run_id, self.rows)?;
        writeln!(f, "stored   {stored}")?;
        writeln!(f, "now      {refitted}")?;
        write!(f, "verdict  {verdict}")
    }
}
