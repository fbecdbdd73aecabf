//! Draft orders of staff, as far as the stock knows of them: what is reserved for one is not for sale, and no order has it.

use jiff::Timestamp;

use super::super::Shop;
use super::buy::offered;
use super::{Stock, WAREHOUSE};

/// What is reserved for a draft, at the location that online orders are sent from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    variant: u64,
    units: u32,
}

impl Shop {
    /// Staff reserve so many units of a SKU for a draft order; gives the draft's number. `None` where so many are not available.
    pub fn reserve_for_draft(&self, sku: &str, units: u32) -> Option<u64> {
        let now = self.core.clock.now();
        let state = &mut *self.lock();
        let variant = state.stock.by_sku(sku)?;
        let level = state.stock.variants.get_mut(&variant)?.level_mut(WAREHOUSE)?;
        if level.available < i64::from(units) {
            return None;
        }
        level.set_aside(units.into(), now);
        let id = state.ids.next();
        state.stock.drafts.insert(id, Draft { variant, units });
        Some(id)
    }

    /// Staff complete a draft: it is an order from now on, and what was reserved is committed, whatever is available. Gives the order's
    /// id; nothing is delivered. `None` where there is no such draft, or its variant is gone.
    pub fn complete_draft(&self, draft: u64) -> Option<u64> {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let Draft { variant, units } = state.stock.end_draft(draft, now)?;
        let offer = offered(&state.stock, variant)?;
        Some(self.sell(&mut state, &offer, units, |order| order.source_name = "shopify_draft_order"))
    }

    /// Staff give a draft up, or its time is over: what was reserved can be bought again. Unknown drafts are ignored.
    pub fn give_up_draft(&self, draft: u64) {
        let now = self.core.clock.now();
        self.lock().stock.end_draft(draft, now);
    }
}

impl Stock {
    /// Nothing is reserved for a draft any more.
    fn end_draft(&mut self, draft: u64, now: Timestamp) -> Option<Draft> {
        let draft = self.drafts.remove(&draft)?;
        let level = self.variants.get_mut(&draft.variant).and_then(|variant| variant.level_mut(WAREHOUSE));
        if let Some(level) = level {
            level.set_aside(-i64::from(draft.units), now);
        }
        Some(draft)
    }
}
