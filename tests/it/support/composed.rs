//! Orders that a test composes line by line and changes as it likes: their webhooks as Shopify would send them, all sums
//! right to the cent. Prices are in EUR, 19 % tax on top, delivered to Germany.

use jiff::{SignedDuration, Timestamp};
use ml_connector::sandbox::world::skus;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Shopify's number.
    pub id: u64,
    /// The article.
    pub sku: String,
    /// Units; 0 once it was removed.
    pub quantity: u32,
    /// Price of one, in cents.
    pub cents: i64,
    /// Discount on the line, in cents.
    pub off_cents: i64,
}

/// One order, as it stands now.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Shopify's number.
    pub id: u64,
    /// Its lines, removed ones too.
    pub lines: Vec<Line>,
    /// Shipping lines: number and cents.
    pub shipping: Vec<(u64, i64)>,
    /// The order's note.
    pub note: String,
    /// The customer's own number.
    pub po_number: String,
    /// The street that it goes to.
    pub street: String,
    /// The region that it goes to, by its code.
    pub region: Option<&'static str>,
    /// Money given back beyond any row, in cents.
    pub given_back_cents: i64,
    /// Whether it is paid.
    pub paid: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// When it was placed.
    pub placed_at: Timestamp,
    version: i64,
}

fn money(amount: Decimal) -> Value {
    let amount = json!({ "amount": format!("{amount:.2}"), "currency_code": "EUR" });
    json!({ "shop_money": amount, "presentment_money": amount })
}

fn cents(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

fn tax_of(amount: Decimal) -> Decimal {
    use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    (amount * Decimal::new(19, 2)).round_dp_with_strategy(2, MidpointAwayFromZero)
}

fn tax_lines(amount: Decimal) -> Value {
    let tax = tax_of(amount);
    json!([{ "title": "MwSt", "rate": 0.19, "price": format!("{tax:.2}"), "price_set": money(tax), "channel_liable": false }])
}

fn shipping_json(id: u64, price: Decimal) -> Value {
    json!({
        "id": id, "code": "STANDARD", "title": "Standard", "price": format!("{price:.2}"), "price_set": money(price),
        "discounted_price": format!("{price:.2}"), "discounted_price_set": money(price), "is_removed": false,
        "source": "shopify", "tax_lines": tax_lines(price), "discount_allocations": [],
    })
}

impl Line {
    fn units(&self) -> u32 {
        self.quantity.max(1)
    }

    fn gross(&self) -> Decimal {
        cents(self.cents) * Decimal::from(self.units())
    }

    fn worth(&self) -> Decimal {
        self.gross() - cents(self.off_cents)
    }

    fn json(&self) -> Value {
        let off = cents(self.off_cents);
        let allocations = if self.off_cents == 0 {
            json!([])
        } else {
            json!([{ "amount": format!("{off:.2}"), "amount_set": money(off), "discount_application_index": 0 }])
        };
        let price = cents(self.cents);
        json!({
            "id": self.id, "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", self.id), "sku": self.sku,
            "product_id": 501, "variant_id": 601, "title": "Thing", "variant_title": null, "vendor": "Sandbox",
            "quantity": self.units(), "current_quantity": self.quantity, "price": format!("{price:.2}"),
            "price_set": money(price), "gift_card": false, "taxable": true, "requires_shipping": true,
            "total_discount": "0.00", "properties": [], "duties": [], "tax_lines": tax_lines(self.worth()),
            "discount_allocations": allocations,
        })
    }
}

impl Composed {
    /// An order of so many lines, three units each, with one shipping line, placed now.
    pub fn new(id: u64, lines: usize, placed_at: Timestamp) -> Self {
        let skus = skus();
        let lines = (0..lines).map(|index| Line {
            id: id * 1_000 + index as u64 + 1,
            sku: skus[index % skus.len()].clone(),
            quantity: 3,
            cents: 1_000 + i64::try_from(index % 50).expect("small") * 100,
            off_cents: 0,
        });
        Self {
            id,
            lines: lines.collect(),
            shipping: vec![(id * 1_000, 490)],
            note: "as it was ordered".into(),
            po_number: "PO-1".into(),
            street: "Musterweg 7".into(),
            region: None,
            given_back_cents: 0,
            paid: false,
            cancelled: false,
            placed_at,
            version: 0,
        }
    }

    /// Adds a line of two units.
    pub fn add_line(&mut self) {
        let number = self.lines.len() + 1;
        let sku = skus()[(number * 7) % skus().len()].clone();
        let id = self.id * 1_000 + number as u64;
        self.lines.push(Line { id, sku, quantity: 2, cents: 1_900, off_cents: 0 });
    }

    /// The body of its next version, a second younger than the one before.
    pub fn next_body(&mut self) -> Vec<u8> {
        self.version += 1;
        self.body()
    }

