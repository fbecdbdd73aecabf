//! IFS's arithmetic of a row: amount, tax and gross from price, quantity, discounts and tax codes.
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

/// Amounts of a row. A discount's amount is rounded by itself, then subtracted; the rates of several tax codes
/// count on one base and each code's amount is rounded by itself.
pub(super) fn amounts(
    basis: Basis,
    price: Decimal,
    qty: Decimal,
    discount_percent: Decimal,
    tax_percents: &[Decimal],
    decimals: u32,
) -> Amounts {
    let base = round(price * qty, decimals);
    let amount = base - round(base * discount_percent / Decimal::ONE_HUNDRED, decimals);
    match (basis, tax_percents) {
        (Basis::Net, percents) => {
            let tax = percents.iter().map(|percent| round(amount * percent / Decimal::ONE_HUNDRED, decimals)).sum();
            Amounts { net: amount, tax, gross: amount + tax }
        }
        (Basis::InclTax, [percent]) => {
            let net = round(amount / factor(&[*percent]), decimals);
            Amounts { net, tax: amount - net, gross: amount }
        }
        (Basis::InclTax, percents) => {
            let whole = Decimal::ONE_HUNDRED + percents.iter().sum::<Decimal>();
            let tax = percents.iter().map(|percent| round(amount * percent / whole, decimals)).sum();
            Amounts { net: amount - tax, tax, gross: amount }
        }
    }
}

/// The price on the other basis, at 8 decimals.
pub(super) fn other_price(basis: Basis, price: Decimal, tax_percents: &[Decimal]) -> Decimal {
    match basis {
        Basis::Net => round(price * factor(tax_percents), 8),
        Basis::InclTax => round(price / factor(tax_percents), 8),
    }
}

fn factor(tax_percents: &[Decimal]) -> Decimal {
    Decimal::ONE + tax_percents.iter().sum::<Decimal>() / Decimal::ONE_HUNDRED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a decimal")
    }

    fn row(basis: Basis, price: &str, qty: &str, discount: &str, tax: &str, decimals: u32) -> [String; 3] {
        let taxes: Vec<Decimal> = tax.split('+').map(dec).collect();
        let a = amounts(basis, dec(price), dec(qty), dec(discount), &taxes, decimals);
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
    fn several_taxes_count_on_one_base_and_are_rounded_each() {
        // 0.05 (0.045) and 0.09 (0.089775): 0.14; in one go 14.975 % would be 0.13.
        assert_eq!(row(Basis::Net, "0.90", "1", "0", "5+9.975", 2), ["0.9", "0.14", "1.04"]);
        assert_eq!(row(Basis::InclTax, "114.98", "1", "0", "5+9.975", 2), ["100", "14.98", "114.98"]);
    }

    #[test]
    fn negative_amounts_round_as_positive_ones_do() {
        assert_eq!(row(Basis::Net, "-0.50", "1", "0", "25", 2), ["-0.5", "-0.13", "-0.63"]);
        assert_eq!(row(Basis::InclTax, "-9.99", "3", "0", "19", 2), ["-25.18", "-4.79", "-29.97"]);
    }

    #[test]
    fn three_decimals_stay_three() {
        assert_eq!(row(Basis::Net, "0.333", "3", "0", "5", 3), ["0.999", "0.05", "1.049"]);
    }

    #[test]
    fn a_percent_discount_is_rounded_by_itself() {
        assert_eq!(row(Basis::Net, "50.01", "10", "55", "0", 2)[0], "225.04");
    }
}
