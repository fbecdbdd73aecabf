//! What some orders are sold with that not every order has, one kind of order each, and what becomes of them.

use rand::Rng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use super::bundle::Bundle;
use super::generate::{Ids, tax};
use super::kinds::kinds;
use super::model::{
    Application, Company, DiscountKind, DiscountTarget, DiscountValue, Financial, OrderVersion, Shipping,
    ShippingStanding, TaxLine,
};
use super::money::{Currencies, Taxes};
use super::story::{Change, Expected};

/// Lines of an order of very many: as many as a webhook tells at most.
const LINES_MANY: usize = 250;

kinds! {
    /// A kind of order, named after what is special about it.
    Feature, 36:
    /// A line typed in by the staff: no product, no variant, no SKU.
    CustomLine = "custom_line",
    /// The product was deleted since; the SKU stays.
    DeletedProduct = "deleted_product",
    /// Two ways of shipping, one of them discounted.
    SeveralShippingLines = "several_shipping_lines",
    /// A way of shipping that an edit took away.
    RemovedShipping = "removed_shipping",
    /// Canada: two taxes on each row.
    SeveralTaxes = "several_taxes",
    /// The customer owes no tax.
    TaxExempt = "tax_exempt",
    /// Shopify does not say whether a marketplace owes the taxes.
    LiabilityUnknown = "liability_unknown",
    /// The buyer gave a tip.
    Tip = "tip",
    /// The tip stands among the lines too.
    TipAsLine = "tip_as_line",
    /// Import duties were charged.
    Duties = "duties",
    /// An additional fee was charged.
    AdditionalFee = "additional_fee",
    /// The till rounded the payment.
    CashRounding = "cash_rounding",
    /// A gift card was sold.
    GiftCardSold = "gift_card_sold",
    /// A gift card paid.
    GiftCardUsed = "gift_card_used",
    /// One line costs nothing after its discount.
    FreeGift = "free_gift",
    /// The lines are components of a bundle.
    Bundle = "bundle",
    /// The whole order costs nothing.
    ZeroTotal = "zero_total",
    /// The buyer saw a currency without decimals.
    NoDecimals = "currency_without_decimals",
    /// The buyer saw a currency with three decimals.
    ThreeDecimals = "currency_with_three_decimals",
    /// Named remarks.
    Attributes = "attributes",
    /// Tags.
    Tags = "tags",
    /// Sold at a till, with location and staff.
    PointOfSale = "point_of_sale",
    /// Made from a draft.
    Draft = "draft_order",
    /// A very long note and title.
    LongTexts = "long_texts",
    /// Very many lines.
    ManyLines = "many_lines",
    /// The webhook is of the old form: the order has to be asked for.
    OldPayload = "old_payload",
    /// Unconfirmed at first.
    ConfirmedLater = "confirmed_later",
    /// Its taxes were estimates at first.
    TaxesFinalLater = "taxes_final_later",
    /// Money goes back by amount.
    Goodwill = "goodwill_refund",
    /// Money goes back with a line.
    LineRefunded = "line_refunded",
    /// Money goes back for shipping.
    ShippingRefunded = "shipping_refunded",
    /// An edit adds a line.
    LineAdded = "line_added",
    /// An edit takes a line away.
    LineRemoved = "line_removed",
    /// The customer's own order number changes.
    PurchaseOrderChanged = "purchase_order_changed",
    /// From before the go-live.
    BeforeGoLive = "before_go_live",
    /// A business buys, under the connection's one customer.
    CompanyOrder = "company_order",
}

impl Feature {
    /// How an order of this kind must end.
    pub(super) fn expected(self) -> Expected {
        match self {
            Self::BeforeGoLive => Expected::Skipped,
            Self::CompanyOrder => Expected::Parked(self.name()),
            _ => Expected::Live,
        }
    }

