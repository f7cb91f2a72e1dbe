//! Whether a broker answers, and if none does, why: asked before the first request of the admin client.
//!
//! An admin request of librdkafka waits its whole timeout for a controller, and tells nothing but that it timed out: that
//! a connection or a login was refused is heard only by whoever polls the client. And whoever drops a client waits for
//! its threads, one of which may be looking up a name. So this client lives on a thread that nobody waits for.

use std::thread;
use std::time::Duration;

use foresail_runtime_base::RoleError;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::Settings;
use crate::error::{explain, explain_refusal, lost};

/// How long an answer is waited for: whoever is not to be reached should be told of within half a minute from the start of a
/// pod, and is asked again.
const ANSWER: Duration = Duration::from_secs(7);
/// How long another broker, or another address of the same one, may still answer after the first has refused.
const AFTER_REFUSAL: Duration = Duration::from_secs(3);
/// How long the client may take beyond its own timeout.
const SLACK: Duration = Duration::from_secs(1);

/// Waits until a broker answers: up to 8 s, 3 s after the first refused connection, and no longer once a login is
/// refused.
///
/// # Errors
/// `KafkaUnreachable`, `KafkaAuthFailed`, `KafkaAccessDenied`.
pub(crate) async fn answers(settings: &Settings, what: &str) -> Result<(), RoleError> {
    let (refused, refusals) = mpsc::unbounded_channel();
    let (answered, answer) = oneshot::channel();
    let config = settings.client();
    thread::Builder::new()
        .name("kafka-probe".to_string())
        .spawn(move || ask(&config, Listener(refused), answered))
        .map_err(|_| lost(what))?;
    match outcome(answer, refusals).await {
        Outcome::Answered => Ok(()),
        Outcome::Refused(refusal) => Err(explain_refusal(
            what,
            settings.servers(),
            &refusal.error,
            &refusal.reason,
        )),
        Outcome::Failed(error) => Err(explain(what, settings.servers(), &error)),
        Outcome::Lost => Err(lost(what)),
    }
}

type Answer = Result<(), KafkaError>;

/// Blocks. The answer is sent before the client is dropped.
fn ask(config: &ClientConfig, listener: Listener, answered: oneshot::Sender<Answer>) {
    let client = match ThreadedProducer::<Listener>::from_config_and_context(config, listener) {
        Ok(client) => client,
        Err(error) => {
            answered.send(Err(error)).ok();
            return;
        }
    };
    // Asked for one topic, librdkafka would go on asking for it, and some brokers would make it.
    let metadata = client.client().fetch_metadata(None, ANSWER);
    answered.send(metadata.map(drop)).ok();
}

/// What a broker, or the way to it, said no with.
#[derive(Debug)]
struct Refusal {
    error: KafkaError,
    reason: String,
}

impl Refusal {
    fn is_of_login(&self) -> bool {
        matches!(
            self.error.rdkafka_error_code(),
            Some(Code::Authentication | Code::SaslAuthenticationFailed)
        )
    }

    /// That all brokers are down says nothing of why.
    fn is_a_summary(&self) -> bool {
        self.error.rdkafka_error_code() == Some(Code::AllBrokersDown)
    }
}

/// Hands on what librdkafka tells; it tells the same of the same broker once in 30 s.
struct Listener(mpsc::UnboundedSender<Refusal>);

impl ClientContext for Listener {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, line, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = reason.to_string();
        self.0.send(Refusal { error, reason }).ok();
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[derive(Debug)]
enum Outcome {
    Answered,
    Refused(Refusal),
    Failed(KafkaError),
    Lost,
}

async fn outcome(
    mut answer: oneshot::Receiver<Answer>,
    mut refusals: mpsc::UnboundedReceiver<Refusal>,
) -> Outcome {
    let mut deadline = Instant::now() + ANSWER + SLACK;
    let mut first = None;
    let failure = loop {
        tokio::select! {
            answer = &mut answer => match answer {
                Ok(Ok(())) => return Outcome::Answered,
                Ok(Err(error)) => break Outcome::Failed(error),
                Err(_) => break Outcome::Lost,
            },
            Some(refusal) = refusals.recv() => {
                if refusal.is_of_login() {
                    return Outcome::Refused(refusal);
                }
                deadline = deadline.min(Instant::now() + AFTER_REFUSAL);
                if first.as_ref().is_none_or(Refusal::is_a_summary) {
                    first = Some(refusal);
                }
            }
            () = sleep_until(deadline) => {
                break Outcome::Failed(KafkaError::MetadataFetch(Code::OperationTimedOut));
            }
        }
    };
    first.map_or(failure, Outcome::Refused)
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
