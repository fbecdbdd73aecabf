//! Which sales part a variant is, by the rules that choose a line's part, and what of shop and IFS does not find its other half.

use crate::domain::stock::SalesPart;
use crate::mapping::rules::Rules;
use crate::mapping::sku::written_down;

/// A variant of the shop, as far as its part is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Shopify's number of the product.
    pub product_id: u64,
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// Shopify's number of its inventory item.
    pub item: u64,
    /// The merchant's article number.
    pub sku: Option<String>,
    /// Its bar code.
    pub barcode: Option<String>,
    /// Whether Shopify counts it.
    pub is_tracked: bool,
    /// Whether it is a bundle of Shopify's, which is counted by its components.
    pub is_bundle: bool,
}

/// The part that a variant is, and what chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// What chose it.
    pub because: String,
}

/// The sales part of a variant: `sku_map`, `variant_map`, `barcode_map`, then the SKU as it stands. None without a SKU that no
/// row names. GL rules are about orders and are not asked; parts that stand for many things have no stock.
pub fn part_of(variant: &Variant, rules: &Rules) -> Option<Named> {
    let sku = variant.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty());
    let id = variant.variant_id.to_string();
    if let Some(part) = written_down(sku, Some(&id), variant.barcode.as_deref(), rules) {
        return Some(Named { catalog_no: part.catalog_no, because: part.because });
    }
    sku.map(|sku| Named { catalog_no: rules.catalog_no(sku), because: "the variant's SKU".to_owned() })
}

/// How one sales part stands: what the shop has of it, and what IFS has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Its variant shows its stock.
    Covered,
    /// Its variant is a bundle of Shopify's: nobody can set how many there are, that follows from its components.
    Bundle,
    /// Shopify does not count its variant.
    NotTracked,
    /// IFS keeps no stock of it.
    NotKept,
    /// IFS has no such part, or it is not active: its variant is left alone.
    WithoutPart,
    /// The shop does not sell it.
    WithoutVariant,
    /// Several variants are it: all of them are left alone, by Shopify's numbers.
    Twice(Vec<u64>),
}

impl Coverage {
    /// The stable word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Bundle => "bundle",
            Self::NotTracked => "not_tracked",
            Self::NotKept => "not_kept",
            Self::WithoutPart => "without_part",
            Self::WithoutVariant => "without_variant",
            Self::Twice(_) => "twice",
        }
    }

    /// Whether levels of its variant follow IFS.
    pub fn is_covered(&self) -> bool {
        *self == Self::Covered
    }
}

/// How a sales part stands, from every variant of the shop that [`part_of`] names it for, and IFS's record of it.
pub fn coverage(variants: &[Variant], part: Option<&SalesPart>) -> Coverage {
    let [variant] = variants else {
        return match variants.first() {
            // Which of them an order means cannot be told, and both would sell the same stock.
            Some(_) => Coverage::Twice(variants.iter().map(|variant| variant.variant_id).collect()),
            None => Coverage::WithoutVariant,
        };
    };
    // Whatever IFS has of it, and whether or not Shopify says that it is counted.
    if variant.is_bundle {
        return Coverage::Bundle;
    }
    match part {
        Some(part) if part.is_active => match part.part_no {
            Some(_) if variant.is_tracked => Coverage::Covered,
            Some(_) => Coverage::NotTracked,
            None => Coverage::NotKept,
        },
        Some(_) | None => Coverage::WithoutPart,
    }
}

/// One sentence for a person on a part that is not covered; none where nothing is the matter.
pub fn explain(catalog_no: &str, coverage: &Coverage) -> Option<String> {
    match coverage {
        Coverage::Covered | Coverage::NotKept | Coverage::Bundle => None,
        Coverage::NotTracked => Some(format!("Shopify does not count {catalog_no}: track it there, or leave it")),
        Coverage::WithoutPart => {
            Some(format!("{catalog_no} is no active sales part of the site: add it in IFS, or a row of sku_map"))
        }
        Coverage::WithoutVariant => Some(format!("no variant of the shop is {catalog_no}")),
        Coverage::Twice(variants) => {
            let variants: Vec<String> = variants.iter().map(u64::to_string).collect();
            let (variants, advice) = (variants.join(" and "), "give all but one another SKU, or a row of variant_map");
            Some(format!("variants {variants} are all {catalog_no}: {advice}"))
        }
    }
}

