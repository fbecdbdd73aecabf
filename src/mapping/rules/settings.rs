//! The mapping settings of one connection, as they are written in the configuration. Only shape and defaults live here;
//! what they mean together is checked by [`super::Rules::new`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::codes::SiteSetting;
use super::conflicts::ConflictSettings;
use super::customers::CustomerSettings;
use super::filters::FilterSettings;
use super::gl::GlSettings;
use super::holds::HoldSettings;
pub use super::money::{
    AmountCurrency, ChannelLiable, ChargeSettings, DiscountMode, GoodwillTax, PriceBasis, ShippingDiscount,
    TaxCodeSetting, TaxMode, TaxOfSet, TaxSetSetting, TaxedOn, UnevenLine, Untaxed,
};
use super::updates::UpdateSettings;
use super::write_back::WriteBackSettings;

/// Every key of a connection that the mapping reads. Unknown keys are refused; amounts and rates are texts, never floats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MappingSettings {
    /// The IFS company; sent on every record that has it. Required.
    pub company: String,
    /// The IFS site (`Contract`) that sells. Required.
    pub site: String,
    /// The go-live instant, RFC 3339: older orders are skipped, never created. Required.
    pub orders_from: String,
    /// Whether an order that is older is looked up in IFS once, by its key, and linked.
    pub link_old_orders: bool,
    /// The shop's time zone, of the IANA list; decides which day an order belongs to.
    pub time_zone: String,
    /// Whether test orders go to IFS; otherwise they are skipped.
    pub test_orders: bool,

    /// Which customer an order belongs to.
    pub customer: CustomerMode,
    /// `CustomerNo` of the customer that carries the orders. Required.
    pub customer_no: String,
    /// `BillAddrNo`: that customer's document address.
    pub bill_addr_no: String,
    /// `ShipAddrNo`: that customer's delivery address; the order carries its own beside it.
    pub ship_addr_no: String,
    /// `AuthorizeCode`, the coordinator; its series numbers the orders. Required.
    pub coordinator: String,
    /// `OrderId`, the order type; use one that stops at Released. Required.
    pub order_type: String,

    /// How many lines of an address IFS gets, from 1 to 6: `Address1` and on.
    pub address_lines: u32,

    /// The header field that carries Shopify's order id, our business key.
    pub order_key_field: String,
    /// The header field that carries Shopify's order name; "" leaves it out.
    pub order_name_field: String,
    /// The header field that carries the customer's own order number; "" leaves it out.
    pub po_number_field: String,
    /// The line field that carries Shopify's line id; "" links lines by content and sequence instead.
    pub line_key_field: String,

    /// Which of Shopify's two currencies IFS gets.
    pub currency: AmountCurrency,
    /// Whether IFS gets prices with or without tax.
    pub price_basis: PriceBasis,
    /// Most decimals of a price that IFS stores.
    pub price_decimals: u32,
    /// How discounts reach IFS.
    pub discount_mode: DiscountMode,
    /// What happens to a line whose worth is no multiple of its quantity.
    pub uneven_line: UnevenLine,
    /// How discounts of shipping reach IFS.
    pub shipping_discount: ShippingDiscount,
    /// The literal of `PriceFreeze` that keeps IFS from recalculating our price.
    pub price_freeze_on: String,

    /// Who computes taxes.
    pub tax_mode: TaxMode,
    /// IFS's tax codes by country, region, rate and kind of row.
    pub tax_codes: Vec<TaxCodeSetting>,
    /// IFS's tax structures by a name of the operator's, for rows that carry several taxes.
    pub tax_sets: BTreeMap<String, TaxSetSetting>,
    /// The countries of the seller's tax territory, the seller's own first; `when = "reverse"` and `"export"` ask for it.
    pub tax_territory: Vec<String>,
    /// What happens to taxes that a marketplace owes.
    pub channel_liable: ChannelLiable,
    /// The literal of `FetchTaxFromDefaults` that keeps IFS from overriding our tax code.
    pub fetch_tax_off: String,
    /// Most that the tax of one row may differ between Shopify and IFS, in the order's currency.
    pub tax_gap_line: String,
    /// Most that the tax of an order may differ; closed by a row of `charge.rounding` where tax comes on top.
    pub tax_gap_order: String,
    /// The tax of a refund by amount only.
    pub goodwill_tax: GoodwillTax,

    /// Charge types.
    pub charge: ChargeSettings,
    /// `ShipViaCode` by Shopify's shipping code, `default` for all others; without it IFS takes the customer's.
    pub ship_via: BTreeMap<String, String>,
    /// `DeliveryTerms`; "" leaves it to the customer's.
    pub delivery_terms: String,
    /// `Contract` by Shopify's number of the location where it was bought; `site` for all others.
    pub sites: BTreeMap<String, SiteSetting>,
    /// `MarketCode`; "" leaves it to the customer's.
    pub market_code: String,
    /// `SalesmanCode` by Shopify's number of who sold it at the till; without it IFS takes the customer's.
    pub salesmen: BTreeMap<String, String>,
    /// `PayTermId` by the name of Shopify's payment terms.
    pub payment_terms: BTreeMap<String, String>,
    /// `PayTermId` of orders that are paid; "" leaves it to the customer's.
    pub pay_term_prepaid: String,
    /// Days from the order to the wanted delivery date.
    pub lead_days: u32,
    /// The header's note; `{note}`, `{attributes}` and others (`mapping::note`) are filled in.
    pub note_template: String,
    /// A line's note; `{discounts}`, `{properties}`, `{title}` and `{variant}` are filled in.
    pub line_note_template: String,
    /// When an order is released by us.
    pub release_when: ReleaseWhen,

    /// Taken off the front of a SKU, where it stands there.
    pub sku_prefix_strip: String,
    /// Whether a SKU is turned into capitals.
    pub sku_case: SkuCase,
    /// `CatalogNo` by SKU, before the other SKU rules.
    pub sku_map: BTreeMap<String, String>,
    /// `CatalogNo` by Shopify's number of the variant.
    pub variant_map: BTreeMap<String, String>,
    /// `CatalogNo` by bar code; makes us read each new order from Shopify.
    pub barcode_map: BTreeMap<String, String>,
    /// `CatalogNo` by title, for lines without a SKU.
    pub title_map: BTreeMap<String, String>,
    /// Which of a bundle's two forms IFS gets.
    pub bundle: BundleMode,
    /// `CatalogNo` of the part for lines without a SKU that nothing else has a part for; without it such orders park.
    pub default_part: Option<String>,
    /// `CatalogNo` of the non-inventory part for lines that are typed in; without it such orders park.
    pub custom_part: Option<String>,
    /// `CatalogNo` of the non-inventory part for gift cards that are sold; without it such orders park.
    pub gift_card_part: Option<String>,

    /// `CancelReason` where `cancel_reasons` has none. Required.
    pub cancel_reason: String,
    /// `CancelReason` by Shopify's reason: customer, declined, fraud, inventory, staff, other.
    pub cancel_reasons: BTreeMap<String, String>,
    /// What happens when a person in IFS and Shopify changed the same field.
    pub conflict_policy: ConflictPolicy,
    /// The same by group of fields, where it differs.
    pub conflicts: ConflictSettings,
    /// What happens to an order on which a person added rows in IFS.
    pub foreign_rows: ForeignRows,
    /// Whether a new order goes in one change set or row by row.
    pub create: CreateMode,
    /// Most parts of one change set; an order that needs more is created row by row.
    pub batch_parts_max: usize,

    /// How IFS customers are found and made where `customer = "match_or_create"`.
    pub customers: CustomerSettings,
    /// Rules that choose order type, coordinator, charge types, tax codes and pre-posting by what an order is.
    pub gl: GlSettings,
    /// What an order waits for before it is written.
    pub holds: HoldSettings,
    /// Which orders stay out of IFS.
    pub filters: FilterSettings,
    /// What is done about a change, by the state in which IFS holds the order.
    pub updates: UpdateSettings,
    /// What happens to units and lines that come too late for the order in IFS.
    pub late_additions: LateAdditions,
    /// What Shopify is told about the order in IFS.
    pub write_back: WriteBackSettings,
}

