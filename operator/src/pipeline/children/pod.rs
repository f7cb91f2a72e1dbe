//! The pod of a role: restricted, read-only, secrets as files.

use foresail_crds::Role;
use foresail_crds::role::{ADMIN_PORT, DefaultResources, GRPC_PORT, HTTP_PORT, Image, Workload};
use foresail_crds::worker_config::{CONFIG_DIR, SECRETS_DIR, SERVING_DIR};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::Images;
use crate::pipeline::labels;
use crate::pipeline::validate::{Beside, ValidatedPipeline};

/// User and group of all our pods.
const USER: i64 = 65_532;

/// A pod of a role, with what the role does not settle.
pub(super) struct Shape<'a> {
    pub role: Role,
    /// What it is made of beside the spec.
    pub beside: Beside<'a>,
    /// After the subcommand.
    pub args: Vec<String>,
    /// ConfigMap with the configuration, when it is not the role's present one.
    pub config: Option<String>,
    /// When it differs from what the workload has.
    pub restart: Option<&'static str>,
    pub label: Option<(String, String)>,
}

impl Shape<'_> {
    /// As the table of roles has it.
    pub(super) fn for_role(role: Role) -> Self {
        Self {
            role,
            beside: Beside::default(),
            args: Vec::new(),
            config: None,
            restart: None,
            label: None,
        }
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
        beside,
        args,
        config,
        restart,
        label,
    } = shape;
    let config = config.unwrap_or_else(|| pipeline.config(role, beside).name);
    let (volumes, mounts) = volumes(pipeline, (role, beside), config);
    let mut labels = labels::labels_for(&pipeline.name, role.name());
    labels.extend(label);
    let usual = match role.facts().workload {
        Workload::Job => "OnFailure",
        Workload::Worker | Workload::Server => "Always",
    };
    let has_rights = role.has_rights();
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: has_rights.then(|| pipeline.name.child(role.name())),
            automount_service_account_token: Some(has_rights),
            security_context: Some(pod_security()),
            restart_policy: Some(restart.unwrap_or(usual).into()),
            termination_grace_period_seconds: Some(role.facts().grace_seconds),
            containers: vec![container(pipeline, images, role, (args, mounts))],
            volumes: Some(volumes),
            enable_service_links: Some(false),
            ..PodSpec::default()
        }),
    }
}

fn container(
    pipeline: &ValidatedPipeline,
    images: &Images,
    role: Role,
    (args, mounts): (Vec<String>, Vec<VolumeMount>),
) -> Container {
    let image = match role.facts().image {
        Image::Worker => &images.worker,
        Image::Trainer => &images.trainer,
    };
    let all_day = role.runs_all_day();
    let resources = pipeline.declared_resources(role);
    Container {
        name: role.name().into(),
        image: Some(image.clone()),
        image_pull_policy: Some(images.pull_policy.clone()),
        args: Some([vec![role.name().to_string()], args].concat()),
        ports: Some(ports(role)),
        resources: Some(resources.unwrap_or_else(|| default_resources(role.facts().resources))),
        volume_mounts: Some(mounts),
        liveness_probe: all_day.then(|| probe("/healthz", 10, 6)),
        readiness_probe: all_day.then(|| probe("/readyz", 2, 2)),
        security_context: Some(container_security()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    }
}

/// Requests, with a memory limit.
fn default_resources(default: DefaultResources) -> ResourceRequirements {
    let quantity = |name: &str, text: &str| (name.to_string(), Quantity(text.to_string()));
    ResourceRequirements {
        requests: Some(
            [
                quantity("cpu", default.cpu),
                quantity("memory", default.memory),
            ]
            .into(),
        ),
        limits: Some([quantity("memory", default.memory_limit)].into()),
        claims: None,
    }
}

fn ports(role: Role) -> Vec<ContainerPort> {
    let serves = role.facts().workload == Workload::Server;
    let servers = serves.then(|| [port("http", HTTP_PORT), port("grpc", GRPC_PORT)]);
    let admin = role.runs_all_day().then(|| port("admin", ADMIN_PORT));
    servers.into_iter().flatten().chain(admin).collect()
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

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(number),
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
    (role, beside): (Role, Beside<'_>),
    config: String,
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
    if role.facts().follows_serving {
        // Optional: the pod must start before the first champion exists.
        add(
            config_map("serving", pipeline.name.serving(), true),
            SERVING_DIR.into(),
            true,
        );
    }
    for (system, name) in pipeline.secrets(role, beside) {
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
    let scratch = EmptyDirVolumeSource {
        size_limit: Some(Quantity(role.facts().scratch.into())),
        ..EmptyDirVolumeSource::default()
    };
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
