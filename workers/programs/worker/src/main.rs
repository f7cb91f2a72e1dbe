//! One program, many roles: the subcommand chooses what a pod does all day.

mod cleanup;
mod prepare;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use foresail_crds::Role;
use foresail_crds::role::Image;
use foresail_runtime_base::{RoleError, Shutdown, config};

/// Runs one role of a Pipeline.
#[derive(Parser)]
#[command(name = "foresail-worker", version)]
struct Args {
    /// Role.
    #[arg(value_parser = roles())]
    role: Role,
    /// Worker configuration.
    #[arg(long, default_value = "/etc/foresail/config/config.json")]
    config: PathBuf,
}

/// The roles of this program, as the table of roles names and explains them.
fn roles() -> impl TypedValueParser<Value = Role> {
    let ours = Role::ALL
        .iter()
        .filter(|role| role.facts().image == Image::Worker);
    let values = ours.map(|role| PossibleValue::new(role.name()).help(role.purpose()));
    PossibleValuesParser::new(values)
        .try_map(|name| Role::from_name(&name).ok_or_else(|| format!("`{name}` is no role")))
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { role, config } = Args::parse();
    foresail_runtime_base::init(role.name());
    match run(role, &config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_code_for(&error),
    }
}

async fn run(role: Role, path: &std::path::Path) -> Result<(), RoleError> {
    let config = config::load(path)?;
    let shutdown = Shutdown::on_signal();
    match role {
        Role::Prepare => prepare::run(config, shutdown).await,
        Role::Ingest => foresail_ingest::run(config, shutdown).await,
        Role::Lake => foresail_lake::run(config, shutdown).await,
        Role::Stream => foresail_stream::run(config, shutdown).await,
        Role::Predict => foresail_predict::run(config, shutdown).await,
        Role::Monitor => foresail_monitor::run(config, shutdown).await,
        Role::Cleanup => cleanup::run(config).await,
        Role::Train => Err(RoleError::internal(
            "WrongProgram",
            "train is a role of foresail-trainer",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_with_this_image_is_a_subcommand_and_no_other() {
        for role in Role::ALL {
            let parsed = Args::try_parse_from(["foresail-worker", role.name()]);
            let expected = (role.facts().image == Image::Worker).then_some(*role);
            assert_eq!(parsed.ok().map(|args| args.role), expected, "{role}");
        }
        assert!(Args::try_parse_from(["foresail-worker", "nobody"]).is_err());
    }
}
