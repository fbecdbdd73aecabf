//! The three-way merge of an order that was written before: base (sent, answered), desired, current.
//! Shopify changed a field when desired differs from sent; a person in IFS did when current differs from answered. What is
//! done about a change is the table's (`rules::updates`); what a plan comes to is `verdict`'s.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::change::{Meaning, is_customer, meaning, of_charge};
pub use super::columns::Conflict;
use super::desired::{DesiredOrder, DesiredRow, Fields};
use super::field::{held, is_invoiced, number, url_of};
pub use super::patch::{NoEtag, PatchRow, patch_parts};
use super::read::{ReadOrder, Target, charges_of_line, shipped_units, taken_units};
use super::rules::conflicts::{ConflictPolicies, FieldGroup};
use super::rules::updates::{Action, Change, UpdateTable};
use super::rules::{ConflictPolicy, Rules};
use super::scalar::Scalar;
use super::spread::{is_further, spread};
pub use super::verdict::{Refusal, Verdict, Why};
use super::written::{WrittenField, WrittenFields, WrittenOrder, WrittenRow};
use crate::ifs::wire::{Objstate, Row, key, names};

/// A row of ours that is to leave the order: a line is cancelled, a charge deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Our name for the row.
    pub key: String,
    /// Which row.
    pub target: Target,
    /// Its URL.
    pub url: String,
    /// The ETag that it was read with by its key; none when it has to be read first.
    pub etag: Option<String>,
}

/// What is to be done about an order that was written before: the patches first, in one change set, then the new rows, each
/// by itself, then the rows to take away, charges before lines. New rows come first so that no order stands empty meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePlan {
    /// The order's number in IFS.
    pub order_no: String,
    /// The state in which IFS holds it.
    pub state: Objstate,
    /// What IFS should hold, row by row: a line that grew may stand on several.
    pub wanted: DesiredOrder,
    /// The changes to write, the header's first.
    pub patches: Vec<PatchRow>,
    /// The rows to add.
    pub creates: Vec<DesiredRow>,
    /// The rows to take away, charges first.
    pub removals: Vec<Removal>,
    /// Fields that both changed and that the policy leaves to a person.
    pub conflicts: Vec<Conflict>,
    /// Fields that both changed and where the policy lets IFS win.
    pub yielded: Vec<Conflict>,
    /// Changes that are a person's: one of them stops the whole plan.
    pub refused: Vec<Refusal>,
    /// Changes about which nothing is done in this state.
    pub passed: Vec<String>,
    /// What is done about the wish to release the order, where there is one.
    pub release: Option<Action>,
}

/// What a plan asks of its connection.
#[derive(Debug, Clone, Copy)]
pub struct PlanRules {
    /// Who wins where both sides changed a field.
    pub conflicts: ConflictPolicies,
    /// What is done about which change in which state.
    pub updates: UpdateTable,
}

impl PlanRules {
    /// The rules of a connection.
    pub fn of(rules: &Rules) -> Self {
        Self { conflicts: rules.conflicts(), updates: rules.updates() }
    }

    /// The default table, and one policy for all fields.
    pub fn with_policy(policy: ConflictPolicy) -> Self {
        Self { conflicts: ConflictPolicies::all(policy), updates: UpdateTable::default() }
    }
}

/// Plans the way from what IFS holds to what it should hold. Nothing in it is done by halves: see [`MergePlan::verdict`].
pub fn plan(base: &WrittenOrder, desired: &DesiredOrder, current: &ReadOrder, rules: PlanRules) -> MergePlan {
    let state = current.state();
    let mut refused = Vec::new();
    let wanted = spread(base, desired, &state, rules.updates).unwrap_or_else(|text| {
        refused.push(Refusal { what: text, why: Why::Unsplittable });
        desired.clone()
    });
    let plan = MergePlan {
        order_no: base.order_no.clone(),
        state,
        wanted: DesiredOrder { lines: Vec::new(), charges: Vec::new(), ..wanted.clone() },
        patches: Vec::new(),
        creates: Vec::new(),
        removals: Vec::new(),
        conflicts: Vec::new(),
        yielded: Vec::new(),
        refused,
        passed: Vec::new(),
        release: None,
    };
    let mut planner = Planner { rules, base, current, wanted: &wanted, plan };
    planner.order();
    let mut plan = planner.plan;
    plan.wanted = wanted;
    plan
}

