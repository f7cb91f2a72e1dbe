//! The one connection of a handle: made on demand with fresh credentials, dropped on failure,
//! guarded by the breaker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foresail_crds::pipeline::spec::RedisSpec;
use foresail_crds::worker_config::secret as subsystem;
use foresail_runtime_base::Secrets;
use foresail_runtime_base::credentials::{Destination, Exposure};
use foresail_runtime_base::metrics::{Counter, Labelled};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    ScriptInvocation, ServerErrorKind,
};

use crate::Error;
use crate::breaker::Breaker;

/// Limit of connecting and of one answer on the data path.
const QUICK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    breaker: Breaker,
}

/// Connection, breaker and address.
pub(crate) struct Link {
    url: String,
    secrets: Secrets,
    errors: Labelled<Counter, 1>,
    state: Mutex<State>,
    /// Held while connecting, so that only one caller waits for it.
    dialing: tokio::sync::Mutex<()>,
}

impl Link {
    pub(crate) fn new(spec: &RedisSpec, secrets: Secrets, errors: Labelled<Counter, 1>) -> Self {
        Self {
            url: spec.url.clone(),
            secrets,
            errors,
            state: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
        }
    }

    /// Address as declared; it holds no credentials.
    pub(crate) fn address(&self) -> &str {
        &self.url
    }

    /// Runs one command.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        command: &Cmd,
        operation: &'static str,
    ) -> Result<T, Error> {
        let answer = match self.connection().await {
            Ok(mut connection) => command.query_async(&mut connection).await,
            Err(error) => return Err(self.count(operation, error)),
        };
        self.record_outcome(operation, answer)
    }

    /// Runs one script.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        operation: &'static str,
    ) -> Result<T, Error> {
        let answer = match self.connection().await {
            Ok(mut connection) => script.invoke_async(&mut connection).await,
            Err(error) => return Err(self.count(operation, error)),
        };
        self.record_outcome(operation, answer)
    }

    /// A fresh connection with a longer limit and no breaker, for probes and clean-up.
    pub(crate) async fn dial(&self, limit: Duration) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        let dialed = self.client()?;
        // The library's limit covers the socket, not the login: one more around both.
        match tokio::time::timeout(
            limit * 2,
            dialed.get_multiplexed_async_connection_with_config(&config),
        )
        .await
        {
            Ok(connection) => connection.map_err(|error| classify(&error)),
            Err(_) => Err(Error::Unreachable("no answer while connecting".into())),
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection, Error> {
        {
            let state = self.lock();
            if let Some(connection) = &state.connection {
                return Ok(connection.clone());
            }
            if !state.breaker.allows(Instant::now()) {
                return Err(Error::BreakerOpen);
            }
        }
        let Ok(_dialing) = self.dialing.try_lock() else {
            return Err(Error::Connecting);
        };
        match self.dial(QUICK).await {
            Ok(connection) => {
                self.lock().connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    fn record_outcome<T>(
        &self,
        operation: &'static str,
        answer: Result<T, RedisError>,
    ) -> Result<T, Error> {
        match answer {
            Ok(value) => {
                self.lock().breaker.succeeded();
                Ok(value)
            }
            Err(error) => {
                let error = classify(&error);
                self.fail(&error);
                Err(self.count(operation, error))
            }
        }
    }

    fn fail(&self, error: &Error) {
        tracing::warn!(%error, "Redis call failed");
        let mut state = self.lock();
        if matches!(error, Error::Answered(_)) {
            state.breaker.succeeded();
            return;
        }
        state.connection = None;
        state.breaker.failed(Instant::now());
    }

    fn count(&self, operation: &'static str, error: Error) -> Error {
        self.errors.with([operation]).inc();
        error
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<Client, Error> {
        let unusable = |what: String| Error::Configuration(what);
        let credential = |key: &str| {
            self.secrets
                .get(subsystem::REDIS, key)
                .map_err(|e| unusable(e.to_string()))
        };
        let info = self
            .url
            .as_str()
            .into_connection_info()
            .map_err(|error| unusable(error.to_string()))?;
        let mut settings = info.redis_settings().clone();
        if let Some(password) = credential("password")? {
            let to = Destination::of_url(&self.url)
                .ok_or_else(|| unusable(format!("{} names no host", self.url)))?;
            let sent = self.secrets.may_send(subsystem::REDIS, &to, Exposure::Sent);
            sent.map_err(Error::Credential)?;
            settings = settings.set_password(password);
            if let Some(username) = credential("username")? {
                settings = settings.set_username(username);
            }
        }
        Client::open(info.set_redis_settings(settings)).map_err(|error| unusable(error.to_string()))
    }
}

/// Sorts a library error into whose fault it is.
pub(crate) fn classify(error: &RedisError) -> Error {
    let refused = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm)
    ) || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
    if refused {
        Error::Refused(said(error))
    } else if error.kind() == ErrorKind::InvalidClientConfig {
        Error::Configuration(error.to_string())
    } else if matches!(
        error.kind(),
        ErrorKind::Extension
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::Server(ServerErrorKind::ResponseError)
    ) {
        Error::Answered(said(error))
    } else {
        Error::Unreachable(said(error))
    }
}

/// What went wrong, with the word that Redis has for it. Nothing else of an answer is repeated: the server may be
/// anybody's.
fn said(error: &RedisError) -> String {
    let is_word = |code: &&str| code.len() <= 32 && code.bytes().all(|b| b.is_ascii_uppercase());
    match error.code().filter(is_word) {
        Some(code) => format!("{}, {code}", error.category()),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_string(),
    }
}
