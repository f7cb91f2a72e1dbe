//! Identity of a feature set: equal fingerprints mean equal numbers.

use foresail_crds::names::sha256_hex;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use serde::Serialize;

use crate::expression::programs;
use crate::feature::Feature;
use crate::{CODE_VERSION, FeatureError};

#[derive(Serialize)]
struct Identity<'a> {
    code_version: u32,
    adjustment: Adjustment,
    features: &'a [FeatureSpec],
    warm_up: u32,
}

/// Hex SHA-256 over code version, adjustment, ordered names with parameters, and warm-up.
///
/// # Errors
/// The first feature that cannot be computed.
pub fn fingerprint(specs: &[FeatureSpec], adjustment: Adjustment) -> Result<String, FeatureError> {
    let warm_up = warm_up(specs)?;
    let identity = Identity {
        code_version: CODE_VERSION,
        adjustment,
        features: specs,
        warm_up,
    };
    let text = serde_json::to_vec(&identity).map_err(|e| FeatureError::State {
        message: e.to_string(),
    })?;
    Ok(sha256_hex(&text))
}

/// Whether this release computes the features of a fingerprint: another one may compute others under the same names.
pub fn is_computed(specs: &[FeatureSpec], adjustment: Adjustment, fingerprint: &str) -> bool {
    self::fingerprint(specs, adjustment).is_ok_and(|computed| computed == fingerprint)
}

/// Bars needed before the first row, that row's bar included.
pub(crate) fn warm_up(specs: &[FeatureSpec]) -> Result<u32, FeatureError> {
    let mut longest = 1;
    for (index, spec) in specs.iter().enumerate() {
        if specs.iter().take(index).any(|s| s.name == spec.name) {
            return Err(FeatureError::Duplicate {
                name: spec.name.clone(),
            });
        }
        longest = longest.max(Feature::new(spec)?.warm_up());
    }
    // So that every way to an identity refuses an expression that cannot be read.
    programs(specs)?;
    Ok(u32::try_from(longest).unwrap_or(u32::MAX))
}
