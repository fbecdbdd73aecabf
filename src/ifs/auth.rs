//! The access token: one for all callers, fetched by one of them at a time, refreshed before it ends. Only this file sees the client secret.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::limits::{TOKEN_LIFETIME_MAX, TOKEN_LIFETIME_UNSAID};
use crate::clock::Clock;
use crate::remote::{HeldToken, SharedToken, TokenLife, TokenRefusal, Turn, ask_for_token, is_sendable};
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

impl From<TokenRefusal> for TokenError {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Refused { status, code } => Self::Refused { status, code },
            TokenRefusal::Unavailable { how, after } => Self::Unavailable { how, after },
        }
    }
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
    /// Whoever may fetch does so; the others wait and share the outcome.
    shared: SharedToken<AccessToken>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// Counts fetches, so that one who waited knows that it waited for one.
    fetches: u64,
    failure: Option<TokenError>,
}

impl TokenKeeper {
    /// A keeper without a token.
    pub fn new(endpoint: Url, credentials: Credentials, http: Client, clock: Clock, remote: &str) -> Self {
        let (shared, last) = (SharedToken::default(), Mutex::default());
        Self { endpoint, credentials, http, clock, remote: remote.to_owned(), shared, last }
    }

    /// A token to use now. Fetches one when there is none, or when it is time and nobody else does.
    ///
    /// # Errors
    /// None is held and none can be had.
    pub async fn token(&self) -> Result<AccessToken, TokenError> {
        match self.shared.turn(self.clock.monotonic()) {
            Turn::Use(token) => Ok(token),
            Turn::Renew(token, _flying) => Ok(self.fetch().await.unwrap_or(token)),
            Turn::Wait => self.fetch_or_share().await,
        }
    }

    /// Makes sure that a token is held that is not due for refresh, and says when to come again.
    ///
    /// # Errors
    /// It was time, and none could be had.
    pub async fn keep(&self) -> Result<Duration, TokenError> {
        if self.shared.is_due(self.clock.monotonic()) {
            self.fetch_or_share().await?;
        }
        Ok(self.shared.due_in(self.clock.monotonic()))
    }

    /// Drops a token that IFS refused, so that the next caller fetches. A token that was replaced meanwhile is left alone.
    pub fn invalidate(&self, refused: &AccessToken) {
        self.shared.drop_if(|token| Arc::ptr_eq(&token.0, &refused.0));
    }

    async fn fetch_or_share(&self) -> Result<AccessToken, TokenError> {
        let seen = self.lock().fetches;
        let _flying = self.shared.flight().await;
        {
            let last = self.lock();
            if last.fetches != seen {
                // Somebody fetched while we waited: its outcome is ours.
                match (self.shared.held(), &last.failure) {
                    (_, Some(failure)) => return Err(failure.clone()),
                    (Some(held), None) => return Ok(held.token),
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
        let mut last = self.lock();
        last.fetches += 1;
        match outcome {
            Ok((token, lifetime)) => {
                last.failure = None;
                self.shared.hold(HeldToken::new(token.clone(), TokenLife::of(lifetime), Duration::ZERO, began));
                Ok(token)
            }
            Err(error) => {
                last.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn ask(&self) -> Result<(AccessToken, Duration), TokenError> {
        let Credentials { client_id, client_secret, auth } = &self.credentials;
        let mut form = vec![("grant_type", "client_credentials"), ("scope", SCOPE)];
        let request = self.http.post(self.endpoint.clone());
        let request = match auth {
            TokenAuth::Basic => request.basic_auth(client_id.expose_secret(), Some(client_secret.expose_secret())),
            TokenAuth::Body => {
                form.push(("client_id", client_id.expose_secret()));
                form.push(("client_secret", client_secret.expose_secret()));
                request
            }
        };
        read_token(&ask_for_token(request.form(&form), &self.clock).await?)
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        // Never held across a wait or anything that can panic.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
    let token = SecretString::from(answer.access_token);
    if !is_sendable(token.expose_secret()) || answer.expires_in == Some(0) {
        return Err(TokenError::Unreadable);
    }
    let lifetime = answer.expires_in.map_or(TOKEN_LIFETIME_UNSAID, Duration::from_secs);
    Ok((AccessToken(Arc::new(token)), lifetime.min(TOKEN_LIFETIME_MAX)))
}
