//! What pods are given of a Pipeline: configurations and Secrets by role. Not all of it is in the spec.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::worker_config::{
    CleanupConfig, ConfigDocument, IngestConfig, OtherAccount, RoleConfig, StreamConfig, secret,
};
use foresail_crds::{ProviderAccountSpec, Role};

use super::ValidatedPipeline;

/// What configurations are made of beside the spec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Feature sets of versions that rows are made of too, whatever is declared.
    pub served: &'a [FeatureSetSpec],
    /// The account that the source names.
    pub account: Option<&'a ProviderAccountSpec>,
    /// Other Pipelines read its bars.
    pub bars_are_read: bool,
    /// The other accounts that it names, in its order.
    pub other_accounts: &'a [OtherAccount],
}

impl ValidatedPipeline {
    /// What a role's pods mount.
    pub fn config(&self, role: Role, beside: Beside<'_>) -> ConfigDocument {
        match (role, beside.account) {
            (Role::Stream, _) => {
                let config =
                    StreamConfig::new(self.name.clone(), &self.spec).serving(beside.served);
                ConfigDocument::new(role.name(), &self.name, &config)
            }
            (Role::Ingest, Some(account)) => {
                let config = IngestConfig::new(self.name.clone(), &self.spec);
                let refetch = self.refetch.as_ref().and_then(|asked| asked.as_ref().ok());
                let config = config.installed(&self.installation);
                let config = config.with_accounts(account, beside.other_accounts);
                let config = config.refetching(refetch);
                ConfigDocument::new(role.name(), &self.name, &config)
            }
            (Role::Cleanup, _) => {
                let config = CleanupConfig::new(self.name.clone(), &self.spec);
                let config = config.while_read(beside.bars_are_read);
                ConfigDocument::new(role.name(), &self.name, &config)
            }
            _ => role.config(&self.name, &self.spec, &self.installation),
        }
    }

    /// Secrets that a role needs, by outside system, as named; the operator never reads them.
    pub fn secrets(&self, role: Role, beside: Beside<'_>) -> BTreeMap<&'static str, String> {
        let spec = &self.spec;
        let csv = spec.source.csv.as_ref();
        let redis = spec.serving.cache.redis.as_ref();
        let tls = spec.serving.tls.as_ref();
        let key = beside.account.and_then(|a| a.secret_name.clone());
        let others = secret::OTHER_PROVIDERS.into_iter();
        let others = others.zip(beside.other_accounts);
        let others = others.map(|(system, other)| (system, other.spec.secret_name.clone()));
        [
            (secret::LAKE, Some(spec.lake.secret_name.clone())),
            (secret::SOURCE, csv.and_then(|c| c.secret_name.clone())),
            (secret::PROVIDER, key),
            (secret::KAFKA, spec.kafka.secret_name.clone()),
            (secret::REDIS, redis.and_then(|r| r.secret_name.clone())),
            (secret::TLS, tls.map(|t| t.secret_name.clone())),
            (
                secret::CLIENT_CA,
                tls.and_then(|t| t.client_ca_secret_name.clone()),
            ),
        ]
        .into_iter()
        .chain(others)
        .filter(|(system, _)| role.facts().secrets.contains(system))
        .filter_map(|(system, name)| Some((system, name?)))
        .collect()
    }
}