    /// The body of this version.
    pub fn body(&self) -> Vec<u8> {
        let sold: Decimal = self.lines.iter().map(Line::gross).sum();
        let off: Decimal = self.lines.iter().map(|line| cents(line.off_cents)).sum();
        let shipped: Decimal = self.shipping.iter().map(|(_, price)| cents(*price)).sum();
        let ship_tax: Decimal = self.shipping.iter().map(|(_, price)| tax_of(cents(*price))).sum();
        let tax = self.lines.iter().map(|line| tax_of(line.worth())).sum::<Decimal>() + ship_tax;
        let live = || self.lines.iter().filter(|line| line.quantity > 0);
        let now: Decimal = live().map(Line::worth).sum();
        let tax_now = live().map(|line| tax_of(line.worth())).sum::<Decimal>() + ship_tax;
        let updated = self.placed_at.checked_add(SignedDuration::from_secs(self.version)).expect("near");
        let mut body = json!({
        "id": self.id, "admin_graphql_api_id": format!("gid://shopify/Order/{}", self.id), "confirmed": true,
        "created_at": self.placed_at.to_string(), "processed_at": self.placed_at.to_string(),
        "updated_at": updated.to_string(), "currency": "EUR", "presentment_currency": "EUR",
        "cancel_reason": self.cancelled.then_some("customer"), "cancelled_at": self.cancelled.then(|| updated.to_string()),
        "current_total_additional_fees_set": null, "current_total_duties_set": null,
        "original_total_additional_fees_set": null, "original_total_duties_set": null, "duties_included": false,
        "discount_codes": [], "email": "erika@example.com", "estimated_taxes": false,
        "financial_status": if self.paid { "paid" } else { "pending" }, "fulfillment_status": null,
        "name": format!("#{}", self.id % 100_000), "note": self.note, "note_attributes": [], "order_number": 1,
        "payment_gateway_names": ["bogus"], "po_number": self.po_number, "source_name": "web", "tags": "",
        "tax_exempt": false, "taxes_included": false, "test": false, "total_tip_received": "0.00",
                });
        body["customer"] = json!({ "id": 7001, "email": "erika@example.com" });
        body["refunds"] = self.refunds();
        body["shipping_address"] = self.address();
        body["billing_address"] = self.address();
        body["discount_applications"] = self.discounts(off);
        body["line_items"] = self.lines.iter().map(Line::json).collect();
        body["shipping_lines"] = self.shipping.iter().map(|(id, price)| shipping_json(*id, cents(*price))).collect();
        for (name, amount) in [
            ("subtotal_price", sold - off),
            ("total_discounts", off),
            ("total_line_items_price", sold),
            ("total_tax", tax),
            ("total_price", sold - off + shipped + tax),
            ("current_subtotal_price", now),
            ("current_total_tax", tax_now),
            ("current_total_price", now + shipped + tax_now),
            ("total_shipping_price", shipped),
        ] {
            body[name] = json!(format!("{amount:.2}"));
            body[format!("{name}_set")] = money(amount);
        }
        serde_json::to_vec(&body).expect("plain data")
    }

    fn refunds(&self) -> Value {
        if self.given_back_cents == 0 {
            return json!([]);
        }
        let (id, back, at) = (self.id * 1_000 + 800, cents(self.given_back_cents), self.placed_at.to_string());
        json!([{
            "id": id, "order_id": self.id, "created_at": at, "processed_at": at, "note": null, "restock": false,
            "refund_line_items": [], "refund_shipping_lines": [], "duties": [],
            "order_adjustments": [{
                "id": id + 2, "order_id": self.id, "refund_id": id, "kind": "refund_discrepancy",
                "reason": "Refund discrepancy", "amount": format!("{:.2}", -back), "amount_set": money(-back),
                "tax_amount": "0.00", "tax_amount_set": money(Decimal::ZERO),
            }],
            "transactions": [{
                "id": id + 1, "order_id": self.id, "kind": "refund", "status": "success", "gateway": "bogus",
                "amount": format!("{back:.2}"), "currency": "EUR", "created_at": at, "processed_at": at, "test": false,
            }],
        }])
    }

    fn discounts(&self, off: Decimal) -> Value {
        if off.is_zero() {
            return json!([]);
        }
        json!([{
            "target_type": "line_item", "type": "manual", "value": format!("{off:.2}"), "value_type": "fixed_amount",
            "allocation_method": "across", "target_selection": "all", "title": "off",
        }])
    }

    fn address(&self) -> Value {
        json!({
            "first_name": "Erika", "last_name": "Beispiel", "name": "Erika Beispiel", "company": null, "address1": self.street,
            "address2": null, "zip": "20095", "city": "Hamburg", "province": null, "province_code": self.region,
            "country": "Germany", "country_code": "DE", "phone": null,
        })
    }

    /// What IFS should hold: live lines by Shopify's number with their units, however many rows they stand on, and the
    /// gross total of all rows.
    pub fn expected(&self) -> (Vec<(u64, Decimal)>, Decimal) {
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .filter(|line| line.quantity > 0)
            .map(|line| (line.id, Decimal::from(line.quantity)))
            .collect();
        lines.sort_unstable();
        let rows = self.lines.iter().filter(|line| line.quantity > 0).map(Line::worth);
        let rows = rows.chain(self.shipping.iter().map(|(_, price)| cents(*price)));
        let total: Decimal = rows.map(|row| row + tax_of(row)).sum();
        (lines, total - cents(self.given_back_cents))
    }
}
