//! Products of the shop with their variants, in pieces that are small by their variants too: a product may have thousands of them. Reads
//! only.

use std::collections::BTreeSet;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::rows::{signed, unsigned};
use super::stock_pools::{RawVariant, StockVariant, with_levels};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// Variants of one piece of products, unless a single product has more.
const VARIANTS_AT_ONCE: i64 = 2_500;

impl Store {
    /// The variants of these products, each with its levels.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn variants_of_products(
        &self,
        name: &ConnectionName,
        products: Vec<u64>,
    ) -> Result<Vec<StockVariant>, StoreError> {
        use schema::stock_variants::dsl;
        let name = name.as_str().to_owned();
        let products: Vec<i64> = products.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let of = dsl::stock_variants.filter(dsl::connection.eq(&name)).filter(dsl::product_id.eq_any(products));
            let rows: Vec<RawVariant> =
                of.order((dsl::product_id, dsl::variant_id)).select(RawVariant::as_select()).load(db)?;
            with_levels(db, &name, rows)
        })
        .await
    }

    /// Which of these products have a variant that a reading told of.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn products_with_variants(
        &self,
        name: &ConnectionName,
        products: Vec<u64>,
    ) -> Result<BTreeSet<u64>, StoreError> {
        use schema::stock_variants::dsl;
        let name = name.as_str().to_owned();
        let products: Vec<i64> = products.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let of = dsl::stock_variants.filter(dsl::connection.eq(&name)).filter(dsl::product_id.eq_any(products));
            let known: Vec<i64> = of.select(dsl::product_id).distinct().load(db)?;
            Ok(known.into_iter().map(unsigned).collect())
        })
        .await
    }

    /// Numbers of products behind one, in their order: `limit` at most, and fewer where they have many variants. None behind the last one.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_products(&self, name: &ConnectionName, after: u64, limit: i64) -> Result<Vec<u64>, StoreError> {
        use schema::stock_variants::dsl;
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        self.run(move |db| {
            let products: Vec<(i64, i64)> = dsl::stock_variants
                .filter(dsl::connection.eq(name))
                .filter(dsl::product_id.gt(after))
                .group_by(dsl::product_id)
                .select((dsl::product_id, count_star()))
                .order(dsl::product_id)
                .limit(limit)
                .load(db)?;
            let mut room = VARIANTS_AT_ONCE;
            let mut piece = Vec::new();
            for (product, variants) in products {
                room -= variants;
                if room < 0 && !piece.is_empty() {
                    break;
                }
                piece.push(unsigned(product));
            }
            Ok(piece)
        })
        .await
    }
}
