//! Buyers against customers in IFS: each buyer whose order stands there has exactly one, whole, and nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ShopSettings;
use super::super::ifs::{CustomerView, Ifs, OrderView, RowView};
use super::super::shopify::{OrderVersion, Sold};
use super::super::world;
use super::compare::{Report, address_fields, text};
use super::{Books, Difference};

/// What an address of a customer must be for.
const ADDRESS_TYPES: [&str; 3] = ["Delivery", "Document", "Pay"];

/// A buyer's orders.
#[derive(Default)]
struct Buyer<'a> {
    orders: Vec<&'a OrderVersion>,
    /// The customer that IFS had already.
    known: Option<&'a str>,
    /// Numbers of customers that the orders stand under.
    numbers: BTreeSet<&'a str>,
}

/// All buyers of a shop whose orders must stand in IFS.
#[derive(Default)]
pub(super) struct Customers<'a> {
    buyers: BTreeMap<String, Buyer<'a>>,
}

impl<'a> Customers<'a> {
    /// Notes an order that must be live, and how IFS holds it.
    pub(super) fn expect(&mut self, sold: &'a Sold, held: Option<&'a OrderView>) {
        let Some(order) = sold.versions.last() else { return };
        let buyer = self.buyers.entry(who_bought(order)).or_default();
        buyer.orders.push(order);
        buyer.known = buyer.known.or(sold.known_customer.as_deref());
        buyer.numbers.extend(held.map(|held| held.field("CustomerNo")));
    }

    /// Compares all of them.
    pub(super) fn enter(&self, books: &mut Books, ifs: &Ifs, settings: &ShopSettings) {
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for number in self.buyers.values().flat_map(|buyer| &buyer.numbers) {
            *owners.entry(number).or_default() += 1;
        }
        for buyer in self.buyers.values() {
            let Some(last) = buyer.orders.iter().max_by_key(|order| (order.created_at, order.number)) else { continue };
            let mut report = |component: String, sold: String, ifs: String| {
                books.differences.push(Difference { order_id: last.id, component, sold, ifs });
            };
            let [number] = buyer.numbers.iter().copied().collect::<Vec<_>>()[..] else {
                let numbers = buyer.numbers.iter().copied().collect::<Vec<_>>().join(", ");
                report("customers of the buyer".to_owned(), "1".to_owned(), numbers);
                continue;
            };
            if owners.get(number).copied() != Some(1) {
                report("buyers of the customer".to_owned(), "1".to_owned(), number.to_owned());
            }
            let Some(customer) = ifs.customer(number) else {
                report("customer".to_owned(), "there".to_owned(), number.to_owned());
                continue;
            };
            match buyer.known {
                Some(known) => text("customer that was known", known, number, &mut report),
                None => created(last, &customer, settings, &mut report),
            }
            for kind in ADDRESS_TYPES {
                if !customer.address_types.iter().any(|row| field(row, "AddressTypeCode") == kind) {
                    report(format!("customer's address for {kind}"), "one".to_owned(), "none".to_owned());
                }
            }
        }
        self.count(books, ifs);
    }

    /// Nobody stands twice, and nobody stands there whom no order needs.
    fn count(&self, books: &mut Books, ifs: &Ifs) {
        books.customers += self.buyers.len();
        let used: BTreeSet<&str> = self.buyers.values().flat_map(|buyer| buyer.numbers.iter().copied()).collect();
        let counts = ifs.customer_counts();
        books.customers_double.extend(counts.double_associations);
        let ours = |id: &str| id != world::CUSTOMER_NO && !world::TEMPLATE_CUSTOMERS.contains(&id);
        let unused = ifs.customers().into_iter().map(|customer| customer.customer_id);
        books.customers_double.extend(unused.filter(|id| ours(id) && !used.contains(id.as_str())));
    }
}

/// Whom an order belongs to: a company's place, a customer, an address of mail, or nobody but itself.
fn who_bought(order: &OrderVersion) -> String {
    match (&order.company, &order.customer, &order.email) {
        (Some(company), _, _) => format!("company {}", company.location_id),
        (None, Some(customer), _) => format!("customer {}", customer.id),
        (None, None, Some(email)) => format!("email {}", email.to_lowercase()),
        (None, None, None) => format!("order {}", order.id),
    }
}

