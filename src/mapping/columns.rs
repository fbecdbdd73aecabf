//! A conflict as a person is shown it, field by field in three columns: what we sent last, what Shopify asks for, what IFS holds.

use serde::{Deserialize, Serialize};

use super::gate::Gap;
use super::rules::conflicts::FieldGroup;
use super::scalar::Scalar;

/// A field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where, as `line:1 BuyQtyDue`.
    pub field: String,
    /// The fields that are decided about together with it.
    pub group: FieldGroup,
    /// What we sent last.
    pub base: Option<Scalar>,
    /// What Shopify asks for now.
    pub shopify: Option<Scalar>,
    /// What IFS holds now.
    pub ifs: Option<Scalar>,
}

/// One row of the three columns; none is an empty field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Where, as `line:1 BuyQtyDue` or `order total`.
    pub field: String,
    /// What we sent last; none also where nothing was sent, as of a sum.
    pub base: Option<String>,
    /// What Shopify asks for.
    pub shopify: Option<String>,
    /// What IFS holds.
    pub ifs: Option<String>,
    /// Whether the values may tell of a person: shown only where that is asked for.
    pub personal: bool,
}

impl From<&Conflict> for Columns {
    fn from(conflict: &Conflict) -> Self {
        let text = |value: &Option<Scalar>| value.as_ref().map(Scalar::to_string);
        Self {
            field: conflict.field.clone(),
            base: text(&conflict.base),
            shopify: text(&conflict.shopify),
            ifs: text(&conflict.ifs),
            personal: is_personal(conflict.group),
        }
    }
}

impl From<&Gap> for Columns {
    /// The gate compares figures and codes, never a person's data.
    fn from(gap: &Gap) -> Self {
        Self {
            field: gap.component.clone(),
            base: None,
            shopify: Some(gap.shopify.clone()),
            ifs: Some(gap.ifs.clone()),
            personal: false,
        }
    }
}

impl std::fmt::Debug for Columns {
    /// Without the values: they may be a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns").field("field", &self.field).finish_non_exhaustive()
    }
}

/// The stored form; none where nothing differs.
pub fn to_text(columns: &[Columns]) -> Option<String> {
    let text = || serde_json::to_string(columns).expect("columns hold nothing that JSON cannot");
    (!columns.is_empty()).then(text)
}

/// Reads the stored form; nothing of another version's.
pub fn parse(text: &str) -> Vec<Columns> {
    serde_json::from_str(text).unwrap_or_default()
}

const fn is_personal(group: FieldGroup) -> bool {
    match group {
        FieldGroup::Address | FieldGroup::Note | FieldGroup::References => true,
        FieldGroup::Header
        | FieldGroup::Delivery
        | FieldGroup::Price
        | FieldGroup::Quantity
        | FieldGroup::Tax
        | FieldGroup::Charge => false,
    }
}
