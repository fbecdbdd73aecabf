//! Orders are weighed until none is left that changed meanwhile, and what was written of them until a moment can be told later on.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::leases::Lease;
use super::rows::signed;
use super::stock_orders::open_orders;
use super::{OpenOrder, Store, StoreError, UnweighedOrder, WeighedOrder, schema};
use crate::domain::ids::ConnectionName;

/// So often orders are weighed once more that changed while they were weighed.
const PASSES_MAX: usize = 3;
/// More documents under way than these are not told apart: then nothing counts as ended.
const UNDER_WAY_MAX: usize = 2_000;

/// A moment, told without a clock: every write that was announced until then had ended, but for those of a few documents.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct WritesEnded {
    /// The newest intent; 0 where nothing counts as ended.
    pub newest: i64,
    /// Documents that a writer had, or of which an intent was open.
    pub under_way: Vec<i64>,
}

impl Store {
    /// Weighs every order whose newest version was not weighed yet, some at once; gives whether none is left that changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn weigh_orders(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        at_once: i64,
        mut weigh: impl FnMut(&UnweighedOrder) -> WeighedOrder,
    ) -> Result<bool, StoreError> {
        for _ in 0..PASSES_MAX {
            let (mut after, mut all_kept) = (0, true);
            loop {
                let orders = self.unweighed_orders(name, after, at_once).await?;
                let Some(last) = orders.last() else { break };
                after = last.order_id;
                let weighed: Vec<WeighedOrder> = orders.iter().map(&mut weigh).collect();
                let given = weighed.len();
                all_kept &= self.put_weighed(lease, name, weighed).await? == given;
            }
            if all_kept {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which writes of a connection have ended by now.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn writes_ended(&self, name: &ConnectionName) -> Result<WritesEnded, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        let name = name.as_str().to_owned();
        self.run(move |db| {
            // 1. The newest intent first. One with a smaller number that another transaction has not committed yet is of a document that
            //    was claimed before.
            let newest: Option<i64> = schema::intents::table.select(max(schema::intents::id)).first(db)?;
            // 2. In one statement, so that no document passes from one half to the other between two.
            let rows: Vec<Row> = sql_query(
                // With `|| ''` no index that begins with the connection fits, which would lead through all of its documents: those of
                // claims, open intents and open documents hold a few rows each.
                "SELECT id FROM documents WHERE connection || '' = $1 AND claim IS NOT NULL \
                 UNION SELECT documents.id FROM intents CROSS JOIN documents WHERE documents.id = intents.document_id \
                 AND intents.closed_at IS NULL AND documents.connection || '' = $1 \
                 UNION SELECT id FROM documents WHERE connection || '' = $1 AND kind || '' = 'customer_order' \
                 AND state NOT IN ('written', 'superseded', 'skipped', 'resolved') \
                 AND NOT EXISTS (SELECT 1 FROM order_links WHERE order_links.document_id = documents.id \
                 AND order_links.origin <> 'noted')",
            )
            .bind::<Text, _>(&name)
            .load(db)?;
            if rows.len() > UNDER_WAY_MAX {
                return Ok(WritesEnded::default());
            }
            let under_way = rows.into_iter().map(|row| row.id).collect();
            Ok(WritesEnded { newest: newest.unwrap_or(0), under_way })
        })
        .await
    }

    /// Open orders of which nobody has said yet how much IFS holds, behind one, by their numbers, `limit` at most. A document of which
    /// anything was written since that moment passes for being under way.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn unseen_stock_orders(
        &self,
        name: &ConnectionName,
        after: u64,
        limit: i64,
        ended: WritesEnded,
    ) -> Result<Vec<OpenOrder>, StoreError> {
        use schema::stock_order_units::dsl;
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        self.run(move |db| {
            let unseen = dsl::stock_order_units.filter(dsl::connection.eq(&name)).filter(dsl::order_id.gt(after));
            let unseen = unseen.filter(dsl::written.is_null()).select(dsl::order_id).distinct();
            let ids: Vec<i64> = unseen.order(dsl::order_id).limit(limit).load(db)?;
            open_orders(db, &name, ids, Some(&ended))
        })
        .await
    }
}
