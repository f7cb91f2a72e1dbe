//! The roles a Pipeline is made of. One row per role; service accounts, rights, pods, ports, secrets,
//! status fields, Kafka identities and the worker's command line all derive from it.

use std::fmt;

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};

use crate::names::PipelineName;
use crate::pipeline::{PipelineSpec, conditions};
use crate::secret::{CLIENT_CA, KAFKA, LAKE, OTHER_PROVIDERS, PROVIDER, REDIS, SOURCE, TLS};
use crate::worker_config::{
    CleanupConfig, ConfigDocument, IngestConfig, Installation, LakeConfig, MonitorConfig,
    PredictConfig, PrepareConfig, RoleConfig, StreamConfig, TrainConfig,
};

/// Port of `/healthz`, `/readyz` and `/metrics` in every long-running pod.
pub const ADMIN_PORT: u16 = 8081;
/// Port the predictors answer requests on.
pub const HTTP_PORT: u16 = 8080;

/// How a role runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A Job that ends.
    Job,
    /// One pod, replaced rather than doubled: two of them would write the same topic.
    Worker,
    /// As many pods as the autoscaler asks for, behind a Service.
    Server,
}

/// Image a role runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// `foresail-worker`.
    Worker,
    /// `foresail-trainer`.
    Trainer,
}

/// What a role writes into the status of its Pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Nothing: it has no right to.
    Nothing,
    /// One field of status.
    Field(&'static str),
    /// Several fields of status at its top.
    Fields(&'static [&'static str]),
}

/// Most bytes of the file of a source, unpacked: ingest keeps it on the scratch volume of its pod.
pub const LARGEST_SOURCE_BYTES: u64 = 8 << 30;

/// CPU and memory of a pod when the Pipeline declares none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultResources {
    /// Requested CPU.
    pub cpu: &'static str,
    /// Requested memory.
    pub memory: &'static str,
    /// Memory limit.
    pub memory_limit: &'static str,
}

const fn resources(
    cpu: &'static str,
    memory: &'static str,
    memory_limit: &'static str,
) -> DefaultResources {
    DefaultResources {
        cpu,
        memory,
        memory_limit,
    }
}

/// Of a role that writes no file: what a library may leave there.
const NO_SCRATCH: &str = "64Mi";

/// Everything that differs between roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Label, container, end of the children's names, subcommand.
    pub name: &'static str,
    /// How it runs.
    pub workload: Workload,
    /// What it runs.
    pub image: Image,
    /// What it reports.
    pub reports: Reports,
    /// Condition of the Pipeline that says how it is.
    pub condition: &'static str,
    /// Whether it follows the `-serving` ConfigMap: which versions are loaded.
    pub follows_serving: bool,
    /// Outside systems whose secrets it mounts, as folders of `SECRETS_DIR`.
    pub secrets: &'static [&'static str],
    /// Whether `spec.suspend` stops it.
    pub stops_on_suspend: bool,
    /// CPU and memory.
    pub resources: DefaultResources,
    /// Most bytes it may hold on disk, in `/tmp`; a pod that holds more is evicted.
    pub scratch: &'static str,
    /// Seconds between the request to end and the kill.
    pub grace_seconds: i64,
}

/// Makes `Role`, its list and its table from one row per role: its help text as a comment, the struct of
/// its configuration, and its facts.
macro_rules! roles {
    ($(#[doc = $purpose:literal] $role:ident($config:ty) => $facts:expr,)+) => {
        /// What a pod of a Pipeline does.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum Role {
            $(#[doc = $purpose] $role,)+
        }

        impl Role {
            /// All roles, in the order of the data.
            pub const ALL: &'static [Self] = &[$(Self::$role,)+];

            /// Its row of the table.
            pub const fn facts(self) -> Facts {
                match self {
                    $(Self::$role => $facts,)+
                }
            }

            /// Its part of a spec, as it is mounted.
            pub fn config(
                self,
                pipeline: &PipelineName,
                spec: &PipelineSpec,
                installation: &Installation,
            ) -> ConfigDocument {
                match self {
                    $(Self::$role => {
                        let config = <$config>::new(pipeline.clone(), spec).installed(installation);
                        ConfigDocument::new(self.name(), pipeline, &config)
                    })+
                }
            }

            /// What it does, in one line.
            pub fn purpose(self) -> &'static str {
                match self {
                    $(Self::$role => $purpose.trim_ascii(),)+
                }
            }
        }
    };
}

