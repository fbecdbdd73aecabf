//! `[connections.NAME.stock]`: which stock of IFS a shop sells, at which of its locations, how much of it, and what happens to a
//! product that has run out. Only shape and defaults live here; what they mean together is checked by [`super::StockRules::new`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How stock reaches the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockSettings {
    /// Seconds between two readings, each of which compares every level; 0 where `cron` says when, or never.
    pub every_secs: u64,
    /// When it is read instead, as a line of crontab by the shop's clock; empty where `every_secs` says so.
    pub cron: String,
    /// From how many variants on a shop is read by a bulk operation.
    pub bulk_variants_min: u64,
    /// The shop's locations that are kept up to date, and whose stock each shows. What is promised at no location in particular is
    /// taken from the first one first.
    pub locations: Vec<StockLocation>,
    /// Which rows of IFS's stock count.
    pub rows: RowSettings,
    /// Units that are kept back at each location.
    pub safety: u32,
    /// Most units that a location shows; 0 is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<u32>,
    /// Several SKUs that are sold from one part's stock.
    pub shared_part: SharedPart,
    /// What Shopify has reserved that no order has.
    pub reserved: ShopReserved,
    /// Other figures for some SKUs; for each figure the first group counts that names the SKU and has it.
    pub groups: Vec<StockGroup>,
    /// Nothing is sent when so many percent of the parts are gone since the last reading, and `fewer_parts_min` parts at least.
    pub fewer_percent_max: u32,
    /// How many parts have to be gone before that counts.
    pub fewer_parts_min: u64,
    /// What happens to a product that has run out.
    pub out: OutSettings,
}

impl Default for StockSettings {
    fn default() -> Self {
        Self {
            every_secs: 0,
            cron: String::new(),
            bulk_variants_min: 2_000,
            locations: Vec::new(),
            rows: RowSettings::default(),
            safety: 0,
            cap: None,
            shared_part: SharedPart::Park,
            reserved: ShopReserved::Subtract,
            groups: Vec::new(),
            fewer_percent_max: 50,
            fewer_parts_min: 20,
            out: OutSettings::default(),
        }
    }
}

/// One row of `locations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockLocation {
    /// Shopify's number of the location.
    pub location: String,
    /// `Contract`; the connection's own site where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The site's warehouses whose stock it shows; all of them where none is named.
    #[serde(default)]
    pub warehouses: Vec<String>,
}

/// `rows`: which rows of IFS's stock count. IFS's words are compared without regard to case, blanks and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RowSettings {
    /// Location types that count; empty: all do.
    pub location_types: Vec<String>,
    /// Location types that do not. A type that stands in neither list leaves its part to a person.
    pub location_types_out: Vec<String>,
    /// Who may own what counts; empty: anybody.
    pub ownerships: Vec<String>,
    /// Availability controls that count; a row with another one does not, a row without one does.
    pub availability_controls: Vec<String>,
    /// Conditions that count; a row with another one does not, a row without one does.
    pub conditions: Vec<String>,
    /// Whether what is being counted counts.
    pub frozen: Frozen,
    /// Whether stock of a project counts.
    pub project: ProjectStock,
    /// Days before its expiration at which a row stops to count; what has expired never counts.
    pub expires_days_min: u32,
}

impl Default for RowSettings {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            location_types: words(&["PICKING"]),
            location_types_out: words(&["ARRIVAL", "QA", "F", "MANUFACTURING", "SHIPMENT", "DEEP"]),
            ownerships: words(&["COMPANY OWNED", "CONSIGNMENT"]),
            availability_controls: Vec::new(),
            conditions: Vec::new(),
            frozen: Frozen::Counts,
            project: ProjectStock::LeftOut,
            expires_days_min: 0,
        }
    }
}

/// One row of `groups`: what it leaves out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockGroup {
    /// What it is called in explanations.
    pub name: String,
    /// Its SKUs: each to the letter, or its beginning and `*`; `*` alone names all.
    pub sku: Vec<String>,
    /// Whether the shop's figures of them follow IFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Units that are kept back at each location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<u32>,
    /// Most units that a location shows; 0 is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<u32>,
    /// Units that may be sold before they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_order: Option<u32>,
    /// How many units of the stock one unit that is sold takes, as text: "12"; without it what IFS's sales part says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// The only locations at which they are kept up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<String>>,
    /// What happens to a product of them that has run out; that of its first variant counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<OutPolicy>,
}

