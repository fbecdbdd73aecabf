//! `credentials` and `connections`: sealed secrets, the first contact's fingerprint, and the mark of a
//! restored backup. What is sealed is opened by `vault`, never here.

use diesel::prelude::*;
use jiff::Timestamp;

use super::operate::audit;
use super::rows::{instant, micros};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// A sealed credential.
#[derive(Debug, Clone)]
pub struct Credential {
    /// `connections.NAME` or `ifs.NAME`.
    pub owner: String,
    /// E.g. `webhook_secret`, `access_token`, `client_id`, `client_secret`.
    pub kind: String,
    /// Counts its changes; bound into the seal.
    pub version: i64,
    /// The master key that sealed it.
    pub key_id: String,
    /// The AEAD's text.
    pub sealed: String,
    /// A short keyed digest that people can compare.
    pub fingerprint: String,
    /// When what it holds ends, where that is known.
    pub expires_at: Option<Timestamp>,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// A credential as it is listed: no part of the secret.
#[derive(Debug, Clone)]
pub struct CredentialRow {
    /// `connections.NAME` or `ifs.NAME`.
    pub owner: String,
    /// Its kind.
    pub kind: String,
    /// Counts its changes.
    pub version: i64,
    /// The master key that sealed it.
    pub key_id: String,
    /// A short keyed digest that people can compare.
    pub fingerprint: String,
    /// When it was set.
    pub updated_at: Timestamp,
    /// When what it holds ends, where that is known.
    pub expires_at: Option<Timestamp>,
}

/// The columns of one credential but its owner.
type CredentialColumns = (String, i64, String, String, String, Option<i64>, i64);

/// What a token was had with: a new one of these makes a kept access token worthless.
const SOURCES_OF_A_TOKEN: [&str; 3] = ["client_id", "client_secret", "refresh_token"];

impl Store {
    /// One sealed credential.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn credential(&self, owner: String, kind: String) -> Result<Option<Credential>, StoreError> {
        let of_owner = self.credentials_of(owner).await?;
        Ok(of_owner.into_iter().find(|credential| credential.kind == kind))
    }

