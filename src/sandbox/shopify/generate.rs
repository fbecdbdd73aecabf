//! Orders as a shop sells them: catalogue lines, discounts, shipping, taxes, two currencies, people. Every
//! sum follows from the lines. What happens to an order afterwards lives in `story`.

use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use super::super::world;
use super::model::{
    Application, Customer, DiscountKind, DiscountTarget, DiscountValue, Financial, Line, OrderVersion, Shipping,
    ShippingStanding, TaxLine,
};
use super::money::{Both, Currencies, Taxes, round};
use super::people;

/// Ids that an order and its rows get.
#[derive(Debug)]
pub(super) struct Ids {
    next: u64,
}

impl Ids {
    /// Ids of one shop; shops do not share any.
    pub(super) fn of_shop(index: usize) -> Self {
        Self { next: 5_580_473_000_000 + 1_000_000_000_000 * index as u64 }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.next += 7;
        self.next
    }

    /// An id above 2^53, which a float can not hold.
    fn next_large(&mut self) -> u64 {
        820_982_911_900_000_000 + self.next()
    }
}

/// A new order as it was placed at `at`.
pub(super) fn order(random: &mut StdRng, ids: &mut Ids, number: u64, at: Timestamp) -> OrderVersion {
    let id = if number.is_multiple_of(8) { ids.next_large() } else { ids.next() };
    let country = people::country_code(random.random_range(0..9));
    let currencies = currencies(random, country);
    let taxes = if country != "US" && random.random_bool(0.6) { Taxes::Included } else { Taxes::OnTop };
    let shipping_address = people::address(random, country);
    let billing_address = match random.random_range(0..10) {
        0 => None,
        1..=3 => Some(people::address(random, country)),
        _ => Some(shipping_address.clone()),
    };
    let email = random.random_bool(0.85).then(|| people::email(random));
    let customer = random.random_bool(0.9).then(|| Customer { id: ids.next(), email: email.clone() });
    let mut order = OrderVersion {
        id,
        number,
        created_at: at,
        updated_at: at,
        currencies,
        taxes,
        lines: lines(random, ids, &currencies, country),
        shipping: shipping(random, ids, &currencies, country),
        applications: Vec::new(),
        shipping_address: Some(shipping_address),
        billing_address,
        customer,
        email,
        locale: if country == "DE" { "de" } else { "en" },
        note: note(random),
        attributes: attributes(random),
        po_number: random.random_bool(0.15).then(|| format!("PO-{}/Ä{}", random.random_range(1000..9999_u32), number)),
        test: false,
        confirmed: true,
        cancelled: None,
        closed_at: None,
        financial: if random.random_bool(0.7) { Financial::Paid } else { Financial::Pending },
        gateways: Vec::new(),
        tip: Both::default(),
        tip_row: None,
        fee: Both::default(),
        rounding: Both::default(),
        tax_exempt: false,
        estimated_taxes: false,
        company: None,
        payment_terms: None,
        tags: Vec::new(),
        source_name: "web",
        location_id: None,
        staff_id: None,
        risk: "NONE",
        fulfilled: false,
        metafields: Vec::new(),
        printed_as_of_old: false,
        refunds: Vec::new(),
        contradiction: Both::default(),
        secret: format!("{:032x}", random.random::<u128>()),
    };
    order.gateways = vec![if order.financial == Financial::Paid { "shopify_payments" } else { "manual" }];
    discounts(random, &mut order);
    tax(&mut order);
    order
}

fn currencies(random: &mut StdRng, country: &str) -> Currencies {
    let eur =
        Currencies { shop: "EUR", shop_decimals: 2, presentment: "EUR", presentment_decimals: 2, rate: Decimal::ONE };
    if random.random_bool(0.4) {
        return eur;
    }
    let (presentment, presentment_decimals, rate) = match country {
        "SE" => ("SEK", 2, Decimal::new(114_712, 4)),
        "GB" => ("GBP", 2, Decimal::new(8_631, 4)),
        "US" => ("USD", 2, Decimal::new(10_847, 4)),
        "JP" => ("JPY", 0, Decimal::new(1_632_150, 4)),
        "NO" => ("NOK", 2, Decimal::new(119_033, 4)),
        _ => return eur,
    };
    Currencies { presentment, presentment_decimals, rate, ..eur }
}

