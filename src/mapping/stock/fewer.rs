//! The guard against a reading that lacks most of what the one before had: such an answer is a fault more often than the truth.

use super::rules::StockRules;

/// What a reading counts, to be held against the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Variants of the shop.
    Variants,
    /// Sales parts of a site.
    SalesParts,
    /// Parts of a site that have stock.
    PartsInStock,
    /// Parts of a site that open lines of customer orders want.
    PartsWithLines,
}

impl Counted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Variants => "variants",
            Self::SalesParts => "sales parts",
            Self::PartsInStock => "parts with stock",
            Self::PartsWithLines => "parts with open lines of customer orders",
        }
    }
}

/// Rows are gone that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{now} {what} were told, and {before} at the last reading: nothing is sent", what = .what.as_str())]
pub struct FarFewer {
    /// What was counted.
    pub what: Counted,
    /// How many the last reading that was used had.
    pub before: u64,
    /// How many this one has.
    pub now: u64,
}

impl StockRules {
    /// Looks whether a reading may be used. The first reading of all has nothing to be held against. Open lines all go when everything is
    /// shipped, so of them it counts only that none at all is left.
    ///
    /// # Errors
    /// [`FarFewer`] when more are gone than the settings allow: nothing may be sent then, and a person is told.
    pub fn enough(&self, what: Counted, before: Option<u64>, now: u64) -> Result<(), FarFewer> {
        let Some(before) = before else { return Ok(()) };
        let gone = before.saturating_sub(now);
        let settings = self.settings();
        let is_too_much = match what {
            Counted::PartsWithLines => now == 0,
            Counted::Variants | Counted::SalesParts | Counted::PartsInStock => {
                u128::from(gone) * 100 >= u128::from(before) * u128::from(settings.fewer_percent_max)
            }
        };
        if gone >= settings.fewer_parts_min && is_too_much { Err(FarFewer { what, before, now }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::stock::settings::StockSettings;

    #[test]
    fn half_of_the_parts_do_not_vanish_in_an_hour() {
        let rules = StockRules::new(StockSettings::default(), "S10").expect("legal");
        let stops = |before, now| rules.enough(Counted::PartsInStock, before, now).is_err();
        assert!(stops(Some(5_000), 0) && stops(Some(40), 20) && stops(Some(20), 0));
        assert!(!stops(Some(5_000), 2_501), "fewer than half are gone");
        assert!(!stops(Some(19), 0), "too few to tell");
        assert!(!stops(None, 0) && !stops(Some(10), 5_000));
    }

    #[test]
    fn open_lines_may_become_few_but_not_none() {
        let rules = StockRules::new(StockSettings::default(), "S10").expect("legal");
        let stops = |before, now| rules.enough(Counted::PartsWithLines, Some(before), now).is_err();
        assert!(stops(3_000, 0) && stops(20, 0));
        assert!(!stops(3_000, 1) && !stops(19, 0) && !stops(0, 0));
        let told = rules.enough(Counted::PartsWithLines, Some(30), 0).expect_err("none is left").to_string();
        assert_eq!(
            told,
            "0 parts with open lines of customer orders were told, and 30 at the last reading: nothing is sent"
        );
    }
}
