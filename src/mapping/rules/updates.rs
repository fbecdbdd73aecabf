//! `[connections.NAME.updates]`: what is done about each kind of change in each state of the order in IFS. The table is
//! data; `mapping::merge` reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ifs::wire::Objstate;

/// The kinds of change, in the table's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// More units of a line.
    QuantityUp,
    /// A line that was not there.
    NewLine,
    /// Fewer units of a line.
    QuantityDown,
    /// A line without units left.
    LineRemoved,
    /// Price, discount or tax of a line, and the charges that stand for discounts and taxes.
    Price,
    /// Shipping, tip, duty, fee: more of it, less of it, another one or none.
    Charge,
    /// A refund of money without units.
    Goodwill,
    /// Where and how it goes, and by when.
    DeliveryAddress,
    /// The customer and who pays.
    Customer,
    /// Notes, references and terms.
    Note,
    /// The order is cancelled in Shopify.
    CancelOrder,
    /// It may be released.
    Paid,
}

/// The columns: the states of an order in IFS. Closed counts as Invoiced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Planned.
    Planned,
    /// Released.
    Released,
    /// Reserved.
    Reserved,
    /// Picked: the border of most changes.
    Picked,
    /// Partially delivered.
    PartiallyDelivered,
    /// Delivered.
    Delivered,
    /// Invoiced or closed.
    Invoiced,
    /// Cancelled in IFS.
    Cancelled,
    /// Blocked by a credit check, an unpaid advance invoice, or a person.
    Blocked,
}

/// What is done about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Fields are changed under their ETags.
    Amend,
    /// A row is added.
    NewRow,
    /// A line is cancelled, its charges deleted first.
    CancelRow,
    /// The order is cancelled.
    CancelOrder,
    /// The lines of which nothing is reserved or delivered are cancelled; the rest is a person's.
    CancelRest,
    /// A credit is proposed to a person.
    Credit,
    /// It came too late for this order: a person decides, or a second one takes it (`late_additions`).
    SecondOrder,
    /// A person decides.
    Park,
    /// The order is released.
    Release,
    /// IFS's state is shown.
    Show,
    /// Nothing: IFS's side stays as it is.
    Nothing,
}

impl Change {
    /// All of them, in the table's order.
    pub const ALL: [Self; 12] = [
        Self::QuantityUp,
        Self::NewLine,
        Self::QuantityDown,
        Self::LineRemoved,
        Self::Price,
        Self::Charge,
        Self::Goodwill,
        Self::DeliveryAddress,
        Self::Customer,
        Self::Note,
        Self::CancelOrder,
        Self::Paid,
    ];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuantityUp => "quantity_up",
            Self::NewLine => "new_line",
            Self::QuantityDown => "quantity_down",
            Self::LineRemoved => "line_removed",
            Self::Price => "price",
            Self::Charge => "charge",
            Self::Goodwill => "goodwill",
            Self::DeliveryAddress => "delivery_address",
            Self::Customer => "customer",
            Self::Note => "note",
            Self::CancelOrder => "cancel_order",
            Self::Paid => "paid",
        }
    }

    /// What may be set for it, beside "park": what its row of the table holds.
    fn takes(self, action: Action) -> bool {
        action == Action::Park || DEFAULTS[self as usize].contains(&action)
    }
}

impl Stage {
    /// All of them, in the table's order.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Released,
        Self::Reserved,
        Self::Picked,
        Self::PartiallyDelivered,
        Self::Delivered,
        Self::Invoiced,
        Self::Cancelled,
        Self::Blocked,
    ];

    /// The column of a state; none for one that we have never heard of.
    pub fn of(state: &Objstate) -> Option<Self> {
        match state {
            Objstate::Planned => Some(Self::Planned),
            Objstate::Released => Some(Self::Released),
            Objstate::Reserved => Some(Self::Reserved),
            Objstate::Picked => Some(Self::Picked),
            Objstate::PartiallyDelivered => Some(Self::PartiallyDelivered),
            Objstate::Delivered => Some(Self::Delivered),
            Objstate::Invoiced | Objstate::Closed => Some(Self::Invoiced),
            Objstate::Cancelled => Some(Self::Cancelled),
            Objstate::Blocked => Some(Self::Blocked),
            Objstate::Unknown(_) => None,
        }
    }

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Released => "released",
            Self::Reserved => "reserved",
            Self::Picked => "picked",
            Self::PartiallyDelivered => "partially_delivered",
            Self::Delivered => "delivered",
            Self::Invoiced => "invoiced",
            Self::Cancelled => "cancelled",
            Self::Blocked => "blocked",
        }
    }
}

impl Action {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amend => "amend",
            Self::NewRow => "new_row",
            Self::CancelRow => "cancel_row",
            Self::CancelOrder => "cancel_order",
            Self::CancelRest => "cancel_rest",
            Self::Credit => "credit",
            Self::SecondOrder => "second_order",
            Self::Park => "park",
            Self::Release => "release",
            Self::Show => "show",
            Self::Nothing => "nothing",
        }
    }
}

