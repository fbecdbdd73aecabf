//! Which sales part of IFS a line becomes.

use super::park::ParkReason;
use super::rules::Rules;
use crate::domain::order::{Line, LineKind, Order};

/// The sales part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// `CatalogNo`.
    pub(super) catalog_no: String,
    /// `CatalogDesc`, for parts that stand for many things.
    pub(super) description: Option<String>,
}

/// Chooses the part.
///
/// # Errors
/// Parks a line that no rule has a part for.
pub(super) fn part_for(line: &Line, order: &Order, rules: &Rules) -> Result<Part, ParkReason> {
    let _ = order;
    let settings = rules.settings();
    if line.kind == LineKind::GiftCard {
        let part = settings.gift_card_part.as_deref();
        return standing_for(line, part, "gift_card", "sells a gift card, and gift_card_part is not set");
    }
    if let Some(sku) = &line.sku {
        return Ok(Part { catalog_no: rules.catalog_no(sku), description: None });
    }
    if line.variant_id.is_none() && line.product_id.is_none() {
        let part = settings.custom_part.as_deref();
        return standing_for(line, part, "line_without_sku", "was typed in and has no SKU, and custom_part is not set");
    }
    let text =
        format!("line {} has no SKU; one was expected: enter the order by hand, or give the article a SKU", line.id);
    Err(ParkReason::mapping("line_without_sku", text))
}

/// The non-inventory part that stands for everything of its kind, with the line's own words.
fn standing_for(line: &Line, part: Option<&str>, code: &'static str, what: &str) -> Result<Part, ParkReason> {
    let Some(part) = part else {
        let text =
            format!("line {} {what}: name a non-inventory sales part there, or enter the order by hand", line.id);
        return Err(ParkReason::mapping(code, text));
    };
    let description = Some(line.title.clone()).filter(|title| !title.is_empty());
    Ok(Part { catalog_no: part.to_owned(), description })
}
