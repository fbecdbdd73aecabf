//! What the writer would do about an order now, told and not done: IFS is read, nothing is written to it or to a row.

use super::read_back::read_from;
use super::wish::{Wish, skip_text};
use crate::ifs::IfsClient;
use crate::ifs::error::IfsError;
use crate::mapping::create::create_parts;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::difference::summary;
use crate::mapping::late;
use crate::mapping::merge::{PlanRules, Verdict, plan};
use crate::mapping::park::ParkReason;
use crate::mapping::preview::{Side, sides, steps};
use crate::mapping::rules::Rules;
use crate::mapping::rules::updates::Change;
use crate::mapping::written::WrittenOrder;
use crate::store::{DocumentRow, NOTED};

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// IFS's state of the order; none where it holds none of ours.
    pub ifs_state: Option<String>,
    /// What differs between what was written, what Shopify asks for and what IFS holds.
    pub sides: Vec<Side>,
    /// The steps in their sequence.
    pub steps: Vec<String>,
    /// What it comes to, in one sentence.
    pub verdict: String,
    /// Why a person decides, where one does.
    pub park: Option<ParkReason>,
}

impl Preview {
    fn told(verdict: impl Into<String>) -> Self {
        Self { ifs_state: None, sides: Vec::new(), steps: Vec::new(), verdict: verdict.into(), park: None }
    }
}

/// Plans an order's document as the writer would.
///
/// # Errors
/// The remote's.
pub async fn preview(ifs: &IfsClient, rules: &Rules, document: &DocumentRow) -> Result<Preview, IfsError> {
    let Ok(wish) = Wish::parse(&document.desired) else {
        return Ok(Preview::told("what is desired was written by another version of this program"));
    };
    let base = document.written.as_deref().map(serde_json::from_str::<WrittenOrder>).transpose();
    match (&document.order_no, wish) {
        (None, Wish::Skip { rule, look_up: true }) => {
            Ok(Preview::told(format!("{}; it is looked up once all the same", skip_text(&rule))))
        }
        (_, Wish::Skip { rule, .. }) => Ok(Preview::told(skip_text(&rule))),
        // As the writer has it: what is only noted is never cancelled.
        (Some(_), Wish::Park { text, .. }) if document.origin.as_deref() == Some(NOTED) => {
            Ok(Preview::told(format!("a person decides: {text}")))
        }
        (_, Wish::Hold { text, .. }) => Ok(Preview::told(format!("it waits: {text}"))),
        (_, Wish::Park { text, cancel_reason: None, .. }) => Ok(Preview::told(format!("a person decides: {text}"))),
        (None, Wish::Write { order }) => Ok(created(&order, document)),
        (None, Wish::Cancel { .. } | Wish::Park { .. }) => Ok(Preview::told(
            "it is cancelled in Shopify: nothing is created, and what a look-up finds is cancelled in IFS",
        )),
        (Some(order_no), Wish::Cancel { .. } | Wish::Park { .. }) => cancelled(ifs, rules, order_no).await,
        (Some(order_no), Wish::Write { order }) => match base {
            Ok(Some(base)) => changed(ifs, rules, order_no, &base, &order).await,
            Ok(None) => Ok(Preview::told(format!("IFS order {order_no} is linked and read back first"))),
            Err(_) => Ok(Preview::told("what was written was written by another version of this program")),
        },
    }
}

/// The create of an order that IFS does not hold.
fn created(order: &DesiredOrder, document: &DocumentRow) -> Preview {
    let rows = order.lines.iter().chain(&order.charges);
    let steps = rows.map(|row| format!("{}: {}", row.key, summary(row))).collect();
    let (parts, expected) = (create_parts(order).len(), &order.expected);
    let first = if document.look_up_first { "it is looked up by its key; if IFS does not hold it, " } else { "" };
    let verdict = format!("{first}it is created with {parts} parts, {} {} with tax", expected.total, expected.currency);
    Preview { steps, ..Preview::told(verdict) }
}

/// The change of an order that IFS holds.
async fn changed(
    ifs: &IfsClient,
    rules: &Rules,
    order_no: &str,
    base: &WrittenOrder,
    order: &DesiredOrder,
) -> Result<Preview, IfsError> {
    let current = match read_from(ifs, order_no, order).await {
        Ok(current) => current,
        Err(IfsError::NotFound { .. }) => return Ok(Preview::told(gone(order_no))),
        Err(error) => return Err(error),
    };
    // What came too late for it stands on a second order.
    let parts = base.kept.as_ref().map(|kept| late::split(order, kept)).transpose();
    let part = match &parts {
        Ok(None) => order,
        Ok(Some(parts)) => &parts.first,
        Err(text) => {
            let verdict = format!("it stands on two orders of IFS, and its change cannot be split over them: {text}");
            return Ok(Preview::told(verdict));
        }
    };
    let plan = plan(base, part, &current, PlanRules::of(rules));
    let (sides, steps, state) = (sides(base, &plan, &current), steps(&plan), plan.state.as_str().to_owned());
    let (verdict, park) = match plan.verdict() {
        Verdict::Nothing if steps.is_empty() => ("IFS holds what Shopify asks for".to_owned(), None),
        Verdict::Nothing | Verdict::Steps => (format!("{} steps", steps.len()), None),
        Verdict::Park(reason) => (format!("nothing is written, a person decides: {}", reason.text), Some(reason)),
    };
    let steps = if park.is_some() { Vec::new() } else { steps };
    Ok(Preview { ifs_state: Some(state), sides, steps, verdict, park })
}

/// The cancellation of an order that IFS holds.
async fn cancelled(ifs: &IfsClient, rules: &Rules, order_no: &str) -> Result<Preview, IfsError> {
    let current = match super::read_back::read_rows_from(ifs, order_no).await {
        Ok(current) => current,
        Err(IfsError::NotFound { .. }) => return Ok(Preview::told(gone(order_no))),
        Err(error) => return Err(error),
    };
    let state = current.state();
    let action = rules.updates().action(Change::CancelOrder, &state);
    let verdict = format!(
        "it is cancelled in Shopify; IFS order {order_no} is {}, in which the table says: {}",
        state.as_str(),
        action.as_str()
    );
    Ok(Preview { ifs_state: Some(state.as_str().to_owned()), ..Preview::told(verdict) })
}

fn gone(order_no: &str) -> String {
    format!("IFS order {order_no} is gone: it parks as vanished and is never made again by itself")
}
