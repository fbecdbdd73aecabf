//! The sandbox's world: the master data of the simulated IFS company and the catalogue of the simulated
//! shops. Constants only; `config` of the demo repeats them as settings.

use rust_decimal::Decimal;

/// Realm of the simulated identity provider.
pub const REALM: &str = "sandbox";
/// First shop's domain.
pub const SHOP_DOMAIN: &str = "sandbox-shop.myshopify.com";
/// Second shop's domain, for runs with two connections.
pub const SECOND_SHOP_DOMAIN: &str = "second-shop.myshopify.com";
/// The customer of all web orders that have none of their own.
pub const CUSTOMER_NO: &str = "WEB-DEFAULT";

/// Customers whose order and company data a new customer may copy; nobody can order for them.
pub const TEMPLATE_CUSTOMERS: [&str; 2] = ["TEMPLATE-SE", "TEMPLATE-DE"];

/// The salesman in IFS of the one member of the staff who sells at the till.
pub const SALESMAN: &str = "101";

/// Sites and the company each belongs to.
pub(super) const SITES: [(&str, &str); 3] = [("S10", "10"), ("S11", "10"), ("S20", "20")];
/// The companies, each once.
pub(super) const COMPANIES: [&str; 2] = ["10", "20"];
/// Coordinators and the letter of their number series.
pub(super) const COORDINATORS: [(&str, &str); 3] = [("WEB", "W"), ("DESK", "D"), ("B2B", "B")];
pub(super) const ORDER_TYPES: [&str; 2] = ["NO", "WEBX"];
pub(super) const PAY_TERMS: [&str; 5] = ["0", "14", "30", "60", "90"];
pub(super) const SHIP_VIAS: [&str; 3] = ["STD", "EXP", "PIC"];
pub(super) const DELIVERY_TERMS: [&str; 3] = ["DAP", "DDP", "EXW"];
pub(super) const CHARGE_TYPES: [&str; 10] = [
    "FREIGHT",
    "ROUNDING",
    "TIP",
    "DUTY",
    "FEE",
    "GOODWILL",
    "DISCOUNT",
    "TAX",
    "MARKETTAX",
    // IFS's own promotions; never the integration's.
    "PROMOTION",
];
pub(super) const CANCEL_REASONS: [&str; 3] = ["WEB", "FRAUD", "CUSTOMER"];
pub(super) const MARKET_CODES: [&str; 4] = ["WEB", "B2B", "POS", "EXPORT"];
/// Currencies and their decimals.
pub(super) const CURRENCIES: [(&str, u32); 12] = [
    ("EUR", 2),
    ("SEK", 2),
    ("USD", 2),
    ("GBP", 2),
    ("NOK", 2),
    ("DKK", 2),
    ("CHF", 2),
    ("PLN", 2),
    ("CAD", 2),
    ("AUD", 2),
    ("JPY", 0),
    ("KWD", 3),
];
/// Tax codes and their percentages, in thousandths of a percent.
pub(super) const TAX_CODES: [(&str, i64); 11] = [
    ("V00", 0),
    ("V05", 5_000),
    ("V06", 6_000),
    ("V07", 7_000),
    ("V10", 10_000),
    ("V13", 13_000),
    ("V19", 19_000),
    ("V20", 20_000),
    ("V25", 25_000),
    ("GST5", 5_000),
    ("QST9975", 9_975),
];
/// Tax calculation structures: codes that all count on one base.
pub(super) const TAX_STRUCTURES: [(&str, &[&str]); 1] = [("GSTQST", &["GST5", "QST9975"])];
/// The code that IFS takes when it is asked to fetch taxes from its own defaults.
pub(super) const DEFAULT_TAX_CODE: &str = "V25";
/// Non-inventory sales parts: their description is the order line's to give.
pub(super) const NON_INVENTORY_PARTS: [&str; 3] = ["CUSTOM", "GIFTCARD", "DEFAULT-PART"];
/// Parts that the shop never sells: only persons in IFS use them.
pub(super) const DESK_PARTS: [&str; 3] = ["DESK-SERVICE", "DESK-SPARE", "DESK-OLD"];

/// Package parts: IFS sells their components, so many of each in one package. The parts are of the catalogue.
pub(super) const PACKAGES: [(&str, &[(&str, u32)]); 2] = [
    ("SET-TEA", &[("MUG-001", 2), ("LAMP-002", 1)]),
    ("SET-HOME", &[("CHAIR-003", 1), ("RUG-005", 1), ("PILLOW-006", 4)]),
];

/// A part that is sold by the box: what is sold, what lies in the stock, and how much of that one box holds. IFS sells it by the piece
/// too; the shop does not.
pub const BOXED_PART: (&str, &str, u32) = ("CANDLE-BOX", "CANDLE-001", 6);

/// Parts beyond the catalogue begin so; there are as many as a world is asked for.
const BULK_PREFIX: &str = "BULK-";

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

/// The SKU of a part beyond the catalogue, from 0. It is the IFS part number too.
pub fn bulk_sku(index: usize) -> String {
    format!("{BULK_PREFIX}{:06}", index + 1)
}

/// What lies in the stock for a part that is sold: its number there, and how many units of it one that is sold takes. Nothing of
/// services, custom parts and packages lies there.
pub(super) fn inventory_part(catalog_no: &str) -> Option<(&str, Decimal)> {
    match BOXED_PART {
        (sold, part, units) if sold == catalog_no => Some((part, Decimal::from(units))),
        _ => (sales_part(catalog_no)?.kind == PartKind::Inventory).then_some((catalog_no, Decimal::ONE)),
    }
}