/// Tax rates of goods by country: title, usual and reduced percentage (0: no tax line at all).
fn rates(country: &str) -> (&'static str, u32, u32) {
    match country {
        "DE" => ("MwSt", 19, 7),
        "SE" => ("Moms", 25, 6),
        "GB" => ("VAT", 20, 0),
        "NO" => ("MVA", 25, 25),
        "JP" => ("消費税", 10, 10),
        _ => ("Tax", 0, 0),
    }
}

fn unrated(title: &str, percent: u32) -> Vec<TaxLine> {
    if percent == 0 {
        return Vec::new();
    }
    vec![TaxLine::unrated(title, Decimal::from(percent))]
}

fn lines(random: &mut StdRng, ids: &mut Ids, currencies: &Currencies, country: &str) -> Vec<Line> {
    let (title, usual, reduced) = rates(country);
    let count = [1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6][random.random_range(0..11)];
    let mut lines = Vec::new();
    for _ in 0..count {
        let index = random.random_range(0..world::CATALOGUE_LEN);
        let variant = world::variant(index);
        let quantity = [1, 1, 1, 1, 2, 2, 2, 3, 4, 6, 7, 10, 12][random.random_range(0..13)];
        lines.push(Line {
            id: ids.next(),
            product_id: Some(7_880_321_196 + index as u64 % 12),
            variant_id: Some(44_990_000_000 + index as u64),
            part: variant.sku.clone(),
            title: variant.title.to_owned(),
            product_type: "Goods",
            barcode: Some(format!("40000000{index:05}")),
            vendor: "Sandbox",
            properties: Vec::new(),
            bundle: None,
            grams: variant.grams,
            price: currencies.price(variant.price),
            sku: Some(variant.sku),
            quantity,
            current_quantity: quantity,
            taxes: unrated(title, if index % 5 == 0 { reduced } else { usual }),
            allocations: Vec::new(),
            gift_card: false,
            duty: Both::default(),
        });
    }
    lines
}

fn shipping(random: &mut StdRng, ids: &mut Ids, currencies: &Currencies, country: &str) -> Vec<Shipping> {
    let (title, usual, _) = rates(country);
    let (name, code, cents) = match random.random_range(0..10) {
        0 => return Vec::new(),
        1..=6 => ("Standard", "STANDARD", 495),
        7..=8 => ("Express Übernacht", "EXPRESS", 1290),
        _ => ("Freie Lieferung", "STANDARD", 0),
    };
    let price = currencies.price(Decimal::new(cents, 2));
    let taxed = country != "GB" || random.random_bool(0.5);
    let taxes = if taxed { unrated(title, usual) } else { Vec::new() };
    let standing = ShippingStanding::Kept;
    vec![Shipping { id: ids.next(), title: name, code, price, allocations: Vec::new(), taxes, standing }]
}

fn note(random: &mut StdRng) -> Option<String> {
    let notes = [
        "Bitte beim Nachbarn abgeben",
        "Leave at the \"back\" door; thanks & bye",
        "ギフト包装をお願いします",
        "Lieferung nur vormittags, Klingel defekt – bitte anrufen. Danke schön!",
    ];
    random.random_bool(0.3).then(|| notes[random.random_range(0..notes.len())].to_owned())
}

fn attributes(random: &mut StdRng) -> Vec<(String, String)> {
    if random.random_bool(0.8) {
        return Vec::new();
    }
    vec![("gift_wrap".to_owned(), "yes".to_owned()), ("Grußkarte".to_owned(), "Alles Gute zum 40.!".to_owned())]
}

