//! Texts for people in IFS: the order's note and what a line's price is made of. Too long is cut, with a visible mark.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::rules::Rules;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Attribute, Line, Order};
use crate::domain::personal::Personal;

/// IFS's `NoteText` holds this much (characters).
const NOTE_CHARS_MAX: usize = 2000;
/// Says that a text went on.
const CUT_MARK: &str = " […]";

/// What may stand in `note_template`, in braces. Only what both roads tell alike: a re-read must not change a note.
pub(super) const PLACEHOLDERS: [&str; 9] =
    ["note", "attributes", "name", "tags", "channel", "discount_codes", "po_number", "shipping_title", "email"];

/// The same of `line_note_template`.
pub(super) const LINE_PLACEHOLDERS: [&str; 4] = ["discounts", "properties", "title", "variant"];

/// The header's note by `note_template`; none when it says nothing.
pub(super) fn order_note(order: &Order, rules: &Rules) -> Option<String> {
    filled(&rules.settings().note_template, |placeholder| value(order, placeholder))
}

/// The placeholders of a template that are none of those that are known.
pub(super) fn unknown_placeholders<'t>(template: &'t str, known: &[&str]) -> Vec<&'t str> {
    let unknown = |piece: Piece<'t>| match piece {
        Piece::Placeholder(name) if !known.contains(&name) => Some(name),
        Piece::Placeholder(_) | Piece::Text(_) => None,
    };
    pieces(template).filter_map(unknown).collect()
}

/// A template with what its placeholders stand for, no longer than IFS holds; none when it says nothing.
fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let text: String = pieces(template)
        .map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Placeholder(name) => value(name).unwrap_or_default(),
        })
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| fitting(text))
}

/// A part of a template.
enum Piece<'t> {
    /// As it stands.
    Text(&'t str),
    /// The word between two braces.
    Placeholder(&'t str),
}

/// A template cut up once, so that braces in what is filled in stay what they are. A brace that nothing closes is a text.
fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            rest = after;
            return Some(Piece::Placeholder(name));
        }
        let first = rest.chars().next()?;
        let end = rest[first.len_utf8()..].find('{').map_or(rest.len(), |at| at + first.len_utf8());
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

/// What a placeholder stands for; none for one that nobody knows.
fn value(order: &Order, placeholder: &str) -> Option<String> {
    let said = |text: &Option<Personal>| text.as_ref().map_or_else(String::new, |text| text.as_str().to_owned());
    // Lists whose sequence Shopify does not promise are sorted.
    let listed = |texts: &mut dyn Iterator<Item = &str>| {
        let texts: BTreeSet<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
        texts.into_iter().collect::<Vec<_>>().join(", ")
    };
    Some(match placeholder {
        "note" => said(&order.note),
        "attributes" => {
            let told =
                |attribute: &Attribute| Some(format!("{}: {}", attribute.name, attribute.value.as_ref()?.as_str()));
            order.note_attributes.iter().filter_map(told).collect::<Vec<_>>().join("\n")
        }
        "name" => order.name.clone(),
        "tags" => listed(&mut order.tags.iter().map(String::as_str)),
        "channel" => order.source_name.clone().unwrap_or_default(),
        "discount_codes" => {
            let shares = order.lines.iter().flat_map(|line| &line.allocations);
            let shares = shares.chain(order.shipping_lines.iter().flat_map(|line| &line.allocations));
            let given = shares.filter_map(|share| order.discounts.get(share.discount));
            listed(&mut given.map(|discount| discount.name.as_str()))
        }
        "po_number" => order.po_number.clone().unwrap_or_default(),
        "shipping_title" => {
            let sold = order.shipping_lines.iter().filter(|line| !line.removed);
            listed(&mut sold.map(|line| line.title.as_str()))
        }
        "email" => said(&order.customer.email),
        _ => return None,
    })
}

/// A line's note by `line_note_template`; none when it says nothing.
pub(super) fn line_note(
    order: &Order,
    line: &Line,
    list_price: Decimal,
    off: &[Decimal],
    currency: Currency,
    rules: &Rules,
) -> Option<String> {
    filled(&rules.settings().line_note_template, |placeholder| {
        Some(match placeholder {
            "discounts" => discounts(order, line, list_price, off, currency),
            "properties" => properties(line),
            "title" => line.title.clone(),
            "variant" => line.variant_title.clone().unwrap_or_default(),
            _ => return None,
        })
    })
}