/// One sentence for a person on why the levels of a part's variants are left alone; none where they follow IFS.
pub fn why_left(catalog_no: &str, coverage: &Coverage) -> Option<String> {
    match coverage {
        Coverage::NotKept => Some(format!("IFS keeps no stock of {catalog_no}")),
        Coverage::Bundle => Some("a bundle of Shopify's, which is counted by its components".to_owned()),
        other => explain(catalog_no, other),
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::mapping::fixtures;

    fn variant(variant_id: u64, sku: Option<&str>) -> Variant {
        Variant {
            product_id: 1,
            variant_id,
            item: variant_id + 100,
            sku: sku.map(str::to_owned),
            barcode: None,
            is_tracked: true,
            is_bundle: false,
        }
    }

    fn part(part_no: Option<&str>, is_active: bool) -> SalesPart {
        SalesPart {
            catalog_no: "CUP".into(),
            part_no: part_no.map(str::to_owned),
            conversion: Decimal::ONE,
            price_conversion: Decimal::ONE,
            is_active,
            list_price: None,
            list_price_incl_tax: None,
            currency: None,
        }
    }

    #[test]
    fn a_variant_is_the_part_that_its_lines_would_be() {
        let mut settings = fixtures::settings();
        settings.sku_prefix_strip = "web-".into();
        settings.sku_map.insert("web-1".into(), "ONE".into());
        settings.variant_map.insert("6".into(), "SIX".into());
        let rules = Rules::new(settings).expect("legal");
        let of = |id, sku| part_of(&variant(id, sku), &rules).map(|named| named.catalog_no);
        assert_eq!(of(5, Some(" web-CUP ")).as_deref(), Some("CUP"));
        assert_eq!(of(5, Some("web-1")).as_deref(), Some("ONE"));
        assert_eq!(of(6, None).as_deref(), Some("SIX"));
        assert_eq!(of(5, Some(" ")), None);
    }

    #[test]
    fn a_part_on_two_variants_is_refused_and_both_are_named() {
        let both = [variant(5, Some("CUP")), variant(6, Some("CUP"))];
        let twice = coverage(&both, Some(&part(Some("CUP"), true)));
        assert_eq!(twice, Coverage::Twice(vec![5, 6]));
        let told = explain("CUP", &twice).expect("a person is told");
        assert!(told.contains("5 and 6"), "{told}");
    }

    #[test]
    fn each_half_without_the_other_is_named() {
        let one = [variant(5, Some("CUP"))];
        assert_eq!(coverage(&one, Some(&part(Some("CUP"), true))), Coverage::Covered);
        assert_eq!(coverage(&one, Some(&part(None, true))), Coverage::NotKept);
        assert_eq!(coverage(&one, Some(&part(Some("CUP"), false))), Coverage::WithoutPart);
        assert_eq!(coverage(&one, None), Coverage::WithoutPart);
        assert_eq!(coverage(&[], Some(&part(Some("CUP"), true))), Coverage::WithoutVariant);
        let mut untracked = variant(5, Some("CUP"));
        untracked.is_tracked = false;
        assert_eq!(coverage(&[untracked], Some(&part(Some("CUP"), true))), Coverage::NotTracked);
    }

    #[test]
    fn a_bundle_is_left_alone_and_nobody_is_sent_to_mend_it() {
        for is_tracked in [false, true] {
            let bundle = [Variant { is_tracked, is_bundle: true, ..variant(5, Some("SET")) }];
            for part in [Some(part(Some("SET"), true)), None] {
                let standing = coverage(&bundle, part.as_ref());
                assert_eq!(standing, Coverage::Bundle);
                assert_eq!(explain("SET", &standing), None);
                assert!(why_left("SET", &standing).is_some_and(|text| text.contains("components")));
            }
        }
    }

    #[test]
    fn whatever_does_not_follow_ifs_says_why() {
        assert_eq!(why_left("CUP", &Coverage::Covered), None);
        for left in [Coverage::NotKept, Coverage::NotTracked, Coverage::WithoutPart, Coverage::Twice(vec![5, 6])] {
            assert!(why_left("CUP", &left).is_some(), "{left:?}");
        }
    }
}
