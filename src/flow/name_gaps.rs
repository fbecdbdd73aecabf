//! Gaps in the names of orders: `#1001` and `#1003` without `#1002` between them. A shop counts its orders, with a text before and
//! behind the number that it chooses.

use std::collections::{BTreeMap, BTreeSet};

/// A series whose numbers lie further apart than this, on average, is none that counts.
const SPREAD_MAX: u64 = 4;

/// The names that are missing between the smallest and the largest number of each series.
pub(super) fn gaps<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut series: BTreeMap<(&str, &str, usize), BTreeSet<u64>> = BTreeMap::new();
    for name in names {
        if let Some((before, digits, behind, number)) = split(name) {
            // Leading zeros make the width a part of the series.
            let width = if digits.starts_with('0') { digits.len() } else { 0 };
            series.entry((before, behind, width)).or_default().insert(number);
        }
    }
    let mut missing = Vec::new();
    for ((before, behind, width), numbers) in series {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { continue };
        let span = last - first;
        if span > SPREAD_MAX.saturating_mul(numbers.len() as u64) {
            continue;
        }
        let absent = (*first..*last).filter(|number| !numbers.contains(number));
        missing.extend(absent.map(|number| format!("{before}{number:0width$}{behind}")));
    }
    missing
}

/// The longest run of digits in a name, the last one of several, with what stands round it.
fn split(name: &str) -> Option<(&str, &str, &str, u64)> {
    let mut best: Option<(usize, usize)> = None;
    let mut start = None;
    for (at, c) in name.char_indices().chain([(name.len(), ' ')]) {
        match (c.is_ascii_digit(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if best.is_none_or(|(from_best, to_best)| at - from >= to_best - from_best) {
                    best = Some((from, at));
                }
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    let (from, to) = best?;
    let number = name[from..to].parse().ok()?;
    Some((&name[..from], &name[from..to], &name[to..], number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        gaps(names.iter().copied())
    }

    #[test]
    fn a_number_between_others_is_missed_in_its_own_series() {
        assert_eq!(of(&["#1001", "#1003", "#1004"]), ["#1002"]);
        assert_eq!(of(&["EN1001-A", "EN1003-A", "#1", "#2"]), ["EN1002-A"]);
        assert_eq!(of(&["A007", "A009"]), ["A008"]);
        assert_eq!(of(&["#1001", "#1002", "#1001"]), [""; 0]);
        assert_eq!(of(&["2026-1001", "2026-1003"]), ["2026-1002"]);
    }

    #[test]
    fn numbers_that_do_not_count_up_are_no_series() {
        assert_eq!(of(&["#1001", "#98811"]), [""; 0]);
        assert_eq!(of(&["gift", "", "#"]), [""; 0]);
        assert_eq!(of(&["#99999999999999999999999", "#1"]), [""; 0], "no number of ours");
    }
}
