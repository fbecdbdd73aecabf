//! IFS's arithmetic of a row: amount, tax and gross from price, quantity, discounts and one tax code.
//! Rounds half away from zero to the currency's decimals, once per amount.

use rust_decimal::{Decimal, RoundingStrategy};

/// What a price includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    Net,
    InclTax,
}

/// The computed amounts of one row, in the order's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) net: Decimal,
    pub(super) tax: Decimal,
    pub(super) gross: Decimal,
}

/// Rounds half away from zero.
pub(super) fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// Amounts of a row. A discount's amount is rounded by itself, then subtracted.
pub(super) fn amounts(
    basis: Basis,
    price: Decimal,
    qty: Decimal,
    discount_percent: Decimal,
    tax_percent: Decimal,
    decimals: u32,
) -> Amounts {
    let base = round(price * qty, decimals);
    let amount = base - round(base * discount_percent / Decimal::ONE_HUNDRED, decimals);
    match basis {
        Basis::Net => {
            let tax = round(amount * tax_percent / Decimal::ONE_HUNDRED, decimals);
            Amounts { net: amount, tax, gross: amount + tax }
        }
        Basis::InclTax => {
            let net = round(amount / factor(tax_percent), decimals);
            Amounts { net, tax: amount - net, gross: amount }
        }
    }
}

/// The price on the other basis, at 8 decimals.
pub(super) fn other_price(basis: Basis, price: Decimal, tax_percent: Decimal) -> Decimal {
    match basis {
        Basis::Net => round(price * factor(tax_percent), 8),
        Basis::InclTax => round(price / factor(tax_percent), 8),
    }
}

fn factor(tax_percent: Decimal) -> Decimal {
    Decimal::ONE + tax_percent / Decimal::ONE_HUNDRED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a decimal")
    }

    fn row(basis: Basis, price: &str, qty: &str, discount: &str, tax: &str, decimals: u32) -> [String; 3] {
        let a = amounts(basis, dec(price), dec(qty), dec(discount), dec(tax), decimals);
        [a.net, a.tax, a.gross].map(|amount| amount.normalize().to_string())
    }

    #[test]
    fn a_net_row_is_rounded_before_its_tax() {
        assert_eq!(row(Basis::Net, "466.657", "3", "0", "19", 2), ["1399.97", "265.99", "1665.96"]);
        assert_eq!(row(Basis::Net, "3.33", "1", "0", "19", 2), ["3.33", "0.63", "3.96"]);
        assert_eq!(row(Basis::Net, "0.50", "1", "0", "25", 2), ["0.5", "0.13", "0.63"]);
    }

    #[test]
    fn an_inclusive_row_keeps_its_gross() {
        assert_eq!(row(Basis::InclTax, "9.99", "3", "0", "19", 2), ["25.18", "4.79", "29.97"]);
        assert_eq!(row(Basis::InclTax, "1234.5", "1", "0", "10", 0), ["1123", "112", "1235"]);
    }

    #[test]
    fn a_percent_discount_is_rounded_by_itself() {
        assert_eq!(row(Basis::Net, "50.01", "10", "55", "0", 2)[0], "225.04");
    }
}
