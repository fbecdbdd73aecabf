//! Credentials between the store, which holds them sealed, and the vault, which opens them.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::config::Settings;
use crate::shopify::auth::ShopifyAuth;
use crate::store::{Credential, Store, StoreError};
use crate::vault::{KeyRing, Place, VaultError};

/// The kinds of `ifs.NAME`.
pub const IFS_KINDS: [&str; 2] = ["client_id", "client_secret"];

/// The kinds of `connections.NAME` that a person stores, by how its shop's token is had; `webhook_secret_old` is taken beside the new
/// one while Shopify rotates. The service itself adds `access_token` and `refresh_token_old` where tokens are renewed.
pub fn connection_kinds(auth: ShopifyAuth) -> &'static [&'static str] {
    match auth {
        ShopifyAuth::Token => &["webhook_secret", "webhook_secret_old", "access_token"],
        ShopifyAuth::ExpiringToken => {
            &["webhook_secret", "webhook_secret_old", "client_id", "client_secret", "refresh_token"]
        }
        ShopifyAuth::ClientCredentials => &["webhook_secret", "webhook_secret_old", "client_id", "client_secret"],
    }
}

/// A credential that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Whether the settings know `owner`, and whether it has that kind.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_owner(settings: &Settings, owner: &str, kind: &str) -> Result<(), String> {
    let kinds = match owner.split_once('.') {
        Some(("ifs", name)) => settings.tenants.keys().any(|known| known.as_str() == name).then_some(&IFS_KINDS[..]),
        Some(("connections", name)) => {
            let found = settings.connections.iter().find(|(known, _)| known.as_str() == name);
            found.map(|(_, connection)| connection_kinds(connection.link.shopify_auth))
        }
        _ => return Err(format!("OWNER: found {owner:?}, expected ifs.NAME or connections.NAME")),
    };
    match kinds {
        None => Err(format!("OWNER: the settings have no section [{owner}]")),
        Some(kinds) if kinds.contains(&kind) => Ok(()),
        Some(kinds) => {
            let by = if owner.starts_with("connections.") { " under its shopify_auth" } else { "" };
            Err(format!("KIND: found {kind:?}, {owner} takes {}{by}", kinds.join(", ")))
        }
    }
}

/// Where a secret of this owner, kind and version lives.
pub(super) fn place<'a>(owner: &'a str, kind: &'a str, version: i64) -> Place<'a> {
    Place { table: "credentials", row: owner, column: kind, version }
}

/// Seals and stores a secret; returns its fingerprint.
///
/// # Errors
/// The store's; [`StoreError::Stale`] when somebody else stored one at the same time.
pub async fn put(
    store: &Store,
    keys: &KeyRing,
    owner: &str,
    kind: &str,
    secret: &SecretString,
    who: String,
    now: Timestamp,
) -> Result<String, StoreError> {
    let present = store.credential(owner.to_owned(), kind.to_owned()).await?;
    let version = present.map_or(1, |present| present.version + 1);
    let credential = sealed(keys, owner, (kind, version), secret, now);
    let fingerprint = credential.fingerprint.clone();
    store.put_credential(credential, who).await?;
    Ok(fingerprint)
}

/// A secret as the store takes it.
pub(super) fn sealed(
    keys: &KeyRing,
    owner: &str,
    (kind, version): (&str, i64),
    secret: &SecretString,
    now: Timestamp,
) -> Credential {
    Credential {
        owner: owner.to_owned(),
        kind: kind.to_owned(),
        version,
        key_id: keys.active_id().to_owned(),
        sealed: keys.seal(place(owner, kind, version), secret),
        fingerprint: keys.fingerprint(secret),
        expires_at: None,
        updated_at: now,
    }
}

/// Opens a stored secret; `None` when none is stored.
///
/// # Errors
/// The store's, or the vault's when it does not open under the keys at hand.
pub async fn get(
    store: &Store,
    keys: &KeyRing,
    owner: &str,
    kind: &str,
) -> Result<Option<SecretString>, CredentialError> {
    let Some(stored) = store.credential(owner.to_owned(), kind.to_owned()).await? else {
        return Ok(None);
    };
    let secret = keys.open(place(owner, kind, stored.version), &stored.sealed)?;
    Ok(Some(secret))
}
