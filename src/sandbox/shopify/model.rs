//! An order of the simulated shop as one immutable version, and the sums that follow from it. How it is
//! printed (REST, GraphQL) lives in `rest` and `graph`.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::bundle::Bundle;
use super::money::{Both, Currencies, Taxes, exact_share};

/// One tax on a line or a shipping line, for its original quantity.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct TaxLine {
    pub(in crate::sandbox) title: String,
    /// In percent.
    pub(in crate::sandbox) percent: Decimal,
    pub(in crate::sandbox) amount: Both,
    /// Whether a marketplace owes it; `None` where Shopify does not say.
    pub(in crate::sandbox) channel_liable: Option<bool>,
}

impl TaxLine {
    /// A tax whose amount is computed later.
    pub(in crate::sandbox) fn unrated(title: &str, percent: Decimal) -> Self {
        Self { title: title.to_owned(), percent, amount: Both::default(), channel_liable: Some(false) }
    }
}

/// A share of a discount: index of its application, and the amount.
pub(in crate::sandbox) type Allocation = (usize, Both);

/// A sold line.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Line {
    pub(in crate::sandbox) id: u64,
    /// `None` for custom lines and deleted products.
    pub(in crate::sandbox) product_id: Option<u64>,
    pub(in crate::sandbox) variant_id: Option<u64>,
    pub(in crate::sandbox) sku: Option<String>,
    /// The part that IFS is meant to sell for it.
    pub(in crate::sandbox) part: String,
    pub(in crate::sandbox) title: String,
    pub(in crate::sandbox) product_type: &'static str,
    pub(in crate::sandbox) barcode: Option<String>,
    pub(in crate::sandbox) vendor: &'static str,
    pub(in crate::sandbox) properties: Vec<(String, String)>,
    /// The bundle that it is a component of.
    pub(in crate::sandbox) bundle: Option<Bundle>,
    pub(in crate::sandbox) grams: u32,
    pub(in crate::sandbox) price: Both,
    pub(in crate::sandbox) quantity: u32,
    pub(in crate::sandbox) current_quantity: u32,
    pub(in crate::sandbox) taxes: Vec<TaxLine>,
    pub(in crate::sandbox) allocations: Vec<Allocation>,
    pub(in crate::sandbox) gift_card: bool,
    pub(in crate::sandbox) duty: Both,
}

impl Line {
    pub(in crate::sandbox) fn allocated(&self) -> Both {
        self.allocations.iter().map(|(_, amount)| *amount).sum()
    }

    pub(in crate::sandbox) fn tax(&self) -> Both {
        self.taxes.iter().map(|tax| tax.amount).sum()
    }

    /// Price x quantity less discounts, as ordered.
    pub(in crate::sandbox) fn total(&self) -> Both {
        self.price.times(self.quantity) - self.allocated()
    }

    /// The share of an amount that the units still wanted have. Stories only make edits whose shares are exact.
    pub(in crate::sandbox) fn current(&self, currencies: &Currencies, amount: Both) -> Both {
        exact_share(currencies, amount, self.current_quantity, self.quantity.max(1)).unwrap_or_default()
    }

    /// Price x current quantity less the share of the discounts.
    pub(in crate::sandbox) fn current_total(&self, currencies: &Currencies) -> Both {
        self.price.times(self.current_quantity) - self.current(currencies, self.allocated())
    }
}

/// A shipping line.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Shipping {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) title: &'static str,
    pub(in crate::sandbox) code: &'static str,
    pub(in crate::sandbox) price: Both,
    pub(in crate::sandbox) allocations: Vec<Allocation>,
    pub(in crate::sandbox) taxes: Vec<TaxLine>,
    pub(in crate::sandbox) standing: ShippingStanding,
}

/// What became of a shipping line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum ShippingStanding {
    /// As sold.
    Kept,
    /// Taken away by an edit.
    Removed,
    /// Given back in full.
    Refunded,
}

impl Shipping {
    pub(in crate::sandbox) fn allocated(&self) -> Both {
        self.allocations.iter().map(|(_, amount)| *amount).sum()
    }

    pub(in crate::sandbox) fn discounted(&self) -> Both {
        self.price - self.allocated()
    }

    pub(in crate::sandbox) fn tax(&self) -> Both {
        self.taxes.iter().map(|tax| tax.amount).sum()
    }

    /// What is still asked for it, after discounts.
    pub(in crate::sandbox) fn current(&self) -> Both {
        self.while_kept(self.discounted())
    }

    /// The tax of that.
    pub(in crate::sandbox) fn current_tax(&self) -> Both {
        self.while_kept(self.tax())
    }

    fn while_kept(&self, amount: Both) -> Both {
        match self.standing {
            ShippingStanding::Kept => amount,
            ShippingStanding::Removed | ShippingStanding::Refunded => Both::default(),
        }
    }
}

/// How a discount came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum DiscountKind {
    Code,
    Manual,
    Automatic,
}

/// What a discount is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum DiscountTarget {
    AllLines,
    OneLine,
    Shipping,
}

