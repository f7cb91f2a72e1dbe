//! Writes the configuration of each role, as the operator would mount it, for benchmarks that run the programs without a
//! cluster.
//!
//!     foresail-bench-configs FOLDER < wanted.json
//!
//! `wanted.json` holds `pipeline` (namespace and name), `spec` (of the Pipeline), `account` (spec of a ProviderAccount) and
//! `hosts` (that an account may name as its endpoint).

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::PipelineSpec;
use foresail_crds::worker_config::{IngestConfig, Installation};
use foresail_crds::{ProviderAccountSpec, Role};
use serde::Deserialize;

#[derive(Deserialize)]
struct Wanted {
    pipeline: PipelineName,
    spec: PipelineSpec,
    account: ProviderAccountSpec,
    hosts: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let folder = PathBuf::from(folder);
    let wanted: Wanted = serde_json::from_reader(std::io::stdin())?;
    let installation = Installation {
        provider_hosts: wanted.hosts,
        ..Installation::default()
    };
    for role in Role::ALL {
        let document = role.config(&wanted.pipeline, &wanted.spec, &installation);
        let json = match role {
            Role::Ingest => {
                let config: IngestConfig = serde_json::from_str(&document.json)?;
                serde_json::to_string(&config.with_accounts(&wanted.account, &[]))?
            }
            _ => document.json,
        };
        fs::write(folder.join(role.name()).with_extension("json"), json)?;
    }
    Ok(())
}