    /// All sealed credentials of one owner, as they stand at one moment.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn credentials_of(&self, owner: String) -> Result<Vec<Credential>, StoreError> {
        self.run(move |db| {
            use schema::credentials::dsl;
            let rows: Vec<CredentialColumns> = dsl::credentials
                .filter(dsl::owner.eq(&owner))
                .select((
                    dsl::kind,
                    dsl::version,
                    dsl::key_id,
                    dsl::sealed,
                    dsl::fingerprint,
                    dsl::expires_at,
                    dsl::updated_at,
                ))
                .load(db)?;
            let told = |(kind, version, key_id, sealed, fingerprint, expires_at, at): CredentialColumns| Credential {
                owner: owner.clone(),
                kind,
                version,
                key_id,
                sealed,
                fingerprint,
                expires_at: expires_at.map(instant),
                updated_at: instant(at),
            };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }

    /// Stores a credential whose version is the next one; audited. An access token that was had with what is replaced ends with it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when another version was stored meanwhile.
    pub async fn put_credential(&self, credential: Credential, who: String) -> Result<(), StoreError> {
        self.write(move |db| {
            put(db, &credential)?;
            if SOURCES_OF_A_TOKEN.contains(&credential.kind.as_str()) {
                use schema::credentials::dsl;
                diesel::update(dsl::credentials.filter(dsl::owner.eq(&credential.owner)))
                    .filter(dsl::kind.eq("access_token"))
                    .filter(dsl::expires_at.is_not_null())
                    .set(dsl::expires_at.eq(Some(0_i64)))
                    .execute(db)?;
            }
            let subject = format!("credential {} {}", credential.owner, credential.kind);
            audit(db, micros(credential.updated_at), &who, "set", &subject, None)
        })
        .await
    }

    /// Stores what a remote gave in the place of what was used up: all of it or nothing. No person did it, so it is not audited.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when another version of one of them was stored meanwhile.
    pub async fn renew_credentials(&self, credentials: Vec<Credential>) -> Result<(), StoreError> {
        self.write(move |db| credentials.iter().try_for_each(|credential| put(db, credential))).await
    }

    /// All credentials by owner and kind, without their secrets.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_credentials(&self) -> Result<Vec<CredentialRow>, StoreError> {
        self.run(|db| {
            use schema::credentials::dsl;
            let rows: Vec<(String, CredentialColumns)> = dsl::credentials
                .order((dsl::owner, dsl::kind))
                .select((
                    dsl::owner,
                    (
                        dsl::kind,
                        dsl::version,
                        dsl::key_id,
                        dsl::sealed,
                        dsl::fingerprint,
                        dsl::expires_at,
                        dsl::updated_at,
                    ),
                ))
                .load(db)?;
            let told = |(owner, columns): (String, CredentialColumns)| {
                let (kind, version, key_id, _, fingerprint, expires_at, at) = columns;
                let (updated_at, expires_at) = (instant(at), expires_at.map(instant));
                CredentialRow { owner, kind, version, key_id, fingerprint, updated_at, expires_at }
            };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }

    /// The fingerprint of a connection's first contact, if it had one.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn connection_fingerprint(&self, name: &ConnectionName) -> Result<Option<String>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            use schema::connections::dsl;
            let row: Option<Option<String>> =
                dsl::connections.filter(dsl::name.eq(name)).select(dsl::fingerprint).first(db).optional()?;
            Ok(row.flatten())
        })
        .await
    }

    /// Remembers the first contact's fingerprint; an existing one stays.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn remember_fingerprint(
        &self,
        name: &ConnectionName,
        print: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = name.as_str().to_owned();
        self.write(move |db| {
            use schema::connections::dsl;
            ensure_connection(db, &name, micros(now))?;
            diesel::update(dsl::connections.filter(dsl::name.eq(name)).filter(dsl::fingerprint.is_null()))
                .set(dsl::fingerprint.eq(print))
                .execute(db)?;
            Ok(())
        })
        .await
    }

    /// Orders born before this instant are looked up before any create (after a restored backup).
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn look_up_before(&self, name: &ConnectionName) -> Result<Option<Timestamp>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            use schema::connections::dsl;
            let row: Option<Option<i64>> =
                dsl::connections.filter(dsl::name.eq(name)).select(dsl::look_up_before).first(db).optional()?;
            Ok(row.flatten().map(instant))
        })
        .await
    }

    /// Marks that the database was restored: every order born before `now` is looked up before a create,
    /// also those whose documents stand already. Returns how many documents that touched.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn mark_restored(
        &self,
        connections: Vec<ConnectionName>,
        who: String,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(move |db| {
            let at = micros(now);
            let mut touched = 0;
            for name in connections {
                use schema::{connections, documents};
                ensure_connection(db, name.as_str(), at)?;
                diesel::update(connections::table.filter(connections::name.eq(name.as_str())))
                    .set((connections::look_up_before.eq(at), connections::updated_at.eq(at)))
                    .execute(db)?;
                touched += diesel::update(documents::table)
                    .filter(documents::connection.eq(name.as_str()))
                    .filter(documents::look_up_first.eq(0))
                    .set(documents::look_up_first.eq(1))
                    .execute(db)?;
                audit(db, at, &who, "mark-restored", &format!("connection {name}"), None)?;
            }
            Ok(touched)
        })
        .await
    }
}

/// One credential whose version is the next one.
fn put(db: &mut super::dialect::Db, credential: &Credential) -> Result<(), StoreError> {
    use schema::credentials::dsl;
    let content = (
        dsl::version.eq(credential.version),
        dsl::key_id.eq(&credential.key_id),
        dsl::sealed.eq(&credential.sealed),
        dsl::fingerprint.eq(&credential.fingerprint),
        dsl::expires_at.eq(credential.expires_at.map(micros)),
        dsl::updated_at.eq(micros(credential.updated_at)),
    );
    let changed = if credential.version == 1 {
        diesel::insert_into(dsl::credentials)
            .values((content, dsl::owner.eq(&credential.owner), dsl::kind.eq(&credential.kind)))
            .execute(db)?
    } else {
        diesel::update(dsl::credentials.filter(dsl::owner.eq(&credential.owner)))
            .filter(dsl::kind.eq(&credential.kind))
            .filter(dsl::version.eq(credential.version - 1))
            .set(content)
            .execute(db)?
    };
    if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

fn ensure_connection(db: &mut super::dialect::Db, name: &str, now: i64) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO connections (name, updated_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind::<diesel::sql_types::Text, _>(name)
        .bind::<diesel::sql_types::BigInt, _>(now)
        .execute(db)?;
    Ok(())
}
