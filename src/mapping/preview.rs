//! A plan told before it is carried out: for each field that somebody changed the three sides, and what is done about it; then
//! the steps in their sequence. Nothing is decided here: it is the writer's own plan, told.

use std::collections::BTreeSet;

use super::desired::{DesiredRow, Fields};
use super::difference::{change_of, summary};
use super::field::held;
use super::merge::MergePlan;
use super::read::{ReadOrder, Target};
use super::rules::updates::{Action, Change};
use super::scalar::Scalar;
use super::written::{WrittenField, WrittenFields, WrittenOrder};
use crate::ifs::wire::Row;

/// One field, or one whole row, that differs between the sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Our name of the record: `header`, `address`, or a row's key.
    pub record: String,
    /// IFS's name of the field; none where the whole row comes or goes.
    pub field: Option<String>,
    /// The kind of change that Shopify made; none where only a person changed it.
    pub change: Option<Change>,
    /// What was sent last.
    pub written: Option<Scalar>,
    /// What Shopify asks for now.
    pub shopify: Option<Scalar>,
    /// What IFS holds now.
    pub ifs: Option<Scalar>,
    /// What is done about it.
    pub then: Then,
}

/// What is done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is written to IFS.
    Written,
    /// The row is added.
    Added,
    /// The row is taken away.
    TakenAway,
    /// IFS holds it already.
    There,
    /// Only a person in IFS changed it: that stays.
    StaysIfs,
    /// Both changed it and the policy lets IFS win.
    YieldsToIfs,
    /// Both changed it: a person decides.
    Conflict,
    /// A person decides, for the reason that the verdict names.
    Parks,
    /// In this state nothing is done about it.
    Nothing,
    /// It waits for the rest of the change, which is a person's.
    Waits,
}

impl Then {
    /// A few words for a person.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written to IFS",
            Self::Added => "row added in IFS",
            Self::TakenAway => "row taken away in IFS",
            Self::There => "IFS holds it already",
            Self::StaysIfs => "changed in IFS, stays",
            Self::YieldsToIfs => "changed on both sides, IFS's stays",
            Self::Conflict => "changed on both sides, a person decides",
            Self::Parks => "a person decides",
            Self::Nothing => "nothing in this state",
            Self::Waits => "waits for what a person decides",
        }
    }
}

/// What differs between what was written, what Shopify asks for and what IFS holds.
pub fn sides(base: &WrittenOrder, plan: &MergePlan, current: &ReadOrder) -> Vec<Side> {
    let teller = Teller { plan, current, parks: !plan.conflicts.is_empty() || !plan.refused.is_empty() };
    let wanted = &plan.wanted;
    let mut sides = teller.record("header", &Target::Header, &base.header, Some(&wanted.header));
    if let (Some(base), Some(wanted)) = (&base.address, &wanted.address) {
        sides.extend(teller.record("address", &Target::Address, base, Some(wanted)));
    }
    let rows: Vec<&DesiredRow> = wanted.lines.iter().chain(&wanted.charges).collect();
    for row in &base.rows {
        let wanted = rows.iter().find(|one| one.key == row.key).copied();
        let goes = plan.removals.iter().any(|removal| removal.key == row.key);
        match wanted {
            Some(wanted) if !goes => {
                sides.extend(teller.record(&row.key, &row.target, &row.fields, Some(&wanted.fields)));
            }
            _ => sides.extend(teller.removed(&row.key, &row.target)),
        }
    }
    let known: BTreeSet<&str> = base.rows.iter().map(|row| row.key.as_str()).collect();
    sides.extend(rows.into_iter().filter(|row| !known.contains(row.key.as_str())).map(|row| teller.added(row)));
    sides
}

struct Teller<'a> {
    plan: &'a MergePlan,
    current: &'a ReadOrder,
    /// Whether the whole change is a person's.
    parks: bool,
}

