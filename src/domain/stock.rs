//! Stock: what IFS says of a part, what a shop shows of it, and what is done to a product that has run out. How one follows from
//! the other is the mapping's.

use jiff::civil::Date;
use rust_decimal::Decimal;

/// Where Shopify counts: one inventory item at one location, by Shopify's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelKey {
    /// The inventory item, which belongs to one variant.
    pub item: u64,
    /// The location.
    pub location: u64,
}

/// What Shopify said of a level, in units that are sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelReading {
    /// Which level.
    pub key: LevelKey,
    /// What customers may buy; below nothing where more was sold than there was.
    pub available: i64,
    /// What orders have of it that are not fulfilled yet.
    pub committed: i64,
    /// What Shopify has reserved that no order has: for draft orders, for transfers, by apps.
    pub reserved: i64,
    /// The most that a call may set it to which was not settled when it was read, or was made since: the reading may be older
    /// than that call's effect.
    pub pending: Option<i64>,
}

/// One row of IFS's stock of a part (`InventoryPartInStock`): a lot, a serial number, a place in a warehouse. In the units in which
/// IFS counts the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// `PartNo`.
    pub part_no: String,
    /// `QtyOnhand`.
    pub on_hand: Decimal,
    /// `QtyReserved`.
    pub reserved: Decimal,
    /// `Warehouse`; none where the place belongs to none.
    pub warehouse: Option<String>,
    /// `LocationTypeDb`.
    pub location_type: Option<String>,
    /// `AvailabilityControlId`.
    pub availability_control: Option<String>,
    /// `FreezeFlagDb`: it is being counted.
    pub is_frozen: bool,
    /// `PartOwnershipDb`.
    pub ownership: Option<String>,
    /// `ConditionCode`.
    pub condition: Option<String>,
    /// `ProjectId`.
    pub project: Option<String>,
    /// `ExpirationDate`.
    pub expires: Option<Date>,
}

/// An open line of a customer order in IFS, of whatever channel, in the units in which IFS counts the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemandLine {
    /// `RevisedQtyDue`.
    pub due: Decimal,
    /// `QtyAssigned`: reserved for it, which the stock's own rows tell.
    pub assigned: Decimal,
    /// `QtyShipped`.
    pub shipped: Decimal,
}

impl DemandLine {
    /// What it still takes from the stock.
    pub fn open(&self) -> Decimal {
        (self.due - self.shipped).max(Decimal::ZERO)
    }

    /// What it still takes from the stock beyond what is reserved for it.
    pub fn unreserved(&self) -> Decimal {
        (self.due - self.assigned - self.shipped).max(Decimal::ZERO)
    }
}

/// A part as IFS sells it (`SalesPart`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesPart {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// `PartNo`; none for what is not kept in stock.
    pub part_no: Option<String>,
    /// How many units of the stock one unit that is sold takes: 12 for a box of twelve.
    pub conversion: Decimal,
    /// How many units of the price one unit that is sold has.
    pub price_conversion: Decimal,
    /// `Activeind`.
    pub is_active: bool,
    /// `ListPrice`, without tax.
    pub list_price: Option<Decimal>,
    /// `ListPriceInclTax`.
    pub list_price_incl_tax: Option<Decimal>,
    /// `CurrencyCode` of the price: the company's own where the part names none.
    pub currency: Option<String>,
}

/// What Shopify does with a variant of which nothing is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InventoryPolicy {
    /// It cannot be bought.
    Deny,
    /// It is sold on.
    Continue,
    /// A word that we have never heard of.
    Unknown(String),
}

impl InventoryPolicy {
    /// Shopify's word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "DENY" => Self::Deny,
            "CONTINUE" => Self::Continue,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// Whether a product is shown to customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductStatus {
    /// It is.
    Active,
    /// Not yet, or not any more.
    Draft,
    /// It was put away.
    Archived,
    /// Only to whoever knows its address.
    Unlisted,
    /// A word that we have never heard of.
    Unknown(String),
}

impl ProductStatus {
    /// Shopify's word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "ACTIVE" => Self::Active,
            "DRAFT" => Self::Draft,
            "ARCHIVED" => Self::Archived,
            "UNLISTED" => Self::Unlisted,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// One thing that is done to a product that has run out, and undone when it is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutAct {
    /// The product becomes a draft.
    Draft,
    /// It leaves a channel, by Shopify's number of the publication.
    Unpublish(u64),
    /// A variant is no longer sold beyond its stock, by Shopify's number of it.
    Deny(u64),
}

/// How far what we do about a product that has run out has come. The row is written before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutState {
    /// It is to be disabled, and no reading has shown yet that it is.
    Disabling,
    /// A reading showed it disabled.
    Disabled,
    /// The merchant enabled it again: nothing more is done until it was there again.
    Respected,
    /// It is to be enabled again, and no reading has shown yet that it is.
    Enabling,
}

impl OutState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Disabling, Self::Disabled, Self::Respected, Self::Enabling];

    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabling => "disabling",
            Self::Disabled => "disabled",
            Self::Respected => "respected",
            Self::Enabling => "enabling",
        }
    }

    /// The state of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl OutAct {
    /// The word stored in the row: `draft`, `unpublish:<publication>`, `deny:<variant>`.
    pub fn word(self) -> String {
        match self {
            Self::Draft => "draft".to_owned(),
            Self::Unpublish(publication) => format!("unpublish:{publication}"),
            Self::Deny(variant) => format!("deny:{variant}"),
        }
    }

    /// The act of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok();
        match word.split_once(':') {
            None => (word == "draft").then_some(Self::Draft),
            Some(("unpublish", publication)) => number(publication).map(Self::Unpublish),
            Some(("deny", variant)) => number(variant).map(Self::Deny),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_stock_out_is_read_back() {
        for act in [OutAct::Draft, OutAct::Unpublish(7), OutAct::Deny(447_654_529_001)] {
            assert_eq!(OutAct::parse(&act.word()), Some(act));
        }
        for word in ["", "deny", "deny:x", "drop:1", "draft:1"] {
            assert_eq!(OutAct::parse(word), None, "{word}");
        }
        for state in OutState::ALL {
            assert_eq!(OutState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn a_line_takes_what_is_neither_reserved_nor_shipped_and_never_gives() {
        let of = |due: i64, assigned: i64, shipped: i64| {
            let [due, assigned, shipped] = [due, assigned, shipped].map(Decimal::from);
            DemandLine { due, assigned, shipped }.unreserved()
        };
        assert_eq!(of(5, 2, 1), Decimal::TWO);
        assert_eq!(of(5, 0, 5), Decimal::ZERO);
        assert_eq!(of(5, 0, 6), Decimal::ZERO, "delivered beyond what was due");
    }
}
