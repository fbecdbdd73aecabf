//! Money that a shop gives back: by amount, for rows, for shipping, or all of it with a cancellation.

use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use super::model::{Financial, OrderVersion, Refund, RefundLine, ShippingStanding};
use super::money::{Both, Taxes};

/// Some money back, and no row with it.
pub(super) fn goodwill(random: &mut StdRng, order: &mut OrderVersion, at: Timestamp) {
    let cents = random.random_range(10..90_i64);
    let goodwill = order.currencies.price(Decimal::new(cents, 2));
    give(order, Refund { id: 0, at, lines: Vec::new(), shipping: Vec::new(), goodwill, paid_back: goodwill });
}

/// The last of several lines, with what was paid for it.
pub(super) fn last_line(order: &mut OrderVersion, at: Timestamp) {
    let [_, .., last] = order.lines.as_slice() else { return };
    let line = order.lines.len() - 1;
    let row = RefundLine { line, quantity: last.current_quantity, subtotal: last.total(), tax: last.tax() };
    let paid_back = with_tax(order, row.subtotal, row.tax);
    order.lines[line].current_quantity = 0;
    give(order, Refund { id: 0, at, lines: vec![row], shipping: Vec::new(), goodwill: Both::default(), paid_back });
}

/// All shipping.
pub(super) fn shipping(order: &mut OrderVersion, at: Timestamp) {
    let rows: Vec<usize> = (0..order.shipping.len()).filter(|at| !order.shipping[*at].discounted().is_zero()).collect();
    let worth: Both = rows.iter().map(|at| order.shipping[*at].discounted()).sum();
    let tax: Both = rows.iter().map(|at| order.shipping[*at].tax()).sum();
    if rows.is_empty() {
        return;
    }
    let paid_back = with_tax(order, worth, tax);
    for row in &rows {
        order.shipping[*row].standing = ShippingStanding::Refunded;
    }
    give(order, Refund { id: 0, at, lines: Vec::new(), shipping: rows, goodwill: Both::default(), paid_back });
}

/// What a cancelled order was paid.
pub(super) fn everything(order: &mut OrderVersion, at: Timestamp) {
    let lines = order.lines.iter().enumerate().map(|(line, row)| RefundLine {
        line,
        quantity: row.quantity,
        subtotal: row.total(),
        tax: row.tax(),
    });
    let refund = Refund {
        id: 0,
        at,
        lines: lines.collect(),
        shipping: (0..order.shipping.len()).collect(),
        goodwill: Both::default(),
        paid_back: order.totals().total,
    };
    give(order, refund);
}

fn with_tax(order: &OrderVersion, amount: Both, tax: Both) -> Both {
    if order.taxes == Taxes::OnTop { amount + tax } else { amount }
}

fn give(order: &mut OrderVersion, refund: Refund) {
    let id = order.id / 11 + 1_000_000 + 5 * order.refunds.len() as u64;
    order.financial = Financial::PartiallyRefunded;
    order.refunds.push(Refund { id, ..refund });
}