/// `out`: what happens to a product that has run out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutSettings {
    /// What is done.
    pub policy: OutPolicy,
    /// Under `unpublish`: the channels that it leaves, by Shopify's numbers of their publications.
    pub channels: Vec<String>,
    /// It has run out when no variant has more units than this.
    pub out_at: u32,
    /// It is there again when a variant has so many units; more than `out_at`.
    pub back_at: u32,
    /// Seconds between two changes that we make to one product.
    pub rest_secs: u64,
    /// A variant that Shopify sells beyond its stock.
    pub continue_selling: ContinueSelling,
    /// A variant that is a bundle of Shopify's.
    pub bundle: BundleStock,
}

impl Default for OutSettings {
    fn default() -> Self {
        Self {
            policy: OutPolicy::Off,
            channels: Vec::new(),
            out_at: 0,
            back_at: 1,
            rest_secs: 0,
            continue_selling: ContinueSelling::Sells,
            bundle: BundleStock::Leave,
        }
    }
}

/// `[connections.NAME.prices]`: how IFS's prices reach the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// Where the variants' own prices come from.
    pub source: PriceSource,
    /// Under `price_query`: the customer whose prices they are.
    pub customer_no: String,
    /// Whether the shop's prices have their tax in them.
    pub tax: PriceTax,
    /// The currency of the shop's own prices; required where there is a source.
    pub currency: String,
    /// `CurrencyCode` that a sales part without one stands for; "" parks such a price.
    pub list_currency: String,
    /// A price that changes by more percent than this parks, as text.
    pub change_percent_max: String,
    /// From which hour on, by the shop's time zone, prices are compared once a day.
    pub at_hour: u64,
    /// Prices of markets, by Shopify's number of their price list.
    pub price_lists: BTreeMap<String, PriceListSetting>,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self {
            source: PriceSource::Off,
            customer_no: String::new(),
            tax: PriceTax::Included,
            currency: String::new(),
            list_currency: String::new(),
            change_percent_max: "30".into(),
            at_hour: 5,
            price_lists: BTreeMap::new(),
        }
    }
}

/// One row of `price_lists`: always the prices of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceListSetting {
    /// The customer whose prices they are.
    pub customer_no: String,
    /// The price list's currency.
    pub currency: String,
    /// Whether its prices have their tax in them.
    pub tax: PriceTax,
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}

choice!(
    /// `shared_part`.
    SharedPart {
        /// The shop's figures stay as they are, and a person is told.
        Park,
        /// Each SKU gets an equal share of the stock.
        Divide,
    }
);
choice!(
    /// `reserved`.
    ShopReserved {
        /// It is promised: a draft order is completed without asking whether there is enough.
        Subtract,
        /// IFS knows of it: who reserves in Shopify, an app or a transfer, has told IFS too.
        Ignore,
    }
);
choice!(
    /// `levels` of a group.
    Levels {
        /// They follow IFS.
        Follow,
        /// They are left alone: somebody else keeps them.
        Leave,
    }
);
choice!(
    /// `rows.frozen`.
    Frozen {
        /// It is there and will be free when it has been counted.
        Counts,
        /// It is not for sale meanwhile.
        LeftOut,
    }
);
choice!(
    /// `rows.project`.
    ProjectStock {
        /// It is for sale like any other.
        Counts,
        /// It is the project's.
        LeftOut,
    }
);
choice!(
    /// `out.policy`.
    OutPolicy {
        /// Nothing.
        Off,
        /// It becomes a draft.
        Draft,
        /// It leaves the channels that are named.
        Unpublish,
        /// Its variants are no longer sold beyond their stock.
        Deny,
    }
);
choice!(
    /// `out.continue_selling`.
    ContinueSelling {
        /// Its product has not run out while it can be bought.
        Sells,
        /// Its stock counts like any other's.
        Counts,
    }
);
choice!(
    /// `out.bundle`.
    BundleStock {
        /// Its product is never taken for one that has run out.
        Leave,
        /// How many Shopify says can be made of its components counts.
        ByShopify,
    }
);
choice!(
    /// `prices.source`.
    PriceSource {
        /// Prices are the shop's own.
        Off,
        /// The list price of the sales part.
        SalesPart,
        /// What IFS would ask of one customer.
        PriceQuery,
    }
);
choice!(
    /// `tax` of a price.
    PriceTax {
        /// With tax.
        Included,
        /// Without.
        Excluded,
    }
);
