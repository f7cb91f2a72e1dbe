//! The pod of a role: restricted, read-only, secrets as files.

use std::collections::BTreeMap;

use foresail_crds::role::ADMIN_PORT;
use foresail_crds::worker_config::{CONFIG_DIR, SECRETS_DIR, SERVING_DIR, secret};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels;
use crate::context::Images;
use crate::pipeline::validate::ValidatedPipeline;

/// User and group of all our pods.
const USER: i64 = 65_532;

/// What differs between roles.
pub(super) struct Shape<'a> {
    pub role: &'static str,
    pub image: &'a str,
    pub args: Vec<String>,
    pub resources: ResourceRequirements,
    /// ConfigMap with the worker configuration, when it is not the Pipeline's present one.
    pub config: Option<String>,
    /// Mounts the `-serving` ConfigMap.
    pub serving: bool,
    /// Long-running: probed, with an admin port.
    pub admin: bool,
    /// Extra ports.
    pub ports: Vec<(&'static str, i32)>,
    pub restart: &'static str,
    pub grace_seconds: i64,
    pub labels: Vec<(&'static str, String)>,
}

/// Requests, with a memory limit.
pub(super) fn resources(cpu: &str, memory: &str, limit: &str) -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_string());
    ResourceRequirements {
        requests: Some(
            [
                ("cpu".into(), quantity(cpu)),
                ("memory".into(), quantity(memory)),
            ]
            .into(),
        ),
        limits: Some([("memory".into(), quantity(limit))].into()),
        claims: None,
    }
}

/// The template.
pub(super) fn template(
    pipeline: &ValidatedPipeline,
    images: &Images,
    shape: Shape<'_>,
) -> PodTemplateSpec {
    let Shape {
        role,
        image,
        args,
        resources,
        config,
        serving,
        admin,
        ports,
        restart,
        grace_seconds,
        labels: more,
    } = shape;
    let (volumes, mounts) = volumes(
        pipeline,
        config.unwrap_or_else(|| pipeline.config_name.clone()),
        serving,
    );
    let mut labels = labels::of(&pipeline.name, role);
    labels.extend(more.into_iter().map(|(k, v)| (k.to_string(), v)));
    let mut ports: Vec<ContainerPort> = ports.into_iter().map(|(n, p)| port(n, p)).collect();
    if admin {
        ports.push(port("admin", i32::from(ADMIN_PORT)));
    }
    let container = Container {
        name: role.into(),
        image: Some(image.to_string()),
        image_pull_policy: Some(images.pull_policy.clone()),
        args: Some(args),
        ports: Some(ports),
        resources: Some(resources),
        volume_mounts: Some(mounts),
        liveness_probe: admin.then(|| probe("/healthz", 10, 6)),
        readiness_probe: admin.then(|| probe("/readyz", 2, 2)),
        security_context: Some(container_security()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(pipeline.name.child(role)),
            automount_service_account_token: Some(true),
            security_context: Some(pod_security()),
            restart_policy: Some(restart.into()),
            termination_grace_period_seconds: Some(grace_seconds),
            containers: vec![container],
            volumes: Some(volumes),
            enable_service_links: Some(false),
            ..PodSpec::default()
        }),
    }
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number,
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("admin".into()),
            scheme: Some("HTTP".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

fn volumes(
    pipeline: &ValidatedPipeline,
    config: String,
    serving: bool,
) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    let mut add = |volume: Volume, path: String, read_only: bool| {
        mounts.push(VolumeMount {
            name: volume.name.clone(),
            mount_path: path,
            read_only: read_only.then_some(true),
            ..VolumeMount::default()
        });
        volumes.push(volume);
    };
    add(config_map("config", config, false), CONFIG_DIR.into(), true);
    if serving {
        // Optional: the pod must start before the first champion exists.
        add(
            config_map("serving", pipeline.name.child("serving"), true),
            SERVING_DIR.into(),
            true,
        );
    }
    for (system, name) in secrets(pipeline) {
        let volume = Volume {
            name: format!("secret-{system}"),
            secret: Some(SecretVolumeSource {
                secret_name: Some(name),
                default_mode: Some(0o440),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        };
        add(volume, format!("{SECRETS_DIR}/{system}"), true);
    }
    let scratch = EmptyDirVolumeSource::default();
    add(
        Volume {
            name: "tmp".into(),
            empty_dir: Some(scratch),
            ..Volume::default()
        },
        "/tmp".into(),
        false,
    );
    (volumes, mounts)
}

fn config_map(volume: &str, name: String, optional: bool) -> Volume {
    Volume {
        name: volume.into(),
        config_map: Some(ConfigMapVolumeSource {
            name,
            optional: optional.then_some(true),
            default_mode: Some(0o444),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Secrets by system; the operator names them and never reads them.
fn secrets(pipeline: &ValidatedPipeline) -> BTreeMap<&'static str, String> {
    let config = &pipeline.config;
    let source = config
        .source
        .csv
        .as_ref()
        .and_then(|c| c.secret_name.clone());
    let redis = config.redis.as_ref().and_then(|r| r.secret_name.clone());
    [
        (secret::LAKE, Some(config.lake.secret_name.clone())),
        (secret::SOURCE, source),
        (secret::KAFKA, config.kafka.secret_name.clone()),
        (secret::REDIS, redis),
    ]
    .into_iter()
    .filter_map(|(system, name)| Some((system, name?)))
    .collect()
}
