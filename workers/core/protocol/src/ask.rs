//! Which protocol a request speaks, what it wants, and how it is answered: the one way through all protocols.

use crate::answer::{Answer, Failure, Wanted};
use crate::models::Models;
use crate::path::{same, segments};
use crate::signature::Signature;
use crate::windows::{Call, Outputs, Windows};
use crate::{mlflow, oip, tfs};

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TensorFlow Serving REST v1 and KServe v1.
    Tfs,
    /// Open Inference v2.
    Oip,
    /// The scoring server of MLflow.
    Mlflow,
}

/// Routes of Foresail itself below `/v1/`.
const NATIVE: [&str; 3] = ["forecasts", "features", "timeseries"];

/// The protocol that a path belongs to; `None` for what belongs to none of them.
pub fn protocol(path: &str) -> Option<Protocol> {
    let segments = segments(path)?;
    match segments.as_slice() {
        [first, second, ..] if same(first, "v1") => {
            (!NATIVE.contains(second)).then_some(Protocol::Tfs)
        }
        [first, ..] if *first == "v2" => Some(Protocol::Oip),
        ["invocations" | "ping" | "health" | "version"] => Some(Protocol::Mlflow),
        _ => None,
    }
}

impl Protocol {
    /// Why there is no answer, in the form of this protocol.
    pub fn refuse(self, failure: &Failure) -> Answer {
        match self {
            Self::Tfs => tfs::refuse(failure),
            Self::Oip => oip::refuse(failure),
            Self::Mlflow => mlflow::refuse(failure),
        }
    }
}

/// What a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is answered already, or refused.
    Answer(Answer),
    /// A forecast of a version that is loaded.
    Infer(Infer),
}

/// A forecast that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infer {
    /// Number of the version.
    pub version: u32,
    model: String,
    protocol: Protocol,
}

/// How an answer is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// As TensorFlow Serving does.
    Tfs(tfs::Format),
    /// As Open Inference does.
    Oip(oip::Form),
    /// As MLflow does.
    Mlflow,
}

/// Finds out what a request wants; `None` when its path belongs to no protocol here.
pub fn ask(method: &str, path: &str, models: &Models) -> Option<Asked> {
    let protocol = protocol(path)?;
    let wanted = match protocol {
        Protocol::Tfs => tfs::ask(method, path, models),
        Protocol::Oip => oip::ask(method, path, models),
        Protocol::Mlflow => mlflow::ask(method, path, models),
    };
    Some(match wanted {
        Ok(Wanted::Answer(answer)) => Asked::Answer(answer),
        Ok(Wanted::Infer(version)) => Asked::Infer(Infer {
            version,
            model: models.name.clone(),
            protocol,
        }),
        Err(failure) => Asked::Answer(protocol.refuse(&failure)),
    })
}

impl Infer {
    /// Reads the windows of a body. `json_length` is the header `Inference-Header-Content-Length`, where it is there.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn read(
        &self,
        signature: &Signature,
        body: &[u8],
        json_length: Option<&str>,
    ) -> Result<Call<Form>, Failure> {
        let formed = |windows: Windows, form: Form| Call { windows, form };
        let model = &self.model;
        Ok(match self.protocol {
            Protocol::Tfs => {
                let call = tfs::read(model, signature, body)?;
                formed(call.windows, Form::Tfs(call.form))
            }
            Protocol::Oip => {
                let call = oip::read(model, signature, body, json_length)?;
                formed(call.windows, Form::Oip(call.form))
            }
            Protocol::Mlflow => formed(mlflow::read(model, signature, body)?, Form::Mlflow),
        })
    }

    /// Writes what the model answered.
    pub fn write(&self, form: &Form, outputs: &Outputs) -> Answer {
        match form {
            Form::Tfs(format) => tfs::write(*format, outputs),
            Form::Oip(form) => oip::write((&self.model, self.version), form, outputs),
            Form::Mlflow => mlflow::write(outputs),
        }
    }

    /// Why there is no answer.
    pub fn refuse(&self, failure: &Failure) -> Answer {
        self.protocol.refuse(failure)
    }
}
