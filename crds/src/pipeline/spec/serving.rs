//! `spec.serving`: predictor pods, autoscaling, cache.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resources;
use crate::duration::DurationString;

/// Serving of one Pipeline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "self.minReplicas <= self.maxReplicas", "message": "serving.minReplicas must not be above serving.maxReplicas"}]))]
pub struct ServingSpec {
    /// Fewest predictor pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// Most predictor pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// What the autoscaler scales on.
    pub scale_metric: ScaleMetric,
    /// Average utilisation in percent of the request, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub scale_target: i32,
    /// Scaling behaviour, passed on to the HorizontalPodAutoscaler unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
    /// Forecast cache.
    pub cache: CacheSpec,
    /// TLS of the predictors: they answer on port 443 of their Service, and in plain HTTP no longer. Plain HTTP on port 80 when
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// Versions that are kept loaded beside the champion and the version before it, so that requests may name them: numbers
    /// of ModelVersions of this Pipeline, at most 8. An edit restarts nothing. A number without a ModelVersion, and a version
    /// that cannot be loaded, are named in ServingReady; everything else serves on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(range(min = 1, max = 2_000_000_000)),
        extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = [{"rule": "self.all(n, self.exists_one(m, m == n))", "message": "serving.versions must name each version once"}])
    )]
    pub versions: Vec<u32>,
    /// CPU and memory of a predictor pod, as in any container. By default it requests cpu 50m and memory 48Mi, with a
    /// memory limit of 256Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "resources::schema")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for ServingSpec {
    fn default() -> Self {
        Self {
            min_replicas: 1,
            max_replicas: 3,
            scale_metric: ScaleMetric::Cpu,
            scale_target: 70,
            behavior: None,
            cache: CacheSpec::default(),
            tls: None,
            versions: Vec::new(),
            resources: None,
        }
    }
}

/// Metric of the predictor autoscaler.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleMetric {
    /// CPU utilisation.
    #[default]
    Cpu,
    /// Memory utilisation.
    Memory,
}

/// The certificate of the predictors, and whether clients need one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Secret in this namespace with `tls.crt` and `tls.key`, as cert-manager writes them, for the name
    /// `<pipeline>-predict.<namespace>.svc`. A renewed certificate is taken up within minutes and no connection ends; one that
    /// cannot be used leaves the one before it in use.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Secret in this namespace with `ca.crt`: every client must show a certificate of one of these authorities. No client
    /// needs one when absent. It may be the Secret above, when its authority signs for nobody but clients that may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub client_ca_secret_name: Option<String>,
}

/// Where forecasts and feature rows are cached.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheSpec {
    /// Redis shared by the predictor pods; only the in-process cache when absent. Predictors
    /// serve without it when it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSpec>,
    /// Time a cached forecast lives in Redis.
    pub ttl: DurationString,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self {
            redis: None,
            ttl: "1d".into(),
        }
    }
}

/// Redis connection.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// `redis://host:port` or `rediss://host:port`, without credentials.
    #[schemars(
        length(min = 10, max = 512),
        regex(pattern = r"^rediss?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[0-9]{1,2})?$")
    )]
    pub url: String,
    /// Secret in this namespace with `password`, optional `username`, and `hosts`: the hosts the password
    /// may be sent to, names or `*.suffix`. With `redis://` it is sent only when the Secret has
    /// `plaintext: "true"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}
