//! One GET whose status, headers and body are all part of the answer. Nothing is followed and nothing repeated: who asks
//! has paid for one request.

use std::fmt;
use std::time::Duration;

use foresail_runtime_base::RoleError;
use foresail_runtime_base::address::{AddressRule, NotAllowed};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};

use crate::resolver::{Names, Resolver, System};

const CONNECT: Duration = Duration::from_secs(5);

/// How a server is asked.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Addresses that may be connected to.
    pub rule: AddressRule,
    /// Who asks.
    pub user_agent: String,
    /// Longest time from the first byte sent to the last byte read.
    pub timeout: Duration,
}

/// Asks servers for answers.
pub struct Exchange {
    http: reqwest::Client,
    rule: AddressRule,
}

/// What a server answered, whatever it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers that are text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked, and cut behind the most bytes that were wanted.
    pub body: Vec<u8>,
}

/// Why there is no answer. It never holds a URL, which may hold a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The address is not one to connect to: nothing was sent.
    NotAllowed(NotAllowed),
    /// It is no URL: nothing was sent.
    NoAddress,
    /// Not within the time.
    Late,
    /// Nobody listens, or TLS failed.
    NoConnection,
    /// The connection ended in the middle.
    BrokenOff,
}

impl Exchange {
    /// A client that follows no redirect, asks no proxy and keeps no cookie.
    ///
    /// # Errors
    /// Internal error `HttpClient`.
    pub fn new(manner: Manner) -> Result<Self, RoleError> {
        Self::resolving(manner, System)
    }

    pub(crate) fn resolving(manner: Manner, names: impl Names) -> Result<Self, RoleError> {
        let resolver = Resolver {
            rule: manner.rule.clone(),
            names,
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(manner.timeout)
            .user_agent(manner.user_agent)
            // A proxy would connect in our place, to whatever it likes.
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(resolver)
            .gzip(true)
            .build()
            .map_err(|e| RoleError::internal("HttpClient", e.without_url().to_string()))?;
        Ok(Self {
            http,
            rule: manner.rule,
        })
    }

    /// Asks once. Of a body that is longer than `most` bytes, unpacked, `most` and one are given: it is read no further.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get(&self, url: &str, most: usize) -> Result<Reply, Unanswered> {
        let url = Url::parse(url).map_err(|_| Unanswered::NoAddress)?;
        // No resolver is asked about an address.
        let literal = self.rule.check_literal(url.host_str().unwrap_or_default());
        literal.map_err(Unanswered::NotAllowed)?;
        let sent = self.http.get(url).send().await;
        let mut response = sent.map_err(|e| unanswered(&e))?;
        let status = response.status().as_u16();
        let headers = headers(&response);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| unanswered(&e))? {
            let room = (most + 1).saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if body.len() > most {
                break;
            }
        }
        Ok(Reply {
            status,
            headers,
            body,
        })
    }
}

fn headers(response: &Response) -> Vec<(String, String)> {
    let texts = response.headers().iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    texts.collect()
}

fn unanswered(error: &reqwest::Error) -> Unanswered {
    if let Some(refused) = NotAllowed::within(error) {
        return Unanswered::NotAllowed(refused.clone());
    }
    if error.is_timeout() {
        Unanswered::Late
    } else if error.is_connect() {
        Unanswered::NoConnection
    } else {
        Unanswered::BrokenOff
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(refused) => refused.fmt(f),
            Self::NoAddress => f.write_str("the address cannot be read"),
            Self::Late => f.write_str("no answer in time"),
            Self::NoConnection => f.write_str("no connection"),
            Self::BrokenOff => f.write_str("the answer broke off"),
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
