//! Who is woken by what: the mapper of each connection, the keeper of each lease. Rung by this process's ingress, and by what other replicas
//! tell through the database.

use std::collections::HashMap;

use super::lease_keeper::lease_name;
use crate::domain::ids::{ConnectionName, TenantName};
use crate::flow::Terms;
use crate::store::WakeUp;
use crate::supervision::Doorbell;

/// The mappers of all connections, whoever owns their tenants.
pub struct Mappers {
    mappers: HashMap<String, (TenantName, Doorbell)>,
    terms: Terms,
}

impl Mappers {
    /// Doorbells that nobody hears until a mapper starts.
    pub fn new(connections: &[(ConnectionName, TenantName)], terms: Terms) -> Self {
        let mapper = |(name, tenant): &(ConnectionName, TenantName)| {
            (name.as_str().to_owned(), (tenant.clone(), Doorbell::new()))
        };
        Self { mappers: connections.iter().map(mapper).collect(), terms }
    }

    /// The doorbell of a connection's mapper.
    pub fn bell(&self, connection: &ConnectionName) -> Doorbell {
        self.mappers.get(connection.as_str()).map(|(_, bell)| bell.clone()).unwrap_or_default()
    }

    /// Whether this process maps the connection's deliveries now. A change of owners at this very moment costs one poll.
    pub fn are_here(&self, connection: &ConnectionName) -> bool {
        self.mappers.get(connection.as_str()).is_some_and(|(tenant, _)| self.terms.of(tenant).is_some())
    }

    /// Wakes the mapper of a connection.
    pub fn ring(&self, connection: &str) {
        if let Some((_, bell)) = self.mappers.get(connection) {
            bell.ring();
        }
    }
}

/// Everybody whom another replica may wake.
pub struct Wakes {
    mappers: std::sync::Arc<Mappers>,
    keepers: HashMap<String, Doorbell>,
}

impl Wakes {
    /// The mappers, and the keeper of each tenant's lease.
    pub fn new(mappers: std::sync::Arc<Mappers>, tenants: &[TenantName]) -> Self {
        Self { mappers, keepers: tenants.iter().map(|tenant| (lease_name(tenant), Doorbell::new())).collect() }
    }

    /// The doorbell of the keeper of a tenant's lease.
    pub fn keeper(&self, tenant: &TenantName) -> Doorbell {
        self.keepers.get(&lease_name(tenant)).cloned().unwrap_or_default()
    }

    /// Rings for what was told.
    pub fn hear(&self, told: &WakeUp) {
        match told {
            WakeUp::Deliveries(connection) => self.mappers.ring(connection),
            WakeUp::Lease(name) => {
                if let Some(bell) = self.keepers.get(name) {
                    bell.ring();
                }
            }
            WakeUp::Anything => {
                for (_, bell) in self.mappers.mappers.values() {
                    bell.ring();
                }
                for bell in self.keepers.values() {
                    bell.ring();
                }
            }
        }
    }
}
