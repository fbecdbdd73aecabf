//! The access token: one for all callers, fetched by one of them at a time, refreshed before it ends. Only this file sees the client secret.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::limits::{TOKEN_ANSWER_BYTES_MAX, TOKEN_LIFETIME_MAX, TOKEN_LIFETIME_UNSAID, TOKEN_MARGIN, TOKEN_TIMEOUT};
use crate::clock::{Clock, Tick};
use crate::remote::{parse_retry_after, read_body};
use crate::telemetry::metric;

/// The scope that IFS's documentation asks for (D).
const SCOPE: &str = "openid microprofile-jwt";

/// What IFS's identity provider knows us by.
pub struct Credentials {
    /// Client id.
    pub client_id: SecretString,
    /// Client secret.
    pub client_secret: SecretString,
    /// How both travel.
    pub auth: TokenAuth,
}

/// How client id and secret travel in the token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAuth {
    /// As fields of the form.
    Body,
    /// As an `Authorization: Basic` header.
    Basic,
}

/// A bearer token. Two handles are equal when they came of the same answer.
#[derive(Clone)]
pub struct AccessToken(Arc<SecretString>);

/// Why there is no token. Plain values, since all who waited for one fetch share its failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The identity provider does not accept our credentials or our realm.
    #[error(
        "the token endpoint refused with status {status} {code}: check the realm, the client id and the client secret"
    )]
    Refused {
        /// HTTP status.
        status: u16,
        /// OAuth error code, such as `invalid_client`; perhaps empty.
        code: String,
    },
    /// It cannot be reached, is too slow, or has trouble of its own.
    #[error("the token endpoint is not available: {how}")]
    Unavailable {
        /// In what way.
        how: String,
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// A good status with something else than a token, such as an HTML page.
    #[error("the token endpoint answered something else than a token")]
    Unreadable,
}

impl TokenError {
    /// What the endpoint asked us to wait.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { after, .. } => *after,
            Self::Refused { .. } | Self::Unreadable => None,
        }
    }
}

impl AccessToken {
    pub(super) fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Keeps the token of one tenant.
pub struct TokenKeeper {
    endpoint: Url,
    credentials: Credentials,
    http: Client,
    clock: Clock,
    remote: String,
    held: Mutex<Held>,
    /// Whoever holds it fetches; the others wait here and share the outcome.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    token: Option<Lease>,
    /// Counts fetches, so that one who waited knows that it waited for one.
    fetches: u64,
    failure: Option<TokenError>,
}

#[derive(Clone)]
struct Lease {
    token: AccessToken,
    /// At 11/12 of its life, and at least 10 s before its end.
    refresh_at: Tick,
    /// Not used any more from here on.
    usable_until: Tick,
}

impl TokenKeeper {
    /// A keeper without a token.
    pub fn new(endpoint: Url, credentials: Credentials, http: Client, clock: Clock, remote: &str) -> Self {
        Self {
            endpoint,
            credentials,
            http,
            clock,
            remote: remote.to_owned(),
            held: Mutex::default(),
            flight: tokio::sync::Mutex::new(()),
        }
    }

    /// A token to use now. Fetches one when there is none, or when it is time and nobody else does.
    ///
    /// # Errors
    /// None is held and none can be had.
    pub async fn token(&self) -> Result<AccessToken, TokenError> {
        let now = self.clock.monotonic();
        match self.usable(now) {
            Some(lease) if now < lease.refresh_at => Ok(lease.token),
            Some(lease) => match self.flight.try_lock() {
                // It still works: a refresh that fails now is no reason to stop.
                Ok(_flying) => Ok(self.fetch().await.unwrap_or(lease.token)),
                Err(_somebody_fetches) => Ok(lease.token),
            },
            None => self.fetch_or_share().await,
        }
    }

    /// Makes sure that a token is held that is not due for refresh, and says when to come again.
    ///
    /// # Errors
    /// It was time, and none could be had.
    pub async fn keep(&self) -> Result<Duration, TokenError> {
        let now = self.clock.monotonic();
        if self.usable(now).is_none_or(|lease| lease.refresh_at <= now) {
            self.fetch_or_share().await?;
        }
        let now = self.clock.monotonic();
        Ok(self.usable(now).map_or(Duration::ZERO, |lease| lease.refresh_at - now))
    }

