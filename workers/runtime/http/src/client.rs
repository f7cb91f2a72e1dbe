//! One GET of one file: each hop is judged before it is asked.

use std::time::Duration;

use bytes::Bytes;
use foresail_crds::role_error::shown_address;
use foresail_crds::secret::SOURCE;
use foresail_runtime_base::address::{AddressRule, NotAllowed};
use foresail_runtime_base::credentials::{Destination, Exposure};
use foresail_runtime_base::{RoleError, Secrets};
use reqwest::header::{ACCEPT_ENCODING, ETAG, LAST_MODIFIED, LOCATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};

use crate::redirect;
use crate::resolver::{Names, Resolver, System};

const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence.
const READ: Duration = Duration::from_secs(30);
/// Who asks.
const USER_AGENT: &str = concat!("foresail/", env!("CARGO_PKG_VERSION"));

/// Asks for files, by one rule of addresses and with one Secret.
pub struct Client {
    http: reqwest::Client,
    rule: AddressRule,
    secrets: Secrets,
}

/// The beginning of an answer with a good status; its body is read chunk by chunk.
#[derive(Debug)]
pub struct Answer {
    response: Response,
    shown: String,
}

/// How much of a file is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    /// So many bytes from its beginning, so that a probe is the read and costs no file.
    First(usize),
}

impl Client {
    /// A client that may connect to the public internet and to these networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// Internal errors `HttpClient` and `BadNetwork`.
    pub fn new(allowed_networks: &[String], secrets: &Secrets) -> Result<Self, RoleError> {
        Self::resolving(AddressRule::new(allowed_networks)?, secrets, System)
    }

    pub(crate) fn resolving(
        rule: AddressRule,
        secrets: &Secrets,
        names: impl Names,
    ) -> Result<Self, RoleError> {
        let resolver = Resolver {
            rule: rule.clone(),
            names,
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .user_agent(USER_AGENT)
            // A proxy would connect in our place, to whatever it likes.
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(resolver)
            // A file arrives as it is stored; who reads it knows how it is packed.
            .no_gzip()
            .build()
            .map_err(|e| RoleError::internal("HttpClient", e.to_string()))?;
        Ok(Self {
            http,
            rule,
            secrets: secrets.clone(),
        })
    }

    /// Opens the whole file.
    ///
    /// # Errors
    /// By whose fault it is: user errors `BadSourceUri`, `CredentialRefused`, `AddressNotAllowed`, `RedirectRefused`,
    /// `SourceAccessDenied`; outside errors `SourceMissing`, `SourceFailed`, `SourceUnreachable`.
    pub async fn get(&self, uri: &str) -> Result<Answer, RoleError> {
        let (response, shown) = self.ask(uri, Part::Whole).await?;
        Ok(Answer { response, shown })
    }

    /// Up to `most` bytes from the beginning of the file. This makes sure that the file can be read, since it is read: a
    /// server may allow GET and not HEAD.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub async fn head(&self, uri: &str, most: usize) -> Result<Vec<u8>, RoleError> {
        let (response, shown) = self.ask(uri, Part::First(most)).await?;
        let mut head = Vec::new();
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(head);
        }
        let mut answer = Answer { response, shown };
        while head.len() < most
            && let Some(chunk) = answer.chunk().await?
        {
            head.extend_from_slice(&chunk);
        }
        // A server that knows no ranges sends the whole file.
        head.truncate(most);
        Ok(head)
    }

    /// What the server says about the state of the file, without reading it; `None` when it says nothing.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub async fn stamp(&self, uri: &str) -> Result<Option<String>, RoleError> {
        let (response, _) = self.ask(uri, Part::First(1)).await?;
        Ok(stamp(&response))
    }

    async fn ask(&self, uri: &str, part: Part) -> Result<(Response, String), RoleError> {
        let shown = shown_address(uri);
        let declared = Url::parse(uri).map_err(|e| {
            let message = format!("{shown} is no address ({e}); correct source.csv.uri");
            RoleError::user("BadSourceUri", message)
        })?;
        let mut token = self.token(&declared)?;
        let mut at = declared.clone();
        let mut dropped = false;
        for _ in 0..=redirect::MOST {
            let response = self.hop(&at, token.as_deref(), part).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return judge(response, part, &at, dropped).map(|response| (response, shown));
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let next = redirect::target(&at, location).map_err(|what| {
                refused(&format!(
                    "the redirect at {} {what}",
                    shown_address(at.as_str())
                ))
            })?;
            // Once it has been elsewhere, nothing of it is for the declared host any more.
            if !redirect::is_same_place(&declared, &next) {
                dropped |= token.take().is_some();
            }
            at = next;
        }
        let most = redirect::MOST;
        Err(refused(&format!(
            "{shown} redirects more than {most} times"
        )))
    }

    /// The token of the Secret, when it may go where the spec says.
    fn token(&self, declared: &Url) -> Result<Option<String>, RoleError> {
        let Some(token) = self.secrets.get(SOURCE, "token")? else {
            return Ok(None);
        };
        let host = declared.host_str().unwrap_or_default();
        let to = Destination::new(host, declared.scheme() == "https");
        self.secrets.may_send(SOURCE, &to, Exposure::Sent)?;
        Ok(Some(token))
    }

    async fn hop(&self, at: &Url, token: Option<&str>, part: Part) -> Result<Response, RoleError> {
        let shown = shown_address(at.as_str());
        // No resolver is asked about an address.
        let literal = self.rule.check_literal(at.host_str().unwrap_or_default());
        literal.map_err(|refused| refused.explain(&shown))?;
        let mut request = self.http.get(at.clone());
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Part::First(most) = part {
            request = request.header(RANGE, format!("bytes=0-{}", most.saturating_sub(1)));
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.map_err(|e| unanswered(&shown, &e))
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// Outside error `SourceUnreachable` when the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RoleError> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|e| unanswered(&self.shown, &e))
    }

    /// What the server says about the state of the file, to be compared with [`Client::stamp`].
    pub fn stamp(&self) -> Option<String> {
        stamp(&self.response)
    }

    /// Bytes of the body, when the server says so.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }
}

