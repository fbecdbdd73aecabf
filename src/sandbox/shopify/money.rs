//! Amounts in shop and presentment currency at once, and the three computations that a shop makes with
//! them: spreading a discount, taxing, pro-rating an edited line.

use std::ops::{Add, AddAssign, Sub};

use rust_decimal::{Decimal, RoundingStrategy};

/// One amount in the shop's and in the buyer's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Both {
    pub(in crate::sandbox) shop: Decimal,
    pub(in crate::sandbox) presentment: Decimal,
}

impl Both {
    pub(in crate::sandbox) fn new(shop: Decimal, presentment: Decimal) -> Self {
        Self { shop, presentment }
    }

    pub(in crate::sandbox) fn is_zero(self) -> bool {
        self.shop.is_zero() && self.presentment.is_zero()
    }

    pub(in crate::sandbox) fn times(self, factor: u32) -> Self {
        self.map(|amount| amount * Decimal::from(factor))
    }

    pub(in crate::sandbox) fn map(self, change: impl Fn(Decimal) -> Decimal) -> Self {
        Self::new(change(self.shop), change(self.presentment))
    }
}

impl Add for Both {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.shop + other.shop, self.presentment + other.presentment)
    }
}

impl Sub for Both {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.shop - other.shop, self.presentment - other.presentment)
    }
}

impl AddAssign for Both {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Both {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// The two currencies of an order and how one becomes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Currencies {
    pub(in crate::sandbox) shop: &'static str,
    pub(in crate::sandbox) shop_decimals: u32,
    pub(in crate::sandbox) presentment: &'static str,
    pub(in crate::sandbox) presentment_decimals: u32,
    /// Presentment units for one shop unit.
    pub(in crate::sandbox) rate: Decimal,
}

impl Currencies {
    /// A price that was set in the shop's currency.
    pub(in crate::sandbox) fn price(&self, shop: Decimal) -> Both {
        self.round(Both::new(shop, shop * self.rate))
    }

    pub(in crate::sandbox) fn round(&self, exact: Both) -> Both {
        Both::new(round(exact.shop, self.shop_decimals), round(exact.presentment, self.presentment_decimals))
    }

    /// Tax of an amount, half up from the discounted total; the amount holds it already when `included`.
    pub(in crate::sandbox) fn tax(&self, amount: Both, percent: Decimal, taxes: Taxes) -> Both {
        match taxes {
            Taxes::OnTop => self.round(amount.map(|amount| amount * percent / Decimal::ONE_HUNDRED)),
            Taxes::Included => {
                let factor = Decimal::ONE + percent / Decimal::ONE_HUNDRED;
                amount - self.round(amount.map(|amount| amount / factor))
            }
        }
    }

    /// Spreads an amount over weights by largest remainder, in each currency by itself.
    pub(in crate::sandbox) fn spread(&self, amount: Both, weights: &[Both]) -> Vec<Both> {
        let shop =
            spread(amount.shop, &weights.iter().map(|weight| weight.shop).collect::<Vec<_>>(), self.shop_decimals);
        let presentment = spread(
            amount.presentment,
            &weights.iter().map(|weight| weight.presentment).collect::<Vec<_>>(),
            self.presentment_decimals,
        );
        shop.into_iter().zip(presentment).map(|(shop, presentment)| Both::new(shop, presentment)).collect()
    }
}

/// Whether prices hold taxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Taxes {
    OnTop,
    Included,
}

/// Rounds half away from zero.
pub(in crate::sandbox) fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

fn spread(amount: Decimal, weights: &[Decimal], decimals: u32) -> Vec<Decimal> {
    let total: Decimal = weights.iter().sum();
    if total.is_zero() {
        return vec![Decimal::ZERO; weights.len()];
    }
    let exact: Vec<Decimal> = weights.iter().map(|weight| amount * weight / total).collect();
    let mut shares: Vec<Decimal> = exact.iter().map(|share| share.trunc_with_scale(decimals)).collect();
    let unit = Decimal::new(1, decimals);
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse((exact[*index] - shares[*index], std::cmp::Reverse(*index))));
    let mut left = amount - shares.iter().sum::<Decimal>();
    for index in by_remainder {
        if left < unit {
            break;
        }
        shares[index] += unit;
        left -= unit;
    }
    shares
}

/// `amount * part / whole` when that is exact in both currencies.
pub(in crate::sandbox) fn exact_share(currencies: &Currencies, amount: Both, part: u32, whole: u32) -> Option<Both> {
    let share = amount.map(|amount| amount * Decimal::from(part) / Decimal::from(whole));
    let rounded = currencies.round(share);
    (rounded.times(whole) == amount.times(part)).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a decimal")
    }

    const EUR_JPY: Currencies = Currencies {
        shop: "EUR",
        shop_decimals: 2,
        presentment: "JPY",
        presentment_decimals: 0,
        rate: Decimal::ONE_HUNDRED,
    };

    #[test]
    fn a_spread_keeps_its_sum_and_gives_the_rest_to_the_largest_remainders() {
        let five = [dec("1.05"); 5];
        let shares = spread(dec("0.53"), &five, 2);
        assert_eq!(shares, [dec("0.11"), dec("0.11"), dec("0.11"), dec("0.10"), dec("0.10")]);
        assert_eq!(spread(dec("10"), &[dec("1"), dec("2")], 0), [dec("3"), dec("7")]);
        assert_eq!(spread(dec("1"), &[dec("0")], 2), [dec("0")]);
    }

    #[test]
    fn taxes_round_half_up_on_top_and_leave_the_gross_when_included() {
        let amount = Both::new(dec("3.33"), dec("333"));
        assert_eq!(EUR_JPY.tax(amount, dec("19"), Taxes::OnTop), Both::new(dec("0.63"), dec("63")));
        let gross = Both::new(dec("29.97"), dec("2997"));
        assert_eq!(EUR_JPY.tax(gross, dec("19"), Taxes::Included), Both::new(dec("4.79"), dec("479")));
    }

    #[test]
    fn only_exact_shares_are_given() {
        let amount = Both::new(dec("0.12"), dec("12"));
        assert_eq!(exact_share(&EUR_JPY, amount, 2, 3), Some(Both::new(dec("0.08"), dec("8"))));
        assert_eq!(exact_share(&EUR_JPY, Both::new(dec("0.11"), dec("12")), 2, 3), None);
    }
}
