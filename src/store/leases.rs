//! `leases`: who may write for a tenant. They live by the database's clock alone, and each new owner gets a
//! higher generation, so that a stale owner's settle changes no row.

use std::time::Duration;

use diesel::prelude::*;

use super::dialect::{self, Db};
use super::intents::span;
use super::wakes::{self, WakeUp};
use super::{Store, StoreError, schema};
use crate::domain::ids::Generation;
use crate::planted;

/// A lease that we hold, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is leased, e.g. `ifs.main`.
    pub name: String,
    /// Our own id.
    pub owner: String,
    /// The fencing number.
    pub generation: Generation,
}

/// The answer to a request for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// It is ours now.
    Ours(Lease),
    /// Somebody else holds it.
    Theirs {
        /// Who.
        owner: String,
        /// How long it lasts unless it is renewed.
        expires_in: Duration,
    },
}

/// A lease as the database knows it, for whoever asks who owns what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// What is leased, e.g. `ifs.main`.
    pub name: String,
    /// Who holds it, or held it last.
    pub owner: String,
    /// The fencing number.
    pub generation: Generation,
    /// How long it lasts unless it is renewed, by the database's clock; none once it has run out or was given back.
    pub expires_in: Option<Duration>,
}

/// When somebody else's lease may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// Only when it has run out.
    WhenExpired,
    /// At once: something else proves that its owner is gone (SQLite's file lock).
    Proven,
}

impl Store {
    /// Takes the lease when it is free or expired.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn acquire_lease(
        &self,
        name: String,
        owner: String,
        lasts: Duration,
        takeover: Takeover,
    ) -> Result<LeaseState, StoreError> {
        self.write(move |db| acquire(db, name, owner, lasts, takeover)).await
    }

    /// All leases that were ever taken, by their names. Locks nothing: to look costs their owners nothing.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn leases(&self) -> Result<Vec<LeaseView>, StoreError> {
        self.run(|db| {
            use schema::leases::dsl;
            let now = dialect::clock_micros(db)?;
            let rows: Vec<(String, String, i64, i64)> = dsl::leases
                .select((dsl::name, dsl::owner, dsl::generation, dsl::expires_at))
                .order(dsl::name)
                .load(db)?;
            let view = |(name, owner, generation, expires_at): (String, String, i64, i64)| {
                let left = expires_at.saturating_sub(now);
                let expires_in = (left > 0).then(|| Duration::from_micros(left.unsigned_abs()));
                LeaseView { name, owner, generation: Generation::new(generation), expires_in }
            };
            Ok(rows.into_iter().map(view).collect())
        })
        .await
    }

    /// Prolongs a lease that is still ours.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when somebody else took it.
    pub async fn renew_lease(&self, lease: &Lease, lasts: Duration) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |db| {
            use schema::leases::dsl;
            let now = dialect::clock_micros(db)?;
            let renewed = diesel::update(dsl::leases.filter(dsl::name.eq(&lease.name)))
                .filter(dsl::owner.eq(&lease.owner))
                .filter(dsl::generation.eq(lease.generation.get()))
                .set(dsl::expires_at.eq(now + span(lasts)))
                .execute(db)?;
            if renewed == 1 { Ok(()) } else { Err(StoreError::Fenced) }
        })
        .await
    }

    /// Gives a lease back and tells those who stand by for it, so that the next owner need not wait.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |db| {
            use schema::leases::dsl;
            diesel::update(dsl::leases.filter(dsl::name.eq(&lease.name)))
                .filter(dsl::owner.eq(&lease.owner))
                .filter(dsl::generation.eq(lease.generation.get()))
                .set(dsl::expires_at.eq(0))
                .execute(db)?;
            wakes::tell(db, &WakeUp::Lease(lease.name))
        })
        .await
    }
}

fn acquire(
    db: &mut Db,
    name: String,
    owner: String,
    lasts: Duration,
    takeover: Takeover,
) -> Result<LeaseState, StoreError> {
    use schema::leases::dsl;
    diesel::sql_query(
        "INSERT INTO leases (name, owner, generation, expires_at) VALUES ($1, '', 0, 0) ON CONFLICT (name) DO NOTHING",
    )
    .bind::<diesel::sql_types::Text, _>(&name)
    .execute(db)?;
    dialect::lock_lease(db, &name)?;
    let now = dialect::clock_micros(db)?;
    let (holder, generation, expires_at): (String, i64, i64) =
        dsl::leases.filter(dsl::name.eq(&name)).select((dsl::owner, dsl::generation, dsl::expires_at)).first(db)?;
    if takeover == Takeover::WhenExpired && holder != owner && expires_at > now {
        let expires_in = Duration::from_micros((expires_at - now).unsigned_abs());
        return Ok(LeaseState::Theirs { owner: holder, expires_in });
    }
    let generation = generation + 1;
    diesel::update(dsl::leases.filter(dsl::name.eq(&name)))
        .set((dsl::owner.eq(&owner), dsl::generation.eq(generation), dsl::expires_at.eq(now + span(lasts))))
        .execute(db)?;
    Ok(LeaseState::Ours(Lease { name, owner, generation: Generation::new(generation) }))
}

/// Fails unless the lease is ours, and keeps it ours until the transaction ends.
pub(super) fn hold(db: &mut Db, lease: &Lease) -> Result<(), StoreError> {
    match dialect::share_lease(db, &lease.name)? {
        Some((owner, generation)) if owner == lease.owner && generation == lease.generation.get() => Ok(()),
        Some(_) if planted::is(planted::NO_FENCING) => Ok(()),
        _ => Err(StoreError::Fenced),
    }
}
