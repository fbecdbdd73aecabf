//! What persons do on the simulated IFS's screens, for tests and demonstrations.

use rust_decimal::Decimal;

use super::customer::CustomerRowOf;
use super::people::RowOf;
use super::service::lock;
use super::{Ifs, PersonRefused, customer, people, rules, warehouse};

impl Ifs {
    /// A person edits one field of a row (`"true"` and `"false"` are flags); its ETag changes.
    ///
    /// # Errors
    /// The field is not updatable, the value does not fit, or a business rule refuses it.
    pub fn person_edits(&self, order_no: &str, row: RowOf<'_>, field: &str, value: &str) -> Result<(), PersonRefused> {
        Ok(people::edit(&mut lock(&self.core.tables), order_no, row, field, value)?)
    }

    /// Moves an order to this `Objstate` with lines and charges that fit it: `Reserved` reserves one unit of each
    /// line, `Picked` picks all, `PartiallyDelivered` delivers one unit of the first line, `Delivered` and `Closed`
    /// deliver all, `Invoiced` invoices all.
    ///
    /// # Errors
    /// No such order or state, one unit that should be delivered in part, or not so much in stock.
    pub fn set_state(&self, order_no: &str, objstate: &str) -> Result<(), PersonRefused> {
        self.at_once(|tables| warehouse::set_state(tables, order_no, objstate))
    }

    /// Reserves some of a line of a released order.
    ///
    /// # Errors
    /// No such line, not so much left of it or in stock, or the order's state does not allow it.
    pub fn reserve(&self, order_no: &str, line_no: &str, qty: Decimal) -> Result<(), PersonRefused> {
        self.at_once(|tables| warehouse::reserve(tables, order_no, line_no, qty))
    }

    /// Puts what is reserved for a line on a pick list.
    ///
    /// # Errors
    /// No such line, nothing reserved, or the order's state does not allow it.
    pub fn pick(&self, order_no: &str, line_no: &str) -> Result<(), PersonRefused> {
        Ok(warehouse::pick(&mut lock(&self.core.tables), order_no, line_no)?)
    }

    /// Delivers some of a line of a released order.
    ///
    /// # Errors
    /// No such line, not so much left of it or in stock, or the order's state does not allow it.
    pub fn deliver(&self, order_no: &str, line_no: &str, qty: Decimal) -> Result<(), PersonRefused> {
        self.at_once(|tables| warehouse::deliver(tables, order_no, line_no, qty))
    }

    /// Invoices what is delivered of an order, with its charges.
    ///
    /// # Errors
    /// No such order, or nothing to invoice.
    pub fn invoice(&self, order_no: &str) -> Result<(), PersonRefused> {
        Ok(warehouse::invoice(&mut lock(&self.core.tables), order_no)?)
    }

    /// Blocks an order with this `BlockedReason`.
    ///
    /// # Errors
    /// No such order, or its state does not allow it.
    pub fn block(&self, order_no: &str, reason: &str) -> Result<(), PersonRefused> {
        Ok(warehouse::block(&mut lock(&self.core.tables), order_no, reason)?)
    }

    /// A person edits one field of a header.
    ///
    /// # Errors
    /// As [`Ifs::person_edits`].
    pub fn edit(&self, order_no: &str, field: &str, value: &str) -> Result<(), PersonRefused> {
        self.person_edits(order_no, RowOf::Header, field, value)
    }

    /// A person edits one field of many rows at once, nothing of the integration coming between: (order, row, field,
    /// value). Gives those that were refused, by their position.
    pub fn edit_many(&self, edits: &[(&str, RowOf<'_>, &str, &str)]) -> Vec<(usize, PersonRefused)> {
        let mut tables = lock(&self.core.tables);
        let each = edits.iter().enumerate();
        each.filter_map(|(position, (order_no, row, field, value))| {
            let refused = people::edit(&mut tables, order_no, *row, field, value).err()?;
            Some((position, refused.into()))
        })
        .collect()
    }

    /// A person adds a line of another part, one unit for 10.00, to an order.
    ///
    /// # Errors
    /// No such order, or its state does not allow it.
    pub fn add_foreign_row(&self, order_no: &str) -> Result<(), PersonRefused> {
        self.person_adds_line(order_no, "DESK-SERVICE", Decimal::ONE, Decimal::TEN)
    }

    /// A person cancels an order.
    ///
    /// # Errors
    /// The order's state does not allow it.
    pub fn person_cancels(&self, order_no: &str) -> Result<(), PersonRefused> {
        self.at_once(|tables| rules::cancel(tables, order_no, "WEB"))
    }

    /// A person adds a line to an order, taxed at 19 %.
    ///
    /// # Errors
    /// No such order or part, or the state does not allow it.
    pub fn person_adds_line(
        &self,
        order_no: &str,
        catalog_no: &str,
        qty: Decimal,
        price: Decimal,
    ) -> Result<(), PersonRefused> {
        let wanted = self.core.clock.now().strftime("%Y-%m-%dT00:00:00Z").to_string();
        Ok(people::add_line(&mut lock(&self.core.tables), order_no, catalog_no, qty, price, &wanted)?)
    }

    /// A record is erased for good; gives whether it was there.
    pub fn person_erases(&self, order_no: &str) -> bool {
        lock(&self.core.tables).erase(order_no)
    }

    /// A customer vanishes, as after a person gave it another number; whether it was there.
    pub fn person_erases_customer(&self, customer_id: &str) -> bool {
        lock(&self.core.tables).erase_customer(customer_id)
    }

    /// A person keys an order with our business key; `part` is (part, quantity, price). Gives its number.
    ///
    /// # Errors
    /// Unknown site or part.
    pub fn add_foreign_order(
        &self,
        customer_po_no: &str,
        contract: &str,
        part: Option<(&str, Decimal, Decimal)>,
    ) -> Result<String, PersonRefused> {
        let now = self.core.clock.now();
        Ok(people::key_order(&mut lock(&self.core.tables), customer_po_no, contract, "DESK", part, now)?)
    }

    /// A person keys a customer with address `1`, order data and company data; `None` lets IFS number it.
    ///
    /// # Errors
    /// The number is taken or not in upper case.
    pub fn add_foreign_customer(
        &self,
        customer_id: Option<&str>,
        name: &str,
        country: &str,
        association_no: Option<&str>,
    ) -> Result<String, PersonRefused> {
        Ok(customer::key_customer(&mut lock(&self.core.tables), customer_id, name, country, association_no)?)
    }

    /// A person edits one field of a customer's record; its ETag changes.
    ///
    /// # Errors
    /// No such record, the field is not updatable, or a rule refuses the value.
    pub fn person_edits_customer(
        &self,
        customer_id: &str,
        row: CustomerRowOf<'_>,
        field: &str,
        value: &str,
    ) -> Result<(), PersonRefused> {
        Ok(customer::edit(&mut lock(&self.core.tables), customer_id, row, field, value)?)
    }
}
