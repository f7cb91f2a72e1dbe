//! The `ProviderAccount`: who a provider of market data knows us as, and what it allows. All Pipelines that name one account
//! share its limits, through the ledger in its status.

use foresail_quota::{Ledger, Limits};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account with a provider of market data: which one, its key, its limits.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "ProviderAccount",
    plural = "provideraccounts",
    shortname = "fpa",
    category = "foresail",
    namespaced,
    status = "ProviderAccountStatus",
    derive = "PartialEq",
    doc = "An account with a provider of market data: which one, its key, its limits. Pipelines name it in spec.source.provider.account.",
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "SpentToday", type_ = "integer", json_path = ".status.ledger.days[0].spent"),
    printcolumn(name = "PerDay", type_ = "integer", json_path = ".spec.limits.perDay"),
    printcolumn(name = "Parked", type_ = "string", json_path = ".status.ledger.parked.reason"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must have at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.provider == oldSelf.provider").message("provider cannot be changed: make another ProviderAccount"),
    validation = Rule::new("self.provider != 'AlphaVantage' || has(self.secretName)").message("secretName must be set when provider is AlphaVantage"),
    validation = Rule::new("self.provider != 'Yahoo' || !has(self.secretName)").message("secretName must not be set when provider is Yahoo, which has no keys")
)]
pub struct ProviderAccountSpec {
    /// Whose account it is. It cannot be changed.
    pub provider: ProviderName,
    /// Secret in this namespace with `apiKey`. Mounted as a file into the pods of the Pipelines that name this account; the
    /// operator never reads it. Alpha Vantage needs one, Yahoo has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// How often the provider may be asked, by all Pipelines of this account together. What is not set has no limit. Without
    /// `limits`, Alpha Vantage is asked once a second and 25 times a day, as a free key may, and Yahoo 30 times a
    /// minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Where the provider answers, such as `http://simulator.market:8080`. Without it the provider's own address. Any other
    /// host must be allowed by the administrator (chart value `providers.allowedHosts`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 253),
        regex(pattern = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    )]
    pub endpoint: Option<String>,
    /// Who asks, as the header `User-Agent` says it. Without it `foresail/<version>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\x20-\x7e]+$"))]
    pub user_agent: Option<String>,
}

impl ProviderAccountSpec {
    /// The declared limits, or those of an account of which nothing is known.
    pub fn limits(&self) -> Limits {
        self.limits.clone().unwrap_or_else(|| match self.provider {
            ProviderName::AlphaVantage => Limits::alpha_vantage_free(),
            ProviderName::Yahoo => Limits::yahoo(),
        })
    }
}

/// A provider of market data.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderName {
    /// Alpha Vantage: a key for each account. A free one reads the last 100 daily bars, 25 times a day.
    AlphaVantage,
    /// The chart of Yahoo Finance: no key, no promise; you need your own right to the data.
    Yahoo,
}

/// Observed state of a ProviderAccount.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderAccountStatus {
    /// Generation this status speaks for. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the provider answers, and what the Pipelines ask fits its limits. Written by foresail-operator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What was asked, and what the answers taught: every request is entered before it leaves, so that no limit is exceeded
    /// whoever crashes. Written by the ingest pods, with compare-and-swap. Removing it forgets what was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}
