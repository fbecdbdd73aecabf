//! What becomes of planned prices: a call sets them or is refused, time passes, a person lets one through. To set a price again changes
//! nothing, so no call is announced.

use diesel::prelude::*;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::leases::{self, Lease};
use super::operate::audit;
use super::rows::{instant, micros, signed};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// What a call did to the prices that it carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettledPrices {
    /// The variants whose price is set, each with what it was set to.
    pub written: Vec<(u64, String)>,
    /// Those whose price Shopify did not take.
    pub refused: Vec<RefusedPrice>,
}

/// A price that Shopify did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPrice {
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// What was sent.
    pub amount: String,
    /// Shopify's word.
    pub code: String,
    /// A sentence for a person.
    pub text: String,
}

impl Store {
    /// Keeps what a call did: prices that are set, with what they were set to, and prices that Shopify did not take. One that was planned
    /// anew meanwhile, to another amount, stays planned.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn settle_prices(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        price_list: u64,
        SettledPrices { written, refused }: SettledPrices,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::prices::dsl;
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let list = signed(price_list)?;
        let written = written.into_iter().map(|(id, amount)| Ok((signed(id)?, amount)));
        let written = written.collect::<Result<Vec<_>, StoreError>>()?;
        let refused = refused.into_iter().map(|one| Ok((signed(one.variant_id)?, one)));
        let refused = refused.collect::<Result<Vec<_>, StoreError>>()?;
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let sent = |variant: i64, amount: &str| {
                let of_list = dsl::prices.filter(dsl::connection.eq(name.clone())).filter(dsl::price_list.eq(list));
                let planned = of_list.filter(dsl::variant_id.eq(variant)).filter(dsl::state.eq("planned"));
                planned.filter(dsl::wanted.eq(amount.to_owned()))
            };
            let none = None::<String>;
            for (variant, amount) in &written {
                diesel::update(sent(*variant, amount))
                    .set((
                        dsl::state.eq("written"),
                        dsl::shown.eq(dsl::wanted),
                        dsl::accepted.eq(&none),
                        dsl::reason_code.eq(&none),
                        dsl::reason_text.eq(&none),
                        dsl::updated_at.eq(now),
                    ))
                    .execute(db)?;
            }
            for (variant, refused) in &refused {
                diesel::update(sent(*variant, &refused.amount))
                    .set((
                        dsl::state.eq("parked"),
                        dsl::accepted.eq(&none),
                        dsl::reason_code.eq(&refused.code),
                        dsl::reason_text.eq(&refused.text),
                        dsl::updated_at.eq(now),
                    ))
                    .execute(db)?;
            }
            Ok(())
        })
        .await
    }

    /// Shopify refused a call with these prices and named none of them: from now on so many go together at most.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn part_prices(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (price_list, variants): (u64, Vec<u64>),
        together: usize,
    ) -> Result<(), StoreError> {
        use schema::prices::dsl;
        let (lease, name, list) = (lease.clone(), name.as_str().to_owned(), signed(price_list)?);
        let variants: Vec<i64> = variants.into_iter().map(signed).collect::<Result<_, _>>()?;
        let together = i64::try_from(together).unwrap_or(i64::MAX);
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list));
            let planned = of_list.filter(dsl::variant_id.eq_any(variants)).filter(dsl::state.eq("planned"));
            diesel::update(planned).set(dsl::together.eq(Some(together))).execute(db)?;
            Ok(())
        })
        .await
    }

    /// Planned prices that are not set any more: a run plans them anew. Gives how many they were.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn age_prices(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (price_list, variants): (u64, Vec<u64>),
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        use schema::prices::dsl;
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let list = signed(price_list)?;
        let variants: Vec<i64> = variants.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list));
            let planned = of_list.filter(dsl::variant_id.eq_any(variants)).filter(dsl::state.eq("planned"));
            Ok(diesel::update(planned).set((dsl::state.eq("aged"), dsl::updated_at.eq(now))).execute(db)?)
        })
        .await
    }

    /// Forgets the prices of all lists but these; 0 is the shop's own. Gives how many they were.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn forget_other_prices(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        lists: Vec<u64>,
    ) -> Result<usize, StoreError> {
        use schema::prices::dsl;
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let lists: Vec<i64> = lists.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_connection = dsl::prices.filter(dsl::connection.eq(name));
            Ok(diesel::delete(of_connection.filter(dsl::price_list.ne_all(lists))).execute(db)?)
        })
        .await
    }

    /// When a planned price was last given up for its age or its rules, of those that no run has planned anew.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn aged_prices_at(&self, name: &ConnectionName) -> Result<Option<Timestamp>, StoreError> {
        use diesel::dsl::max;
        use schema::prices::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let aged = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::state.eq("aged"));
            let latest: Option<i64> = aged.select(max(dsl::updated_at)).first(db)?;
            Ok(latest.map(instant))
        })
        .await
    }

    /// A person lets a parked price through, which has to be this amount: it, and no other one, is set. Gives the amount as it is kept, and
    /// its currency.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when no parked price of this amount is there.
    pub async fn accept_price(
        &self,
        name: &ConnectionName,
        (price_list, variant): (u64, u64),
        amount: Decimal,
        (who, note): (String, String),
        now: Timestamp,
    ) -> Result<(String, String), StoreError> {
        use schema::prices::dsl;
        let (name, now) = (name.as_str().to_owned(), micros(now));
        let (list, id) = (signed(price_list)?, signed(variant)?);
        self.write(move |db| {
            let parked = || {
                let of_list = dsl::prices.filter(dsl::connection.eq(name.clone())).filter(dsl::price_list.eq(list));
                of_list.filter(dsl::variant_id.eq(id)).filter(dsl::state.eq("parked"))
            };
            let found: Option<(Option<String>, String)> =
                parked().select((dsl::wanted, dsl::currency)).first(db).optional()?;
            let Some((wanted, currency)) = found else {
                return Err(StoreError::Refused("no price of it waits for a person: see `prices explain`"));
            };
            let Some(wanted) = wanted else {
                let text = "there is no amount to accept: its sentence in `prices explain` says what to mend";
                return Err(StoreError::Refused(text));
            };
            let is_same = Decimal::from_str_exact(&wanted).is_ok_and(|wanted| wanted == amount);
            if !is_same || amount < Decimal::ZERO {
                return Err(StoreError::Refused("it waits with another price than this one: see `prices explain`"));
            }
            // The amount is compared once more: a run may plan another one between the two statements.
            let same = parked().filter(dsl::wanted.eq(&wanted));
            let let_through = (
                dsl::accepted.eq(dsl::wanted),
                dsl::state.eq("planned"),
                dsl::together.eq(None::<i64>),
                dsl::updated_at.eq(now),
            );
            if diesel::update(same).set(let_through).execute(db)? == 0 {
                return Err(StoreError::Refused("it waits with another price than this one: see `prices explain`"));
            }
            let subject = format!("price of variant {variant} in {name}: {wanted} {currency}");
            audit(db, now, &who, "accept", &subject, Some(&note))?;
            Ok((wanted, currency))
        })
        .await
    }
}