/// The headers that change with the file.
fn stamp(response: &Response) -> Option<String> {
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    let (tag, modified) = (header(ETAG), header(LAST_MODIFIED));
    let said = tag.or(modified).is_some();
    said.then(|| {
        format!(
            "{} {}",
            tag.unwrap_or_default(),
            modified.unwrap_or_default()
        )
    })
}

/// A good answer, or what its status means. What the body says is not repeated: the server may be anybody's.
fn judge(response: Response, part: Part, at: &Url, dropped: bool) -> Result<Response, RoleError> {
    let status = response.status();
    let shown = shown_address(at.as_str());
    let message = |what: &str| format!("{shown}: HTTP {}; {what}", status.as_u16());
    match status.as_u16() {
        200..=299 => Ok(response),
        // There is no first byte: the file is empty, which is for who reads it to say.
        416 if part != Part::Whole => Ok(response),
        401 | 403 => {
            let advice = if dropped {
                "the token is not sent to where a redirect leads; set source.csv.uri to this address and name its host \
                 in the key `hosts` of the Secret"
            } else {
                "check the Secret's token"
            };
            Err(RoleError::user("SourceAccessDenied", message(advice)))
        }
        404 | 410 => {
            let message = message("correct source.csv.uri");
            Err(RoleError::outside("SourceMissing", message))
        }
        _ => Err(RoleError::outside("SourceFailed", message("it is retried"))),
    }
}

fn refused(what: &str) -> RoleError {
    let message = format!("{what}; set source.csv.uri to the address that has the file");
    RoleError::user("RedirectRefused", message)
}

fn unanswered(shown: &str, error: &reqwest::Error) -> RoleError {
    if let Some(refused) = NotAllowed::within(error) {
        return refused.explain(shown);
    }
    // The error's own text may hold the URL with credentials; its kind is enough.
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the answer broke off"
    };
    RoleError::outside(
        "SourceUnreachable",
        format!("{shown}: {kind}; it is retried"),
    )
}