fn discounts(random: &mut StdRng, order: &mut OrderVersion) {
    if random.random_bool(0.2) {
        let index = random.random_range(0..order.lines.len());
        if random.random_bool(0.5) {
            let amount = order.currencies.price(round(order.lines[index].total().shop * Decimal::new(17, 2), 2));
            discount_line(order, index, DiscountValue::Fixed(amount));
        } else {
            let percent = Decimal::from([5, 15, 33][random.random_range(0..3)]);
            discount_line(order, index, DiscountValue::Percent(percent));
        }
    }
    if random.random_bool(0.25) {
        discount_order(random, order);
    }
    if random.random_bool(0.2) && order.shipping.first().is_some_and(|line| !line.price.is_zero()) {
        discount_shipping(random, order);
    }
}

fn discount_line(order: &mut OrderVersion, index: usize, value: DiscountValue) {
    let line = &mut order.lines[index];
    let amount = match value {
        DiscountValue::Fixed(amount) => amount,
        DiscountValue::Percent(percent) => {
            let base = line.price.times(line.quantity);
            order.currencies.round(base.map(|base| base * percent / Decimal::ONE_HUNDRED))
        }
    };
    line.allocations.push((order.applications.len(), amount));
    let title = "Mängelrabatt".to_owned();
    order.applications.push(Application { kind: DiscountKind::Manual, target: DiscountTarget::OneLine, title, value });
}

fn discount_order(random: &mut StdRng, order: &mut OrderVersion) {
    let currencies = order.currencies;
    let weights: Vec<Both> = order.lines.iter().map(|line| line.total()).collect();
    let base: Both = weights.iter().copied().sum();
    let (kind, value, amount) = match random.random_range(0..3) {
        0 => {
            let fixed = currencies.price((base.shop / Decimal::TWO).min(Decimal::new(1000, 2)).round_dp(2));
            (DiscountKind::Code, DiscountValue::Fixed(fixed), fixed)
        }
        lot => {
            let percent = Decimal::from([10, 25][lot - 1]);
            let kind = if lot == 1 { DiscountKind::Code } else { DiscountKind::Automatic };
            (
                kind,
                DiscountValue::Percent(percent),
                currencies.round(base.map(|base| base * percent / Decimal::ONE_HUNDRED)),
            )
        }
    };
    let index = order.applications.len();
    for (line, share) in order.lines.iter_mut().zip(currencies.spread(amount, &weights)) {
        line.allocations.push((index, share));
    }
    let title = if kind == DiscountKind::Code { "SOMMER-10".to_owned() } else { "Spring sale".to_owned() };
    order.applications.push(Application { kind, target: DiscountTarget::AllLines, title, value });
}

fn discount_shipping(random: &mut StdRng, order: &mut OrderVersion) {
    let currencies = order.currencies;
    let percent = Decimal::from([50, 100][random.random_range(0..2)]);
    let index = order.applications.len();
    for line in &mut order.shipping {
        let amount = currencies.round(line.price.map(|price| price * percent / Decimal::ONE_HUNDRED));
        line.allocations.push((index, amount));
    }
    let title = "Free shipping week".to_owned();
    let value = DiscountValue::Percent(percent);
    order.applications.push(Application {
        kind: DiscountKind::Automatic,
        target: DiscountTarget::Shipping,
        title,
        value,
    });
}

/// Computes all taxes anew from the discounted totals.
pub(super) fn tax(order: &mut OrderVersion) {
    let (currencies, taxes) = (order.currencies, order.taxes);
    for line in &mut order.lines {
        let total = line.total();
        for tax in &mut line.taxes {
            tax.amount = currencies.tax(total, tax.percent, taxes);
        }
    }
    for line in &mut order.shipping {
        let total = line.discounted();
        for tax in &mut line.taxes {
            tax.amount = currencies.tax(total, tax.percent, taxes);
        }
    }
}
