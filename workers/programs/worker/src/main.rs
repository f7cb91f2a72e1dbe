//! One program, many roles: the subcommand chooses what a pod does all day.

mod cleanup;
mod prepare;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use foresail_crds::Role;
use foresail_crds::role::Image;
use foresail_crds::worker_config::{SECRETS_DIR, WorkerConfig};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{
    Health, Outside, Reporter, RoleContext, RoleError, RoleStatus, Secrets, Shutdown,
    admin_address, config, role_span,
};
use foresail_runtime_cluster::{Api, StatusWriter, serving};
use tracing::{Instrument, Span};

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
    /// Folder below which the Secrets are mounted.
    #[arg(long, env = "FORESAIL_SECRETS_DIR", default_value = SECRETS_DIR)]
    secrets: PathBuf,
    /// What a test does to one write.
    #[arg(long, env = "FORESAIL_FAULT", hide = true)]
    fault: Option<String>,
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
    let args = Args::parse();
    foresail_runtime_base::init(args.role.name());
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_code_for(&error),
    }
}

async fn run(args: Args) -> Result<(), RoleError> {
    let config = config::load(&args.config)?;
    let span = role_span(&config.pipeline, args.role);
    Start::new(args, config, span.clone())
        .role()
        .instrument(span)
        .await
}

/// What every role is started with.
struct Start {
    role: Role,
    config: WorkerConfig,
    outside: Outside,
    registry: Registry,
    span: Span,
}

impl Start {
    fn new(args: Args, config: WorkerConfig, span: Span) -> Self {
        let registry = Registry::default();
        let secrets = Secrets::at(args.secrets);
        Self {
            role: args.role,
            config,
            outside: Outside::new(secrets, &registry, args.fault.as_deref()),
            registry,
            span,
        }
    }

    async fn role(self) -> Result<(), RoleError> {
        let api = if self.role.has_rights() {
            foresail_runtime_cluster::client().await
        } else {
            None
        };
        let watched = api.clone();
        let serving = || serving::watch(watched, &self.config.pipeline);
        match self.role {
            Role::Prepare => prepare::run(self.context(api)).await,
            Role::Ingest => {
                let serving = serving();
                foresail_ingest::run(self.context(api), serving).await
            }
            Role::Lake => foresail_lake::run(self.context(api)).await,
            Role::Stream => foresail_stream::run(self.context(api)).await,
            Role::Predict => {
                let serving = serving();
                foresail_predict::run(self.context(api), serving).await
            }
            Role::Monitor => {
                let serving = serving();
                foresail_monitor::run(self.context(api), serving).await
            }
            Role::Cleanup => cleanup::run(self.context(api)).await,
            Role::Train => Err(RoleError::internal(
                "WrongProgram",
                "train is a role of foresail-trainer",
            )),
        }
    }

    fn context<S: RoleStatus>(self, api: Api) -> RoleContext<WorkerConfig, S> {
        let shutdown = Shutdown::on_signal();
        let (reporter, observations) = Reporter::channel(self.role);
        if self.role.reports() {
            let writer = StatusWriter::new(api, &self.config.pipeline, self.role, &self.outside);
            writer.start(observations, shutdown.clone());
        }
        RoleContext {
            reporter,
            shutdown,
            config: self.config,
            outside: self.outside,
            registry: self.registry,
            span: self.span,
            health: Health::new(),
            admin: admin_address(),
        }
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
