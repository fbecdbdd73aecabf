//! A postal address cut into IFS's lines. Too long: wrapped at words into the next line, then parked; never cut.

use super::desired::Fields;
use super::park::ParkReason;
use super::rules::Rules;
use super::scalar::Scalar;
use crate::domain::address::Address;
use crate::domain::order::Order;
use crate::domain::personal::Personal;
use crate::ifs::wire::names;

/// Lengths are undocumented; these are the safest guess until `$metadata` is read (characters).
const NAME_CHARS_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 35;

/// The order's own delivery address in IFS's fields; none for what a till sold: it was handed over, wherever its buyer lives and
/// whether or not anybody knows who that is. The address of the customer that carries the order will do.
///
/// # Errors
/// Parks any other order without an address, one without country, and texts that do not fit.
pub(super) fn address_fields(order: &Order, rules: &Rules) -> Result<Option<Fields>, ParkReason> {
    if order.is_till_sale() {
        return Ok(None);
    }
    match order.delivery_address() {
        Some(address) => fields_of(address, rules).map(Some),
        None => Err(ParkReason::mapping(
            "no_address",
            "the order has neither a shipping nor a billing address; one was expected: add it in Shopify",
        )),
    }
}

/// One address in IFS's fields.
///
/// # Errors
/// Parks an address without country, and texts that do not fit.
pub(super) fn fields_of(address: &Address, rules: &Rules) -> Result<Fields, ParkReason> {
    let country = country(address)?;
    let lines = lines(said(address.address1.as_ref()), said(address.address2.as_ref()), rules.address_fields().len())?;
    let name = said(address.company.as_ref().or(address.name.as_ref()));

    let mut fields = Fields::new();
    let mut put = |field: &str, text: &str, chars_max: usize| {
        let chars = text.chars().count();
        if chars > chars_max {
            return Err(too_long(field, chars, chars_max));
        }
        if chars > 0 {
            fields.insert(field.to_owned(), Scalar::text(text));
        }
        Ok(())
    };
    put(names::NAME, name, NAME_CHARS_MAX)?;
    for (field, line) in rules.address_fields().iter().zip(&lines) {
        put(field, line, LINE_CHARS_MAX)?;
    }
    put(names::ZIP_CODE, said(address.zip.as_ref()), LINE_CHARS_MAX)?;
    put(names::CITY, said(address.city.as_ref()), LINE_CHARS_MAX)?;
    put(names::STATE, address.province_code.as_deref().unwrap_or(""), LINE_CHARS_MAX)?;
    put(names::COUNTRY, country, 2)?;
    Ok(fields)
}

/// The two letters of the country of delivery.
///
/// # Errors
/// Parks an address without a country, or with something else than two capitals.
pub(super) fn country(address: &Address) -> Result<&str, ParkReason> {
    let country = address.country_code.as_deref().unwrap_or("");
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(country);
    }
    let found = if country.is_empty() { "nothing" } else { "something else" };
    Err(ParkReason::mapping(
        "no_country",
        format!(
            "country_code of the delivery address: two capitals were expected, found {found}: correct it in Shopify"
        ),
    ))
}

fn said(text: Option<&Personal>) -> &str {
    text.map_or("", |text| text.as_str().trim())
}

fn too_long(field: &str, chars: usize, chars_max: usize) -> ParkReason {
    ParkReason::mapping(
        "address_too_long",
        format!(
            "{field} of the delivery address: at most {chars_max} characters fit, found {chars}: shorten it in Shopify"
        ),
    )
}