const A: Action = Action::Amend;
/// Not below what is reserved or delivered, else a person decides: looked at in every state.
const A1: Action = Action::Amend;
/// Rows that are not invoiced, else a credit: looked at in every state.
const A2: Action = Action::Amend;
const N: Action = Action::NewRow;
const L: Action = Action::CancelRow;
/// Nothing of the line may be reserved or delivered.
const L1: Action = Action::CancelRow;
const LP: Action = Action::CancelRest;
const X: Action = Action::CancelOrder;
const C: Action = Action::Credit;
const O: Action = Action::SecondOrder;
const P: Action = Action::Park;
const R: Action = Action::Release;
const S: Action = Action::Show;
const U: Action = Action::Nothing;

/// What is done unless the settings say otherwise. Columns: planned, released, reserved, picked, partially delivered,
/// delivered, invoiced, cancelled, blocked. The pick list is the border: cancel and unreserve before it.
const DEFAULTS: [[Action; 9]; 12] = [
    // Plan Rel Res Pick Part Deliv Inv Canc Block
    [A, A, N, N, N, O, O, P, A],   // quantity up
    [N, N, N, N, N, O, O, P, N],   // new line
    [A, A, A1, P, A1, C, C, U, A], // quantity down
    [L, L, L, P, L1, C, C, U, L],  // line removed
    [A, A, A, A, A2, A2, C, U, A], // price, discount, tax
    [A, A, A, A, A2, A2, C, U, A], // charge
    [N, N, N, N, N, N, C, P, N],   // goodwill
    [A, A, A, P, P, U, U, U, A],   // delivery address
    [P, P, P, P, P, P, U, U, P],   // customer, bill-to
    [A, A, A, A, A, A, U, U, A],   // note, PO
    [X, X, X, P, LP, C, C, U, X],  // cancel order
    [R, U, U, U, U, U, U, P, S],   // paid
];

/// `[connections.NAME.updates]`: cells of the table that differ from its defaults, as `line_removed.released = "park"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpdateSettings(pub BTreeMap<Change, BTreeMap<Stage, Action>>);

/// The table of one connection, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateTable([[Action; 9]; 12]);

impl Default for UpdateTable {
    fn default() -> Self {
        Self(DEFAULTS)
    }
}

impl UpdateTable {
    /// What is done about a change in a state; what we have never heard of is a person's.
    pub fn action(&self, change: Change, state: &Objstate) -> Action {
        Stage::of(state).map_or(Action::Park, |stage| self.cell(change, stage))
    }

    /// One cell.
    pub const fn cell(&self, change: Change, stage: Stage) -> Action {
        self.0[change as usize][stage as usize]
    }
}

/// A cell that cannot be meant: its key below `updates`, what stands there, and what would be right.
pub(super) type BadCell = (String, &'static str, String);

/// The table of these settings.
pub(super) fn table(settings: &UpdateSettings) -> (UpdateTable, Vec<BadCell>) {
    let mut table = UpdateTable::default();
    let mut bad = Vec::new();
    for (change, cells) in &settings.0 {
        for (stage, action) in cells {
            if change.takes(*action) {
                table.0[*change as usize][*stage as usize] = *action;
            } else {
                let mut legal: Vec<&str> = DEFAULTS[*change as usize].iter().map(|action| action.as_str()).collect();
                legal.push(Action::Park.as_str());
                legal.sort_unstable();
                legal.dedup();
                let key = format!("{}.{}", change.as_str(), stage.as_str());
                bad.push((key, action.as_str(), format!("one of {}", legal.join(", "))));
            }
        }
    }
    (table, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_set_alone_and_only_to_what_its_row_knows() {
        let text = r#"{"line_removed": {"released": "park"}, "price": {"planned": "new_row"}}"#;
        let settings: UpdateSettings = serde_json::from_str(text).expect("the shape is right");
        let (table, bad) = table(&settings);
        assert_eq!(table.action(Change::LineRemoved, &Objstate::Released), Action::Park);
        assert_eq!(table.action(Change::LineRemoved, &Objstate::Planned), Action::CancelRow);
        assert_eq!(table.action(Change::Price, &Objstate::Planned), Action::Amend);
        assert_eq!(bad.len(), 1);
        assert_eq!((bad[0].0.as_str(), bad[0].1), ("price.planned", "new_row"));
        assert_eq!(bad[0].2, "one of amend, credit, nothing, park");
    }

    #[test]
    fn rows_and_columns_stand_where_their_names_say() {
        for (index, change) in Change::ALL.into_iter().enumerate() {
            assert_eq!(change as usize, index);
        }
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index);
        }
        let table = UpdateTable::default();
        assert_eq!(table.action(Change::CancelOrder, &Objstate::Reserved), Action::CancelOrder);
        assert_eq!(table.action(Change::CancelOrder, &Objstate::Picked), Action::Park);
        assert_eq!(table.action(Change::Note, &Objstate::Closed), Action::Nothing);
        assert_eq!(table.action(Change::Note, &Objstate::Unknown("Odd".into())), Action::Park);
    }
}