/// A discount as it was granted.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Application {
    pub(in crate::sandbox) kind: DiscountKind,
    pub(in crate::sandbox) target: DiscountTarget,
    pub(in crate::sandbox) title: String,
    /// Percent, or an amount in both currencies.
    pub(in crate::sandbox) value: DiscountValue,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) enum DiscountValue {
    Percent(Decimal),
    Fixed(Both),
}

/// A postal address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Address {
    pub(in crate::sandbox) first_name: String,
    pub(in crate::sandbox) last_name: String,
    pub(in crate::sandbox) company: Option<String>,
    pub(in crate::sandbox) address1: String,
    pub(in crate::sandbox) address2: Option<String>,
    pub(in crate::sandbox) zip: String,
    pub(in crate::sandbox) city: String,
    pub(in crate::sandbox) province: Option<(&'static str, &'static str)>,
    /// Name and code; `None` is the planted fault.
    pub(in crate::sandbox) country: Option<(&'static str, &'static str)>,
    pub(in crate::sandbox) phone: Option<String>,
}

impl Address {
    pub(in crate::sandbox) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// A buyer.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Customer {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) email: Option<String>,
}

/// A business that buys, and the keys that its supplier's own system gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Company {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) location_id: u64,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) external_id: Option<String>,
    pub(in crate::sandbox) location_external_id: Option<String>,
}

/// Units of a line given back.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) struct RefundLine {
    /// Position of the line in the order.
    pub(in crate::sandbox) line: usize,
    pub(in crate::sandbox) quantity: u32,
    pub(in crate::sandbox) subtotal: Both,
    pub(in crate::sandbox) tax: Both,
}

/// Money given back: for units, for shipping, or by amount alone.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Refund {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) at: Timestamp,
    pub(in crate::sandbox) lines: Vec<RefundLine>,
    /// Positions of the shipping lines that were given back in full.
    pub(in crate::sandbox) shipping: Vec<usize>,
    /// What was given back beyond rows.
    pub(in crate::sandbox) goodwill: Both,
    /// All that went back to the customer.
    pub(in crate::sandbox) paid_back: Both,
}

/// Where payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Financial {
    Pending,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
}

/// One version of an order.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct OrderVersion {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) number: u64,
    pub(in crate::sandbox) created_at: Timestamp,
    pub(in crate::sandbox) updated_at: Timestamp,
    pub(in crate::sandbox) currencies: Currencies,
    pub(in crate::sandbox) taxes: Taxes,
    pub(in crate::sandbox) lines: Vec<Line>,
    pub(in crate::sandbox) shipping: Vec<Shipping>,
    pub(in crate::sandbox) applications: Vec<Application>,
    pub(in crate::sandbox) shipping_address: Option<Address>,
    pub(in crate::sandbox) billing_address: Option<Address>,
    pub(in crate::sandbox) customer: Option<Customer>,
    pub(in crate::sandbox) email: Option<String>,
    pub(in crate::sandbox) locale: &'static str,
    pub(in crate::sandbox) note: Option<String>,
    pub(in crate::sandbox) attributes: Vec<(String, String)>,
    pub(in crate::sandbox) po_number: Option<String>,
    pub(in crate::sandbox) test: bool,
    pub(in crate::sandbox) confirmed: bool,
    pub(in crate::sandbox) cancelled: Option<(Timestamp, &'static str)>,
    /// When it was archived, as Shopify's staff call it.
    pub(in crate::sandbox) closed_at: Option<Timestamp>,
    pub(in crate::sandbox) financial: Financial,
    pub(in crate::sandbox) gateways: Vec<&'static str>,
    pub(in crate::sandbox) tip: Both,
    /// The line id that the tip has where it stands among the lines too.
    pub(in crate::sandbox) tip_row: Option<u64>,
    pub(in crate::sandbox) fee: Both,
    /// What the till rounded off the payment; the order's total stays.
    pub(in crate::sandbox) rounding: Both,
    pub(in crate::sandbox) tax_exempt: bool,
    pub(in crate::sandbox) estimated_taxes: bool,
    pub(in crate::sandbox) company: Option<Company>,
    pub(in crate::sandbox) payment_terms: Option<&'static str>,
    pub(in crate::sandbox) tags: Vec<String>,
    pub(in crate::sandbox) source_name: &'static str,
    pub(in crate::sandbox) location_id: Option<u64>,
    pub(in crate::sandbox) staff_id: Option<u64>,
    /// Shopify's recommendation: ACCEPT, INVESTIGATE, CANCEL, NONE.
    pub(in crate::sandbox) risk: &'static str,
    pub(in crate::sandbox) fulfilled: bool,
    /// Metafields of apps: namespace, key, type, value.
    pub(in crate::sandbox) metafields: Vec<Metafield>,
    /// Webhooks print it as Shopify did before there were two currencies.
    pub(in crate::sandbox) printed_as_of_old: bool,
    pub(in crate::sandbox) refunds: Vec<Refund>,
    /// A fault in the sums, as Shopify's own sample order has it.
    pub(in crate::sandbox) contradiction: Both,
    pub(in crate::sandbox) secret: String,
}