/// Shopify's two lines over at most `lines_max` of IFS's.
///
/// 1. As they are, when they fit.
/// 2. Each wrapped at words, the second on a line of its own, when there is room.
/// 3. Else the words of the first flow on into the lines of the second, before its own.
fn lines(first: &str, second: &str, lines_max: usize) -> Result<Vec<String>, ParkReason> {
    let fits = |text: &str| text.chars().count() <= LINE_CHARS_MAX;
    // 1.
    if lines_max >= 2 && fits(first) && fits(second) {
        return Ok(vec![first.to_owned(), second.to_owned()]);
    }
    // 2.
    let (firsts, seconds) = (wrapped(first)?, wrapped(second)?);
    if firsts.len().max(1) + seconds.len() <= lines_max {
        let blank = firsts.is_empty().then(String::new);
        return Ok(blank.into_iter().chain(firsts).chain(seconds).collect());
    }
    // 3.
    let both = [first, second].join(" ");
    let flowing = if fits(first) && lines_max > 1 { Vec::new() } else { wrapped(both.trim())? };
    if flowing.is_empty() || flowing.len() > lines_max {
        let (chars, chars_max) = (both.trim().chars().count(), lines_max * LINE_CHARS_MAX);
        return Err(ParkReason::mapping(
            "address_too_long",
            format!(
                "the street of the delivery address: {lines_max} lines of {LINE_CHARS_MAX} characters were expected (address_lines), found {chars} characters, which do not fit into {chars_max} at words: shorten it in Shopify, or raise address_lines"
            ),
        ));
    }
    Ok(flowing)
}

/// A text in lines, each as full as its words allow.
fn wrapped(text: &str) -> Result<Vec<String>, ParkReason> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let chars = word.chars().count();
        if chars > LINE_CHARS_MAX {
            return Err(too_long("a word of the street", chars, LINE_CHARS_MAX));
        }
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + chars <= LINE_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    const STREET: &str = "Strasse des siebzehnten Juni 135, Hinterhaus";

    fn told(first: &str, second: &str, lines_max: usize) -> Vec<String> {
        lines(first, second, lines_max).unwrap_or_else(|reason| panic!("{}", reason.text))
    }

    #[test]
    fn a_long_line_wraps_at_a_word_and_loses_nothing() {
        assert_eq!(told(STREET, "3. Stock", 2), ["Strasse des siebzehnten Juni 135,", "Hinterhaus 3. Stock"]);
        assert_eq!(told("a", "b", 2), ["a", "b"]);
        assert_eq!(told("a", "b", 6), ["a", "b"]);
        assert_eq!(told("", "b", 2), ["", "b"]);
        assert_eq!(told("a", "b", 1), ["a b"]);
    }

    #[test]
    fn with_more_lines_each_of_the_two_wraps_by_itself() {
        let three = ["Strasse des siebzehnten Juni 135,", "Hinterhaus", "3. Stock"];
        assert_eq!(told(STREET, "3. Stock", 3), three);
        let four = [three[0], three[1], three[0], three[1]];
        assert_eq!(told(STREET, STREET, 4), four);
        assert_eq!(told("a", STREET, 3), ["a", three[0], three[1]]);
        // Seven lines of words that leave no room beside each other.
        let long = vec!["x".repeat(20); 7].join(" ");
        assert!(lines(&long, "", 6).is_err());
        assert_eq!(told(&long, "", 7).len(), 7);
    }

    #[test]
    fn what_fits_nowhere_parks_and_is_never_cut() {
        assert!(lines(&"x".repeat(36), "", 6).is_err());
        let reason = lines("a", STREET, 2).expect_err("its second line has no next one");
        assert!(reason.text.contains("address_lines"), "{}", reason.text);
        assert!(lines(STREET, STREET, 2).is_err());
        assert!(lines(STREET, "", 1).is_err());
    }

    #[test]
    fn the_lines_go_into_as_many_fields_as_the_connection_says() {
        let mut order = fixtures::order("plain-eur");
        let address = order.shipping_address.as_mut().expect("it goes somewhere");
        address.address1 = Personal::new(format!("{STREET} {STREET}"));
        let parked = fields_of(address, &fixtures::rules()).expect_err("two lines do not hold it");
        assert_eq!(parked.code, "address_too_long");
        let mut settings = fixtures::settings();
        settings.address_lines = 4;
        let rules = Rules::new(settings.clone()).expect("legal");
        let fields = fields_of(address, &rules).expect("it fits");
        let text = |field: &str| fields.get(field).map(ToString::to_string);
        assert_eq!(text(names::ADDRESS1).as_deref(), Some("Strasse des siebzehnten Juni 135,"));
        assert_eq!(text(names::ADDRESS3).as_deref(), Some("Juni 135, Hinterhaus"));
        for wrong in [0, 7] {
            settings.address_lines = wrong;
            assert_eq!(Rules::new(settings.clone()).expect_err("refused")[0].key, "address_lines");
        }
    }
}
