//! The operator: watches Pipelines and keeps their parts right. It decides; workers do the work.

mod account;
mod args;
mod condition;
mod context;
mod leader;
mod metrics;
mod pipeline;
mod retries;
#[cfg(test)]
mod scripted_api;
mod selection;
mod store;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use foresail_crds::worker_config::Installation;
use foresail_runtime_base::effects::{Effects, Fault};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Health, Shutdown, admin};

use args::Args;
use context::{Context, Images};
use metrics::Metrics;
use selection::Selection;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let selector = args.watch_label_selector.as_deref();
    let selection = match Selection::new(args.watch_namespace.clone(), selector) {
        Ok(selection) => selection,
        Err(invalid) => {
            eprintln!("foresail-operator: --watch-label-selector: {invalid}");
            return ExitCode::from(USAGE);
        }
    };
    foresail_runtime_base::init("operator");
    match run(args, selection).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("foresail-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Exit code of a program that was called wrongly: EX_USAGE of sysexits.h.
const USAGE: u8 = 64;

async fn run(args: Args, selection: Selection) -> anyhow::Result<()> {
    let Args {
        worker_image,
        trainer_image,
        image_pull_policy,
        source_networks,
        provider_hosts,
        admin_bind,
        lease_namespace,
        identity,
        fault,
        ..
    } = args;
    let shutdown = Shutdown::on_signal();
    let health = Health::new();
    let registry = Registry::default();
    let fault = fault.as_deref().and_then(Fault::parse);
    let effects = Effects::new(&registry, fault);
    let scraped = registry.clone();
    admin::serve(admin_bind, health.clone(), scraped, shutdown.clone()).await?;
    let config = kube::Config::infer().await?;
    // A watch is quiet for minutes; the controller has its own limit for that.
    let watches = kube::Client::try_from(config.clone())?;
    let client = kube::Client::try_from(context::bounded(config, context::DEADLINE))?;
    let images = Images {
        worker: worker_image,
        trainer: trainer_image,
        pull_policy: image_pull_policy,
    };
    let mut context = Context::new(
        client.clone(),
        images,
        &identity,
        effects.clone(),
        Metrics::new(&registry),
    )?;
    context.installation = Installation {
        source_networks,
        provider_hosts,
    };
    context.selection = selection;
    let context = Arc::new(context);
    // Ready as soon as it could take over: a standby is healthy too.
    health.set_ready(true);
    if let Some(namespace) = lease_namespace {
        let place = (namespace.as_str(), context.selection.lease());
        let mut lease = leader::Lease::new(client, place, &identity, effects);
        if !lease.acquire(&shutdown).await {
            return Ok(());
        }
        tokio::spawn(lease.keep(shutdown.clone()));
    }
    watch::run(context, watches, shutdown).await;
    Ok(())
}
