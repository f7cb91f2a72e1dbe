//! What a role is handed at its start. Below `main` nothing reads the environment, and nothing is
//! global: several roles can run in one process, as tests do.

use std::net::{Ipv4Addr, SocketAddr};

use foresail_crds::Role;
use foresail_crds::names::PipelineName;
use foresail_crds::role::ADMIN_PORT;
use tracing::Span;

use crate::effects::{Effects, Fault};
use crate::metrics::Registry;
use crate::{Health, Observations, Reporter, RoleStatus, Secrets, Shutdown};

/// How a program reaches the systems outside it: with which secrets, and through which layer it writes.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Secrets of the outside systems.
    pub secrets: Secrets,
    /// The layer every write passes.
    pub effects: Effects,
}

impl Outside {
    /// Reaches outside with the secrets of a folder; writes are counted in `registry`.
    pub fn new(secrets: Secrets, registry: &Registry, fault: Option<&str>) -> Self {
        let fault = fault.and_then(Fault::parse);
        Self {
            secrets,
            effects: Effects::new(registry, fault),
        }
    }

    /// Reaches outside with the secrets of a folder, in a tool or a test that shows no metrics.
    pub fn plain(secrets: Secrets) -> Self {
        Self::new(secrets, &Registry::default(), None)
    }
}

/// Everything a role needs; `C` is its configuration, `S` the part of status it reports.
#[derive(Debug)]
pub struct RoleContext<C, S> {
    /// Its part of the spec.
    pub config: C,
    /// Secrets, and the layer every write passes.
    pub outside: Outside,
    /// Its metrics.
    pub registry: Registry,
    /// Its readiness.
    pub health: Health,
    /// Where observations go.
    pub reporter: Reporter<S>,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Names namespace, Pipeline and role in every log line.
    pub span: Span,
    /// Where the admin server listens.
    pub admin: SocketAddr,
}

impl<C, S: RoleStatus> RoleContext<C, S> {
    /// A role without a cluster around it, as tests run it: its admin server takes any free port of
    /// this machine, and what it observes goes to the caller.
    pub fn detached(
        config: C,
        role: Role,
        pipeline: &PipelineName,
        secrets: Secrets,
    ) -> (Self, Observations) {
        let registry = Registry::default();
        let (reporter, observations) = Reporter::channel(role);
        let context = Self {
            config,
            outside: Outside::new(secrets, &registry, None),
            registry,
            health: Health::new(),
            reporter,
            shutdown: Shutdown::new(),
            span: role_span(pipeline, role),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        (context, observations)
    }
}

/// Where the admin server of a pod listens.
pub fn admin_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, ADMIN_PORT))
}

/// The span of a role; entered by every task of it.
pub fn role_span(pipeline: &PipelineName, role: Role) -> Span {
    // At the level of errors, so that no filter takes the names away from a line it lets through.
    tracing::error_span!(
        "role",
        namespace = pipeline.namespace,
        pipeline = pipeline.name,
        role = role.name()
    )
}
