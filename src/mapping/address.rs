//! A postal address cut into IFS's lines. Too long: wrapped at words into the next line, then parked; never cut.

use super::desired::Fields;
use super::park::ParkReason;
use super::scalar::Scalar;
use crate::domain::address::Address;
use crate::domain::order::Order;
use crate::domain::personal::Personal;
use crate::ifs::wire::names;

/// Lengths are undocumented; these are the safest guess until `$metadata` is read (characters).
const NAME_CHARS_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 35;

/// The order's own delivery address in IFS's fields.
///
/// # Errors
/// Parks an order without address or country, and texts that do not fit.
pub(super) fn address_fields(order: &Order) -> Result<Fields, ParkReason> {
    let Some(address) = order.delivery_address() else {
        return Err(ParkReason::mapping(
            "no_address",
            "the order has neither a shipping nor a billing address; one was expected: add it in Shopify",
        ));
    };
    fields_of(address)
}

/// One address in IFS's fields.
///
/// # Errors
/// Parks an address without country, and texts that do not fit.
pub(super) fn fields_of(address: &Address) -> Result<Fields, ParkReason> {
    let country = country(address)?;
    let (line1, line2) = two_lines(said(address.address1.as_ref()), said(address.address2.as_ref()))?;
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
    put(names::ADDRESS1, &line1, LINE_CHARS_MAX)?;
    put(names::ADDRESS2, &line2, LINE_CHARS_MAX)?;
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

/// Both lines as they are when they fit; else the words of the first flow on into the second, before its own.
fn two_lines(first: &str, second: &str) -> Result<(String, String), ParkReason> {
    if first.chars().count() <= LINE_CHARS_MAX {
        return Ok((first.to_owned(), second.to_owned()));
    }
    let mut words = first.split_whitespace().peekable();
    let mut line = String::new();
    while let Some(word) = words.peek() {
        let space = usize::from(!line.is_empty());
        if line.chars().count() + space + word.chars().count() > LINE_CHARS_MAX {
            break;
        }
        if space == 1 {
            line.push(' ');
        }
        line.push_str(word);
        words.next();
    }
    if line.is_empty() {
        return Err(too_long(names::ADDRESS1, first.chars().count(), LINE_CHARS_MAX));
    }
    let mut rest: Vec<&str> = words.collect();
    rest.extend(Some(second).filter(|second| !second.is_empty()));
    Ok((line, rest.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_wraps_at_a_word_and_loses_nothing() {
        let (first, second) =
            two_lines("Strasse des siebzehnten Juni 135, Hinterhaus", "3. Stock").expect("fits in two");
        assert_eq!(first, "Strasse des siebzehnten Juni 135,");
        assert_eq!(second, "Hinterhaus 3. Stock");
        assert_eq!(two_lines("a", "b").expect("short"), ("a".into(), "b".into()));
    }

    #[test]
    fn a_word_that_fits_nowhere_is_never_cut() {
        assert!(two_lines(&"x".repeat(36), "").is_err());
    }
}
