//! What goes back: an answer with its bytes, or why there is none.

/// A finished answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`; absent where there is no body.
    pub content_type: Option<&'static str>,
    /// Bytes of JSON before the raw tensors, where there are any: value of `Inference-Header-Content-Length`.
    pub json_length: Option<usize>,
    /// Value of `Allow`, where the route takes another method.
    pub allow: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer of JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: Some("application/json"),
            json_length: None,
            allow: None,
            body: body.into(),
        }
    }

    /// An answer of plain text.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: Some("text/plain; charset=utf-8"),
            ..Self::json(status, body)
        }
    }
}

/// Class of a failure, named as the codes of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request cannot be used.
    InvalidArgument,
    /// No such model, version or route.
    NotFound,
    /// The route takes another method: this one.
    MethodNotAllowed(&'static str),
    /// What the server never does.
    Unimplemented,
    /// Not at this moment.
    Unavailable,
    /// The model gave nothing that can be sent.
    Internal,
    /// As the transport found it: a status that no protocol has a name for.
    Transport(u16),
}

impl Code {
    /// HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::Internal => 500,
            Self::Transport(status) => status,
        }
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its class.
    pub code: Code,
    /// The cause, for the client.
    pub message: String,
}

impl Failure {
    /// A failure of this class.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A request that cannot be used.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// No version of the model is loaded yet.
    pub fn not_ready(model: &str) -> Self {
        let message = format!("Model with name {model} is not ready.");
        Self::new(Code::Unavailable, message)
    }

    /// Another method than the one that the route takes.
    pub(crate) fn other_method(takes: &'static str) -> Self {
        let message = format!("this route takes {takes}");
        Self::new(Code::MethodNotAllowed(takes), message)
    }

    /// A result that is never sent.
    pub fn not_finite() -> Self {
        let message = "the model gives a result that is not finite, and it is not sent";
        Self::new(Code::Internal, message)
    }
}

impl Code {
    /// The method that is taken, where another one came.
    pub(crate) const fn allow(self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed(takes) => Some(takes),
            _ => None,
        }
    }
}

/// `{"error":"..."}`, the form of TensorFlow Serving, KServe and Open Inference.
pub(crate) fn error(failure: &Failure) -> Answer {
    let mut body = String::from("{\"error\":");
    crate::json::text(&mut body, &failure.message);
    body.push('}');
    Answer {
        allow: failure.code.allow(),
        ..Answer::json(failure.code.status(), body)
    }
}

/// What a request wants, as its protocol understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is answered already.
    Answer(Answer),
    /// A forecast of the version with this number.
    Infer(u32),
}

impl Wanted {
    /// An answer of JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::Answer(Answer::json(200, value.to_string()))
    }
}