/// A customer that was made for the buyer: a copy of a template, with the buyer's own address.
fn created(order: &OrderVersion, customer: &CustomerView, settings: &ShopSettings, report: Report<'_>) {
    let template = customer.order_data.as_ref().map_or("", |row| field(row, "TemplateId"));
    if !world::TEMPLATE_CUSTOMERS.contains(&template) {
        report("customer's template".to_owned(), "one of IFS's".to_owned(), template.to_owned());
    }
    let data = customer.companies.iter().find(|row| field(row, "Company") == settings.company);
    match data {
        Some(row) => text("customer's terms", "30", field(row, "PayTermId"), report),
        None => report("customer's company".to_owned(), settings.company.clone(), "none".to_owned()),
    }
    if let Some(company) = &order.company {
        text("customer's name", &company.name, customer.field("Name"), report);
    }
    let own = order.billing_address.as_ref().or(order.shipping_address.as_ref());
    match (own, customer.addresses.as_slice()) {
        (Some(own), [held]) => {
            let country = own.country.map_or("", |(_, code)| code);
            text("customer's country", country, customer.field("Country"), report);
            address_fields(own, held, &mut |component, sold, held| {
                report(format!("customer's {component}"), sold, held);
            });
        }
        (_, held) => report("customer's addresses".to_owned(), "1".to_owned(), held.len().to_string()),
    }
}

fn field<'r>(row: &'r RowView, name: &str) -> &'r str {
    row.get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::super::shopify::{Ruled, Story};
    use super::super::super::{Sandbox, SandboxSettings, ShopSettings};
    use super::*;

    /// Orders of these kinds under these customers, compared.
    fn compared(sandbox: &Sandbox, held: &[(Ruled, &str)]) -> (Vec<String>, Vec<String>) {
        let shop = sandbox.shop(0).expect("a shop");
        let views: Vec<(u64, OrderView)> = held
            .iter()
            .map(|(kind, number)| {
                let view = OrderView {
                    order_no: "W1".to_owned(),
                    header: BTreeMap::from([("CustomerNo".to_owned(), (*number).to_owned())]),
                    address: None,
                    lines: Vec::new(),
                    charges: Vec::new(),
                };
                (shop.place(Story::Ruled(*kind)), view)
            })
            .collect();
        let mut books = Books::default();
        shop.with_sold(|orders| {
            let mut customers = Customers::default();
            views.iter().for_each(|(id, view)| customers.expect(&orders[id], Some(view)));
            customers.enter(&mut books, &sandbox.ifs(), &ShopSettings::first());
        });
        let components = books.differences.into_iter().map(|one| one.component);
        (components.filter(|component| !component.starts_with("customer's")).collect(), books.customers_double)
    }

    #[test]
    fn one_buyer_under_two_customers_and_two_under_one_are_seen() {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        for number in ["A", "B"] {
            sandbox.ifs().add_foreign_customer(Some(number), number, "DE", None).expect("keyed");
        }
        let apart = [(Ruled::CustomerOfTwo, "A"), (Ruled::CustomerOfTwo, "B")];
        assert_eq!(compared(&sandbox, &apart).0, ["customers of the buyer"]);
        let one_for_two = [(Ruled::ChangedInLag, "A"), (Ruled::ChangedInLag, "A")];
        let (components, unused) = compared(&sandbox, &one_for_two);
        assert_eq!(components, ["buyers of the customer", "buyers of the customer"]);
        assert_eq!(unused, ["B"], "a customer that no order needs");
        let (components, _) = compared(&sandbox, &[(Ruled::ChangedInLag, "A"), (Ruled::ChangedInLag, "B")]);
        assert!(components.is_empty(), "{components:?}");
    }

    #[test]
    fn a_buyer_whom_ifs_knew_must_have_that_customer() {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        sandbox.ifs().add_foreign_customer(Some("OTHER"), "Somebody else", "DE", None).expect("keyed");
        let (components, unused) = compared(&sandbox, &[(Ruled::CustomerByNumber, "OTHER")]);
        assert_eq!(components, ["customer that was known"]);
        assert_eq!(unused.len(), 1, "the one that was known: {unused:?}");
    }
}
