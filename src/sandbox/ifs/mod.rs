//! A simulated IFS Cloud: token endpoint and `CustomerOrderHandling` over real HTTP, strict where IFS is.
//! Written after IFS's documentation alone; imports nothing of the service that it is there to judge.

mod batch;
mod body;
mod compute;
mod error;
mod filter;
mod path;
mod people;
mod price;
mod rules;
mod run;
mod schema;
mod service;
mod tables;
mod token;
mod warehouse;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hyper::Request;
use hyper::body::Incoming;
use rust_decimal::Decimal;
use tokio::sync::Notify;

pub use people::RowOf;
pub use rules::CreditCheck;

use super::clock::SandboxClock;
use super::faults::FaultPlan;
use super::ledger::Ledger;
use super::listen::Reply;
use body::{DecimalForm, render};
use schema::{ADDRESS, CHARGE, Entity, HEADER, LINE};
use service::{Ceiling, Core, SERVICE, lock};
use tables::{Order, Row, Tables};
use token::Tokens;

/// What a person's act in IFS was refused for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused by the simulated IFS: {0}")]
pub struct PersonRefused(String);

impl From<error::OdataError> for PersonRefused {
    fn from(error: error::OdataError) -> Self {
        Self(error.detail.unwrap_or(error.message))
    }
}

/// A row as a person sees it: field names and plain texts; empty fields are absent.
pub type RowView = BTreeMap<String, String>;

/// An order as it stands in IFS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// `OrderNo`.
    pub order_no: String,
    /// Header fields.
    pub header: RowView,
    /// The single-occurrence address, if there is one.
    pub address: Option<RowView>,
    /// Lines, cancelled ones included.
    pub lines: Vec<RowView>,
    /// Charges.
    pub charges: Vec<RowView>,
}

impl OrderView {
    /// A header field, empty when it is not set.
    pub fn field(&self, name: &str) -> &str {
        self.header.get(name).map_or("", String::as_str)
    }

    /// Whether the order is not cancelled.
    pub fn is_live(&self) -> bool {
        self.field("Objstate") != "Cancelled"
    }
}

/// How the simulated IFS is set up.
#[derive(Clone, Debug)]
pub(super) struct IfsSetup {
    pub(super) base_url: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) token_lifetime_secs: u64,
    pub(super) wait_honoured: bool,
    pub(super) requests_per_sec_max: Option<u32>,
}

/// Shared handle to the simulated IFS: what persons and operators can do there. Never blocks for long.
#[derive(Clone, Debug)]
pub struct Ifs {
    core: Arc<Core>,
}

impl Ifs {
    pub(super) fn new(setup: IfsSetup, ledger: Ledger, faults: FaultPlan, clock: SandboxClock) -> Self {
        let ceiling = Ceiling::new(setup.requests_per_sec_max);
        let core = Core {
            tables: Mutex::new(Tables::default()),
            tokens: Mutex::new(Tokens::new(setup.client_id, setup.client_secret, setup.token_lifetime_secs)),
            setup: Mutex::default(),
            ceiling: Mutex::new(ceiling),
            held: Mutex::default(),
            released: Notify::new(),
            ledger,
            faults,
            clock,
            wait_honoured: setup.wait_honoured,
            root: format!("{}{SERVICE}", setup.base_url),
        };
        Self { core: Arc::new(core) }
    }

    pub(super) async fn handle(self, request: Request<Incoming>) -> Reply {
        service::handle(self.core, request).await
    }

    /// All orders, by number.
    pub fn orders(&self) -> Vec<OrderView> {
        lock(&self.core.tables).orders().map(|(no, order)| view(no, order)).collect()
    }

    /// One order by its number.
    pub fn order(&self, order_no: &str) -> Option<OrderView> {
        lock(&self.core.tables).order(order_no).map(|order| view(order_no, order))
    }

    /// How many orders there are, cancelled ones included; cheap.
    pub fn order_count(&self) -> usize {
        lock(&self.core.tables).orders().count()
    }