/// A value that an app keeps on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Metafield {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) namespace: String,
    pub(in crate::sandbox) key: String,
    pub(in crate::sandbox) kind: String,
    pub(in crate::sandbox) value: String,
    pub(in crate::sandbox) at: Timestamp,
}

/// The sums of a version, both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Totals {
    pub(in crate::sandbox) line_items: Both,
    pub(in crate::sandbox) discounts: Both,
    pub(in crate::sandbox) subtotal: Both,
    pub(in crate::sandbox) shipping: Both,
    pub(in crate::sandbox) tax: Both,
    pub(in crate::sandbox) duties: Both,
    pub(in crate::sandbox) total: Both,
    pub(in crate::sandbox) current_discounts: Both,
    pub(in crate::sandbox) current_subtotal: Both,
    pub(in crate::sandbox) current_shipping: Both,
    pub(in crate::sandbox) current_tax: Both,
    pub(in crate::sandbox) current_duties: Both,
    pub(in crate::sandbox) current_total: Both,
    pub(in crate::sandbox) received: Both,
    pub(in crate::sandbox) refunded: Both,
    pub(in crate::sandbox) outstanding: Both,
}

impl OrderVersion {
    pub(in crate::sandbox) fn name(&self) -> String {
        format!("#{}", self.number)
    }

    /// All sums, from the lines up.
    pub(in crate::sandbox) fn totals(&self) -> Totals {
        let line_items: Both = self.lines.iter().map(|line| line.price.times(line.quantity)).sum();
        let on_lines: Both = self.lines.iter().map(Line::allocated).sum();
        let on_shipping: Both = self.shipping.iter().map(Shipping::allocated).sum();
        let shipping: Both = self.shipping.iter().map(Shipping::discounted).sum();
        let shipping_tax: Both = self.shipping.iter().map(Shipping::tax).sum();
        let tax = self.lines.iter().map(Line::tax).sum::<Both>() + shipping_tax;
        let duties: Both = self.lines.iter().map(|line| line.duty).sum();
        let subtotal = line_items - on_lines;
        let on_top = |tax: Both| if self.taxes == Taxes::OnTop { tax } else { Both::default() };
        let total = subtotal + shipping + on_top(tax) + duties + self.fee + self.tip + self.contradiction;
        let sums = Totals {
            line_items,
            discounts: on_lines + on_shipping,
            subtotal,
            shipping,
            tax,
            duties,
            total,
            refunded: self.refunds.iter().map(|refund| refund.paid_back).sum(),
            ..Totals::default()
        };
        self.with_current(sums, &on_top)
    }

    /// What was given back beyond rows; the current sums hold it still.
    pub(in crate::sandbox) fn goodwill(&self) -> Both {
        self.refunds.iter().map(|refund| refund.goodwill).sum()
    }

    fn with_current(&self, sums: Totals, on_top: &dyn Fn(Both) -> Both) -> Totals {
        let mut sums = sums;
        if self.cancelled.is_none() {
            let current = |of: fn(&Line) -> Both| -> Both {
                self.lines.iter().map(|line| line.current(&self.currencies, of(line))).sum()
            };
            let kept = |of: fn(&Shipping) -> Both| -> Both {
                self.shipping.iter().filter(|line| line.standing == ShippingStanding::Kept).map(of).sum()
            };
            sums.current_discounts = current(Line::allocated) + kept(Shipping::allocated);
            sums.current_subtotal = self.lines.iter().map(|line| line.current_total(&self.currencies)).sum();
            sums.current_shipping = kept(Shipping::discounted);
            sums.current_tax = current(Line::tax) + kept(Shipping::tax);
            sums.current_duties =
                self.lines.iter().filter(|line| line.current_quantity > 0).map(|line| line.duty).sum();
            sums.current_total = sums.current_subtotal
                + sums.current_shipping
                + on_top(sums.current_tax)
                + sums.current_duties
                + self.fee
                + self.tip
                + self.contradiction;
        }
        match self.financial {
            Financial::Paid | Financial::PartiallyRefunded | Financial::Refunded => {
                sums.received = sums.total;
                sums.outstanding = Both::default();
            }
            Financial::Pending => sums.outstanding = sums.current_total,
            Financial::Voided => {}
        }
        sums
    }

    /// Taxes summed by title and rate, as placed.
    pub(in crate::sandbox) fn tax_lines(&self) -> Vec<TaxLine> {
        let mut sums: Vec<TaxLine> = Vec::new();
        let all =
            self.lines.iter().flat_map(|line| &line.taxes).chain(self.shipping.iter().flat_map(|line| &line.taxes));
        for tax in all {
            match sums.iter_mut().find(|sum| sum.title == tax.title && sum.percent == tax.percent) {
                Some(sum) => sum.amount += tax.amount,
                None => sums.push(tax.clone()),
            }
        }
        sums
    }
}
