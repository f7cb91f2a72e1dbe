//! Prints one CRD as YAML: `crdgen pipelines`, `crdgen modelversions` or `crdgen provideraccounts`. Called by `make generate`.

use foresail_crds::{ModelVersion, Pipeline, ProviderAccount};
use kube::CustomResourceExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let which = std::env::args().nth(1).unwrap_or_default();
    let mut crd = match which.as_str() {
        "pipelines" => Pipeline::crd(),
        "modelversions" => ModelVersion::crd(),
        "provideraccounts" => ProviderAccount::crd(),
        other => {
            return Err(format!(
                "no such kind: `{other}`; name pipelines, modelversions or provideraccounts"
            )
            .into());
        }
    };
    crd.metadata.annotations =
        Some([("helm.sh/resource-policy".to_string(), "keep".to_string())].into());
    print!("{}", serde_saphyr::to_string(&crd)?);
    Ok(())
}
