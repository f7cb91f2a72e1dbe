//! What ingest reads.

use foresail_domain::{BarGrid, Calendar, Interval};
use serde::{Deserialize, Serialize};

use super::{Installation, KafkaAddress, RoleConfig};
use crate::ProviderAccountSpec;
use crate::names::PipelineName;
use crate::pipeline::refetch::Refetch;
use crate::pipeline::spec::{
    CsvSource, DateRange, FallbackSource, Instrument, OnSuspicion, PipelineSpec, ProviderSource,
    QuorumSource, ReplaySpec, SimulatorSource, SourceSpec,
};

/// Configuration of the ingest worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngestConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Symbols that are part of the Pipeline.
    pub instruments: Vec<Instrument>,
    /// Trading calendar: when a session has ended.
    pub calendar: Calendar,
    /// Where bars come from.
    pub source: BarSource,
    /// The account that `source.provider` names, as the operator found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<ProviderAccountSpec>,
    /// The other accounts that the source names, in the order of [`SourceSpec::other_accounts`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_accounts: Vec<OtherAccount>,
    /// Hosts, beside the providers' own, that an account may name as its endpoint; empty when no provider is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_provider_hosts: Vec<String>,
    /// Networks a file may be read from, beside the public internet; empty when no file is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_networks: Vec<String>,
    /// What is read again from the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refetch: Option<Refetch>,
    /// Where they go.
    pub kafka: KafkaAddress,
}

/// An account that is asked beside the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherAccount {
    /// Its name.
    pub name: String,
    /// As the operator found it.
    pub spec: ProviderAccountSpec,
}

/// `spec.source` without how prices are adjusted: bars are stored as traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BarSource {
    /// Length of a bar.
    #[serde(default, skip_serializing_if = "Interval::is_default")]
    pub interval: Interval,
    /// Bars in a CSV file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvSource>,
    /// Bars from a provider of market data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderSource>,
    /// Other accounts for what the provider cannot give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<FallbackSource>,
    /// A second account that confirms bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumSource>,
    /// Deterministic market simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorSource>,
    /// Range that is loaded as fast as possible.
    #[serde(default)]
    pub backfill: DateRange,
    /// Plays later rows as if they arrived live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplaySpec>,
    /// What becomes of moves that may be mistakes of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_suspicion: Option<OnSuspicion>,
}

impl From<&SourceSpec> for BarSource {
    fn from(spec: &SourceSpec) -> Self {
        let SourceSpec {
            interval,
            csv,
            provider,
            fallback,
            quorum,
            simulator,
            // Nothing is ingested then.
            pipeline_ref: _,
            adjustment: _,
            backfill,
            replay,
            // For the operator.
            stale_after_sessions: _,
            on_suspicion,
        } = spec.clone();
        Self {
            interval,
            csv,
            provider,
            fallback,
            quorum,
            simulator,
            backfill,
            replay,
            on_suspicion,
        }
    }
}

impl IngestConfig {
    /// Where bars begin and end.
    pub fn bar_grid(&self) -> BarGrid {
        BarGrid::new(self.calendar.clone(), self.source.interval)
    }

    /// The same with the account that `source.provider` names, and the others of the source.
    #[must_use]
    pub fn with_accounts(mut self, account: &ProviderAccountSpec, others: &[OtherAccount]) -> Self {
        self.account = Some(account.clone());
        self.other_accounts = others.to_vec();
        self
    }

    /// The same with what is read again.
    #[must_use]
    pub fn refetching(mut self, refetch: Option<&Refetch>) -> Self {
        self.refetch = refetch.cloned();
        self
    }
}

impl RoleConfig for IngestConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            calendar: spec.trading_calendar(),
            source: BarSource::from(&spec.source),
            account: None,
            other_accounts: Vec::new(),
            refetch: None,
            allowed_provider_hosts: Vec::new(),
            allowed_networks: Vec::new(),
            kafka: KafkaAddress::from(&spec.kafka),
        }
    }

    fn installed(mut self, installation: &Installation) -> Self {
        if self.source.csv.is_some() {
            self.allowed_networks
                .clone_from(&installation.source_networks);
        }
        if self.source.provider.is_some() {
            self.allowed_provider_hosts
                .clone_from(&installation.provider_hosts);
        }
        self
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}
