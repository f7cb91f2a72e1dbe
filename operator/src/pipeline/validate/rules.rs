//! What neither the schema nor CEL can see: dates that exist, numbers in range, names Kubernetes
//! takes. Each refusal names its field.

use foresail_crds::Decimal;
use foresail_crds::Role;
use foresail_crds::pipeline::spec::{PipelineSpec, SimulatorSource};
use foresail_domain::BarGrid;
use jiff::civil::Date;
use k8s_openapi::api::core::v1::ResourceRequirements;

use super::{Invalid, invalid};
use crate::pipeline::quantity;

/// Most values in the window of the monitor, each of two bytes: half of the memory of its pod.
const LARGEST_WINDOW: u64 = 48 << 20;

/// Whether the monitor can hold its window: bars of parts of sessions are many.
pub(super) fn window(spec: &PipelineSpec, grid: &BarGrid) -> Result<(), Invalid> {
    let watched = match spec.drift.features.len() {
        0 => spec.features.len(),
        some => some,
    };
    let bars = u64::from(grid.bars(spec.drift.window_sessions));
    let each = (spec.instruments.len() * watched) as u64;
    if bars.saturating_mul(each) <= LARGEST_WINDOW {
        return Ok(());
    }
    let (sessions, interval) = (spec.drift.window_sessions, grid.interval());
    let fits = LARGEST_WINDOW / each.max(1) / u64::from(grid.bars_per_session());
    let message = format!(
        "is {sessions}, which is {bars} bars of {interval} of {} instruments and {watched} features, more than the monitor \
         can hold; it must be at most {fits}, or name fewer features in spec.drift.features",
        spec.instruments.len()
    );
    Err(invalid("spec.drift.windowSessions", message))
}

/// The first rule that is broken.
pub(super) fn check(spec: &PipelineSpec) -> Result<(), Invalid> {
    dates(spec)?;
    numbers(spec)?;
    if let Some(simulator) = &spec.source.simulator {
        simulated(simulator)?;
    }
    places(spec)?;
    account(spec)?;
    secrets(spec)?;
    let mut roles = Role::ALL.iter();
    roles.try_for_each(|role| resources(&role.resources_field(), role.declared_resources(spec)))
}

fn dates(spec: &PipelineSpec) -> Result<(), Invalid> {
    let source = &spec.source;
    let fields = [
        ("spec.source.backfill.from", source.backfill.from.as_ref()),
        ("spec.source.backfill.to", source.backfill.to.as_ref()),
        (
            "spec.source.replay.to",
            source.replay.as_ref().and_then(|r| r.to.as_ref()),
        ),
        (
            "spec.source.simulator.start",
            source.simulator.as_ref().map(|s| &s.start),
        ),
    ];
    for (field, text) in fields {
        if let Some(text) = text
            && text.parse::<Date>().is_err()
        {
            return Err(invalid(
                field,
                format!("is `{text}`; it must be a date that exists"),
            ));
        }
    }
    match (
        &source.backfill.to,
        source.replay.as_ref().and_then(|r| r.to.as_ref()),
    ) {
        (Some(backfill), Some(replay)) if replay <= backfill => Err(invalid(
            "spec.source.replay.to",
            "must be after spec.source.backfill.to",
        )),
        _ => Ok(()),
    }
}

fn numbers(spec: &PipelineSpec) -> Result<(), Invalid> {
    if let Some(quorum) = &spec.source.quorum {
        let field = "spec.source.quorum.tolerance";
        within(field, &quorum.tolerance, 1e-5, 0.5)?;
    }
    match &spec.source.replay {
        Some(r) => within(
            "spec.source.replay.sessionsPerSecond",
            &r.sessions_per_second,
            1e-6,
            1e4,
        ),
        None => Ok(()),
    }
}

fn simulated(simulator: &SimulatorSource) -> Result<(), Invalid> {
    let at = |field: &str| format!("spec.source.simulator.{field}");
    within(
        &at("annualVolatility"),
        &simulator.annual_volatility,
        1e-6,
        10.0,
    )?;
    within(
        &at("volatilityClustering"),
        &simulator.volatility_clustering,
        0.0,
        0.98,
    )?;
    within(
        &at("autocorrelation"),
        &simulator.autocorrelation,
        -0.9,
        0.9,
    )?;
    let Some(change) = &simulator.break_ else {
        return Ok(());
    };
    within(
        &at("break.annualVolatility"),
        &change.annual_volatility,
        1e-6,
        10.0,
    )?;
    within(
        &at("break.autocorrelation"),
        &change.autocorrelation,
        -0.9,
        0.9,
    )?;
    if change.at_session >= simulator.sessions {
        let message = format!("must be below sessions ({})", simulator.sessions);
        return Err(invalid(&at("break.atSession"), message));
    }
    Ok(())
}

