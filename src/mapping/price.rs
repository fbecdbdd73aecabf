//! The price that IFS stores: IFS multiplies it by the quantity and rounds, so it needs just enough decimals to come back to
//! the line's worth.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::domain::money::Currency;

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

/// Some units at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// How many.
    pub units: u32,
    /// The price of each, in whole minor units.
    pub price: Decimal,
}

/// Two prices in whole minor units, one minor unit apart, that come to the worth: the lower one first. None where one price does,
/// and where there is nothing to split.
pub fn split(worth: Decimal, quantity: u32, currency: Currency) -> Option<[Units; 2]> {
    use rust_decimal::prelude::ToPrimitive as _;
    if quantity == 0 {
        return None;
    }
    let unit = currency.minor_unit();
    let low = worth
        .checked_div(Decimal::from(quantity))?
        .round_dp_with_strategy(currency.decimals(), RoundingStrategy::ToNegativeInfinity);
    let rest = worth.checked_sub(low.checked_mul(Decimal::from(quantity))?)?;
    let dearer = rest.checked_div(unit)?.to_u32().filter(|dearer| (1..quantity).contains(dearer))?;
    Some([Units { units: quantity - dearer, price: low }, Units { units: dearer, price: low + unit }])
}

/// Most decimals of a percent that IFS is trusted to keep.
const PERCENT_DECIMALS: u32 = 2;

/// The percent with the fewest decimals with which IFS comes from `gross` to `left`: it rounds the percent's amount, then
/// subtracts it. None where no percent does; below 100.00 there is always one.
pub fn exact_percent(gross: Decimal, left: Decimal, currency: Currency) -> Option<Decimal> {
    if gross.is_zero() {
        return None;
    }
    let exact = (gross - left).checked_mul(Decimal::ONE_HUNDRED)?.checked_div(gross)?;
    (0..=PERCENT_DECIMALS).find_map(|places| {
        let percent = exact.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
        let off = currency.round(gross.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?);
        (gross - off == left).then(|| percent.normalize())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn euro() -> Currency {
        Currency::from_code("EUR").expect("exists")
    }

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

    #[test]
    fn three_for_ten_is_split_into_whole_cents() {
        let [low, high] = split(figure("10.00"), 3, euro()).expect("10.00 is no multiple of 3");
        assert_eq!((low.units, low.price), (2, figure("3.33")));
        assert_eq!((high.units, high.price), (1, figure("3.34")));
        assert_eq!(split(figure("9.99"), 3, euro()), None);
        assert_eq!(split(figure("0.01"), 0, euro()), None);
    }

    #[test]
    fn a_percent_is_taken_only_where_ifs_comes_to_the_same_amount() {
        // 55 % of 500.10 is 275.055, which IFS rounds to 275.06 before it subtracts.
        assert_eq!(exact_percent(figure("500.10"), figure("225.04"), euro()), Some(figure("55")));
        assert_eq!(exact_percent(figure("500.10"), figure("225.05"), euro()), None);
        // 6.67 % of 1,499.97 is 100.05.
        assert_eq!(exact_percent(figure("1499.97"), figure("1399.97"), euro()), None);
        assert_eq!(exact_percent(figure("1.05"), figure("0.94"), euro()), Some(figure("10")));
        assert_eq!(exact_percent(figure("1.05"), figure("0.95"), euro()), Some(figure("9.5")));
    }

    proptest! {
        #[test]
        fn a_split_loses_nothing_and_its_prices_are_a_cent_apart(cents in 0_i64..=10_000_000_000, quantity in 1_u32..=999_999) {
            let worth = Decimal::new(cents, 2);
            match split(worth, quantity, euro()) {
                Some([low, high]) => {
                    let of = |units: Units| units.price * Decimal::from(units.units);
                    prop_assert_eq!(of(low) + of(high), worth);
                    prop_assert_eq!(low.units + high.units, quantity);
                    prop_assert_eq!(high.price - low.price, Decimal::new(1, 2));
                    prop_assert!(low.price.scale() <= 2 && low.units > 0 && high.units > 0);
                }
                None => prop_assert!((worth * Decimal::ONE_HUNDRED % Decimal::from(quantity)).is_zero()),
            }
        }

        #[test]
        fn below_a_hundred_every_discount_has_a_percent(gross in 1_i64..10_000, off in 0_i64..10_000) {
            let (gross, off) = (Decimal::new(gross, 2), Decimal::new(off.min(gross), 2));
            let percent = exact_percent(gross, gross - off, euro());
            prop_assert!(percent.is_some_and(|percent| percent.scale() <= 2 && percent <= Decimal::ONE_HUNDRED));
        }

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