    /// What happens after the placing.
    pub(super) fn changes(self) -> &'static [Change] {
        match self {
            Self::ConfirmedLater => &[Change::Confirmed],
            Self::TaxesFinalLater => &[Change::TaxesFinal],
            Self::Goodwill => &[Change::Goodwill],
            Self::LineRefunded => &[Change::LineRefunded],
            Self::ShippingRefunded => &[Change::ShippingRefunded],
            Self::LineAdded => &[Change::LineAdded],
            Self::LineRemoved => &[Change::LineRemoved],
            Self::PurchaseOrderChanged => &[Change::PurchaseOrder],
            _ => &[],
        }
    }

    /// Makes a placed order one of this kind.
    pub(super) fn prepare(self, random: &mut StdRng, ids: &mut Ids, order: &mut OrderVersion) {
        let amount = order.currencies.price(Decimal::new(random.random_range(100..900_i64), 2));
        match self {
            Self::CustomLine => {
                let line = &mut order.lines[0];
                (line.product_id, line.variant_id, line.sku, line.barcode) = (None, None, None, None);
                (line.part, line.title) = ("CUSTOM".to_owned(), "Gravur \"Zur Hochzeit\"".to_owned());
            }
            Self::DeletedProduct => (order.lines[0].product_id, order.lines[0].variant_id) = (None, None),
            Self::SeveralShippingLines => several_shipping_lines(ids, order),
            Self::RemovedShipping => {
                several_shipping_lines(ids, order);
                if let Some(last) = order.shipping.last_mut() {
                    last.standing = ShippingStanding::Removed;
                }
            }
            Self::SeveralTaxes => canada(order),
            Self::TaxExempt => {
                order.tax_exempt = true;
                untaxed(order);
            }
            Self::LiabilityUnknown => {
                let taxes = order.lines.iter_mut().flat_map(|line| &mut line.taxes);
                taxes.for_each(|tax| tax.channel_liable = None);
            }
            Self::Tip => {
                order.tip = amount;
                order.currencies = one_currency(order);
            }
            Self::TipAsLine => {
                order.tip = amount;
                order.tip_row = Some(ids.next());
            }
            Self::Duties => order.lines[0].duty = amount,
            Self::AdditionalFee => order.fee = amount,
            Self::CashRounding => order.rounding = order.currencies.price(Decimal::new(-2, 2)),
            Self::GiftCardSold => {
                let line = &mut order.lines[0];
                (line.gift_card, line.part) = (true, "GIFTCARD".to_owned());
                line.taxes.clear();
            }
            Self::GiftCardUsed => {
                order.financial = Financial::Paid;
                order.gateways = vec!["gift_card", "shopify_payments"];
            }
            Self::FreeGift => free(order, 1),
            Self::ZeroTotal => {
                order.shipping.clear();
                free(order, usize::MAX);
            }
            Self::Bundle => {
                let bundle = Bundle::of_components(ids.next());
                order.lines.iter_mut().for_each(|line| line.bundle = Some(bundle.clone()));
            }
            Self::NoDecimals => without_decimals(order),
            Self::ThreeDecimals => reprice(order, "KWD", 3, Decimal::new(3_321, 4)),
            Self::Attributes => {
                let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                order.attributes =
                    vec![row("Lieferfenster", "8–12 Uhr"), row("gift_message", "Für Åsa; \"alles Liebe\"")];
            }
            Self::Tags => order.tags = vec!["vip".to_owned(), "Messe Köln".to_owned()],
            Self::PointOfSale => {
                order.source_name = "pos";
                (order.location_id, order.staff_id) = (Some(655_441_491), Some(548_380_009));
                (order.financial, order.gateways) = (Financial::Paid, vec!["cash"]);
            }
            Self::Draft => order.source_name = "shopify_draft_order",
            Self::LongTexts => {
                order.note = Some("Bitte sorgfältig verpacken. ".repeat(40).trim().to_owned());
                order.lines[0].title = "Sonderanfertigung nach Maß ".repeat(6).trim().to_owned();
            }
            Self::ManyLines => many_lines(ids, order),
            Self::OldPayload => order.printed_as_of_old = true,
            Self::ConfirmedLater => order.confirmed = false,
            Self::TaxesFinalLater => order.estimated_taxes = true,
            Self::Goodwill | Self::LineRefunded | Self::ShippingRefunded => order.financial = Financial::Paid,
            Self::LineAdded => order.financial = Financial::Pending,
            Self::LineRemoved => {
                order.financial = Financial::Pending;
                // The only line of an order stays.
                if order.lines.len() < 2 {
                    let mut line = order.lines[0].clone();
                    line.id = ids.next();
                    line.allocations.clear();
                    order.lines.push(line);
                }
            }
            Self::PurchaseOrderChanged => order.po_number = Some("PO-OLD".to_owned()),
            Self::BeforeGoLive => {
                let at = "2019-06-01T10:00:00Z".parse().unwrap_or(order.created_at);
                (order.created_at, order.updated_at) = (at, at);
            }
            Self::CompanyOrder => {
                order.company = Some(Company {
                    id: 29_000_000 + order.number,
                    location_id: 39_000_000 + order.number,
                    name: "Grün & Söhne GmbH".to_owned(),
                    external_id: None,
                    location_external_id: None,
                });
                order.po_number = Some(format!("PO {}", order.number));
                order.payment_terms = Some("Net 30");
                order.financial = Financial::Pending;
            }
        }
        tax(order);
    }
}

