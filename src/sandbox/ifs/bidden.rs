//! Acts of persons that come as JSON, for the control surface of a sandbox that runs alone.

use rust_decimal::Decimal;
use serde_json::Value;

use super::people::RowOf;
use super::{Ifs, PersonRefused};

/// The acts, as a refusal names them.
const ACTS: &str = "set_state (state), reserve, deliver (line_no, qty), pick (line_no), invoice, block (reason), cancel, \
                    edit (field, value, perhaps line_no or sequence_no), add_row";

impl Ifs {
    /// Does what `act` names to the order `order_no`.
    ///
    /// # Errors
    /// An unknown act, a parameter that is missing or not a text, or what the act itself is refused for.
    pub fn person_is_bidden(&self, wanted: &Value) -> Result<(), PersonRefused> {
        let text = |name: &str| {
            let missing = || PersonRefused(format!("{name} is missing or is no text"));
            wanted[name].as_str().ok_or_else(missing)
        };
        let qty = || {
            let number = Decimal::from_str_exact(text("qty")?);
            number.map_err(|_| PersonRefused("qty must be a decimal number, as a text".to_owned()))
        };
        let order_no = text("order_no")?;
        match text("act")? {
            "set_state" => self.set_state(order_no, text("state")?),
            "reserve" => self.reserve(order_no, text("line_no")?, qty()?),
            "pick" => self.pick(order_no, text("line_no")?),
            "deliver" => self.deliver(order_no, text("line_no")?, qty()?),
            "invoice" => self.invoice(order_no),
            "block" => self.block(order_no, text("reason")?),
            "cancel" => self.person_cancels(order_no),
            "edit" => {
                let row = match (wanted["line_no"].as_str(), wanted["sequence_no"].as_i64()) {
                    (Some(line_no), None) => RowOf::Line(line_no),
                    (None, Some(sequence_no)) => RowOf::Charge(sequence_no),
                    (None, None) => RowOf::Header,
                    (Some(_), Some(_)) => {
                        return Err(PersonRefused("give line_no or sequence_no, not both".to_owned()));
                    }
                };
                self.person_edits(order_no, row, text("field")?, text("value")?)
            }
            "add_row" => self.add_foreign_row(order_no),
            other => Err(PersonRefused(format!("no act {other}; there are {ACTS}"))),
        }
    }
}
