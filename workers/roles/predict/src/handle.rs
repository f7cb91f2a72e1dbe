//! The one path of a request, whichever transport brings it: the versions that it sees, and a forecast of one of them within what
//! the predictor has room for. REST and gRPC are thin around it.

use std::sync::Arc;

use foresail_protocol::{Code, Failure, Models, Outputs, Signature, Windows};
use foresail_runtime_http::access::{Access, Denied};

use crate::limits::{Busy, Limits};
use crate::loaded::Loaded;
use crate::registry::Here;
use crate::state::State;
use crate::windows::forecast;

/// Name of the header, or metadata, that says which version answered, as the wire knows it.
pub(crate) const VERSION_HEADER: &str = "x-foresail-model-version";
/// Name of the header, or metadata, that identifies an answer.
pub(crate) const PREDICTION_HEADER: &str = "x-foresail-prediction-id";

/// An identity of its own for an answer: 32 hexadecimal digits.
pub(crate) fn prediction_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether the sender may ask at all, by all the values of `authorization` that were sent.
///
/// # Errors
/// [`Denied`].
pub(crate) fn allow<'a>(
    access: &Access,
    mut sent: impl Iterator<Item = &'a [u8]>,
) -> Result<(), Denied> {
    match (sent.next(), sent.next()) {
        // Of two nobody knows which one a proxy before us has looked at.
        (Some(_), Some(_)) => access.allow(None),
        (sent, _) => access.allow(sent),
    }
}

impl From<Busy> for Failure {
    fn from(busy: Busy) -> Self {
        Self::new(Code::Unavailable, busy.0)
    }
}

/// What one request sees, from its beginning to its end.
pub(crate) struct Seen {
    here: Arc<Here>,
    /// The versions as protocols know them.
    pub(crate) models: Models,
}

impl Seen {
    /// The versions that are loaded now.
    pub(crate) fn now(state: &State) -> Self {
        let here = state.registry.here();
        let models = here.models(&state.config.pipeline.name);
        Self { here, models }
    }

    /// Runs `answer` with a version, away from the threads that serve others.
    ///
    /// # Errors
    /// `Unavailable` when the version has gone or there is no room; what `answer` refuses.
    pub(crate) async fn infer<A: Send + 'static>(
        &self,
        limits: &Limits,
        version: u32,
        answer: impl FnOnce(&Model) -> Result<A, Failure> + Send + 'static,
    ) -> Result<A, Failure> {
        let known = self.models.version(version.into());
        let (Some(loaded), Some(known)) = (self.here.version(version), known) else {
            return Err(Failure::not_ready(&self.models.name));
        };
        let model = Model {
            loaded: Arc::clone(loaded),
            signature: Arc::clone(&known.signature),
        };
        limits.compute(move || answer(&model)).await?
    }
}

/// A version that answers, with what it takes and gives.
pub(crate) struct Model {
    loaded: Arc<Loaded>,
    /// What it takes and gives.
    pub(crate) signature: Arc<Signature>,
}

impl Model {
    /// Forecasts of all windows, in their order.
    ///
    /// # Errors
    /// A window that the model cannot be asked with; a result that is not finite.
    pub(crate) fn forecast(&self, windows: &Windows) -> Result<Outputs, Failure> {
        forecast(&self.loaded, &self.signature, windows)
    }
}
