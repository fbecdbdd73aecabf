//! Shops out of the settings: where a client has its token from, and the shelf on which renewed tokens are kept, sealed, for all
//! processes that share the database.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::credentials::{place, sealed};
use super::{StartError, chain};
use crate::clock::Clock;
use crate::config::ConnectionSettings;
use crate::domain::ids::ConnectionName;
use crate::remote::{Egress, Tenure};
use crate::shopify::auth::{Kept, Put, Shelved, ShopifyAuth, TokenShelf, TokenSource};
use crate::shopify::grant::{AppCredentials, Granted, TokenError};
use crate::shopify::limits::RENEWAL_LASTS;
use crate::shopify::{ShopifyClient, ShopifySettings};
use crate::store::{Credential, Lease, LeaseState, Store, StoreError, Takeover};
use crate::vault::KeyRing;

/// What a renewed token is made of, in the order in which its rows are written.
const RENEWED_KINDS: [&str; 3] = ["refresh_token", "refresh_token_old", "access_token"];

/// The client of one connection's shop; nobody is called yet. `access_token` is the stored one, where the connection uses that.
///
/// # Errors
/// [`StartError::Remote`]: its settings do not allow one.
pub(super) fn shopify_client(
    name: &ConnectionName,
    connection: &ConnectionSettings,
    (access_token, tenure): (SecretString, Tenure),
    (store, keys): (&Store, &KeyRing),
    egress: &Egress,
    clock: &Clock,
) -> Result<ShopifyClient, StartError> {
    let link = &connection.link;
    let owner = format!("connections.{name}");
    let base_url = match &link.shopify_base_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("https://{}", link.shop))
            .map_err(|error| StartError::Remote(format!("[{owner}] shop: {error}")))?,
    };
    let token = match link.shopify_auth {
        ShopifyAuth::Token => TokenSource::Offline(access_token),
        auth @ (ShopifyAuth::ExpiringToken | ShopifyAuth::ClientCredentials) => {
            TokenSource::Renewed { auth, shelf: Arc::new(ShopTokens::new(&owner, store, keys)) }
        }
    };
    let api_version = link.shopify_api_version.clone();
    ShopifyClient::new(
        ShopifySettings { name: owner.clone(), base_url, api_version, token, tenure },
        egress,
        clock.clone(),
    )
    .map_err(|error| StartError::Remote(format!("[{owner}] {}", chain(&error))))
}

/// The tokens of one shop in the table of credentials, and the right to renew them in that of leases.
struct ShopTokens {
    owner: String,
    store: Store,
    keys: KeyRing,
    /// This process, or rather this client of it.
    holder: String,
    right: Mutex<Option<Lease>>,
}

impl ShopTokens {
    fn new(owner: &str, store: &Store, keys: &KeyRing) -> Self {
        Self {
            owner: owner.to_owned(),
            store: store.clone(),
            keys: keys.clone(),
            holder: Uuid::new_v4().simple().to_string(),
            right: Mutex::new(None),
        }
    }

    async fn shelved(&self) -> Result<Shelved, TokenError> {
        let rows = self.store.credentials_of(self.owner.clone()).await.map_err(|error| unkept(&error))?;
        let row = |kind: &str| rows.iter().find(|row| row.kind == kind);
        let open = |row: &Credential| {
            let place = place(&row.owner, &row.kind, row.version);
            self.keys.open(place, &row.sealed).map_err(|error| unkept(&error))
        };
        let opened = |kind: &str| row(kind).map(open).transpose();
        let required = |kind: &'static str| opened(kind)?.ok_or(TokenError::Missing { kind });
        let access_token = match row("access_token").map(|row| (row, row.expires_at)) {
            Some((row, Some(expires_at))) => Some(Kept { token: open(row)?, since: row.updated_at, expires_at }),
            // One that was stored by hand, as for another way to authenticate: nothing is known of its end.
            Some((_, None)) | None => None,
        };
        Ok(Shelved {
            app: AppCredentials { client_id: required("client_id")?, client_secret: required("client_secret")? },
            access_token,
            refresh_token: opened("refresh_token")?,
            refresh_token_old: opened("refresh_token_old")?,
            revision: RENEWED_KINDS.map(|kind| (kind, row(kind).map_or(0, |row| row.version))).to_vec(),
        })
    }

    async fn reserved(&self) -> Result<bool, TokenError> {
        let name = format!("token.{}", self.owner);
        let asked = self.store.acquire_lease(name, self.holder.clone(), RENEWAL_LASTS, Takeover::WhenExpired).await;
        match asked.map_err(|error| unkept(&error))? {
            LeaseState::Ours(lease) => {
                *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
                Ok(true)
            }
            LeaseState::Theirs { .. } => Ok(false),
        }
    }

    async fn kept(&self, read: &Shelved, granted: &Granted) -> Result<Put, TokenError> {
        let at = granted.asked_at;
        let row = |kind: &str, secret: &SecretString, lasts: Option<std::time::Duration>| {
            let version = read.revision.iter().find(|(known, _)| *known == kind).map_or(0, |(_, version)| *version);
            let mut row = sealed(&self.keys, &self.owner, (kind, version + 1), secret, at);
            row.expires_at = lasts.and_then(|lasts| at.checked_add(lasts).ok());
            row
        };
        let mut rows = Vec::new();
        if let Some(token) = &granted.refresh_token {
            rows.push(row("refresh_token", token, granted.refresh_token_expires_in));
            rows.extend(granted.used.as_ref().map(|used| row("refresh_token_old", used, None)));
        }
        rows.push(row("access_token", &granted.access_token, Some(granted.expires_in)));
        match self.store.renew_credentials(rows).await {
            Ok(()) => Ok(Put::Done),
            Err(StoreError::Stale) => Ok(Put::Overtaken),
            Err(error) => Err(unkept(&error)),
        }
    }
}

impl TokenShelf for ShopTokens {
    fn read(&self) -> BoxFuture<'_, Result<Shelved, TokenError>> {
        self.shelved().boxed()
    }

    fn reserve(&self) -> BoxFuture<'_, Result<bool, TokenError>> {
        self.reserved().boxed()
    }

    fn put<'a>(&'a self, read: &'a Shelved, granted: &'a Granted) -> BoxFuture<'a, Result<Put, TokenError>> {
        self.kept(read, granted).boxed()
    }

    fn give_back(&self) -> BoxFuture<'_, ()> {
        async {
            let right = self.right.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(right) = right
                && let Err(error) = self.store.release_lease(&right).await
            {
                tracing::warn!(shop = %self.owner, %error, "the right to renew the token could not be given back: it runs out by itself");
            }
        }
        .boxed()
    }
}

fn unkept(error: &dyn std::error::Error) -> TokenError {
    TokenError::Shelf { how: chain(error) }
}