impl Default for MappingSettings {
    fn default() -> Self {
        Self {
            company: String::new(),
            site: String::new(),
            orders_from: String::new(),
            link_old_orders: false,
            time_zone: "UTC".into(),
            test_orders: false,
            customer: CustomerMode::OneDefault,
            customer_no: String::new(),
            bill_addr_no: "1".into(),
            ship_addr_no: "1".into(),
            coordinator: String::new(),
            order_type: String::new(),
            address_lines: 2,
            order_key_field: "CustomerPoNo".into(),
            order_name_field: "InternalRef".into(),
            po_number_field: "ExternalRef".into(),
            line_key_field: "CustomerPoLineNo".into(),
            currency: AmountCurrency::Shop,
            price_basis: PriceBasis::AsShopify,
            price_decimals: 8,
            discount_mode: DiscountMode::NetPrice,
            uneven_line: UnevenLine::LongPrice,
            shipping_discount: ShippingDiscount::Net,
            price_freeze_on: "Frozen".into(),
            tax_mode: TaxMode::IfsCalculates,
            tax_codes: Vec::new(),
            tax_sets: BTreeMap::new(),
            tax_territory: Vec::new(),
            channel_liable: ChannelLiable::Park,
            fetch_tax_off: "FALSE".into(),
            tax_gap_line: "0".into(),
            tax_gap_order: "0".into(),
            goodwill_tax: GoodwillTax::Zero,
            charge: ChargeSettings::default(),
            ship_via: BTreeMap::new(),
            delivery_terms: String::new(),
            sites: BTreeMap::new(),
            market_code: String::new(),
            salesmen: BTreeMap::new(),
            payment_terms: BTreeMap::new(),
            pay_term_prepaid: String::new(),
            lead_days: 0,
            note_template: "{note}\n{attributes}".into(),
            line_note_template: "{discounts}\n{properties}".into(),
            release_when: ReleaseWhen::Never,
            sku_prefix_strip: String::new(),
            sku_case: SkuCase::Keep,
            sku_map: BTreeMap::new(),
            variant_map: BTreeMap::new(),
            barcode_map: BTreeMap::new(),
            title_map: BTreeMap::new(),
            bundle: BundleMode::Components,
            default_part: None,
            custom_part: None,
            gift_card_part: None,
            cancel_reason: String::new(),
            cancel_reasons: BTreeMap::new(),
            conflict_policy: ConflictPolicy::Park,
            conflicts: ConflictSettings::default(),
            foreign_rows: ForeignRows::Park,
            create: CreateMode::Batch,
            batch_parts_max: 100,
            customers: CustomerSettings::default(),
            gl: GlSettings::default(),
            holds: HoldSettings::default(),
            filters: FilterSettings::default(),
            updates: UpdateSettings::default(),
            late_additions: LateAdditions::Park,
            write_back: WriteBackSettings::default(),
        }
    }
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
    /// `customer`.
    CustomerMode {
        /// All orders belong to `customer_no`, each with its own delivery address.
        OneDefault,
        /// Each order has its own customer: found by an exact key, else made.
        MatchOrCreate,
    }
);
choice!(
    /// `release_when`.
    ReleaseWhen {
        /// A person releases.
        Never,
        /// Once it is paid, or sold on terms of payment; never before the gate found nothing.
        PaidOrTerms,
    }
);
choice!(
    /// `sku_case`.
    SkuCase {
        /// As Shopify has it.
        Keep,
        /// In capitals.
        Upper,
    }
);
choice!(
    /// `bundle`.
    BundleMode {
        /// Shopify's component lines.
        Components,
        /// One line of the bundle's own part, a package part of IFS: IFS adds the components.
        PackagePart,
    }
);
choice!(
    /// `conflict_policy`.
    ConflictPolicy {
        /// A person decides.
        Park,
        /// What the person in IFS wrote stays.
        IfsWins,
        /// What Shopify says goes in.
        ShopifyWins,
    }
);
choice!(
    /// `foreign_rows`.
    ForeignRows {
        /// A person decides.
        Park,
        /// They are left alone and out of the comparison, rows and money; ours must agree all the same.
        Ignore,
    }
);
choice!(
    /// `late_additions`.
    LateAdditions {
        /// A person decides: one Shopify order is one IFS order.
        Park,
        /// They go to a second IFS order, whose key ends in `-2`.
        SecondOrder,
    }
);
choice!(
    /// `create`.
    CreateMode {
        /// One change set with all rows, as far as `batch_parts_max` allows.
        Batch,
        /// The header first, then each row by itself.
        Sequential,
    }
);
