//! One program, many roles: the subcommand chooses what a pod does all day.

mod cleanup;
mod prepare;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use foresail_crds::Role;
use foresail_crds::role::Image;
use foresail_crds::worker_config::{RoleConfig, SECRETS_DIR, ServingConfig};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{
    Health, Outside, Reporter, RoleContext, RoleError, RoleStatus, Secrets, Shutdown,
    admin_address, config, role_span,
};
use foresail_runtime_cluster::{Api, StatusWriter, serving};
use tokio::sync::watch;
use tracing::{Instrument, Span};

/// What no Pipeline is made of.
const SIMULATE: &str = "simulate";

/// Runs one role of a Pipeline, or plays providers of market data.
#[derive(Parser)]
#[command(name = "foresail-worker", version)]
struct Args {
    /// Role.
    #[arg(value_parser = tasks())]
    task: Task,
    /// Worker configuration.
    #[arg(long, default_value = "/etc/foresail/config/config.json")]
    config: PathBuf,
    /// Folder below which the Secrets are mounted.
    #[arg(long, env = "FORESAIL_SECRETS_DIR", default_value = SECRETS_DIR)]
    secrets: PathBuf,
    /// Scenario that `simulate` plays, YAML.
    #[arg(long, default_value = "/etc/foresail/scenario/scenario.yaml")]
    scenario: PathBuf,
    /// Where `simulate` listens.
    #[arg(long, default_value = "0.0.0.0:8080")]
    bind: SocketAddr,
    /// What a test does to one write.
    #[arg(long, env = "FORESAIL_FAULT", hide = true)]
    fault: Option<String>,
    /// Where the admin server listens: roles that are no pods share a machine.
    #[arg(long, env = "FORESAIL_ADMIN_ADDRESS", hide = true, default_value_t = admin_address())]
    admin: SocketAddr,
}

/// What a pod of this program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// A role of a Pipeline.
    Role(Role),
    /// The simulator of providers.
    Simulate,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Role(role) => role.name(),
            Self::Simulate => SIMULATE,
        }
    }
}

/// The roles of this program, as the table of roles names and explains them, and the simulator.
fn tasks() -> impl TypedValueParser<Value = Task> {
    let ours = Role::ALL
        .iter()
        .filter(|role| role.facts().image == Image::Worker);
    let values = ours.map(|role| PossibleValue::new(role.name()).help(role.purpose()));
    let simulate = PossibleValue::new(SIMULATE).help("Plays providers of market data");
    let alone = PossibleValue::new(serve::NAME)
        .help("Serves a folder of versions without a cluster; `serve --help` says how");
    PossibleValuesParser::new(values.chain([simulate, alone])).try_map(|name| {
        if name == serve::NAME {
            return Err("`serve` stands before its arguments".to_string());
        }
        if name == SIMULATE {
            return Ok(Task::Simulate);
        }
        let role = Role::from_name(&name);
        role.map(Task::Role)
            .ok_or_else(|| format!("`{name}` is no role"))
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == serve::NAME).is_some() {
        return serve::run(arguments).await;
    }
    let args = Args::parse();
    foresail_runtime_base::init(args.task.name());
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_code_for(&error),
    }
}

async fn run(args: Args) -> Result<(), RoleError> {
    let role = match args.task {
        Task::Role(role) => role,
        Task::Simulate => {
            let settings = foresail_simulate::Settings {
                scenario: args.scenario,
                bind: args.bind,
            };
            return foresail_simulate::run(settings, Shutdown::on_signal()).await;
        }
    };
    let registry = Registry::default();
    let start = Start {
        role,
        config: args.config,
        admin: args.admin,
        outside: Outside::new(Secrets::at(args.secrets), &registry, args.fault.as_deref()),
        registry,
    };
    match start.role {
        Role::Prepare => start.alone(prepare::run).await,
        Role::Ingest => start.reaching(foresail_ingest::run).await,
        Role::Lake => start.alone(foresail_lake::run).await,
        Role::Stream => start.alone(foresail_stream::run).await,
        Role::Predict => start.following(foresail_predict::run).await,
        Role::Monitor => start.following(foresail_monitor::run).await,
        Role::Cleanup => start.alone(cleanup::run).await,
        Role::Train => Err(RoleError::internal(
            "WrongProgram",
            "train is a role of foresail-trainer",
        )),
    }
}

/// What every role is started with.
struct Start {
    role: Role,
    config: PathBuf,
    admin: SocketAddr,
    outside: Outside,
    registry: Registry,
}

impl Start {
    /// Runs a role with its part of the configuration.
    async fn alone<C, S, F>(self, run: impl FnOnce(RoleContext<C, S>) -> F) -> Result<(), RoleError>
    where
        C: RoleConfig,
        S: RoleStatus,
        F: Future<Output = Result<(), RoleError>>,
    {
        self.following(|context, _| run(context)).await
    }

    /// Runs a role that also follows which versions serve.
    async fn following<C, S, F>(
        self,
        run: impl FnOnce(RoleContext<C, S>, watch::Receiver<ServingConfig>) -> F,
    ) -> Result<(), RoleError>
    where
        C: RoleConfig,
        S: RoleStatus,
        F: Future<Output = Result<(), RoleError>>,
    {
        self.reaching(|context, serving, _| run(context, serving))
            .await
    }

    /// Runs a role that also uses the Kubernetes API itself.
    async fn reaching<C, S, F>(
        self,
        run: impl FnOnce(RoleContext<C, S>, watch::Receiver<ServingConfig>, Api) -> F,
    ) -> Result<(), RoleError>
    where
        C: RoleConfig,
        S: RoleStatus,
        F: Future<Output = Result<(), RoleError>>,
    {
        let config: C = config::load(&self.config)?;
        let span = role_span(config.pipeline(), self.role);
        let started = async {
            let api = if self.role.has_rights() {
                foresail_runtime_cluster::client().await
            } else {
                None
            };
            let serving = if self.role.facts().follows_serving {
                serving::watch(api.clone(), config.pipeline())
            } else {
                watch::channel(ServingConfig::default()).1
            };
            let context = self.context(config, api.clone(), span.clone());
            run(context, serving, api).await
        };
        started.instrument(span.clone()).await
    }

    fn context<C: RoleConfig, S: RoleStatus>(
        self,
        config: C,
        api: Api,
        span: Span,
    ) -> RoleContext<C, S> {
        let shutdown = Shutdown::on_signal();
        let (reporter, observations) = Reporter::channel(self.role);
        if self.role.reports() {
            let writer = StatusWriter::new(api, config.pipeline(), self.role, &self.outside);
            writer.start(observations, shutdown.clone());
        }
        RoleContext {
            config,
            reporter,
            shutdown,
            span,
            outside: self.outside,
            registry: self.registry,
            health: Health::new(),
            admin: self.admin,
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
            assert_eq!(
                parsed.ok().map(|args| args.task),
                expected.map(Task::Role),
                "{role}"
            );
        }
        let simulate = Args::try_parse_from(["foresail-worker", SIMULATE]);
        assert_eq!(simulate.ok().map(|args| args.task), Some(Task::Simulate));
        assert!(Args::try_parse_from(["foresail-worker", "nobody"]).is_err());
    }
}
