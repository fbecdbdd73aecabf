//! Orders for tests whose sums are made of their rows, as Shopify makes them. Test code only.

use rust_decimal::Decimal;

use crate::domain::money::{Money, MoneyPair, Side};
use crate::domain::order::{Order, TaxLine};

/// A figure of a test.
pub(super) fn figure(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The same figure in both of the order's currencies: for orders of one currency.
pub(super) fn pair(order: &Order, amount: Decimal) -> MoneyPair {
    two(order, amount, amount)
}

/// A pair of figures, each rounded to its currency.
pub(super) fn two(order: &Order, shop: Decimal, presentment: Decimal) -> MoneyPair {
    MoneyPair {
        shop: Money::new(order.currency.round(shop), order.currency),
        presentment: Money::new(order.presentment_currency.round(presentment), order.presentment_currency),
    }
}

/// A tax line.
pub(super) fn tax(title: &str, rate: &str, price: MoneyPair) -> TaxLine {
    TaxLine { title: title.into(), rate: Some(figure(rate)), price, channel_liable: None }
}

/// The order with every sum made of its rows, in both currencies. Tips are in the figure alone; goodwill is in no sum.
pub(super) fn summed(mut order: Order) -> Order {
    let sides = Side::BOTH.map(|side| Sums::of(&order, side));
    let both = |of: fn(&Sums) -> Decimal| two(&order, of(&sides[0]), of(&sides[1]));
    let (duties, now_duties) = (both(|sums| sums.duties), both(|sums| sums.now_duties));
    let fees = both(|sums| sums.fees);
    let mut totals = order.totals.clone();
    totals.line_items = Some(both(|sums| sums.goods));
    totals.discounts = both(|sums| sums.off_lines + sums.off_shipping);
    totals.subtotal = both(|sums| sums.goods - sums.off_lines);
    totals.shipping = both(|sums| sums.shipping);
    totals.tax = both(|sums| sums.tax);
    totals.total = both(Sums::total);
    totals.current_subtotal = both(|sums| sums.now_subtotal);
    totals.current_shipping = Some(both(|sums| sums.shipping));
    totals.current_tax = both(|sums| sums.now_tax);
    totals.current_total = both(Sums::now_total);
    (totals.duties, totals.current_duties) = (Some(duties), Some(now_duties));
    (totals.fees, totals.current_fees) = (Some(fees), Some(fees));
    order.totals = totals;
    order
}

/// The sums of one side.
#[derive(Default)]
struct Sums {
    included: bool,
    goods: Decimal,
    off_lines: Decimal,
    off_shipping: Decimal,
    shipping: Decimal,
    tax: Decimal,
    tip: Decimal,
    duties: Decimal,
    fees: Decimal,
    now_subtotal: Decimal,
    now_tax: Decimal,
    now_duties: Decimal,
}

impl Sums {
    fn of(order: &Order, side: Side) -> Self {
        let on = |pair: &MoneyPair| pair.on(side).amount();
        let currency = match side {
            Side::Shop => order.currency,
            Side::Presentment => order.presentment_currency,
        };
        let mut sums = Self { included: order.taxes_included, tip: on(&order.totals.tip), ..Self::default() };
        for line in &order.lines {
            let (placed, now) = (Decimal::from(line.quantity), Decimal::from(line.current_quantity));
            let left = |amount: Decimal| currency.round(amount * now / placed);
            sums.goods += on(&line.price) * placed;
            sums.now_subtotal += on(&line.price) * now;
            for share in &line.allocations {
                sums.off_lines += on(&share.amount);
                sums.now_subtotal -= left(on(&share.amount));
            }
            for tax in &line.taxes {
                sums.tax += on(&tax.price);
                sums.now_tax += left(on(&tax.price));
            }
            for duty in &line.duties {
                sums.duties += on(&duty.price);
                sums.now_duties += left(on(&duty.price));
            }
        }
        for line in &order.shipping_lines {
            sums.shipping += on(&line.discounted);
            sums.off_shipping += line.allocations.iter().map(|share| on(&share.amount)).sum::<Decimal>();
            let taxes: Decimal = line.taxes.iter().map(|tax| on(&tax.price)).sum();
            sums.tax += taxes;
            sums.now_tax += taxes;
        }
        sums.fees = order.fees.iter().map(|fee| on(&fee.price)).sum();
        sums
    }

    fn total(&self) -> Decimal {
        let tax = if self.included { Decimal::ZERO } else { self.tax };
        self.goods - self.off_lines + self.shipping + tax + self.tip + self.duties + self.fees
    }

    fn now_total(&self) -> Decimal {
        let tax = if self.included { Decimal::ZERO } else { self.now_tax };
        self.now_subtotal + self.shipping + tax + self.tip + self.now_duties + self.fees
    }
}