fn within(field: &str, number: &Decimal, least: f64, most: f64) -> Result<(), Invalid> {
    match number.as_f64() {
        Some(value) if (least..=most).contains(&value) => Ok(()),
        _ => Err(invalid(
            field,
            format!("is `{number}`; it must be between {least} and {most}"),
        )),
    }
}

fn places(spec: &PipelineSpec) -> Result<(), Invalid> {
    if spec
        .lake
        .uri
        .split('/')
        .any(|part| part == ".." || part == ".")
    {
        return Err(invalid(
            "spec.lake.uri",
            "must not contain `.` or `..` as a folder",
        ));
    }
    let port = |server: &str| {
        server
            .rsplit(':')
            .next()
            .and_then(|p| p.parse::<u16>().ok())
    };
    for server in spec.kafka.bootstrap_servers.split(',') {
        if port(server).is_none_or(|p| p == 0) {
            let message = format!("names `{server}`; the port must be between 1 and 65535");
            return Err(invalid("spec.kafka.bootstrapServers", message));
        }
    }
    Ok(())
}

/// A name that is none would be read as a path.
fn account(spec: &PipelineSpec) -> Result<(), Invalid> {
    let first = spec.source.provider.iter();
    let first = first.map(|provider| ("spec.source.provider.account", &provider.account));
    let fallback = spec.source.fallback.iter();
    let fallback = fallback.map(|fallback| ("spec.source.fallback.account", &fallback.account));
    let quorum = spec.source.quorum.iter();
    let quorum = quorum.map(|quorum| ("spec.source.quorum.account", &quorum.account));
    let mut all = first.chain(fallback).chain(quorum);
    match all.find(|(_, name)| !is_object_name(name)) {
        None => Ok(()),
        Some((field, name)) => {
            let message =
                format!("is `{name}`; it must be the name of a ProviderAccount in this namespace");
            Err(invalid(field, message))
        }
    }
}

fn secrets(spec: &PipelineSpec) -> Result<(), Invalid> {
    let csv = spec
        .source
        .csv
        .as_ref()
        .and_then(|c| c.secret_name.as_ref());
    let redis = spec
        .serving
        .cache
        .redis
        .as_ref()
        .and_then(|r| r.secret_name.as_ref());
    let tls = spec.serving.tls.as_ref();
    let names = [
        ("spec.serving.tls.secretName", tls.map(|t| &t.secret_name)),
        (
            "spec.serving.tls.clientCaSecretName",
            tls.and_then(|t| t.client_ca_secret_name.as_ref()),
        ),
        ("spec.lake.secretName", Some(&spec.lake.secret_name)),
        ("spec.kafka.secretName", spec.kafka.secret_name.as_ref()),
        ("spec.source.csv.secretName", csv),
        ("spec.serving.cache.redis.secretName", redis),
    ];
    for (field, name) in names {
        if let Some(name) = name.filter(|n| !is_object_name(n)) {
            let message = format!("is `{name}`; it must be the name of a Secret in this namespace");
            return Err(invalid(field, message));
        }
    }
    Ok(())
}

/// A DNS subdomain, as object names are.
fn is_object_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    name.len() <= 253
        && name.chars().all(inner)
        && edge(name.chars().next())
        && edge(name.chars().last())
}

fn resources(field: &str, declared: Option<&ResourceRequirements>) -> Result<(), Invalid> {
    let Some(declared) = declared else {
        return Ok(());
    };
    let parts = [declared.requests.as_ref(), declared.limits.as_ref()];
    for (name, amount) in parts.into_iter().flatten().flatten() {
        if quantity::parse(&amount.0).is_none_or(|q| q < 0) {
            let message = format!(
                "has {name} `{}`; it must be a quantity of 0 or more, such as 500m or 1Gi",
                amount.0
            );
            return Err(invalid(field, message));
        }
    }
    let (Some(requests), Some(limits)) = (&declared.requests, &declared.limits) else {
        return Ok(());
    };
    for (name, amount) in requests {
        let over = limits
            .get(name)
            .is_some_and(|limit| quantity::parse(&amount.0) > quantity::parse(&limit.0));
        if over {
            return Err(invalid(
                field,
                format!("requests more {name} than its limit allows"),
            ));
        }
    }
    Ok(())
}
