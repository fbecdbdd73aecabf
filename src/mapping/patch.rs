//! The requests of an amendment, and the base after it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::desired::Fields;
use super::field::held;
use super::merge::MergePlan;
use super::read::{ReadOrder, Target};
use super::written::{WrittenField, WrittenFields, WrittenOrder};
use crate::ifs::wire::{Objstate, PartRequest, Row};

/// The changes of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRow {
    /// Which record.
    pub target: Target,
    /// Its URL.
    pub url: String,
    /// The ETag that it was read with by its key; none when it has to be read first.
    pub etag: Option<String>,
    /// The fields to write.
    pub fields: Fields,
    /// The fields to empty.
    pub cleared: Vec<String>,
}

/// A patch was asked for before its record was read by key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} was not read by its key: a change without an ETag would overwrite what a person wrote")]
pub struct NoEtag {
    url: String,
}

/// The parts of the one change set that amends an order, each guarded by its ETag.
///
/// # Errors
/// [`NoEtag`] when a record was not read by its key yet.
pub fn patch_parts(plan: &MergePlan) -> Result<Vec<PartRequest>, NoEtag> {
    (1_u32..)
        .zip(&plan.patches)
        .map(|(content_id, patch)| {
            let etag = patch.etag.as_ref().ok_or_else(|| NoEtag { url: patch.url.clone() })?;
            let written = patch.fields.iter().map(|(field, value)| (field.clone(), value.to_json()));
            let emptied = patch.cleared.iter().map(|field| (field.clone(), Value::Null));
            let body = Value::Object(written.chain(emptied).collect::<Map<_, _>>());
            Ok(PartRequest::patch(&patch.url, etag, body).with_content_id(content_id))
        })
        .collect()
}

impl WrittenOrder {
    /// The base after a plan's patches were written and read back, or found that there is nothing to write.
    ///
    /// Only what Shopify changed moves. A field that a person changed keeps its old answer, so that a later change of
    /// Shopify's still meets that person; a yielded one counts as sent, so that it does not come up again by itself. A row
    /// that is neither wanted nor there any more is forgotten.
    #[must_use]
    pub fn after(&self, plan: &MergePlan, read: &ReadOrder) -> Self {
        let nothing = Row::default();
        let desired = &plan.wanted;
        let rows: BTreeMap<&str, &Fields> =
            desired.lines.iter().chain(&desired.charges).map(|row| (row.key.as_str(), &row.fields)).collect();
        let mut after = self.clone();
        settle(plan, &Target::Header, "header", &mut after.header, &desired.header, &read.header);
        if let (Some(base), Some(wanted)) = (&mut after.address, &desired.address) {
            let row = read.address.as_ref().unwrap_or(&nothing);
            settle(plan, &Target::Address, "address", base, wanted, row);
        }
        let state = read.state();
        after.released |= desired.release && !matches!(state, Objstate::Planned | Objstate::Blocked);
        after.rows.retain(|row| rows.contains_key(row.key.as_str()) || read.row(&row.target).is_some());
        for row in &mut after.rows {
            if let Some(wanted) = rows.get(row.key.as_str()) {
                let answered = read.row(&row.target).unwrap_or(&nothing);
                settle(plan, &row.target, &row.key, &mut row.fields, wanted, answered);
            }
        }
        after
    }
}

fn settle(plan: &MergePlan, target: &Target, name: &str, base: &mut WrittenFields, desired: &Fields, read: &Row) {
    let patch = plan.patches.iter().find(|patch| patch.target == *target);
    let fields: Vec<String> = base.keys().chain(desired.keys()).cloned().collect();
    for field in fields {
        let wanted = desired.get(&field);
        let known = base.entry(field.clone()).or_insert(WrittenField { sent: None, answered: None });
        let now = held(read, &field, wanted, known);
        let patched = patch.is_some_and(|patch| patch.fields.contains_key(&field) || patch.cleared.contains(&field));
        let yielded = plan.yielded.iter().any(|conflict| conflict.field == format!("{name} {field}"));
        if patched || (known.sent.as_ref() != wanted && now.as_ref() == wanted) {
            *known = WrittenField { sent: wanted.cloned(), answered: now };
        } else if yielded {
            known.sent = wanted.cloned();
        }
    }
}