    /// Orders that carry this `CustomerPoNo`, cancelled ones included.
    pub fn orders_by_po(&self, customer_po_no: &str) -> Vec<OrderView> {
        lock(&self.core.tables).orders_by_po(customer_po_no).map(|(no, order)| view(no, order)).collect()
    }

    /// The ETag of a header as it stands now.
    pub fn etag(&self, order_no: &str) -> Option<String> {
        lock(&self.core.tables).order(order_no).map(|order| order.header.etag())
    }

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
    /// No such order or state, or one unit that should be delivered in part.
    pub fn set_state(&self, order_no: &str, objstate: &str) -> Result<(), PersonRefused> {
        Ok(warehouse::set_state(&mut lock(&self.core.tables), order_no, objstate)?)
    }

    /// Reserves some of a line of a released order.
    ///
    /// # Errors
    /// No such line, not so much left, or the order's state does not allow it.
    pub fn reserve(&self, order_no: &str, line_no: &str, qty: Decimal) -> Result<(), PersonRefused> {
        Ok(warehouse::reserve(&mut lock(&self.core.tables), order_no, line_no, qty)?)
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
    /// No such line, not so much left, or the order's state does not allow it.
    pub fn deliver(&self, order_no: &str, line_no: &str, qty: Decimal) -> Result<(), PersonRefused> {
        Ok(warehouse::deliver(&mut lock(&self.core.tables), order_no, line_no, qty)?)
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
        Ok(rules::cancel(&mut lock(&self.core.tables), order_no, "WEB")?)
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

    /// All tokens are void from now on: the next call of each client gets a 401.
    pub fn revoke_tokens(&self) {
        lock(&self.core.tokens).revoke_all();
    }

    /// The client's secret changes; tokens already given stay valid.
    pub fn change_client_secret(&self, client_secret: &str) {
        lock(&self.core.tokens).set_secret(client_secret.to_owned());
    }

    /// Commits everything that `Fault::Hold` held (or rolls it back when its time is over); gives how many requests.
    pub fn release_held(&self) -> usize {
        self.core.release_held()
    }

    /// Requests held now.
    pub fn held(&self) -> usize {
        lock(&self.core.held).len()
    }

    /// From now on the credit check at release passes, or fails: then the order ends in `Blocked`.
    pub fn set_credit_check(&self, check: CreditCheck) {
        lock(&self.core.setup).credit_check = check;
    }

    /// From now on IFS adds a freight charge of this amount to each new order by itself.
    pub fn set_default_charge(&self, amount: Option<Decimal>) {
        lock(&self.core.setup).default_charge = amount;
    }

    /// From now on the service user lacks its grant: 403.
    pub fn withdraw_grants(&self) {
        lock(&self.core.setup).grants_missing = true;
    }

    /// The service user has its grant again.
    pub fn restore_grants(&self) {
        lock(&self.core.setup).grants_missing = false;
    }

    /// Sets the ceiling of OData requests per second; over it IFS answers 429 and the ledger counts.
    pub fn set_rate_ceiling(&self, requests_per_sec_max: Option<u32>) {
        lock(&self.core.ceiling).per_sec_max = requests_per_sec_max;
    }
}

fn view(order_no: &str, order: &Order) -> OrderView {
    OrderView {
        order_no: order_no.to_owned(),
        header: row_view(&HEADER, &order.header),
        address: order.address.as_ref().map(|row| row_view(&ADDRESS, row)),
        lines: order.lines.iter().map(|row| row_view(&LINE, row)).collect(),
        charges: order.charges.iter().map(|row| row_view(&CHARGE, row)).collect(),
    }
}

fn row_view(entity: &Entity, row: &Row) -> RowView {
    let cells = entity.fields.iter().filter_map(|field| row.cell(field.name).map(|cell| (field.name, cell)));
    cells
        .map(|(name, cell)| {
            let text = match render(cell, DecimalForm::Text) {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            (name.to_owned(), text)
        })
        .collect()
}

#[cfg(test)]
mod tests;
