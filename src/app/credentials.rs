//! Credentials between the store, which holds them sealed, and the vault, which opens them.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::config::Settings;
use crate::store::{Credential, Store, StoreError};
use crate::vault::{KeyRing, Place, VaultError};

/// The kinds of `ifs.NAME`.
pub const IFS_KINDS: [&str; 2] = ["client_id", "client_secret"];
/// The kinds of `connections.NAME`; `webhook_secret_old` is taken beside the new one while Shopify rotates.
pub const CONNECTION_KINDS: [&str; 3] = ["webhook_secret", "webhook_secret_old", "access_token"];

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
    let (known, kinds) = match owner.split_once('.') {
        Some(("ifs", name)) => (settings.tenants.keys().any(|known| known.as_str() == name), &IFS_KINDS[..]),
        Some(("connections", name)) => {
            (settings.connections.keys().any(|known| known.as_str() == name), &CONNECTION_KINDS[..])
        }
        _ => return Err(format!("OWNER: found {owner:?}, expected ifs.NAME or connections.NAME")),
    };
    if !known {
        return Err(format!("OWNER: the settings have no section [{owner}]"));
    }
    if !kinds.contains(&kind) {
        return Err(format!("KIND: found {kind:?}, {owner} takes {}", kinds.join(", ")));
    }
    Ok(())
}

fn place<'a>(owner: &'a str, kind: &'a str, version: i64) -> Place<'a> {
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
    let sealed = keys.seal(place(owner, kind, version), secret);
    let fingerprint = keys.fingerprint(secret);
    let credential = Credential {
        owner: owner.to_owned(),
        kind: kind.to_owned(),
        version,
        key_id: keys.active_id().to_owned(),
        sealed,
        fingerprint: fingerprint.clone(),
    };
    store.put_credential(credential, who, now).await?;
    Ok(fingerprint)
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