/// Numbers of all sales parts, sorted, with so many beyond the catalogue.
pub(super) fn catalog_nos(bulk: usize) -> Vec<String> {
    let own =
        NON_INVENTORY_PARTS.iter().chain(&DESK_PARTS).chain([&BOXED_PART.0, &BOXED_PART.1]).map(|no| (*no).to_owned());
    let packages = PACKAGES.iter().map(|(package, _)| (*package).to_owned());
    let mut all: Vec<String> = skus().into_iter().chain(own).chain(packages).chain((0..bulk).map(bulk_sku)).collect();
    all.sort();
    all
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

/// What a sales part is to IFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    Inventory,
    NonInventory,
    Package,
}

/// A sales part as IFS knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SalesPart {
    pub(super) kind: PartKind,
    /// IFS's own list price: never what the shop asks, so that an unfrozen price shows.
    pub(super) list_price: Decimal,
}

/// The sales part of this number, if there is one.
pub(super) fn sales_part(catalog_no: &str) -> Option<SalesPart> {
    if DESK_PARTS.contains(&catalog_no) {
        return Some(SalesPart { kind: PartKind::Inventory, list_price: Decimal::new(1000, 2) });
    }
    if NON_INVENTORY_PARTS.contains(&catalog_no) {
        return Some(SalesPart { kind: PartKind::NonInventory, list_price: Decimal::new(777, 2) });
    }
    if let Some(number) = catalog_no.strip_prefix(BULK_PREFIX) {
        let cents = number.parse::<i64>().ok().filter(|_| number.len() == 6)?;
        return Some(SalesPart { kind: PartKind::Inventory, list_price: Decimal::new(500 + cents % 5_000, 2) });
    }
    if catalog_no == BOXED_PART.1 {
        return Some(SalesPart { kind: PartKind::Inventory, list_price: Decimal::new(350, 2) });
    }
    if catalog_no == BOXED_PART.0 {
        return Some(SalesPart { kind: PartKind::Inventory, list_price: Decimal::new(1_800, 2) });
    }
    if package(catalog_no).is_some() {
        return Some(SalesPart { kind: PartKind::Package, list_price: Decimal::new(5555, 2) });
    }
    (0..CATALOGUE_LEN)
        .map(variant)
        .find(|variant| variant.sku == catalog_no)
        .map(|variant| SalesPart { kind: PartKind::Inventory, list_price: variant.price + Decimal::new(1111, 2) })
}

/// The components of a package part, if it is one.
pub(super) fn package(catalog_no: &str) -> Option<&'static [(&'static str, u32)]> {
    PACKAGES.iter().find(|(package, _)| *package == catalog_no).map(|(_, components)| *components)
}

pub(super) fn company_of_site(contract: &str) -> Option<&'static str> {
    SITES.iter().find(|(site, _)| *site == contract).map(|(_, company)| *company)
}

pub(super) fn currency_decimals(code: &str) -> Option<u32> {
    CURRENCIES.iter().find(|(currency, _)| *currency == code).map(|(_, decimals)| *decimals)
}

/// Percentage of a tax code.
pub(super) fn tax_percent(code: &str) -> Option<Decimal> {
    TAX_CODES.iter().find(|(tax_code, _)| *tax_code == code).map(|(_, thousandths)| Decimal::new(*thousandths, 3))
}

/// Percentages of a tax calculation structure, in its order.
pub(super) fn tax_structure(id: &str) -> Option<Vec<Decimal>> {
    let (_, codes) = TAX_STRUCTURES.iter().find(|(structure, _)| *structure == id)?;
    codes.iter().map(|code| tax_percent(code)).collect()
}

/// Whether a salesman is known: `100` to `199`, as are the values of the pre-posting code parts.
pub(super) fn is_hundred(code: &str) -> bool {
    code.len() == 3 && code.starts_with('1') && code.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_gives_the_rates_of_its_codes_and_an_unknown_one_none() {
        assert_eq!(tax_structure("GSTQST"), Some(vec![Decimal::new(5000, 3), Decimal::new(9975, 3)]));
        assert_eq!((tax_structure("VAT"), tax_percent("V05")), (None, Some(Decimal::from(5))));
        assert!(is_hundred("100") && is_hundred("199") && !is_hundred("200") && !is_hundred("1x0"));
    }

    #[test]
    fn the_catalogue_holds_sixty_distinct_parts_with_prices_above_one() {
        let mut skus: Vec<_> = (0..CATALOGUE_LEN).map(|index| variant(index).sku).collect();
        skus.sort();
        skus.dedup();
        assert_eq!(skus.len(), CATALOGUE_LEN);
        assert!((0..CATALOGUE_LEN).all(|index| variant(index).price >= Decimal::ONE));
        assert_eq!(sales_part("NO-SUCH-PART"), None);
    }

    #[test]
    fn a_box_takes_its_units_from_the_stock_and_a_service_none() {
        assert_eq!(inventory_part("CANDLE-BOX"), Some(("CANDLE-001", Decimal::from(6))));
        assert_eq!(inventory_part(&bulk_sku(99_999)), Some(("BULK-100000", Decimal::ONE)));
        assert_eq!(inventory_part("MUG-001"), Some(("MUG-001", Decimal::ONE)));
        for nothing in ["CUSTOM", "SET-TEA", "BULK-1", "NO-SUCH-PART"] {
            assert_eq!(inventory_part(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn packages_are_made_of_parts_that_exist() {
        for (package, components) in PACKAGES {
            assert_eq!(sales_part(package).map(|part| part.kind), Some(PartKind::Package));
            for (component, _) in components {
                assert_eq!(sales_part(component).map(|part| part.kind), Some(PartKind::Inventory), "{component}");
            }
        }
    }
}