/// The fields that both sides changed, whatever the policy says about them: three columns for a person.
pub fn conflicts(base: &WrittenOrder, desired: &DesiredOrder, current: &ReadOrder) -> Vec<Conflict> {
    plan(base, desired, current, PlanRules::with_policy(ConflictPolicy::Park)).conflicts
}

/// The rows of an order that is cancelled after a part of it was delivered: lines of ours of which nothing is reserved,
/// delivered or invoiced, each after our charges that are tied to it. A line that carries a person's charge stays.
pub fn removals_of_rest(base: &WrittenOrder, current: &ReadOrder) -> Vec<Removal> {
    let removal = |row: &WrittenRow| {
        let etag = current.row(&row.target)?.etag.clone();
        let url = url_of(&base.order_no, &row.target);
        Some(Removal { key: row.key.clone(), target: row.target.clone(), url, etag })
    };
    let mut rest = Vec::new();
    for row in &base.rows {
        let (Target::Line(line), Some(found)) = (&row.target, current.row(&row.target)) else { continue };
        if taken_units(current, found) > Decimal::ZERO || is_invoiced(&row.target, found) {
            continue;
        }
        let tied: Vec<Target> = charges_of_line(current, line).map(Target::Charge).collect();
        let ours: Vec<&WrittenRow> = base.rows.iter().filter(|row| tied.contains(&row.target)).collect();
        if ours.len() == tied.len() {
            rest.extend(ours.into_iter().chain([row]).filter_map(removal));
        }
    }
    rest
}

struct Planner<'a> {
    rules: PlanRules,
    base: &'a WrittenOrder,
    current: &'a ReadOrder,
    wanted: &'a DesiredOrder,
    plan: MergePlan,
}

impl<'a> Planner<'a> {
    /// 1. Header and address. 2. Rows that stand. 3. Rows to come. 4. The release.
    fn order(&mut self) {
        let (base, wanted) = (self.base, self.wanted);
        // 1.
        self.record("header", &Target::Header, &base.header, &wanted.header);
        match (&base.address, &wanted.address) {
            (Some(base), Some(wanted)) => {
                self.record("address", &Target::Address, base, wanted);
            }
            (None, Some(_)) => self.refuse("new address", Why::NotAmendable),
            (Some(_), None) => self.refuse("address taken away", Why::NotAmendable),
            (None, None) => {}
        }
        // 2.
        for row in &base.rows {
            match row_of(wanted, &row.key) {
                Some(wanted) if !self.is_another_charge(row, wanted) => {
                    self.record(&row.key, &row.target, &row.fields, &wanted.fields);
                }
                _ => self.removed(row),
            }
        }
        self.plan.removals.sort_by_key(|removal| matches!(removal.target, Target::Line(_)));
        // 3.
        let kept: BTreeSet<&str> = base.rows.iter().map(|row| row.key.as_str()).collect();
        for row in wanted.lines.iter().filter(|row| !kept.contains(row.key.as_str())) {
            self.added(row, if is_further(&row.key) { Change::QuantityUp } else { Change::NewLine });
        }
        for row in wanted.charges.iter().filter(|row| !kept.contains(row.key.as_str())) {
            self.added(row, of_charge(&row.key));
        }
        // 4.
        if wanted.release && !base.released {
            let action = self.rules.updates.action(Change::Paid, &self.plan.state);
            match action {
                Action::Release | Action::Show | Action::Nothing => self.plan.release = Some(action),
                other => self.refuse("release", Why::State(Change::Paid, other)),
            }
        }
    }