    /// Drops a token that IFS refused, so that the next caller fetches. A token that was replaced meanwhile is left alone.
    pub fn invalidate(&self, refused: &AccessToken) {
        let mut held = self.lock();
        if held.token.as_ref().is_some_and(|lease| Arc::ptr_eq(&lease.token.0, &refused.0)) {
            held.token = None;
        }
    }

    async fn fetch_or_share(&self) -> Result<AccessToken, TokenError> {
        let seen = self.lock().fetches;
        let _flying = self.flight.lock().await;
        {
            let held = self.lock();
            if held.fetches != seen {
                // Somebody fetched while we waited: its outcome is ours.
                match (&held.token, &held.failure) {
                    (_, Some(failure)) => return Err(failure.clone()),
                    (Some(lease), None) => return Ok(lease.token.clone()),
                    (None, None) => {}
                }
            }
        }
        self.fetch().await
    }

    /// Asks the endpoint. The caller holds the flight.
    async fn fetch(&self) -> Result<AccessToken, TokenError> {
        // The life counts from before the request: late is the safe side.
        let began = self.clock.monotonic();
        let outcome = self.ask().await;
        let label = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!(metric::TOKEN_REFRESHES_TOTAL, "remote" => self.remote.clone(), "outcome" => label)
            .increment(1);
        let mut held = self.lock();
        held.fetches += 1;
        match outcome {
            Ok((token, lifetime)) => {
                let margin = TOKEN_MARGIN.min(lifetime / 2);
                let usable = lifetime - margin;
                held.failure = None;
                held.token = Some(Lease {
                    token: token.clone(),
                    refresh_at: began + (lifetime / 12 * 11).min(usable),
                    usable_until: began + usable,
                });
                Ok(token)
            }
            Err(error) => {
                held.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn ask(&self) -> Result<(AccessToken, Duration), TokenError> {
        let Credentials { client_id, client_secret, auth } = &self.credentials;
        let mut form = vec![("grant_type", "client_credentials"), ("scope", SCOPE)];
        let request = self.http.post(self.endpoint.clone()).timeout(TOKEN_TIMEOUT);
        let request = match auth {
            TokenAuth::Basic => request.basic_auth(client_id.expose_secret(), Some(client_secret.expose_secret())),
            TokenAuth::Body => {
                form.push(("client_id", client_id.expose_secret()));
                form.push(("client_secret", client_secret.expose_secret()));
                request
            }
        };
        let response = request.form(&form).send().await.map_err(unavailable)?;
        let status = response.status();
        let after = parse_retry_after(response.headers(), self.clock.now());
        let body = read_body(response, TOKEN_ANSWER_BYTES_MAX)
            .await
            .map_err(|error| TokenError::Unavailable { how: error.to_string(), after: None })?;
        match status {
            StatusCode::OK => read_token(&body),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Err(TokenError::Refused { status: status.as_u16(), code: oauth_code(&body) })
            }
            _ => Err(TokenError::Unavailable { how: format!("status {}", status.as_u16()), after }),
        }
    }

    fn usable(&self, now: Tick) -> Option<Lease> {
        self.lock().token.clone().filter(|lease| now < lease.usable_until)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Never held across a wait or anything that can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<u64>,
}

fn read_token(body: &[u8]) -> Result<(AccessToken, Duration), TokenError> {
    // The error of the decoder may quote the body: it is not kept.
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_may_quote_a_token| TokenError::Unreadable)?;
    let sendable = |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let token = SecretString::from(answer.access_token);
    if !sendable(token.expose_secret()) || answer.expires_in == Some(0) {
        return Err(TokenError::Unreadable);
    }
    let lifetime = answer.expires_in.map_or(TOKEN_LIFETIME_UNSAID, Duration::from_secs);
    Ok((AccessToken(Arc::new(token)), lifetime.min(TOKEN_LIFETIME_MAX)))
}

/// The `error` field of an OAuth refusal (RFC 6749, 5.2), if it is one: a short code, never the description.
fn oauth_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct OauthError {
        error: String,
    }
    let code = serde_json::from_slice::<OauthError>(body).map(|error| error.error).unwrap_or_default();
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()
}

fn unavailable(error: reqwest::Error) -> TokenError {
    let how = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the call broke off"
    };
    TokenError::Unavailable { how: how.to_owned(), after: None }
}
