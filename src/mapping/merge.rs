//! The three-way merge of an order that was written before: base (sent, answered), desired, current.
//! Shopify changed a field when desired differs from sent; a person in IFS did when current differs from answered.

use std::collections::BTreeSet;

use super::desired::{DesiredOrder, Fields};
use super::park::ParkReason;
pub use super::patch::{NoEtag, PatchRow, patch_parts};
use super::read::{ReadOrder, Target};
use super::rules::ConflictPolicy;
use super::scalar::Scalar;
use super::written::{WrittenField, WrittenFields, WrittenOrder};
use crate::ifs::wire::{Objstate, PartRequest, Row, key, names};

/// A field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where, as `line:1 BuyQtyDue`.
    pub field: String,
    /// What we sent last.
    pub base: Option<Scalar>,
    /// What Shopify asks for now.
    pub shopify: Option<Scalar>,
    /// What IFS holds now.
    pub ifs: Option<Scalar>,
}

/// What is to be done about an order that was written before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePlan {
    /// The order's number in IFS.
    pub order_no: String,
    /// The state in which IFS holds it.
    pub state: Objstate,
    /// The changes to write, the header's first.
    pub patches: Vec<PatchRow>,
    /// Fields that both changed and that the policy leaves to a person.
    pub conflicts: Vec<Conflict>,
    /// Fields that both changed and where the policy lets IFS win.
    pub yielded: Vec<Conflict>,
    /// Changes that need a new row, a row less, or a field that cannot be amended.
    pub structural: Vec<String>,
}

/// What the plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// IFS holds what Shopify asks for, as far as we write it.
    Nothing,
    /// The patches are to be written.
    Patch,
    /// The whole change parks.
    Park(ParkReason),
}

/// Header fields that may be amended; all others park the change.
const HEADER: [&str; 7] = [
    names::WANTED_DELIVERY_DATE,
    names::PAY_TERM_ID,
    names::SHIP_VIA_CODE,
    names::DELIVERY_TERMS,
    names::NOTE_TEXT,
    names::INTERNAL_REF,
    names::EXTERNAL_REF,
];
/// Line fields that may be amended.
const LINE: [&str; 6] = [
    names::BUY_QTY_DUE,
    names::SALE_UNIT_PRICE,
    names::UNIT_PRICE_INCL_TAX,
    names::TAX_CODE,
    names::NOTE_TEXT,
    names::WANTED_DELIVERY_DATE,
];
/// Charge fields that may be amended.
const CHARGE: [&str; 4] = [names::CHARGED_QTY, names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX, names::TAX_CODE];
/// Address fields that may be amended.
const ADDRESS: [&str; 7] =
    [names::NAME, names::ADDRESS1, names::ADDRESS2, names::ZIP_CODE, names::CITY, names::STATE, names::COUNTRY];

/// Plans the way from what IFS holds to what it should hold.
///
/// `before` is what the rules of today make of the order version that was written last; give it when the rules changed
/// since, so that only fields whose source in Shopify changed travel. None takes what was sent.
pub fn plan(
    base: &WrittenOrder,
    before: Option<&DesiredOrder>,
    desired: &DesiredOrder,
    current: &ReadOrder,
    policy: ConflictPolicy,
) -> MergePlan {
    let mut planner = Planner {
        policy,
        current,
        plan: MergePlan {
            order_no: base.order_no.clone(),
            state: current.state(),
            patches: Vec::new(),
            conflicts: Vec::new(),
            yielded: Vec::new(),
            structural: Vec::new(),
        },
    };
    planner.record(
        "header",
        &Target::Header,
        &HEADER,
        &base.header,
        before.map(|order| &order.header),
        &desired.header,
    );
    match (&base.address, &desired.address) {
        (Some(base), Some(desired)) => {
            let before = before.and_then(|order| order.address.as_ref());
            planner.record("address", &Target::Address, &ADDRESS, base, before, desired);
        }
        (None, Some(_)) => planner.plan.structural.push("new address".into()),
        (Some(_), None) => planner.plan.structural.push("address taken away".into()),
        (None, None) => {}
    }
    planner.rows(base, before, desired);
    planner.plan
}

struct Planner<'a> {
    policy: ConflictPolicy,
    current: &'a ReadOrder,
    plan: MergePlan,
}