/// Prices as if the buyer had seen yen.
pub(super) fn without_decimals(order: &mut OrderVersion) {
    reprice(order, "JPY", 0, Decimal::new(1_632_150, 4));
}

/// The shop's currency for the buyer too; gives it.
pub(super) fn one_currency(order: &mut OrderVersion) -> Currencies {
    let Currencies { shop, shop_decimals, .. } = order.currencies;
    let one =
        Currencies { shop, shop_decimals, presentment: shop, presentment_decimals: shop_decimals, rate: Decimal::ONE };
    with_currencies(order, one);
    one
}

/// Prices as if the buyer had seen another currency; discounts go, since they were made in the old one.
fn reprice(order: &mut OrderVersion, presentment: &'static str, presentment_decimals: u32, rate: Decimal) {
    let currencies = Currencies { presentment, presentment_decimals, rate, ..order.currencies };
    with_currencies(order, currencies);
}

fn with_currencies(order: &mut OrderVersion, currencies: Currencies) {
    order.currencies = currencies;
    order.applications.clear();
    for line in &mut order.lines {
        line.allocations.clear();
        line.price = currencies.price(line.price.shop);
    }
    for line in &mut order.shipping {
        line.allocations.clear();
        line.price = currencies.price(line.price.shop);
    }
    order.tip = currencies.price(order.tip.shop);
}

fn several_shipping_lines(ids: &mut Ids, order: &mut OrderVersion) {
    let taxes: Vec<TaxLine> = order.shipping.first().map(|line| line.taxes.clone()).unwrap_or_default();
    for (title, code, cents) in [("Sperrgut", "EXPRESS", 2490), ("Brief", "STANDARD", 185)] {
        order.shipping.push(Shipping {
            id: ids.next(),
            title,
            code,
            price: order.currencies.price(Decimal::new(cents, 2)),
            allocations: Vec::new(),
            taxes: taxes.clone(),
            standing: ShippingStanding::Kept,
        });
    }
    let index = order.applications.len();
    let amount = order.currencies.price(Decimal::new(249, 2));
    if let Some(line) = order.shipping.iter_mut().find(|line| line.code == "EXPRESS" && line.allocations.is_empty()) {
        line.allocations.push((index, amount));
        order.applications.push(Application {
            kind: DiscountKind::Automatic,
            target: DiscountTarget::Shipping,
            title: "Sperrgut -10 %".to_owned(),
            value: DiscountValue::Fixed(amount),
        });
    }
}

/// Delivered to Québec: two taxes on top of each row.
fn canada(order: &mut OrderVersion) {
    order.taxes = Taxes::OnTop;
    let taxes = vec![TaxLine::unrated("GST", Decimal::from(5)), TaxLine::unrated("QST", Decimal::new(9_975, 3))];
    order.lines.iter_mut().for_each(|line| line.taxes = taxes.clone());
    order.shipping.iter_mut().for_each(|line| line.taxes = taxes.clone());
    for address in [&mut order.shipping_address, &mut order.billing_address].into_iter().flatten() {
        address.country = Some(("Canada", "CA"));
        address.province = Some(("Quebec", "QC"));
    }
}

fn untaxed(order: &mut OrderVersion) {
    order.lines.iter_mut().for_each(|line| line.taxes.clear());
    order.shipping.iter_mut().for_each(|line| line.taxes.clear());
}

/// Takes the whole price off the last lines, at most so many.
fn free(order: &mut OrderVersion, at_most: usize) {
    for line in order.lines.iter_mut().rev().take(at_most) {
        let index = order.applications.len();
        let rest = line.total();
        line.allocations.push((index, rest));
        order.applications.push(Application {
            kind: DiscountKind::Manual,
            target: DiscountTarget::OneLine,
            title: "Geschenk".to_owned(),
            value: DiscountValue::Fixed(rest),
        });
    }
}

fn many_lines(ids: &mut Ids, order: &mut OrderVersion) {
    let pattern: Vec<_> = order.lines.clone();
    while order.lines.len() < LINES_MANY {
        let mut line = pattern[order.lines.len() % pattern.len()].clone();
        line.id = ids.next();
        line.allocations.clear();
        order.lines.push(line);
    }
}
