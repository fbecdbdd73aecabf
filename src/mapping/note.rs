//! Texts for people in IFS: the order's note and what a line's price is made of. Too long is cut, with a visible mark.

use super::rules::Rules;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Line, Order};
use rust_decimal::Decimal;

/// IFS's `NoteText` holds this much (characters).
const NOTE_CHARS_MAX: usize = 2000;
/// Says that a text went on.
const CUT_MARK: &str = " […]";

/// The header's note by `note_template`; none when it says nothing.
pub(super) fn order_note(order: &Order, rules: &Rules) -> Option<String> {
    let note = order.note.as_ref().map_or("", |note| note.as_str());
    let attributes: Vec<String> = order
        .note_attributes
        .iter()
        .filter_map(|attribute| Some(format!("{}: {}", attribute.name, attribute.value.as_ref()?.as_str())))
        .collect();
    // The person's text goes in last, so that braces in it stay what they are.
    let text = rules
        .note_template()
        .replace("{name}", &order.name)
        .replace("{attributes}", "\u{1}")
        .replace("{note}", "\u{2}")
        .replace('\u{1}', &attributes.join("\n"))
        .replace('\u{2}', note);
    let text = text.trim();
    (!text.is_empty()).then(|| fitting(text))
}

/// A line's list price and its discounts by name; none without discounts.
pub(super) fn line_note(
    order: &Order,
    line: &Line,
    list_price: Decimal,
    off: &[Decimal],
    currency: Currency,
) -> Option<String> {
    let discounts: Vec<String> = line
        .allocations
        .iter()
        .zip(off)
        .filter(|(_, amount)| !amount.is_zero())
        .map(|(share, amount)| {
            let name = order.discounts.get(share.discount).map_or("", |discount| discount.name.as_str());
            let name = if name.is_empty() { "discount" } else { name };
            format!("{name} {}", Money::new(-*amount, currency))
        })
        .collect();
    if discounts.is_empty() {
        return None;
    }
    Some(fitting(&format!("List price {}; {}", Money::new(list_price, currency), discounts.join("; "))))
}

fn fitting(text: &str) -> String {
    if text.chars().count() <= NOTE_CHARS_MAX {
        return text.to_owned();
    }
    let keep = NOTE_CHARS_MAX - CUT_MARK.chars().count();
    text.chars().take(keep).chain(CUT_MARK.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_with_a_visible_mark() {
        let cut = fitting(&"ö".repeat(2001));
        assert_eq!(cut.chars().count(), 2000);
        assert!(cut.ends_with(CUT_MARK));
        assert_eq!(fitting("short"), "short");
    }
}
