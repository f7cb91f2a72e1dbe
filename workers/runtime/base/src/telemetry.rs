//! Logs as JSON lines on standard error, filtered by RUST_LOG, and the TLS provider.

use std::backtrace::{Backtrace, BacktraceStatus};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged when RUST_LOG says nothing.
const FILTER: &str = "info,kube_client=warn,kube_runtime=warn,librdkafka=warn,rdkafka=warn,deltalake_core=warn,buoyant_kernel=warn";

/// Called first in every `main`: TLS provider, logs, and a panic message that reaches the log.
pub fn init(role: &str) {
    // Two providers are compiled in by dependencies; without a choice rustls panics at first use.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    // A test may have installed one already.
    if tracing::subscriber::set_global_default(json(filter, std::io::stderr)).is_ok() {
        log_panics();
    }
    tracing::info!(role, version = env!("CARGO_PKG_VERSION"), "starting");
}

fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // The list holds the span of the role; the innermost one, shown twice, may be a library's.
        .with_current_span(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

/// A panic is a line of the log like any other, with the names of the role it happened in.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let panicked = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        // Captured when RUST_BACKTRACE asks for it.
        let trace = Backtrace::capture();
        let backtrace = (trace.status() == BacktraceStatus::Captured).then(|| format!("{trace}"));
        tracing::error!(panicked, place, backtrace, "a task panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use foresail_crds::Role;
    use foresail_crds::names::PipelineName;
    use serde_json::Value;
    use tracing::Instrument;

    use super::*;
    use crate::{role_span, spawn, spawn_blocking};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// On one thread, since the subscriber of a test belongs to its thread.
    #[tokio::test]
    async fn every_line_of_a_role_has_its_names_and_panics_are_lines() {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = EnvFilter::new("warn");
        let _guard = tracing::subscriber::set_default(json(filter, move || writer.clone()));
        let before = std::panic::take_hook();
        log_panics();
        let role = async {
            tracing::warn!(rows = 3, "here");
            spawn(async { tracing::warn!("in a task") }).await.unwrap();
            spawn(async { panic!("boom {}", 7) }).await.unwrap_err();
            // Its thread does not have the subscriber of the test by itself.
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let log = || tracing::warn!("on another thread");
            spawn_blocking(move || tracing::dispatcher::with_default(&dispatch, log))
                .await
                .unwrap();
        };
        let span = role_span(&PipelineName::new("shop", "prices"), Role::Lake);
        role.instrument(span).await;
        std::panic::set_hook(before);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4, "{text}");
        for line in &lines {
            let role = &line["spans"][0];
            assert_eq!(role["namespace"], "shop", "{line}");
            assert_eq!(role["pipeline"], "prices", "{line}");
            assert_eq!(role["role"], "lake", "{line}");
        }
        assert_eq!(lines[0]["rows"], 3);
        assert_eq!(lines[2]["panicked"], "boom 7");
        assert!(lines[2]["place"].as_str().unwrap().contains("telemetry.rs"));
    }
}
