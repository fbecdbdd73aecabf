//! `census_days`: what a census counted, by the day on which the orders were placed; and what we know of a window of days.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;

use super::leases::{self, Lease};
use super::rows::{instant, micros, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// Orders whose deletion was not confirmed.
const NOT_DELETED: &str = "NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.connection = orders.connection \
    AND inbox.order_id = orders.order_id AND inbox.topic = 'orders/delete' AND inbox.state = 'mapped')";

/// One day of a census.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CensusDay {
    /// The day in the shop's time zone, as `2026-12-01`.
    pub day: String,
    /// Orders that Shopify lists.
    pub shopify: i64,
    /// Orders that we knew.
    pub ours: i64,
    /// Orders that we did not know.
    pub missing: i64,
    /// Orders of which Shopify had a newer version.
    pub newer: i64,
    /// Orders of ours that Shopify has no more.
    pub gone: i64,
    /// Names between others that no order has, with blanks between.
    pub gaps: String,
}

/// What we know of an order, as far as a census looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// Shopify's number.
    pub order_id: u64,
    /// Shopify's name.
    pub name: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Its newest change that we know.
    pub updated_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::census_days)]
struct Raw {
    day: String,
    taken_at: i64,
    shopify: i64,
    ours: i64,
    missing: i64,
    newer: i64,
    gone: i64,
    gaps: String,
}

impl Raw {
    fn told(self) -> (CensusDay, Timestamp) {
        let Self { day, taken_at, shopify, ours, missing, newer, gone, gaps } = self;
        (CensusDay { day, shopify, ours, missing, newer, gone, gaps }, instant(taken_at))
    }
}

impl Store {
    /// The orders that we know of a window, by the time at which they were placed; without those whose deletion is known.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn orders_placed(
        &self,
        name: &ConnectionName,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<PlacedOrder>, StoreError> {
        use schema::orders::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let rows: Vec<(i64, String, i64, i64)> = dsl::orders
                .filter(dsl::connection.eq(name))
                .filter(dsl::created_at.ge(micros(from)))
                .filter(dsl::created_at.lt(micros(until)))
                .filter(sql::<Bool>(NOT_DELETED))
                .select((dsl::order_id, dsl::name, dsl::created_at, dsl::updated_at))
                .load(db)?;
            let known = |(id, name, created_at, updated_at)| PlacedOrder {
                order_id: unsigned(id),
                name,
                created_at: instant(created_at),
                updated_at: instant(updated_at),
            };
            Ok(rows.into_iter().map(known).collect())
        })
        .await
    }

    /// Keeps what a census counted; a later one of the same day takes its place. Days before `kept_from` are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn keep_census(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        days: Vec<CensusDay>,
        kept_from: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::census_days::dsl;
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            // Days are written so that their texts sort as they do.
            let of_us = dsl::census_days.filter(dsl::connection.eq(&name));
            diesel::delete(of_us.filter(dsl::day.lt(&kept_from))).execute(db)?;
            for day in &days {
                let of_day = dsl::census_days.filter(dsl::connection.eq(&name)).filter(dsl::day.eq(&day.day));
                diesel::delete(of_day).execute(db)?;
                diesel::insert_into(dsl::census_days)
                    .values((
                        dsl::connection.eq(&name),
                        dsl::day.eq(&day.day),
                        dsl::taken_at.eq(micros(now)),
                        dsl::shopify.eq(day.shopify),
                        dsl::ours.eq(day.ours),
                        dsl::missing.eq(day.missing),
                        dsl::newer.eq(day.newer),
                        dsl::gone.eq(day.gone),
                        dsl::gaps.eq(&day.gaps),
                    ))
                    .execute(db)?;
            }
            Ok(())
        })
        .await
    }

    /// What was counted, and when, the newest day first.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn census_days(
        &self,
        name: &ConnectionName,
        limit: i64,
    ) -> Result<Vec<(CensusDay, Timestamp)>, StoreError> {
        use schema::census_days::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let rows: Vec<Raw> = dsl::census_days
                .filter(dsl::connection.eq(name))
                .order(dsl::day.desc())
                .limit(limit)
                .select(Raw::as_select())
                .load(db)?;
            Ok(rows.into_iter().map(Raw::told).collect())
        })
        .await
    }
}
