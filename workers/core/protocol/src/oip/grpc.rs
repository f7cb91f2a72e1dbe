//! Open Inference v2 over gRPC, as KServe and Triton serve it, and the health check of gRPC: which method a call names, what
//! it wants, and the messages. A predictor adds the connection; whoever reads messages here holds no more than their bytes.

mod read;
mod wire;
mod write;

use self::read::{named, names};
use super::{describe, find};
use crate::answer::{Code, Failure};
use crate::models::Models;
use crate::oip::Form;
use crate::signature::Signature;
use crate::windows::{Call, Outputs};

/// A method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Whether the server lives.
    ServerLive,
    /// Whether it has a version loaded.
    ServerReady,
    /// Whether the model, or a version of it, answers.
    ModelReady,
    /// Name, version and extensions of the server.
    ServerMetadata,
    /// Inputs and outputs of the model, or of a version of it.
    ModelMetadata,
    /// A forecast.
    ModelInfer,
    /// The health check of gRPC.
    Health,
}

/// The methods by their full names.
const METHODS: [(&str, Method); 7] = [
    (
        "/inference.GRPCInferenceService/ServerLive",
        Method::ServerLive,
    ),
    (
        "/inference.GRPCInferenceService/ServerReady",
        Method::ServerReady,
    ),
    (
        "/inference.GRPCInferenceService/ModelReady",
        Method::ModelReady,
    ),
    (
        "/inference.GRPCInferenceService/ServerMetadata",
        Method::ServerMetadata,
    ),
    (
        "/inference.GRPCInferenceService/ModelMetadata",
        Method::ModelMetadata,
    ),
    (
        "/inference.GRPCInferenceService/ModelInfer",
        Method::ModelInfer,
    ),
    ("/grpc.health.v1.Health/Check", Method::Health),
];

/// The service of all methods but the last one.
const SERVICE: &str = "inference.GRPCInferenceService";
/// Where models are loaded and unloaded with other servers.
const REPOSITORY: &str = "/inference.GRPCInferenceService/RepositoryModel";

impl Method {
    /// The method that a call names.
    ///
    /// # Errors
    /// One that is not served.
    pub fn of(path: &str) -> Result<Self, Failure> {
        let found = METHODS.iter().find(|(name, _)| *name == path);
        found
            .map(|(_, method)| *method)
            .ok_or_else(|| not_served(path))
    }

    /// Its full name, as calls and metrics know it.
    pub fn path(self) -> &'static str {
        let found = METHODS.iter().find(|(_, method)| *method == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What a call wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is answered already, by this message.
    Answer(Vec<u8>),
    /// A forecast of a version that is loaded.
    Infer(Infer),
}

/// A forecast that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infer {
    /// Number of the version.
    pub version: u32,
    model: String,
}

/// Finds out what a call with this message wants.
///
/// # Errors
/// A message that cannot be read, a model or version that is not here.
pub fn ask(method: Method, message: &[u8], models: &Models) -> Result<Asked, Failure> {
    Ok(Asked::Answer(match method {
        Method::ServerLive => write::flag(true),
        Method::ServerReady => write::flag(models.champion.is_some()),
        Method::ModelReady => write::flag(model_ready(message, models)?),
        Method::ServerMetadata => write::server(),
        Method::ModelMetadata => {
            let (name, version) = named(message)?;
            let found = find(models, name, version)?;
            let numbers = match version {
                Some(_) => vec![found.number.to_string()],
                None => describe::numbers(models),
            };
            write::metadata(&models.name, &numbers, &found.signature)
        }
        Method::ModelInfer => {
            let (name, version) = named(message)?;
            return Ok(Asked::Infer(Infer {
                version: find(models, name, version)?.number,
                model: models.name.clone(),
            }));
        }
        Method::Health => health(message, models)?,
    }))
}

/// Whether the model or version answers; a model without a version is not ready, which is no failure.
fn model_ready(message: &[u8], models: &Models) -> Result<bool, Failure> {
    let (name, version) = named(message)?;
    match find(models, name, version) {
        Ok(_) => Ok(true),
        Err(failure) if failure.code == Code::Unavailable => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The health of the server, or of the service that is asked for by its name.
fn health(message: &[u8], models: &Models) -> Result<Vec<u8>, Failure> {
    let [service] = names(message, [1])?;
    match service {
        "" | SERVICE => Ok(write::health(models.champion.is_some())),
        _ => Err(Failure::new(Code::NotFound, "unknown service")),
    }
}

fn not_served(path: &str) -> Failure {
    match path.strip_prefix(REPOSITORY) {
        Some("Load") => super::no_repository("load"),
        Some("Unload") => super::no_repository("unload"),
        _ => Failure::new(Code::Unimplemented, "this method is not served"),
    }
}

impl Infer {
    /// Reads the windows of a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, signature: &Signature, message: &[u8]) -> Result<Call<Form>, Failure> {
        read::infer(&self.model, signature, message)
    }

    /// Writes what the model answered.
    pub fn write(&self, form: &Form, outputs: &Outputs) -> Vec<u8> {
        write::infer((&self.model, self.version), form, outputs)
    }
}
