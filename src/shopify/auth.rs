//! The access token of one shop: where it comes from, on which shelf it is kept, and how a call is signed with it. When it is renewed
//! is `token_keeper.rs`; nothing else sees a token.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::grant::{AppCredentials, Granted, TokenError};
use super::token_keeper::TokenKeeper;
use crate::clock::Clock;

/// The header that carries it.
const HEADER: &str = "X-Shopify-Access-Token";

/// How a shop's access token is had: `shopify_auth` of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopifyAuth {
    /// An offline token that does not end.
    Token,
    /// Expiring offline tokens: 60 minutes, and a refresh token that each use replaces.
    ExpiringToken,
    /// The client credentials grant, for apps of one's own organisation: 24 hours.
    ClientCredentials,
}

/// What the stored credentials of a shop hold.
pub struct Shelved {
    /// The app.
    pub app: AppCredentials,
    /// The access token, where one with a known end is kept.
    pub access_token: Option<Kept>,
    /// The refresh token.
    pub refresh_token: Option<SecretString>,
    /// The one before it: Shopify takes it again as long as its successor was not used.
    pub refresh_token_old: Option<SecretString>,
    /// Which state of the shelf this is, as it wants to be told when something is put there.
    pub revision: Vec<(&'static str, i64)>,
}

/// An access token that is kept, and its time.
#[derive(Clone)]
pub struct Kept {
    /// The token.
    pub token: SecretString,
    /// When it was kept.
    pub since: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// How putting something on the shelf ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is durable.
    Done,
    /// Somebody else put something there meanwhile: nothing was changed.
    Overtaken,
}

/// Where a shop's tokens are kept, for all processes that share its database. Below this module nobody knows a database, so it is
/// given from outside.
pub trait TokenShelf: Send + Sync {
    /// What is kept now.
    ///
    /// # Errors
    /// It cannot be read, or lacks something.
    fn read(&self) -> BoxFuture<'_, Result<Shelved, TokenError>>;

    /// Takes the right to ask for a token; false while another process has it. It ends by itself if its holder dies.
    ///
    /// # Errors
    /// It cannot be told.
    fn reserve(&self) -> BoxFuture<'_, Result<bool, TokenError>>;

    /// Puts what was granted in the place of what was read, all of it or nothing.
    ///
    /// # Errors
    /// It is not known to be durable.
    fn put<'a>(&'a self, read: &'a Shelved, granted: &'a Granted) -> BoxFuture<'a, Result<Put, TokenError>>;

    /// Gives the right back.
    fn give_back(&self) -> BoxFuture<'_, ()>;
}

/// A token in use. Two handles are equal when they came of the same answer.
#[derive(Clone)]
pub struct AccessToken(Arc<SecretString>);

impl AccessToken {
    pub(super) fn new(token: SecretString) -> Self {
        Self(Arc::new(token))
    }

    pub(super) fn is(&self, token: &SecretString) -> bool {
        self.0.expose_secret() == token.expose_secret()
    }

    /// Whether both came of the same answer.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match HeaderValue::from_str(self.0.expose_secret()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(HEADER, value)
            }
            // Not sent at all: Shopify answers 401, which says what to mend.
            Err(_not_a_header) => request,
        }
    }
}

/// Where a client has its token from.
pub enum TokenSource {
    /// One that stays.
    Offline(SecretString),
    /// One that is renewed.
    Renewed {
        /// With which grant.
        auth: ShopifyAuth,
        /// What is kept of it.
        shelf: Arc<dyn TokenShelf>,
    },
}

/// The token of one shop.
pub(super) enum Tokens {
    Offline(AccessToken),
    Renewed(Box<TokenKeeper>),
}

impl Tokens {
    pub(super) fn new(source: TokenSource, endpoint: Url, http: Client, clock: Clock, remote: &str) -> Self {
        match source {
            TokenSource::Offline(token) => Self::Offline(AccessToken::new(token)),
            TokenSource::Renewed { auth, shelf } => {
                Self::Renewed(Box::new(TokenKeeper::new(auth, shelf, endpoint, http, clock, remote)))
            }
        }
    }

    /// A token to use now.
    pub(super) async fn token(&self) -> Result<AccessToken, TokenError> {
        match self {
            Self::Offline(token) => Ok(token.clone()),
            Self::Renewed(keeper) => keeper.token().await,
        }
    }

    /// Another token than one that Shopify refused; `None` where there is no other, or the refused one is new itself.
    pub(super) async fn instead_of(&self, refused: &AccessToken) -> Result<Option<AccessToken>, TokenError> {
        match self {
            Self::Offline(_) => Ok(None),
            Self::Renewed(keeper) => keeper.instead_of(refused).await,
        }
    }

    /// Makes sure that a token is held that is not due, and says when to come again; `None` for one that stays.
    pub(super) async fn keep(&self) -> Result<Option<Duration>, TokenError> {
        match self {
            Self::Offline(_) => Ok(None),
            Self::Renewed(keeper) => keeper.keep().await.map(Some),
        }
    }
}