/// A line's list price and its discounts by name; nothing without discounts.
fn discounts(order: &Order, line: &Line, list_price: Decimal, off: &[Decimal], currency: Currency) -> String {
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
        return String::new();
    }
    format!("List price {}; {}", Money::new(list_price, currency), discounts.join("; "))
}

/// What the customer chose or wrote for a line, as an engraving; names that begin with `_` are a theme's own, which Shopify shows
/// to nobody.
fn properties(line: &Line) -> String {
    let told = |property: &Attribute| {
        let value = property.value.as_ref().filter(|_| !property.name.starts_with('_'))?;
        Some(format!("{}: {}", property.name, value.as_str()))
    };
    line.properties.iter().filter_map(told).collect::<Vec<_>>().join("\n")
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
    use crate::mapping::fixtures;

    fn rules(template: &str) -> Rules {
        Rules::new(crate::mapping::rules::MappingSettings { note_template: template.into(), ..fixtures::settings() })
            .unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    #[test]
    fn every_placeholder_is_filled_in_and_braces_of_a_person_stay() {
        let mut order = fixtures::order("plain-eur");
        order.note = Personal::new("see {name} {");
        let all = PLACEHOLDERS.map(|name| format!("{name}={{{name}}}")).join("|");
        assert_eq!(
            order_note(&order, &rules(&all)).as_deref(),
            Some(
                "note=see {name} {|attributes=gift: yes|name=#1001|tags=vip, web|channel=web|discount_codes=SOMMER100\
                 |po_number=PO-77|shipping_title=Standard|email=erika@example.com"
            )
        );
        assert_eq!(order_note(&order, &rules("{ {tags")).as_deref(), Some("{ {tags"));
        order.tags.clear();
        assert_eq!(order_note(&order, &rules("{tags}\n")), None);
    }

    #[test]
    fn both_roads_tell_the_same_note() {
        let all = rules(&PLACEHOLDERS.map(|name| format!("{{{name}}}")).join("|"));
        for name in fixtures::names().iter().filter(|name| fixtures::has_graphql(name)) {
            let roads = [fixtures::order(name), fixtures::re_read(name)].map(|order| order_note(&order, &all));
            assert_eq!(roads[0], roads[1], "{name}");
        }
    }

    #[test]
    fn a_lines_note_tells_its_discounts_and_what_the_customer_wrote_for_it() {
        let mut order = fixtures::order("plain-eur");
        let hidden = Attribute { name: "_builder_id".into(), value: Personal::new("77") };
        order.lines[1].properties.push(hidden);
        let note = |line: usize, template: &str| {
            let rules = Rules::new(crate::mapping::rules::MappingSettings {
                line_note_template: template.into(),
                ..fixtures::settings()
            });
            let (line, rules) = (&order.lines[line], rules.expect("legal"));
            let off: Vec<Decimal> = line.allocations.iter().map(|share| share.amount.shop.amount()).collect();
            line_note(&order, line, line.price.shop.amount(), &off, order.currency, &rules)
        };
        let both = "{discounts}\n{properties}";
        assert_eq!(note(0, both).as_deref(), Some("List price 499.99 EUR; SOMMER100 -100.00 EUR"));
        assert_eq!(note(1, both).as_deref(), Some("engraving: E. B."));
        assert_eq!(note(0, "{title} {variant}").as_deref(), Some("Chair Oak"));
        assert_eq!(note(1, ""), None);
    }

    #[test]
    fn a_placeholder_that_nobody_knows_is_refused_with_those_that_are_known() {
        let settings = crate::mapping::rules::MappingSettings {
            note_template: "{note} {gateway} {}".into(),
            line_note_template: "{note}".into(),
            ..fixtures::settings()
        };
        let errors = Rules::new(settings).expect_err("refused");
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("note_template: one of {note}, {attributes},"), "{told:?}");
        assert!(told[0].ends_with("found \"gateway\""), "{told:?}");
    }

    #[test]
    fn a_long_note_of_the_customers_is_cut_with_a_mark_on_its_way_to_ifs() {
        let mut order = fixtures::order("plain-eur");
        order.note = Personal::new("long ".repeat(500));
        let note = order_note(&order, &fixtures::rules()).expect("it says something");
        assert_eq!(note.chars().count(), NOTE_CHARS_MAX);
        assert!(note.ends_with(CUT_MARK));
    }

    #[test]
    fn a_long_note_is_cut_with_a_visible_mark() {
        let cut = fitting(&"ö".repeat(2001));
        assert_eq!(cut.chars().count(), 2000);
        assert!(cut.ends_with(CUT_MARK));
        assert_eq!(fitting("short"), "short");
    }
}
