//! What a plan comes to: nothing, steps, or a person, with one sentence on what differs. One change that is a person's stops
//! all of them, so that nothing is written by halves.

use super::merge::MergePlan;
use super::park::ParkReason;
use super::read::Target;
use super::rules::updates::{Action, Change};
use crate::ifs::wire::PartRequest;

/// A change that is not made by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which, by our name of the record and IFS's of the field.
    pub what: String,
    /// Why.
    pub why: Why,
}

/// Why a change is not made by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The table says so for this state.
    State(Change, Action),
    /// Units of the line are reserved, picked or delivered.
    UnderWay,
    /// The record is not there any more.
    Gone,
    /// The field is not written on a record that stands.
    NotAmendable,
    /// A charge that stays is tied to the line.
    Tied,
    /// The line's worth cannot be split over its rows.
    Unsplittable,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// IFS holds what Shopify asks for, as far as we write it.
    Nothing,
    /// The plan's steps are to be taken.
    Steps,
    /// The whole change parks.
    Park(ParkReason),
}

impl MergePlan {
    /// Whether IFS already holds everything that we would write.
    pub fn nothing_to_do(&self) -> bool {
        let Self { patches, creates, removals, conflicts, refused, .. } = self;
        patches.is_empty() && creates.is_empty() && removals.is_empty() && conflicts.is_empty() && refused.is_empty()
    }

    /// What the plan comes to.
    pub fn verdict(&self) -> Verdict {
        if self.nothing_to_do() {
            return Verdict::Nothing;
        }
        if !self.conflicts.is_empty() {
            return Verdict::Park(self.both_changed());
        }
        match self.refused.first() {
            Some(first) => Verdict::Park(self.refusal(first)),
            None => Verdict::Steps,
        }
    }

    /// Whether something came too late for this order. What else stands against the plan is seen once that is set apart.
    pub fn is_late(&self) -> bool {
        let is_late = |refusal: &Refusal| matches!(refusal.why, Why::State(_, Action::SecondOrder));
        self.conflicts.is_empty() && self.refused.iter().any(is_late)
    }

    fn both_changed(&self) -> ParkReason {
        let fields: Vec<&str> = self.conflicts.iter().map(|conflict| conflict.field.as_str()).collect();
        let text = format!(
            "a person changed IFS order {} where Shopify changed too ({}); one side only was expected: settle it in IFS, then run `documents retry`",
            self.order_no,
            fields.join(", ")
        );
        ParkReason::conflict("both_sides_changed", text)
    }

    /// The sentence for the first refusal, naming all that are refused for the like of it.
    fn refusal(&self, first: &Refusal) -> ParkReason {
        let code = code_of(first.why);
        let alike = self.refused.iter().filter(|refusal| code_of(refusal.why) == code);
        let what: Vec<&str> = alike.map(|refusal| refusal.what.as_str()).collect();
        let (what, order_no, state) = (what.join(", "), &self.order_no, self.state.as_str());
        let text = match first.why {
            Why::State(_, Action::Credit) => format!(
                "IFS order {order_no} is {state} or the row is invoiced: {what} wants a credit there; credit it in IFS, then run `documents resolve`"
            ),
            Why::State(_, Action::SecondOrder) => format!(
                "IFS order {order_no} is {state}: {what} came too late for it; enter a second order in IFS, then run `documents resolve`"
            ),
            Why::State(change, _) => format!(
                "IFS order {order_no} is {state}, in which {} is a person's ({what}): change it in IFS, then run `documents resolve`",
                change.as_str()
            ),
            Why::UnderWay => format!(
                "IFS order {order_no} has reserved or delivered units of what shall go ({what}): unreserve or return them in IFS, then run `documents retry`"
            ),
            Why::Gone => format!(
                "IFS order {order_no} lacks what Shopify changed ({what}): find out who took it away, mend it in IFS, then run `documents retry` or `documents resolve`"
            ),
            Why::NotAmendable => format!(
                "IFS order {order_no} would need another value in a field that is not written again ({what}): change it in IFS, then run `documents resolve`"
            ),
            Why::Tied => format!(
                "IFS order {order_no} cannot lose the line ({what}): delete the charge in IFS or untie it, then run `documents retry`"
            ),
            Why::Unsplittable => format!(
                "IFS order {order_no}: {what}; a quantity that grows after the reservation gets a row of its own: change it in IFS, then run `documents resolve`"
            ),
        };
        ParkReason::conflict(code, text)
    }

    /// The reads by key of those records that are to be changed or taken away and whose ETag is not known yet, with what
    /// each reads.
    ///
    /// Put the answers in with [`ReadOrder::absorb`](super::read::ReadOrder::absorb) and plan again.
    pub fn key_reads(&self) -> Vec<(Target, PartRequest)> {
        let patches = self.patches.iter().map(|patch| (&patch.target, &patch.url, &patch.etag));
        let removals = self.removals.iter().map(|removal| (&removal.target, &removal.url, &removal.etag));
        patches
            .chain(removals)
            .filter(|(_, _, etag)| etag.is_none())
            .map(|(target, url, _)| (target.clone(), PartRequest::get(url)))
            .collect()
    }

    /// What the plan does and does not do, by names of records and fields: no values, since they may be a person's.
    pub fn told(&self) -> String {
        let fields = self.patches.iter().flat_map(|patch| patch.fields.keys().chain(&patch.cleared)).cloned();
        let mut told: Vec<String> = fields.collect();
        told.extend(self.creates.iter().map(|row| format!("new {}", row.key)));
        told.extend(self.removals.iter().map(|removal| format!("without {}", removal.key)));
        told.extend(self.conflicts.iter().map(|conflict| conflict.field.clone()));
        told.extend(self.yielded.iter().map(|conflict| format!("{} stays IFS's", conflict.field)));
        told.extend(self.refused.iter().map(|refusal| refusal.what.clone()));
        told.extend(self.passed.iter().map(|what| format!("{what}: nothing in this state")));
        told.join(", ")
    }
}

/// The stable word for a refusal.
fn code_of(why: Why) -> &'static str {
    match why {
        Why::State(_, Action::Credit) => "credit_needed",
        Why::State(_, Action::SecondOrder) => "late_addition",
        Why::State(..) => "state_forbids_change",
        Why::UnderWay => "units_under_way",
        Why::Gone => "row_gone_in_ifs",
        Why::NotAmendable => "not_amendable",
        Why::Tied => "charge_tied_to_line",
        Why::Unsplittable => "no_exact_split",
    }
}
