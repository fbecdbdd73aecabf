//! Sharing an amount out in whole minor units so that nothing is lost: the largest remainder gets the odd unit.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// The part `numerator / denominator` of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The whole amount.
    pub amount: Decimal,
    /// How many of …
    pub numerator: u64,
    /// … how many. Nothing of nothing is nothing.
    pub denominator: u64,
}

/// Why parts cannot be shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unshareable {
    /// The least that rounding the parts can sum to.
    pub least: Decimal,
    /// The most that rounding the parts can sum to.
    pub most: Decimal,
}

/// Rounds each part down or up to whole `unit`s so that the sum is exactly `target`; the largest remainders go up.
///
/// Where every part comes out even, only their exact sum is a legal target.
///
/// # Errors
/// [`Unshareable`] when no such rounding reaches the target, or a part is no whole number of units to begin with.
pub fn share(parts: &[Part], target: Decimal, unit: Decimal) -> Result<Vec<Decimal>, Unshareable> {
    let broken = Unshareable { least: Decimal::ZERO, most: Decimal::ZERO };
    let mut floors = Vec::with_capacity(parts.len());
    for part in parts {
        floors.push(floor(part, unit).ok_or(broken)?);
    }
    let least: i128 = floors.iter().map(|floor| floor.units).sum();
    let odd = floors.iter().filter(|floor| floor.remainder > 0).count();
    let least_amount = amount(least, unit).ok_or(broken)?;
    let most_amount = amount(least + odd as i128, unit).ok_or(broken)?;
    let beyond = Unshareable { least: least_amount, most: most_amount };
    let extra = whole(target, unit).ok_or(beyond)? - least;
    let extra = usize::try_from(extra).ok().filter(|&extra| extra <= odd).ok_or(beyond)?;

    // Compare remainders as fractions, by cross multiplication; the earlier part wins a tie.
    let mut order: Vec<usize> = (0..floors.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&floors[a], &floors[b]);
        (b.remainder * a.denominator).cmp(&(a.remainder * b.denominator))
    });
    for &index in order.iter().take(extra) {
        floors[index].units += 1;
    }
    floors.iter().map(|floor| amount(floor.units, unit).ok_or(broken)).collect()
}

struct Floor {
    units: i128,
    remainder: i128,
    denominator: i128,
}

fn floor(part: &Part, unit: Decimal) -> Option<Floor> {
    let units = whole(part.amount, unit)?;
    if part.denominator == 0 {
        return (units == 0).then_some(Floor { units: 0, remainder: 0, denominator: 1 });
    }
    let denominator = i128::from(part.denominator);
    let scaled = units.checked_mul(i128::from(part.numerator))?;
    Some(Floor { units: scaled.div_euclid(denominator), remainder: scaled.rem_euclid(denominator), denominator })
}

/// How many units an amount is; none when it is not a whole number of them.
fn whole(amount: Decimal, unit: Decimal) -> Option<i128> {
    let units = amount.checked_div(unit)?;
    if units.fract().is_zero() { units.to_i128() } else { None }
}

fn amount(units: i128, unit: Decimal) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(units, 0).ok()?.checked_mul(unit).map(|amount| amount.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

    fn part(cents: i64, numerator: u64, denominator: u64) -> Part {
        Part { amount: Decimal::new(cents, 2), numerator, denominator }
    }

    #[test]
    fn the_largest_remainder_gets_the_odd_unit() {
        // 0.10 / 3 = 3.33 cents, 0.11 * 2/3 = 7.33, 0.11 / 3 = 3.67: 14 cents to share over 3 + 7 + 3.
        let shares = share(&[part(10, 1, 3), part(11, 2, 3), part(11, 1, 3)], Decimal::new(14, 2), CENT);
        assert_eq!(shares, Ok(vec![Decimal::new(3, 2), Decimal::new(7, 2), Decimal::new(4, 2)]));
    }

    #[test]
    fn even_parts_have_one_legal_sum_only() {
        let parts = [part(1000, 1, 2), part(300, 1, 1)];
        assert!(share(&parts, Decimal::new(800, 2), CENT).is_ok());
        let beyond = share(&parts, Decimal::new(801, 2), CENT).expect_err("no odd unit");
        assert_eq!((beyond.least, beyond.most), (Decimal::new(8, 0), Decimal::new(8, 0)));
    }

    proptest! {
        #[test]
        fn the_sum_is_the_target_and_no_part_is_off_by_a_unit(
            parts in prop::collection::vec((0_i64..1_000_000, 0_u64..50, 1_u64..50), 0..20),
            pick in 0_i64..=1000,
        ) {
            let parts: Vec<Part> = parts.into_iter().map(|(cents, n, d)| part(cents, n.min(d), d)).collect();
            let least = share(&parts, Decimal::NEGATIVE_ONE, CENT).expect_err("below nothing");
            let span = ((least.most - least.least) / CENT).to_i64().expect("few units");
            let target = least.least + CENT * Decimal::from(span * pick / 1000);
            let shares = share(&parts, target, CENT).expect("within the span");
            prop_assert_eq!(shares.iter().sum::<Decimal>(), target);
            for (share, part) in shares.iter().zip(&parts) {
                let exact = part.amount * Decimal::from(part.numerator) / Decimal::from(part.denominator);
                prop_assert!((share - exact).abs() < CENT);
            }
        }
    }
}
