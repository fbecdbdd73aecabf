//! One call to a shop's token endpoint, and what its answer means. Who keeps the token, and when a new one is due, is `auth.rs`.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::limits::{TOKEN_LIFETIME_MAX, TOKEN_LIFETIME_UNSAID};
use crate::clock::Clock;
use crate::remote::{TokenRefusal, ask_for_token, is_sendable};

/// What Shopify knows an app by.
#[derive(Clone)]
pub struct AppCredentials {
    /// `client_id` of the app.
    pub client_id: SecretString,
    /// `client_secret` of the app.
    pub client_secret: SecretString,
}

/// What a token is asked for with.
#[derive(Clone, Copy)]
pub enum Grant<'a> {
    /// `grant_type=refresh_token`: gives a new pair. Shopify takes this refresh token again until the new one is used.
    RefreshToken(&'a SecretString),
    /// `grant_type=client_credentials`: the app's id and secret alone.
    ClientCredentials,
}

/// What the endpoint gave.
#[derive(Clone)]
pub struct Granted {
    /// The access token.
    pub access_token: SecretString,
    /// When it was asked for: its life counts from here, since late is the safe side.
    pub asked_at: Timestamp,
    /// How long it lives.
    pub expires_in: Duration,
    /// The next refresh token; none under client credentials, or where the old one goes on.
    pub refresh_token: Option<SecretString>,
    /// How long the refresh token lives.
    pub refresh_token_expires_in: Option<Duration>,
    /// The refresh token that this was had for.
    pub used: Option<SecretString>,
}

/// Why there is no token. Plain values, since all who waited for one share its failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The shop does not accept the client id, the client secret or the refresh token, or the app is not installed.
    #[error(
        "the shop's token endpoint refused with status {status} {code}: is the app installed, are client_id, client_secret and \
         refresh_token right? Store new ones with `credentials set`"
    )]
    Refused {
        /// HTTP status.
        status: u16,
        /// OAuth error code, such as `invalid_grant`; perhaps empty.
        code: String,
    },
    /// It cannot be reached, is too slow, or has trouble of its own.
    #[error("the shop's token endpoint is not available: {how}")]
    Unavailable {
        /// In what way.
        how: String,
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// A good status with something else than a token, such as an HTML page.
    #[error("the shop's token endpoint answered something else than a token")]
    Unreadable,
    /// The stored tokens cannot be read or written: nothing is asked for that could not be kept.
    #[error("the stored tokens cannot be read or written: {how}")]
    Shelf {
        /// In what way.
        how: String,
    },
    /// Another process is asking, and its answer has not come.
    #[error("another process is asking for a token")]
    Busy,
    /// The stored credentials lack something.
    #[error("{kind} is missing: store it with `credentials set`")]
    Missing {
        /// What is missing.
        kind: &'static str,
    },
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
            Self::Refused { .. } | Self::Unreadable | Self::Shelf { .. } | Self::Busy | Self::Missing { .. } => None,
        }
    }
}

/// Asks once.
///
/// # Errors
/// It was refused, or no answer came that can be used. Shopify may have given out a pair all the same.
pub(super) async fn ask(
    http: &Client,
    endpoint: &Url,
    app: &AppCredentials,
    grant: Grant<'_>,
    clock: &Clock,
) -> Result<Granted, TokenError> {
    let mut form =
        vec![("client_id", app.client_id.expose_secret()), ("client_secret", app.client_secret.expose_secret())];
    match grant {
        Grant::RefreshToken(token) => {
            form.push(("grant_type", "refresh_token"));
            form.push(("refresh_token", token.expose_secret()));
        }
        Grant::ClientCredentials => form.push(("grant_type", "client_credentials")),
    }
    let asked_at = clock.now();
    let request = http.post(endpoint.clone()).header("Accept", "application/json").form(&form);
    granted(&ask_for_token(request, clock).await?, grant, asked_at)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "optional_secret")]
    refresh_token: Option<SecretString>,
    refresh_token_expires_in: Option<u64>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

fn granted(body: &[u8], grant: Grant<'_>, asked_at: Timestamp) -> Result<Granted, TokenError> {
    // The error of the decoder may quote the body: it is not kept.
    let answer: Answer = serde_json::from_slice(body).map_err(|_may_quote_a_token| TokenError::Unreadable)?;
    let sendable = |token: &SecretString| is_sendable(token.expose_secret());
    let whole = sendable(&answer.access_token) && answer.refresh_token.as_ref().is_none_or(sendable);
    if !whole || answer.expires_in == Some(0) {
        return Err(TokenError::Unreadable);
    }
    // Answers without `expires_in` were seen: such a token is taken for one that ends as usual, never for one that stays.
    let expires_in = answer.expires_in.map_or(TOKEN_LIFETIME_UNSAID, Duration::from_secs).min(TOKEN_LIFETIME_MAX);
    Ok(Granted {
        access_token: answer.access_token,
        asked_at,
        expires_in,
        refresh_token: answer.refresh_token,
        refresh_token_expires_in: answer.refresh_token_expires_in.map(Duration::from_secs),
        used: match grant {
            Grant::RefreshToken(token) => Some(token.clone()),
            Grant::ClientCredentials => None,
        },
    })
}
