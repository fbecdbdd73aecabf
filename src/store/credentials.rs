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
}

impl Store {
    /// One sealed credential.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn credential(&self, owner: String, kind: String) -> Result<Option<Credential>, StoreError> {
        self.run(move |db| {
            use schema::credentials::dsl;
            let row: Option<(i64, String, String, String)> = dsl::credentials
                .filter(dsl::owner.eq(&owner))
                .filter(dsl::kind.eq(&kind))
                .select((dsl::version, dsl::key_id, dsl::sealed, dsl::fingerprint))
                .first(db)
                .optional()?;
            Ok(row.map(|(version, key_id, sealed, fingerprint)| Credential {
                owner,
                kind,
                version,
                key_id,
                sealed,
                fingerprint,
            }))
        })
        .await
    }

    /// Stores a credential whose version is the next one; audited.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when another version was stored meanwhile.
    pub async fn put_credential(&self, credential: Credential, who: String, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| {
            use schema::credentials::dsl;
            let now = micros(now);
            let content = (
                dsl::version.eq(credential.version),
                dsl::key_id.eq(&credential.key_id),
                dsl::sealed.eq(&credential.sealed),
                dsl::fingerprint.eq(&credential.fingerprint),
                dsl::updated_at.eq(now),
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
            if changed != 1 {
                return Err(StoreError::Stale);
            }
            let subject = format!("credential {} {}", credential.owner, credential.kind);
            audit(db, now, &who, "set", &subject, None)
        })
        .await
    }

    /// All credentials by owner and kind, without their secrets.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_credentials(&self) -> Result<Vec<CredentialRow>, StoreError> {
        self.run(|db| {
            use schema::credentials::dsl;
            let rows: Vec<(String, String, i64, String, String, i64)> = dsl::credentials
                .order((dsl::owner, dsl::kind))
                .select((dsl::owner, dsl::kind, dsl::version, dsl::key_id, dsl::fingerprint, dsl::updated_at))
                .load(db)?;
            let told = |(owner, kind, version, key_id, fingerprint, at)| CredentialRow {
                owner,
                kind,
                version,
                key_id,
                fingerprint,
                updated_at: instant(at),
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

fn ensure_connection(db: &mut super::dialect::Db, name: &str, now: i64) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO connections (name, updated_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind::<diesel::sql_types::Text, _>(name)
        .bind::<diesel::sql_types::BigInt, _>(now)
        .execute(db)?;
    Ok(())
}
