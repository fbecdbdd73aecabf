//! The reason with which the service must end each kind of order that it does not simply write.

/// Kinds of orders and the code of their reason.
const PLANNED: [(&str, &str); 21] = [
    ("before_go_live", "before_orders_from"),
    ("channel_liable", "channel_liable_tax"),
    ("company_order", "company_order"),
    ("contradicting_totals", "money_contradicts_itself"),
    ("missing_country", "no_country"),
    ("test_order", "test_order"),
    ("unknown_sku", "refused_by_ifs"),
    ("unknown_tax_rate", "tax_code_missing"),
    ("filtered_by_channel", "never_channel"),
    ("filtered_by_country", "never_country"),
    ("filtered_by_status", "never_financial_status"),
    ("filtered_by_tag", "never_tag"),
    ("held_for_risk", "risk"),
    ("held_unpaid", "payment"),
    ("delivered_then_line_removed", "credit_needed"),
    ("invoiced_then_cancelled", "credit_needed"),
    ("note_by_person_then_note", "both_sides_changed"),
    ("partly_delivered_then_cancelled", "state_forbids_cancel"),
    ("picked_then_address", "state_forbids_change"),
    ("picked_then_cancelled", "state_forbids_cancel"),
    ("picked_then_line_removed", "state_forbids_change"),
];

/// The code with which orders of this kind must end; `None` where they are to be written.
pub(crate) fn code(kind: &str) -> Option<&'static str> {
    PLANNED.iter().find(|(planned, _)| *planned == kind).map(|(_, code)| *code)
}
