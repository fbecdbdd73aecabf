//! When IFS's stock is read: every so many seconds, or at the times of a line of crontab.

use jiff::{SignedDuration, Timestamp};

use super::rules::StockRules;
use super::settings::StockSettings;
use crate::mapping::rules::Checks;

impl StockSettings {
    /// Whether stock is read at all.
    pub fn is_on(&self) -> bool {
        self.every_secs > 0 || !self.cron.trim().is_empty()
    }

    /// The line of crontab with the shop's time zone; none where readings go by seconds.
    fn crontab(&self, time_zone: &str) -> Option<Result<cronexpr::Crontab, cronexpr::Error>> {
        let line = self.cron.trim();
        (!line.is_empty()).then(|| cronexpr::parse_crontab(&format!("{line} {time_zone}")))
    }
}

impl StockRules {
    /// When a reading is due after one that began at `began`; none where there is no such time.
    pub fn next_after(&self, began: Timestamp, time_zone: &str) -> Option<Timestamp> {
        let settings = self.settings();
        match settings.crontab(time_zone) {
            Some(crontab) => Some(crontab.ok()?.find_next(began).ok()?.timestamp()),
            None => {
                let every = i64::try_from(settings.every_secs).ok().filter(|every| *every > 0)?;
                began.checked_add(SignedDuration::from_secs(every)).ok()
            }
        }
    }
}

/// Checks when the stock is read.
pub(super) fn check(checks: &mut Checks, settings: &StockSettings) {
    let by_seconds = settings.every_secs != 0;
    if by_seconds && !(60..=86_400).contains(&settings.every_secs) {
        checks.refuse("stock.every_secs", &settings.every_secs.to_string(), "0, or 60 to 86400 (a day)");
    }
    let Some(crontab) = settings.crontab("UTC") else { return };
    if by_seconds {
        checks.refuse("stock.cron", &settings.cron, "\"\" beside stock.every_secs: one of the two");
    }
    if crontab.is_ok_and(|crontab| crontab.find_next(Timestamp::UNIX_EPOCH).is_ok()) {
        return;
    }
    let expected = "minute, hour, day of month, month and day of week of crontab, as \"5 * * * *\"";
    checks.refuse("stock.cron", &settings.cron, expected);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(every_secs: u64, cron: &str) -> Result<StockRules, Vec<String>> {
        let locations: StockSettings = toml::from_str("locations = [{ location = \"7\" }]").expect("settings");
        let settings = StockSettings { every_secs, cron: cron.to_owned(), ..locations };
        let refused = |errors: Vec<crate::mapping::rules::RuleError>| {
            errors.into_iter().map(|error| error.key).collect::<Vec<_>>()
        };
        StockRules::new(settings, "S10").map_err(refused)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_reading_is_due_by_seconds_or_by_the_shops_clock() {
        let began = at("2026-11-27T10:20:30Z");
        let next = |every_secs, cron: &str| {
            rules(every_secs, cron).expect("legal").next_after(began, "Europe/Stockholm").expect("there is one")
        };
        assert_eq!(next(3_600, ""), at("2026-11-27T11:20:30Z"));
        assert_eq!(next(0, "5 * * * *"), at("2026-11-27T11:05:00Z"));
        // Six in the morning in Stockholm, on weekdays: the 27th is a Friday.
        assert_eq!(next(0, " 0 6 * * MON-FRI "), at("2026-11-30T05:00:00Z"));
        assert_eq!(rules(0, "").expect("legal").next_after(began, "Europe/Stockholm"), None);
    }

    #[test]
    fn what_is_no_line_of_crontab_is_refused() {
        for line in ["hourly", "61 * * * *", "* * * *", "5 * * * * Europe/Stockholm", "0 0 30 2 *"] {
            assert_eq!(rules(0, line).expect_err("refused"), ["stock.cron"], "{line:?}");
        }
        assert_eq!(rules(3_600, "5 * * * *").expect_err("refused"), ["stock.cron"], "one of the two");
        assert_eq!(rules(59, "").expect_err("refused"), ["stock.every_secs"]);
        assert!(rules(0, "5 * * * *").expect("legal").settings().is_on());
    }
}
