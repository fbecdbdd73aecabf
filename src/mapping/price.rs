//! The price that IFS stores: IFS multiplies it by the quantity and rounds, so it needs just enough decimals to come back to
//! the line's worth.

use rust_decimal::{Decimal, RoundingStrategy};

/// No price of at most `decimals_max` decimals multiplies and rounds to the line's worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPrice;

/// The price with the fewest decimals k, from the currency's `decimals` to `decimals_max`, such that
/// |quantity x price - worth| < half a minor unit. It always exists while the quantity is below 10^(decimals_max - decimals).
///
/// # Errors
/// [`NoPrice`] when no k suffices, for a negative worth, and for a quantity of nothing.
pub fn net_price(worth: Decimal, quantity: u32, decimals: u32, decimals_max: u32) -> Result<Decimal, NoPrice> {
    if quantity == 0 || worth.is_sign_negative() && !worth.is_zero() {
        return Err(NoPrice);
    }
    let quantity = Decimal::from(quantity);
    let half_unit = Decimal::new(5, decimals + 1);
    let exact = worth.checked_div(quantity).ok_or(NoPrice)?;
    for places in decimals..=decimals_max.max(decimals) {
        let price = exact.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
        let back = price.checked_mul(quantity).ok_or(NoPrice)?;
        if (back - worth).abs() < half_unit {
            return Ok(price.normalize());
        }
    }
    Err(NoPrice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figure(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a test's figure")
    }

    #[test]
    fn the_table_of_the_mapping_comes_out_to_the_digit() {
        for (worth, quantity, price) in [
            ("1399.97", 3, "466.657"),
            ("0.94", 1, "0.94"),
            ("10.00", 3, "3.333"),
            ("225.04", 10, "22.504"),
            ("0", 5, "0"),
            // 15 x 0.007 is half a cent off: IFS would round it up to 0.11.
            ("0.10", 15, "0.0067"),
            ("9.99", 1, "9.99"),
        ] {
            assert_eq!(net_price(figure(worth), quantity, 2, 8), Ok(figure(price)), "{worth} / {quantity}");
        }
        assert_eq!(net_price(figure("1000"), 3, 0, 8), Ok(figure("333.3")));
    }

    #[test]
    fn too_few_decimals_and_negative_worth_have_no_price() {
        assert_eq!(net_price(figure("10.00"), 3, 2, 2), Err(NoPrice));
        assert_eq!(net_price(figure("-0.01"), 1, 2, 8), Err(NoPrice));
        assert_eq!(net_price(figure("1"), 0, 2, 8), Err(NoPrice));
    }

    proptest! {
        #[test]
        fn eight_decimals_cover_999_999_units(cents in 0_i64..=10_000_000_000, quantity in 1_u32..=999_999, decimals in 0_u32..=2) {
            let worth = Decimal::new(cents, decimals);
            let price = net_price(worth, quantity, decimals, 8).expect("the law of the mapping");
            let back = (price * Decimal::from(quantity))
                .round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
            prop_assert_eq!(back, worth);
            // One decimal less would not do.
            if price.scale() > decimals {
                prop_assert!(net_price(worth, quantity, decimals, price.scale() - 1).is_err());
            }
        }
    }
}
