//! A simulated IFS Cloud: token endpoint and `CustomerOrderHandling` over real HTTP, strict where IFS is.
//! Written after IFS's documentation alone; imports nothing of the service that it is there to judge.

mod acts;
mod additions;
mod answer;
mod batch;
mod bidden;
mod body;
mod compute;
mod customer;
mod error;
mod filter;
mod path;
mod people;
mod price;
mod rules;
mod run;
mod schema;
mod service;
mod stock;
mod tables;
mod token;
mod view;
mod warehouse;
mod work;

use std::sync::{Arc, Mutex};

use hyper::Request;
use hyper::body::Incoming;
use rust_decimal::Decimal;
use tokio::sync::Notify;

pub use additions::{AddedCharge, Additions};
pub use customer::{CustomerCounts, CustomerRowOf, Writing};
pub use filter::StateFilters;
pub use people::RowOf;
pub use rules::CreditCheck;
pub use run::NewRows;
pub use stock::{PlaceText, SalesTerms, StockFigures, StockMove, StockPlace};
pub use view::{CustomerView, OrderView, RowView};

use super::clock::SandboxClock;
use super::faults::FaultPlan;
use super::ledger::Ledger;
use super::listen::Reply;
use run::{Projection, Setup};
use service::{Ceiling, Core, SERVICES, lock};
use tables::Tables;
use token::Tokens;
use view::{customer_view, view};

/// What a person's act in IFS was refused for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused by the simulated IFS: {0}")]
pub struct PersonRefused(String);

impl From<error::OdataError> for PersonRefused {
    fn from(error: error::OdataError) -> Self {
        Self(error.detail.unwrap_or(error.message))
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
    pub(super) additions: Additions,
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
            tables: Mutex::new(Tables::seeded()),
            tokens: Mutex::new(Tokens::new(setup.client_id, setup.client_secret, setup.token_lifetime_secs)),
            setup: Mutex::new(Setup { additions: setup.additions, ..Setup::default() }),
            ceiling: Mutex::new(ceiling),
            held: Mutex::default(),
            released: Notify::new(),
            ledger,
            faults,
            clock,
            wait_honoured: setup.wait_honoured,
            services: format!("{}{SERVICES}", setup.base_url),
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

    /// Whether an order carries this `CustomerPoNo`; cheap.
    pub fn has_po(&self, customer_po_no: &str) -> bool {
        lock(&self.core.tables).orders_by_po(customer_po_no).next().is_some()
    }

    /// All customers, by number; those of the start too.
    pub fn customers(&self) -> Vec<CustomerView> {
        lock(&self.core.tables).customers.iter().map(|(id, customer)| customer_view(id, customer)).collect()
    }

    /// One customer by its number.
    pub fn customer(&self, customer_id: &str) -> Option<CustomerView> {
        lock(&self.core.tables).customers.get(customer_id).map(|customer| customer_view(customer_id, customer))
    }

    /// How many customers were created since the start, and which stand twice.
    pub fn customer_counts(&self) -> CustomerCounts {
        customer::count(&lock(&self.core.tables))
    }

    /// The ETag of a header as it stands now.
    pub fn etag(&self, order_no: &str) -> Option<String> {
        lock(&self.core.tables).order(order_no).map(|order| order.header.etag())
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
        let charge = |amount| AddedCharge { charge_type: "FREIGHT".to_owned(), amount };
        lock(&self.core.setup).additions.customer_charge = amount.map(charge);
    }

    /// From now on IFS adds this by itself, and nothing else.
    pub fn set_additions(&self, additions: Additions) {
        lock(&self.core.setup).additions = additions;
    }

    /// From now on orders take new rows after picking, or take none.
    pub fn set_new_rows(&self, new_rows: NewRows) {
        lock(&self.core.setup).new_rows = new_rows;
    }

    /// From now on filters on the states of lines are taken, or refused.
    pub fn set_state_filters(&self, filters: StateFilters) {
        lock(&self.core.setup).state_filters = filters;
    }

    /// From now on IFS writes this field of customers' records so; `None`: as it comes.
    pub fn set_writing(&self, field: &str, writing: Option<Writing>) {
        lock(&self.core.setup).writings.set(field, writing);
    }

    /// From now on the service user lacks its grants: 403.
    pub fn withdraw_grants(&self) {
        lock(&self.core.setup).grants_missing = Projection::ALL.to_vec();
    }

    /// From now on the service user lacks its grant for `CustomerHandling` alone: 403.
    pub fn withdraw_customer_grant(&self) {
        lock(&self.core.setup).grants_missing = vec![Projection::Customers];
    }

    /// The service user has its grants again.
    pub fn restore_grants(&self) {
        lock(&self.core.setup).grants_missing.clear();
    }

    /// From now on a read of this order's lines ends in this error of the database, and everything else of it reads well.
    pub fn break_lines_of(&self, order_no: &str, ora_number: u32) {
        lock(&self.core.setup).broken_lines.insert(order_no.to_owned(), ora_number);
    }

    /// The lines of every order can be read again.
    pub fn mend_lines(&self) {
        lock(&self.core.setup).broken_lines.clear();
    }

    /// Sets the ceiling of OData requests per second; over it IFS answers 429 and the ledger counts.
    pub fn set_rate_ceiling(&self, requests_per_sec_max: Option<u32>) {
        lock(&self.core.ceiling).per_sec_max = requests_per_sec_max;
    }
}

#[cfg(test)]
mod tests;
