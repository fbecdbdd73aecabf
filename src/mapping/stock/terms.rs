//! Every figure of how a level came about, as it is kept beside the level and told to whoever asks.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::held::Held;
use crate::mapping::scalar::exact;

/// Every figure of one level, in units of the stock but where it says otherwise. `on_hand` - `reserved` + `pre_order` - `owed` -
/// `shop_reserved` - `demand` - `unwritten` - `safety` is what the location has; below nothing it is what others owe for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// What is there, as far as it counts.
    #[serde(with = "exact")]
    pub on_hand: Decimal,
    /// Of that, what is reserved.
    #[serde(with = "exact")]
    pub reserved: Decimal,
    /// What may be sold before it is there.
    #[serde(with = "exact")]
    pub pre_order: Decimal,
    /// What other locations of the site lack.
    #[serde(with = "exact")]
    pub owed: Decimal,
    /// What Shopify has reserved for what is no order yet, as far as it is taken here.
    #[serde(default, with = "exact")]
    pub shop_reserved: Decimal,
    /// What open lines in IFS still take, as far as it is taken here.
    #[serde(with = "exact")]
    pub demand: Decimal,
    /// What Shopify's orders take that IFS does not hold yet, as far as it is taken here.
    #[serde(with = "exact")]
    pub unwritten: Decimal,
    /// What the whole site lacks, for all that was promised.
    #[serde(with = "exact")]
    pub short: Decimal,
    /// What is kept back.
    #[serde(with = "exact")]
    pub safety: Decimal,
    /// How many SKUs share the rest.
    pub shares: u32,
    /// Units of the stock for one that is sold.
    #[serde(with = "exact")]
    pub units: Decimal,
    /// Whole units that are sold, before the cap.
    pub whole: i64,
    /// Most units that are shown.
    pub cap: Option<u32>,
    /// Of these orders' units, in units that are sold: what Shopify has committed at the first reading, at this location.
    pub committed: i64,
    /// What it would come to without what may count twice: units committed beyond the orders that we know, and lines that moved between
    /// the readings. Only by this a product has run out. None where it is what is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<i64>,
    /// Why it is not set to what is wanted at once; none where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

impl Terms {
    /// The figures by their names, signed as they count, for whoever asks how a level came about: together they are what the location
    /// has for its levels. Below nothing, the site's other locations bear it.
    pub fn steps(&self) -> [(&'static str, Decimal); 8] {
        [
            ("on_hand", self.on_hand),
            ("reserved", -self.reserved),
            ("pre_order", self.pre_order),
            ("owed", -self.owed),
            ("shop_reserved", -self.shop_reserved),
            ("demand", -self.demand),
            ("unwritten", -self.unwritten),
            ("safety", -self.safety),
        ]
    }
}
