//! What is sent, and how.

/// How a body is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    #[default]
    Whole,
    /// A byte at a time.
    Slow,
    /// Until its middle; then the connection ends.
    Cut,
    /// Packed, and after it 512 MiB of spaces.
    Bomb,
}

/// What a provider sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Body, before it is packed.
    pub body: String,
    /// How it is sent.
    pub manner: Manner,
}

impl Answer {
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain".into())],
            body: body.into(),
            manner: Manner::Whole,
        }
    }

    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
            manner: Manner::Whole,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }
}