impl Teller<'_> {
    fn found(&self, target: &Target) -> Option<&Row> {
        self.current.row(target).or_else(|| self.current.cancelled_row(target))
    }

    fn record(&self, name: &str, target: &Target, base: &WrittenFields, wanted: Option<&Fields>) -> Vec<Side> {
        let nothing = Fields::new();
        let wanted = wanted.unwrap_or(&nothing);
        let fields: BTreeSet<&String> = base.keys().chain(wanted.keys()).collect();
        fields
            .into_iter()
            .filter_map(|field| self.field(name, target, field, base.get(field), wanted.get(field)))
            .collect()
    }

    fn field(
        &self,
        record: &str,
        target: &Target,
        field: &str,
        base: Option<&WrittenField>,
        wanted: Option<&Scalar>,
    ) -> Option<Side> {
        let unsent = WrittenField { sent: None, answered: None };
        let base = base.unwrap_or(&unsent);
        let ifs = self.found(target).and_then(|row| held(row, field, wanted, base));
        let (shopify_changed, person_changed) = (wanted != base.sent.as_ref(), ifs != base.answered);
        if !shopify_changed && !person_changed {
            return None;
        }
        let change = if shopify_changed { change_of(target, record, field, base.sent.as_ref(), wanted) } else { None };
        let name = format!("{record} {field}");
        let patched = self.plan.patches.iter().any(|patch| {
            patch.target == *target
                && (patch.fields.contains_key(field) || patch.cleared.iter().any(|one| one == field))
        });
        let then = match () {
            () if patched => self.unless_parked(Then::Written),
            () if self.plan.conflicts.iter().any(|conflict| conflict.field == name) => Then::Conflict,
            () if self.plan.yielded.iter().any(|conflict| conflict.field == name) => Then::YieldsToIfs,
            () if self.refused(&name) || self.refused(record) => Then::Parks,
            () if self.plan.passed.contains(&name) => Then::Nothing,
            () if shopify_changed && ifs.as_ref() == wanted => Then::There,
            () => Then::StaysIfs,
        };
        let (written, shopify) = (base.sent.clone(), wanted.cloned());
        Some(Side { record: record.to_owned(), field: Some(field.to_owned()), change, written, shopify, ifs, then })
    }

    /// A row of ours that is not wanted any more; none where it is gone on both sides.
    fn removed(&self, key: &str, target: &Target) -> Option<Side> {
        let found = self.current.row(target)?;
        let change =
            if matches!(target, Target::Line(_)) { Change::LineRemoved } else { super::change::of_charge(key) };
        let then = match () {
            () if self.plan.removals.iter().any(|removal| removal.key == key) => self.unless_parked(Then::TakenAway),
            () if self.plan.passed.iter().any(|what| names_row(what, key)) => Then::Nothing,
            () => Then::Parks,
        };
        let units = [crate::ifs::wire::names::BUY_QTY_DUE, crate::ifs::wire::names::CHARGED_QTY];
        let ifs = units.iter().find_map(|field| found.decimal(field)).map(Scalar::decimal);
        let (record, written) = (key.to_owned(), Some(Scalar::text("a row")));
        Some(Side { record, field: None, change: Some(change), written, shopify: None, ifs, then })
    }

    fn added(&self, row: &DesiredRow) -> Side {
        let is_line = self.plan.wanted.lines.iter().any(|line| line.key == row.key);
        let change = match is_line {
            true if super::spread::is_further(&row.key) => Change::QuantityUp,
            true => Change::NewLine,
            false => super::change::of_charge(&row.key),
        };
        let then = match () {
            () if self.plan.creates.iter().any(|one| one.key == row.key) => self.unless_parked(Then::Added),
            () if self.plan.passed.iter().any(|what| names_row(what, &row.key)) => Then::Nothing,
            () => Then::Parks,
        };
        let shopify = Some(Scalar::text(summary(row)));
        Side { record: row.key.clone(), field: None, change: Some(change), written: None, shopify, ifs: None, then }
    }

    fn unless_parked(&self, then: Then) -> Then {
        if self.parks { Then::Waits } else { then }
    }

    fn refused(&self, name: &str) -> bool {
        self.plan.refused.iter().any(|refusal| refusal.what == name || refusal.what == format!("{name} is gone in IFS"))
    }
}

/// Whether what a plan says about a whole row is about this one.
fn names_row(what: &str, key: &str) -> bool {
    what == format!("new row {key}") || what == format!("{key} taken away")
}

/// The steps of a plan in their sequence, each a request or, with its others, one change set; none where nothing is to be done, or where
/// the whole change is a person's.
pub fn steps(plan: &MergePlan) -> Vec<String> {
    let mut steps = Vec::new();
    for patch in &plan.patches {
        let fields: Vec<&str> = patch.fields.keys().chain(&patch.cleared).map(String::as_str).collect();
        steps.push(format!("PATCH {}: {}", patch.url, fields.join(", ")));
    }
    steps.extend(plan.creates.iter().map(|row| format!("POST {}: {}", row.key, summary(row))));
    steps.extend(plan.removals.iter().map(|removal| match removal.target {
        Target::Charge(_) => format!("DELETE {} ({})", removal.url, removal.key),
        Target::Line(_) | Target::Header | Target::Address => format!("cancel {} ({})", removal.url, removal.key),
    }));
    if plan.release == Some(Action::Release) {
        steps.push("release the order, after the gate found nothing".to_owned());
    }
    steps
}