impl Planner<'_> {
    fn rows(&mut self, base: &WrittenOrder, before: Option<&DesiredOrder>, desired: &DesiredOrder) {
        let rows_of = |order: &'_ DesiredOrder, name: &str| -> Option<Fields> {
            let mut rows = order.lines.iter().chain(&order.charges);
            rows.find(|row| row.key == name).map(|row| row.fields.clone())
        };
        let kept: BTreeSet<&str> = base.rows.iter().map(|row| row.key.as_str()).collect();
        for row in desired.lines.iter().chain(&desired.charges) {
            if !kept.contains(row.key.as_str()) {
                self.plan.structural.push(format!("new row {}", row.key));
            }
        }
        for row in &base.rows {
            let Some(wanted) = rows_of(desired, &row.key) else {
                self.plan.structural.push(format!("row taken away {}", row.key));
                continue;
            };
            let amendable: &[&str] = if matches!(row.target, Target::Line(_)) { &LINE } else { &CHARGE };
            let before = before.and_then(|order| rows_of(order, &row.key));
            self.record(&row.key, &row.target, amendable, &row.fields, before.as_ref(), &wanted);
        }
    }

    fn record(
        &mut self,
        name: &str,
        target: &Target,
        amendable: &[&str],
        base: &WrittenFields,
        before: Option<&Fields>,
        desired: &Fields,
    ) {
        let found = self.current.row(target);
        let mut patch = Fields::new();
        let mut cleared = Vec::new();
        let fields: BTreeSet<&String> = base.keys().chain(desired.keys()).collect();
        for field in fields {
            let unsent = WrittenField { sent: None, answered: None };
            let written = base.get(field).unwrap_or(&unsent);
            let wanted = desired.get(field);
            let reference = match before {
                Some(before) => before.get(field),
                None => written.sent.as_ref(),
            };
            // 1. Shopify did not change it: whatever a person made of it stays.
            if wanted == reference {
                continue;
            }
            let Some(row) = found else {
                self.plan.structural.push(format!("{name} is gone in IFS"));
                return;
            };
            // 2. IFS holds it already.
            let now = held(row, field, wanted, written);
            if now.as_ref() == wanted {
                continue;
            }
            if !amendable.contains(&field.as_str()) {
                self.plan.structural.push(format!("{name} {field}"));
                continue;
            }
            // 3. A person changed it too.
            if now != written.answered && !self.shopify_wins(name, field, wanted, written, now) {
                continue;
            }
            match wanted {
                Some(value) => drop(patch.insert(field.clone(), value.clone())),
                None => cleared.push(field.clone()),
            }
        }
        if let Some(row) = found.filter(|_| !patch.is_empty() || !cleared.is_empty()) {
            let url = url_of(&self.plan.order_no, target);
            let patch = PatchRow { target: target.clone(), url, etag: row.etag.clone(), fields: patch, cleared };
            self.plan.patches.push(patch);
        }
    }

    /// Settles a field that both changed by the policy, and notes it where Shopify does not win.
    fn shopify_wins(
        &mut self,
        name: &str,
        field: &str,
        wanted: Option<&Scalar>,
        written: &WrittenField,
        now: Option<Scalar>,
    ) -> bool {
        let conflict = Conflict {
            field: format!("{name} {field}"),
            base: written.sent.clone(),
            shopify: wanted.cloned(),
            ifs: now,
        };
        match self.policy {
            ConflictPolicy::Park => self.plan.conflicts.push(conflict),
            ConflictPolicy::IfsWins => self.plan.yielded.push(conflict),
            ConflictPolicy::ShopifyWins => return true,
        }
        false
    }
}

/// What IFS holds in a field, read as the kind of value that we want or sent.
pub(super) fn held(row: &Row, field: &str, wanted: Option<&Scalar>, written: &WrittenField) -> Option<Scalar> {
    match wanted.or(written.sent.as_ref()) {
        Some(kind) => kind.read_like(row.get(field)),
        None => Scalar::read_plain(row.get(field)),
    }
}

fn url_of(order_no: &str, target: &Target) -> String {
    match target {
        Target::Header => key::order(order_no),
        Target::Address => key::address(order_no),
        Target::Line(line) => key::line(order_no, line),
        Target::Charge(sequence) => key::charge(order_no, *sequence),
    }
}

impl MergePlan {
    /// Whether IFS already holds everything.
    pub fn nothing_to_do(&self) -> bool {
        self.patches.is_empty() && self.conflicts.is_empty() && self.structural.is_empty()
    }

    /// What the plan comes to: one conflict, one structural change or a state beyond Released parks the whole of it.
    pub fn verdict(&self) -> Verdict {
        if self.nothing_to_do() {
            return Verdict::Nothing;
        }
        let order_no = &self.order_no;
        if !self.conflicts.is_empty() {
            let fields: Vec<&str> = self.conflicts.iter().map(|conflict| conflict.field.as_str()).collect();
            let text = format!(
                "a person changed IFS order {order_no} where Shopify changed too ({}); one side only was expected: settle it in IFS, then run `documents retry`",
                fields.join(", ")
            );
            return Verdict::Park(ParkReason::conflict("both_sides_changed", text));
        }
        if !self.structural.is_empty() {
            let text = format!(
                "IFS order {order_no} needs more than a change of its fields ({}), which is not done by itself yet: change it in IFS, then run `documents resolve`",
                self.structural.join(", ")
            );
            return Verdict::Park(ParkReason::conflict("rows_changed", text));
        }
        if !self.state.lets_us_amend() {
            let text = format!(
                "IFS order {order_no} is {}; Planned or Released was expected for a change: change it in IFS, then run `documents resolve`",
                self.state.as_str()
            );
            return Verdict::Park(ParkReason::conflict("state_forbids_change", text));
        }
        Verdict::Patch
    }

    /// The reads by key of those records that are to be patched and whose ETag is not known yet, with what each reads.
    ///
    /// Put the answers in with [`ReadOrder::absorb`] and plan again.
    pub fn key_reads(&self) -> Vec<(Target, PartRequest)> {
        self.patches
            .iter()
            .filter(|patch| patch.etag.is_none())
            .map(|patch| (patch.target.clone(), PartRequest::get(&patch.url)))
            .collect()
    }
}
