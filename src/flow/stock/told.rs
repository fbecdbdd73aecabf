//! What people ask about stock: what of shop and IFS does not find its other half. Reads the rows of the last reading; neither remote is
//! asked.

use super::plan::{sold, variant_of};
use crate::domain::ids::ConnectionName;
use crate::mapping::stock::part::{Coverage, Variant, coverage, explain};
use crate::store::{Store, StoreError};

/// Numbers that are looked at at once.
const NUMBERS_AT_ONCE: i64 = 500;

/// One number that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    /// `CatalogNo`; none of a variant without SKU that no row names.
    pub catalog_no: Option<String>,
    /// A stable word.
    pub code: &'static str,
    /// Shopify's numbers of the variants that it is.
    pub variants: Vec<u64>,
    /// One sentence.
    pub text: String,
}

/// How many numbers stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    /// Their levels follow IFS.
    pub covered: u64,
    /// IFS keeps no stock of them.
    pub not_kept: u64,
    /// Bundles of Shopify's, which are counted by their components.
    pub bundles: u64,
    /// A person should look.
    pub uncovered: u64,
}

/// Goes through every number of shop and site, and hands on what is not covered.
///
/// # Errors
/// The database's refusal.
pub async fn uncovered(
    store: &Store,
    name: &ConnectionName,
    site: &str,
    found: &mut dyn FnMut(Uncovered),
) -> Result<Covered, StoreError> {
    let mut counts = Covered::default();
    let mut after: Option<String> = None;
    loop {
        let numbers = store.stock_coverage(name, site.to_owned(), after.take(), NUMBERS_AT_ONCE).await?;
        let Some(last) = numbers.last() else { break };
        after = Some(last.catalog_no.clone());
        for number in numbers {
            let variants: Vec<Variant> = number.variants.iter().map(variant_of).collect();
            let standing = coverage(&variants, number.part.as_ref().map(sold).as_ref());
            match (&standing, explain(&number.catalog_no, &standing)) {
                (_, Some(text)) => {
                    counts.uncovered += 1;
                    found(Uncovered {
                        catalog_no: Some(number.catalog_no),
                        code: standing.code(),
                        variants: variants.iter().map(|variant| variant.variant_id).collect(),
                        text,
                    });
                }
                (Coverage::Covered, None) => counts.covered += 1,
                (Coverage::Bundle, None) => counts.bundles += 1,
                (_, None) => counts.not_kept += 1,
            }
        }
    }
    Ok(counts)
}

/// Goes through every variant that is no sales part by the rules.
///
/// # Errors
/// The database's refusal.
pub async fn without_number(
    store: &Store,
    name: &ConnectionName,
    found: &mut dyn FnMut(Uncovered),
) -> Result<u64, StoreError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let variants = store.variants_without_part(name, after, NUMBERS_AT_ONCE).await?;
        let Some(last) = variants.last() else { return Ok(count) };
        after = last.variant_id;
        for variant in variants {
            count += 1;
            let id = variant.variant_id;
            found(Uncovered {
                catalog_no: None,
                code: "without_sku",
                variants: vec![id],
                text: format!("variant {id} has no SKU, and no row of variant_map or barcode_map names it"),
            });
        }
    }
}
