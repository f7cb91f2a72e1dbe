//! One request to a provider: the key goes into its address and into nothing else.

use std::time::Duration;

use foresail_crds::ProviderAccountSpec;
use foresail_crds::secret::PROVIDER;
use foresail_providers::{Headers, Key, LARGEST_BODY, Request, Verdict, classify};
use foresail_quota::LONGEST_REQUEST;
use foresail_runtime_base::{RoleError, Secrets};
use foresail_runtime_http::{Exchange, Manner, Unanswered};

use crate::endpoint::Endpoint;

/// File of the Secret.
const API_KEY: &str = "apiKey";
/// Who asks, unless the account says otherwise.
const USER_AGENT: &str = concat!("foresail/", env!("CARGO_PKG_VERSION"));

/// Asks one provider.
pub struct Client {
    exchange: Exchange,
    base: String,
    secrets: Secrets,
    needs_key: bool,
    /// Folder of its Secret.
    system: &'static str,
}

impl Client {
    /// A client for an account. `allowed` are the hosts that its endpoint may name beside the provider's own.
    ///
    /// # Errors
    /// User error `EndpointNotAllowed`, internal error `HttpClient`.
    pub fn new(
        spec: &ProviderAccountSpec,
        allowed: &[String],
        secrets: &Secrets,
    ) -> Result<Self, RoleError> {
        Self::patient(spec, allowed, secrets, LONGEST_REQUEST)
    }

    /// The same with another time that a request may take: tests have less of it.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn patient(
        spec: &ProviderAccountSpec,
        allowed: &[String],
        secrets: &Secrets,
        timeout: Duration,
    ) -> Result<Self, RoleError> {
        let endpoint = Endpoint::new(spec, allowed)?;
        let user_agent = spec.user_agent.clone();
        let exchange = Exchange::new(Manner {
            rule: endpoint.rule,
            user_agent: user_agent.unwrap_or_else(|| USER_AGENT.into()),
            timeout,
        })?;
        Ok(Self {
            exchange,
            base: endpoint.base,
            secrets: secrets.clone(),
            needs_key: spec.secret_name.is_some(),
            system: PROVIDER,
        })
    }

    /// The same with the key in the Secret that is mounted for another system: a source may name several accounts.
    #[must_use]
    pub fn with_key_of(self, system: &'static str) -> Self {
        Self { system, ..self }
    }

    /// The key as the Secret has it now; `None` of a provider without keys.
    ///
    /// # Errors
    /// User errors `SecretKeyMissing` and `SecretUnreadable`.
    pub(crate) fn key(&self) -> Result<Option<Key>, RoleError> {
        if !self.needs_key {
            return Ok(None);
        }
        Ok(Key::new(&self.secrets.required(self.system, API_KEY)?))
    }

    /// Sends a request once, and says what the answer means.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn get(
        &self,
        request: &Request,
        key: Option<&Key>,
    ) -> Result<Verdict, Unanswered> {
        let target = request.target(key);
        let url = format!("{}{}", self.base, target.reveal());
        let reply = self.exchange.get(&url, LARGEST_BODY).await?;
        let headers = Headers::from_iter(reply.headers);
        Ok(classify(request, key, reply.status, &headers, &reply.body))
    }
}
