//! What Shopify's orders take from the stock and IFS does not know yet. Wherever this errs it counts too much: then less is sold for
//! a while, never more.

/// One SKU of one order of Shopify's, in units that are sold, from the newest version that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderUnits {
    /// Units that remain after edits, refunds and cancels.
    pub current: u32,
    /// Of those, units that are not fulfilled.
    pub open: u32,
    /// Units that IFS holds. None for an order that IFS does not hold, whose write is under way, or of which anything was written
    /// after the reading of IFS began.
    pub written: Option<u32>,
    /// Whether Shopify changed the order after the first reading of its levels: then they do not tell what it has now.
    pub is_newer: bool,
}

/// What is known of orders' units, in units that are sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownUnits {
    /// IFS will be told of them.
    pub unwritten: i64,
    /// Shopify had them committed at the first reading of its levels.
    pub committed: i64,
}

impl OrderUnits {
    /// What this order has. What is fulfilled in Shopify and stands in no order of IFS was taken from the shelf all the same: it is
    /// committed nowhere, so that the two figures are independent of each other.
    pub fn known(self) -> KnownUnits {
        let unwritten = self.current.saturating_sub(self.written.unwrap_or(0));
        let committed = if self.is_newer { 0 } else { self.open };
        KnownUnits { unwritten: unwritten.into(), committed: committed.into() }
    }
}

impl std::iter::Sum for KnownUnits {
    fn sum<I: Iterator<Item = Self>>(units: I) -> Self {
        units.fold(Self::default(), |sum, one| Self {
            unwritten: sum.unwritten.saturating_add(one.unwritten),
            committed: sum.committed.saturating_add(one.committed),
        })
    }
}

/// What is known of one SKU's orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkuOrders {
    /// Units that IFS will be told of at the site whose stock is looked at.
    pub unwritten_here: i64,
    /// What the orders that we know have committed, of all sites.
    pub known_committed: i64,
    /// What Shopify has committed of it, at every location of the shop, those that nobody keeps up to date too.
    pub committed: i64,
    /// What Shopify has reserved of it for what is no order yet, at all of these locations. Which site will have it nobody knows.
    pub reserved: i64,
}

impl SkuOrders {
    /// Units that IFS's figures of this site do not tell: those that we know of, and what Shopify has committed beyond all orders
    /// that we know. Whose site that rest will be at nobody knows: each site counts it.
    pub fn unwritten(&self) -> i64 {
        let beyond = self.committed.saturating_sub(self.known_committed).max(0);
        self.unwritten_here.saturating_add(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(current: u32, open: u32, written: Option<u32>) -> OrderUnits {
        OrderUnits { current, open, written, is_newer: false }
    }

    fn known(unwritten: i64, committed: i64) -> KnownUnits {
        KnownUnits { unwritten, committed }
    }

    #[test]
    fn an_order_is_written_as_far_as_ifs_has_it() {
        assert_eq!(units(3, 3, None).known(), known(3, 3));
        assert_eq!(units(3, 3, Some(3)).known(), known(0, 3));
        assert_eq!(units(3, 3, Some(2)).known(), known(1, 3), "a unit was added");
        assert_eq!(units(1, 1, Some(3)).known(), known(0, 1), "two were taken away, and IFS still takes them");
        assert_eq!(units(3, 2, Some(2)).known(), known(1, 2), "one is fulfilled, one was added");
        assert_eq!(units(2, 0, None).known(), known(2, 0), "a till gave them away, and IFS does not know");
        assert_eq!(OrderUnits { is_newer: true, ..units(3, 3, Some(3)) }.known(), known(0, 0));
    }

    #[test]
    fn what_is_committed_beyond_the_orders_that_we_know_counts_as_not_written() {
        let sold = [units(2, 2, None), units(3, 3, Some(3)), units(4, 0, None)];
        let all: KnownUnits = sold.into_iter().map(OrderUnits::known).sum();
        assert_eq!(all, known(6, 5));
        let orders = |unwritten_here, committed| {
            SkuOrders { unwritten_here, known_committed: all.committed, committed, reserved: 9 }.unwritten()
        };
        assert_eq!(orders(6, 5), 6);
        assert_eq!(orders(6, 9), 10, "four units of orders that no webhook told, beside those of the till");
        assert_eq!(orders(6, 3), 6, "two were fulfilled meanwhile");
        // Another site has what is written down for it, and what nobody can place.
        assert_eq!(orders(0, 9), 4);
    }
}