    /// The record in IFS. Of an order that was cancelled there its lines are still to be seen.
    fn found(&self, target: &Target) -> Option<&'a Row> {
        let live = self.current.row(target);
        live.or_else(|| self.plan.state.is_cancelled().then(|| self.current.cancelled_row(target)).flatten())
    }

    /// A charge whose type changed is another charge: the old one goes, and once it is gone the new one comes.
    fn is_another_charge(&self, row: &WrittenRow, wanted: &DesiredRow) -> bool {
        let sent = row.fields.get(names::CHARGE_TYPE).and_then(|field| field.sent.as_ref());
        matches!(row.target, Target::Charge(_)) && sent.is_some() && sent != wanted.fields.get(names::CHARGE_TYPE)
    }

    fn refuse(&mut self, what: impl Into<String>, why: Why) {
        self.plan.refused.push(Refusal { what: what.into(), why });
    }

    /// A row that is wanted no more.
    fn removed(&mut self, row: &WrittenRow) {
        // It is gone already: only the base still has to learn it.
        let Some(found) = self.found(&row.target) else { return };
        let what = format!("{} taken away", row.key);
        let change = match row.target {
            Target::Line(_) => Change::LineRemoved,
            Target::Charge(_) | Target::Header | Target::Address => of_charge(&row.key),
        };
        let action = self.rules.updates.action(change, &self.plan.state);
        if action == Action::Nothing {
            self.plan.passed.push(what);
            return;
        }
        if !self.may_take(row, found) {
            return;
        }
        // A goodwill goes where one may come: goods that came back for less than their worth took it back.
        let goodwill = action == Action::NewRow && change == Change::Goodwill;
        let allowed = goodwill || matches!(action, Action::CancelRow | Action::Amend);
        if !allowed {
            return self.refuse(what, Why::State(change, action));
        }
        if is_invoiced(&row.target, found) {
            return self.refuse(what, Why::State(change, Action::Credit));
        }
        if matches!(row.target, Target::Line(_)) && self.is_under_way(found) {
            return self.refuse(what, Why::UnderWay);
        }
        if let Target::Line(line) = &row.target
            && let Some(charge) = self.tied_charge_that_stays(line)
        {
            return self.refuse(format!("{what}: charge {charge} is tied to it"), Why::Tied);
        }
        self.plan.removals.push(Removal {
            key: row.key.clone(),
            target: row.target.clone(),
            url: url_of(&self.plan.order_no, &row.target),
            etag: found.etag.clone(),
        });
    }

    /// Whether something of a line that shall be cancelled is delivered already, or reserved for a part delivery.
    fn is_under_way(&self, line: &Row) -> bool {
        let partly = self.plan.state == Objstate::PartiallyDelivered;
        let taken = if partly { taken_units(self.current, line) } else { shipped_units(self.current, line) };
        taken > Decimal::ZERO
    }

    /// A charge that is tied to a line in IFS and is not taken away with it.
    fn tied_charge_that_stays(&self, line: &key::LineKey) -> Option<i64> {
        charges_of_line(self.current, line).find(|sequence| {
            let ours = self.base.rows.iter().find(|row| row.target == Target::Charge(*sequence));
            ours.is_none_or(|row| row_of(self.wanted, &row.key).is_some())
        })
    }

    /// Whether a row that Shopify took away may go although a person changed what it sells.
    fn may_take(&mut self, row: &WrittenRow, found: &Row) -> bool {
        let mut may = true;
        for (field, written) in &row.fields {
            let Some(Meaning { group, .. }) = meaning(&row.target, &row.key, field) else { continue };
            let counts = matches!(group, FieldGroup::Quantity | FieldGroup::Price | FieldGroup::Charge);
            let now = held(found, field, None, written);
            if counts && written.sent.is_some() && now != written.answered {
                may &= self.shopify_wins(&row.key, field, group, None, written, now);
            }
        }
        may
    }

    /// A row that is not there yet.
    fn added(&mut self, row: &DesiredRow, change: Change) {
        let what = format!("new row {}", row.key);
        match self.rules.updates.action(change, &self.plan.state) {
            Action::NewRow | Action::Amend => self.plan.creates.push(row.clone()),
            Action::Nothing => self.plan.passed.push(what),
            other => self.refuse(what, Why::State(change, other)),
        }
    }

    fn record(&mut self, name: &str, target: &Target, base: &WrittenFields, desired: &Fields) {
        let found = self.found(target);
        let mut patch = Fields::new();
        let mut cleared = Vec::new();
        let fields: BTreeSet<&String> = base.keys().chain(desired.keys()).collect();
        for field in fields {
            let unsent = WrittenField { sent: None, answered: None };
            let written = base.get(field).unwrap_or(&unsent);
            let wanted = desired.get(field);
            // 1. Shopify did not change it, or it comes from the customer's link: whatever a person made of it stays.
            if wanted == written.sent.as_ref() || (wanted.is_none() && self.is_from_the_link(target, field)) {
                continue;
            }
            let Some(row) = found else {
                self.refuse(format!("{name} is gone in IFS"), Why::Gone);
                return;
            };
            // 2. IFS holds it already.
            let now = held(row, field, wanted, written);
            if now.as_ref() == wanted {
                continue;
            }
            // 3. The table, then a person who changed it too.
            if !self.may_write(name, target, field, row, wanted, written, now) {
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

    /// Whether a header field is left out because the customer's link fills it in.
    fn is_from_the_link(&self, target: &Target, field: &str) -> bool {
        *target == Target::Header
            && self.wanted.customer.is_some()
            && (is_customer(field) || field == names::SHIP_ADDR_NO)
    }

    #[expect(clippy::too_many_arguments, reason = "one difference, seen from all three sides")]
    fn may_write(
        &mut self,
        name: &str,
        target: &Target,
        field: &str,
        row: &Row,
        wanted: Option<&Scalar>,
        written: &WrittenField,
        now: Option<Scalar>,
    ) -> bool {
        let what = format!("{name} {field}");
        let Some(Meaning { mut change, group }) = meaning(target, name, field) else {
            let customer = *target == Target::Header && is_customer(field);
            match self.rules.updates.action(Change::Customer, &self.plan.state) {
                Action::Nothing if customer => self.plan.passed.push(what),
                action if customer => self.refuse(what, Why::State(Change::Customer, action)),
                _ => self.refuse(what, Why::NotAmendable),
            }
            return false;
        };
        let (figure, present) = (number(wanted), number(now.as_ref()));
        if group == FieldGroup::Quantity && figure > present {
            change = Change::QuantityUp;
        }
        let action = self.rules.updates.action(change, &self.plan.state);
        if action == Action::Nothing {
            self.plan.passed.push(what);
            return false;
        }
        if now != written.answered && !self.shopify_wins(name, field, group, wanted, written, now) {
            return false;
        }
        match action {
            Action::Amend => {}
            // A further refund of money is a row of its own; the same one may still be corrected.
            Action::NewRow if change == Change::Goodwill => {}
            other => {
                self.refuse(what, Why::State(change, other));
                return false;
            }
        }
        // A row that is invoiced is past all changes of its money.
        let money = matches!(group, FieldGroup::Price | FieldGroup::Tax | FieldGroup::Charge | FieldGroup::Quantity);
        if money && is_invoiced(target, row) {
            self.refuse(what, Why::State(change, Action::Credit));
            return false;
        }
        if change == Change::QuantityDown && figure.is_none_or(|figure| figure < taken_units(self.current, row)) {
            self.refuse(what, Why::UnderWay);
            return false;
        }
        true
    }

    /// Settles a field that both changed by the policy, and notes it where Shopify does not win.
    fn shopify_wins(
        &mut self,
        name: &str,
        field: &str,
        group: FieldGroup,
        wanted: Option<&Scalar>,
        written: &WrittenField,
        now: Option<Scalar>,
    ) -> bool {
        let conflict = Conflict {
            field: format!("{name} {field}"),
            group,
            base: written.sent.clone(),
            shopify: wanted.cloned(),
            ifs: now,
        };
        match self.rules.conflicts.of(group) {
            ConflictPolicy::Park => self.plan.conflicts.push(conflict),
            ConflictPolicy::IfsWins => self.plan.yielded.push(conflict),
            ConflictPolicy::ShopifyWins => return true,
        }
        false
    }
}

fn row_of<'a>(order: &'a DesiredOrder, key: &str) -> Option<&'a DesiredRow> {
    order.lines.iter().chain(&order.charges).find(|row| row.key == key)
}
