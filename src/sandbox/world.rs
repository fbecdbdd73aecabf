//! The sandbox's world: the master data of the simulated IFS company and the catalogue of the simulated
//! shops. Constants only; `config` of the demo repeats them as settings.

use rust_decimal::Decimal;

/// Realm of the simulated identity provider.
pub const REALM: &str = "sandbox";
/// First shop's domain.
pub const SHOP_DOMAIN: &str = "sandbox-shop.myshopify.com";
/// Second shop's domain, for runs with two connections.
pub const SECOND_SHOP_DOMAIN: &str = "second-shop.myshopify.com";
/// The only customer known to IFS.
pub const CUSTOMER_NO: &str = "WEB-DEFAULT";

/// Sites and the company each belongs to.
pub(super) const SITES: [(&str, &str); 2] = [("S10", "10"), ("S20", "20")];
/// Address ids of the customer, for bills and deliveries alike.
pub(super) const ADDRESS_IDS: [&str; 1] = ["1"];
/// Coordinators and the letter of their number series.
pub(super) const COORDINATORS: [(&str, &str); 2] = [("WEB", "W"), ("DESK", "D")];
pub(super) const ORDER_TYPES: [&str; 1] = ["NO"];
pub(super) const PAY_TERMS: [&str; 2] = ["0", "30"];
pub(super) const SHIP_VIAS: [&str; 2] = ["STD", "EXP"];
pub(super) const DELIVERY_TERMS: [&str; 1] = ["DAP"];
pub(super) const CHARGE_TYPES: [&str; 2] = ["FREIGHT", "ROUNDING"];
pub(super) const CANCEL_REASONS: [&str; 1] = ["WEB"];
/// Currencies and their decimals.
pub(super) const CURRENCIES: [(&str, u32); 6] =
    [("EUR", 2), ("SEK", 2), ("USD", 2), ("GBP", 2), ("NOK", 2), ("JPY", 0)];
/// Tax codes and their percentages.
pub(super) const TAX_CODES: [(&str, u32); 8] =
    [("V00", 0), ("V06", 6), ("V07", 7), ("V10", 10), ("V13", 13), ("V19", 19), ("V20", 20), ("V25", 25)];
/// The code that IFS takes when it is asked to fetch taxes from its own defaults.
pub(super) const DEFAULT_TAX_CODE: &str = "V25";
/// Parts that the shop never sells: only persons in IFS use them.
pub(super) const DESK_PARTS: [&str; 3] = ["DESK-SERVICE", "DESK-SPARE", "DESK-OLD"];

/// Number of variants in the shop's catalogue.
pub(super) const CATALOGUE_LEN: usize = 60;

const FAMILIES: [(&str, &str); 12] = [
    ("MUG", "Becher Glühwürmchen"),
    ("LAMP", "Leselampe Nordlicht"),
    ("CHAIR", "Stuhl Åsgård"),
    ("TABLE", "Couchtisch Eiche"),
    ("RUG", "Teppich Gänseblümchen"),
    ("PILLOW", "Kissen Überall"),
    ("SHELF", "Regal, 3 Böden"),
    ("CLOCK", "Wanduhr \"Zürich\""),
    ("KNIFE", "Küchenmesser 18 cm"),
    ("TOWEL", "Handtuch & Seife"),
    ("VASE", "Vase <blau>"),
    ("BAG", "Tasche Größe M"),
];

/// SKUs of the catalogue, which are IFS part numbers too.
pub fn skus() -> Vec<String> {
    (0..CATALOGUE_LEN).map(|index| variant(index).sku).collect()
}

/// One variant of the catalogue. The SKU is the IFS part number too.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) sku: String,
    pub(super) title: &'static str,
    /// List price in EUR.
    pub(super) price: Decimal,
    pub(super) grams: u32,
}

/// The variant at a position of the catalogue; positions wrap round.
pub(super) fn variant(index: usize) -> Variant {
    let index = index % CATALOGUE_LEN;
    let (code, title) = FAMILIES[index % FAMILIES.len()];
    let number = index as u32;
    let cents = 105 + i64::from(number * number * 37 % 9973) * 5 + i64::from(number % 7);
    Variant { sku: format!("{code}-{:03}", index + 1), title, price: Decimal::new(cents, 2), grams: 100 + number * 35 }
}

/// IFS's own list price of a part: never what the shop asks, so that an unfrozen price shows.
pub(super) fn list_price(catalog_no: &str) -> Option<Decimal> {
    if DESK_PARTS.contains(&catalog_no) {
        return Some(Decimal::new(1000, 2));
    }
    (0..CATALOGUE_LEN)
        .map(variant)
        .find(|variant| variant.sku == catalog_no)
        .map(|variant| variant.price + Decimal::new(1111, 2))
}

pub(super) fn company_of_site(contract: &str) -> Option<&'static str> {
    SITES.iter().find(|(site, _)| *site == contract).map(|(_, company)| *company)
}

pub(super) fn currency_decimals(code: &str) -> Option<u32> {
    CURRENCIES.iter().find(|(currency, _)| *currency == code).map(|(_, decimals)| *decimals)
}

pub(super) fn tax_percent(code: &str) -> Option<Decimal> {
    TAX_CODES.iter().find(|(tax_code, _)| *tax_code == code).map(|(_, percent)| Decimal::from(*percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_holds_sixty_distinct_parts_with_prices_above_one() {
        let mut skus: Vec<_> = (0..CATALOGUE_LEN).map(|index| variant(index).sku).collect();
        skus.sort();
        skus.dedup();
        assert_eq!(skus.len(), CATALOGUE_LEN);
        assert!((0..CATALOGUE_LEN).all(|index| variant(index).price >= Decimal::ONE));
        assert_eq!(list_price("NO-SUCH-PART"), None);
    }
}
