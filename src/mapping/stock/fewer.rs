//! The guard against a reading of IFS that lacks most of what the one before had: such an answer is a fault more often than the truth.

use super::rules::StockRules;

/// Parts are gone that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("IFS told the stock of {now} parts, and of {before} at the last reading: nothing is sent")]
pub struct FarFewer {
    /// Parts of the last reading that was used.
    pub before: u64,
    /// Parts of this one.
    pub now: u64,
}

impl StockRules {
    /// Looks whether a reading may be used, by the number of parts that have stock. The first reading of all has nothing to be held
    /// against.
    ///
    /// # Errors
    /// [`FarFewer`] when more are gone than the settings allow: nothing may be sent then, and a person is told.
    pub fn enough_parts(&self, before: Option<u64>, now: u64) -> Result<(), FarFewer> {
        let Some(before) = before else { return Ok(()) };
        let gone = before.saturating_sub(now);
        let settings = self.settings();
        let share = u128::from(gone) * 100;
        let most = u128::from(before) * u128::from(settings.fewer_percent_max);
        if gone >= settings.fewer_parts_min && share >= most { Err(FarFewer { before, now }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::stock::settings::StockSettings;

    #[test]
    fn half_of_the_parts_do_not_vanish_in_an_hour() {
        let rules = StockRules::new(StockSettings::default(), "S10").expect("legal");
        let stops = |before, now| rules.enough_parts(before, now).is_err();
        assert!(stops(Some(5_000), 0) && stops(Some(40), 20) && stops(Some(20), 0));
        assert!(!stops(Some(5_000), 2_501), "fewer than half are gone");
        assert!(!stops(Some(19), 0), "too few to tell");
        assert!(!stops(None, 0) && !stops(Some(10), 5_000));
    }
}
