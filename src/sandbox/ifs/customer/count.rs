//! Counts customers, so that a customer made twice shows.

use std::collections::BTreeMap;

use super::super::super::world;
use super::super::tables::Tables;

/// What customers there are beside those of the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerCounts {
    /// Customers that were created since the start, by persons too.
    pub created: usize,
    /// Values of `AssociationNo` that more than one customer carries.
    pub double_associations: Vec<String>,
    /// Numbers of customers that share name and first address with another.
    pub same_name_and_address: Vec<String>,
}

/// Counts.
pub(in super::super) fn count(tables: &Tables) -> CustomerCounts {
    let mut counts = CustomerCounts::default();
    let mut by_association: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_content: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (id, customer) in tables.customers.iter() {
        if id == world::CUSTOMER_NO || world::TEMPLATE_CUSTOMERS.contains(&id.as_str()) {
            continue;
        }
        counts.created += 1;
        let association_no = customer.info.text("AssociationNo");
        if !association_no.is_empty() {
            *by_association.entry(association_no).or_default() += 1;
        }
        if let Some(address) = customer.addresses.first() {
            let fields = ["Address1", "ZipCode", "City", "Country"].map(|name| address.text(name));
            let content = format!("{}\n{}", customer.info.text("Name"), fields.join("\n"));
            by_content.entry(content).or_default().push(id);
        }
    }
    counts.double_associations =
        by_association.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key.to_owned()).collect();
    counts.same_name_and_address = by_content.into_values().filter(|ids| ids.len() > 1).flatten().cloned().collect();
    counts
}