roles! {
    /// Makes topics and probes Kafka, S3, Redis and the source
    Prepare(PrepareConfig) => Facts {
        name: "prepare",
        workload: Workload::Job,
        image: Image::Worker,
        reports: Reports::Field("prepare"),
        condition: conditions::SOURCES_READY,
        follows_serving: false,
        secrets: &[LAKE, SOURCE, KAFKA, REDIS],
        stops_on_suspend: false,
        resources: resources("20m", "32Mi", "256Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 30,
    },
    /// Source to Kafka
    Ingest(IngestConfig) => Facts {
        name: "ingest",
        workload: Workload::Worker,
        image: Image::Worker,
        reports: Reports::Field("ingest"),
        condition: conditions::SOURCES_READY,
        follows_serving: true,
        secrets: &[SOURCE, PROVIDER, OTHER_PROVIDERS[0], OTHER_PROVIDERS[1], OTHER_PROVIDERS[2], KAFKA],
        stops_on_suspend: true,
        resources: resources("20m", "32Mi", "512Mi"),
        // The file of the source, unpacked.
        scratch: "16Gi",
        grace_seconds: 20,
    },
    /// Kafka to the Delta table
    Lake(LakeConfig) => Facts {
        name: "lake",
        workload: Workload::Worker,
        image: Image::Worker,
        reports: Reports::Field("lake"),
        condition: conditions::SOURCES_READY,
        follows_serving: false,
        secrets: &[LAKE, KAFKA],
        stops_on_suspend: false,
        resources: resources("20m", "32Mi", "512Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 20,
    },
    /// Bars to feature rows
    Stream(StreamConfig) => Facts {
        name: "stream",
        workload: Workload::Worker,
        image: Image::Worker,
        reports: Reports::Field("stream"),
        condition: conditions::FEATURES_READY,
        follows_serving: false,
        secrets: &[KAFKA, REDIS],
        stops_on_suspend: true,
        resources: resources("20m", "32Mi", "512Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 20,
    },
    /// Trains one model and reports its manifest
    Train(TrainConfig) => Facts {
        name: "train",
        workload: Workload::Job,
        image: Image::Trainer,
        reports: Reports::Field("training"),
        condition: conditions::TRAINING_HEALTHY,
        follows_serving: false,
        secrets: &[LAKE],
        stops_on_suspend: true,
        resources: resources("250m", "256Mi", "1Gi"),
        // What does not fit its memory while the table is read.
        scratch: "32Gi",
        grace_seconds: 30,
    },
    /// Serves forecasts
    Predict(PredictConfig) => Facts {
        name: "predict",
        workload: Workload::Server,
        image: Image::Worker,
        // A pod that answers strangers has no right to write: the operator asks its `/readyz`.
        reports: Reports::Nothing,
        condition: conditions::SERVING_READY,
        follows_serving: true,
        secrets: &[LAKE, KAFKA, REDIS, TLS, CLIENT_CA],
        stops_on_suspend: false,
        resources: resources("50m", "48Mi", "256Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 30,
    },
    /// Watches drift and realised error
    Monitor(MonitorConfig) => Facts {
        name: "monitor",
        workload: Workload::Worker,
        image: Image::Worker,
        reports: Reports::Fields(&["drift", "performance", "monitorError"]),
        condition: conditions::TRAINING_HEALTHY,
        follows_serving: true,
        secrets: &[LAKE, KAFKA],
        stops_on_suspend: false,
        resources: resources("20m", "32Mi", "512Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 20,
    },
    /// Removes what the deletion policy does not retain
    Cleanup(CleanupConfig) => Facts {
        name: "cleanup",
        workload: Workload::Job,
        image: Image::Worker,
        reports: Reports::Nothing,
        // It runs when the Pipeline goes.
        condition: conditions::READY,
        follows_serving: false,
        secrets: &[LAKE, KAFKA, REDIS],
        stops_on_suspend: false,
        resources: resources("20m", "32Mi", "256Mi"),
        scratch: NO_SCRATCH,
        grace_seconds: 30,
    },
}

impl Role {
    /// Label, container, end of the children's names, subcommand.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }

    /// Field manager of what it writes into status.
    pub fn field_manager(self) -> String {
        format!("foresail-{}", self.name())
    }

    /// Whether it may write the status of its Pipeline.
    pub fn reports(self) -> bool {
        self.facts().reports != Reports::Nothing
    }

    /// The one field of status it writes; `None` when it writes none, or several at the top.
    pub const fn status_field(self) -> Option<&'static str> {
        match self.facts().reports {
            Reports::Field(field) => Some(field),
            Reports::Nothing | Reports::Fields(_) => None,
        }
    }

    /// Whether it talks to the API server, and needs a service account with rights of its own.
    pub fn has_rights(self) -> bool {
        self.reports() || self.facts().follows_serving
    }

    /// CPU and memory that a spec declares for its pods.
    pub fn declared_resources(self, spec: &PipelineSpec) -> Option<&ResourceRequirements> {
        let workers = &spec.workers;
        let worker = match self {
            Self::Train => return spec.training.resources.as_ref(),
            Self::Predict => return spec.serving.resources.as_ref(),
            Self::Prepare => &workers.prepare,
            Self::Ingest => &workers.ingest,
            Self::Lake => &workers.lake,
            Self::Stream => &workers.stream,
            Self::Monitor => &workers.monitor,
            Self::Cleanup => &workers.cleanup,
        };
        worker.as_ref()?.resources.as_ref()
    }

    /// Field of the spec that declares CPU and memory of its pods.
    pub fn resources_field(self) -> String {
        match self {
            Self::Train => "spec.training.resources".into(),
            Self::Predict => "spec.serving.resources".into(),
            other => format!("spec.workers.{other}.resources"),
        }
    }

    /// Whether it runs all day: probed, with [`ADMIN_PORT`].
    pub fn runs_all_day(self) -> bool {
        self.facts().workload != Workload::Job
    }
}

impl PipelineName {
    /// `transactional.id` of one role: `foresail.<namespace>.<name>.<role>`.
    pub fn kafka_identity(&self, role: Role) -> String {
        format!("foresail.{}.{}.{role}", self.namespace, self.name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::PipelineStatus;

    fn status_schema() -> serde_json::Value {
        let schema = schemars::schema_for!(PipelineStatus).to_value();
        schema["properties"].clone()
    }

    #[test]
    fn every_field_of_status_says_who_writes_it() {
        let schema = status_schema();
        let mut written = BTreeSet::new();
        for role in Role::ALL {
            let fields = match role.facts().reports {
                Reports::Nothing => vec![],
                Reports::Field(field) => vec![field],
                Reports::Fields(fields) => fields.to_vec(),
            };
            for field in fields {
                let description = schema[field]["description"].as_str().unwrap_or_default();
                let writer = format!("Written by {}.", role.field_manager());
                assert!(description.contains(&writer), "{field}: {description}");
                assert!(written.insert(field), "{field} has two writers");
            }
        }
        for (field, what) in schema.as_object().unwrap() {
            let text = what["description"].as_str().unwrap_or_default();
            let by_worker = text.contains("Written by foresail-") && !text.contains(crate::MANAGER);
            assert_eq!(by_worker, written.contains(field.as_str()), "{field}");
        }
    }

    #[test]
    fn names_are_unique_and_found_again() {
        let names: BTreeSet<_> = Role::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(names.len(), Role::ALL.len());
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(*role));
            let json = serde_json::to_value(role).unwrap();
            assert_eq!(json, role.name(), "label and JSON are the same word");
            assert!(!role.purpose().is_empty());
        }
        assert_eq!(Role::from_name("nobody"), None);
    }

    #[test]
    fn the_kafka_identity_names_pipeline_and_role() {
        let name = PipelineName::new("n", "p");
        assert_eq!(name.kafka_identity(Role::Ingest), "foresail.n.p.ingest");
    }

    #[test]
    fn the_resources_of_every_role_can_be_declared_and_their_defaults_are_in_the_manual() {
        let schema = schemars::schema_for!(PipelineSpec).to_value();
        for role in Role::ALL {
            let field = role.resources_field();
            let mut spec = serde_json::json!({
                "instruments": [{"symbol": "X"}],
                "source": {"csv": {"uri": "http://x/y.csv"}},
                "kafka": {"bootstrapServers": "k:9092"},
                "lake": {"uri": "s3://bucket", "endpoint": "http://s3", "secretName": "s3"},
                "features": [{"name": "r", "function": "LogReturn"}],
                "training": {"model": {"kind": "Linear"}}
            });
            let limit = serde_json::json!({"limits": {"memory": "3Gi"}});
            let mut place = &mut spec;
            for key in field.split('.').skip(1) {
                place = &mut place[key];
            }
            *place = limit.clone();
            let spec: PipelineSpec = serde_json::from_value(spec).unwrap();
            let declared = role.declared_resources(&spec).expect(&field);
            assert_eq!(serde_json::to_value(declared).unwrap(), limit, "{field}");
            for other in Role::ALL.iter().filter(|other| *other != role) {
                assert_eq!(other.declared_resources(&spec), None, "{field} {other}");
            }
            let DefaultResources {
                cpu,
                memory,
                memory_limit,
            } = role.facts().resources;
            let manual = schema.to_string();
            let text = format!(
                "By default it requests cpu {cpu} and memory {memory}, with a memory limit of {memory_limit}."
            );
            assert!(manual.replace("\\n", " ").contains(&text), "{role}: {text}");
        }
    }

    #[test]
    fn what_answers_strangers_has_no_right_to_write() {
        for role in Role::ALL {
            if role.facts().workload == Workload::Server {
                assert!(!role.reports(), "{role}");
            }
        }
    }
}
