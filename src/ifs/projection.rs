//! The projections of a tenant that we speak to, and where they live.

use url::Url;

use super::settings::IfsSettings;

/// Which projection a client's paths belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Projection {
    /// Customer orders, and their lines over all orders.
    Orders,
    /// Customers.
    Customers,
    /// What is in stock of inventory parts.
    PartsInStock,
    /// Sales parts.
    SalesParts,
    /// What a customer would pay.
    PriceQueries,
}

impl Projection {
    /// The last part of its path.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Orders => "CustomerOrderHandling.svc",
            Self::Customers => "CustomerHandling.svc",
            Self::PartsInStock => "InventoryPartInStockHandling.svc",
            Self::SalesParts => "SalesPartHandling.svc",
            Self::PriceQueries => "PriceQueryHandling.svc",
        }
    }
}

/// The addresses of all of them.
pub(super) struct Services {
    most: Url,
    customers: Url,
}

impl Services {
    /// Of the settings of a tenant.
    pub(super) fn new(settings: &IfsSettings) -> Result<Self, url::ParseError> {
        let base = settings.base_url.as_str().trim_end_matches('/');
        let folder = |prefix: &str| format!("{base}/{}/", prefix.trim_matches('/')).parse();
        Ok(Self { most: folder(&settings.projection_prefix)?, customers: folder(&settings.customers_prefix)? })
    }

    /// The folder that most projections live in.
    pub(super) fn folder(&self) -> &Url {
        &self.most
    }

    /// The address of a path of a projection. Appended, not joined: no path can leave the projection's host.
    pub(super) fn address(&self, projection: Projection, path: &str) -> String {
        let folder = match projection {
            Projection::Customers => &self.customers,
            Projection::Orders | Projection::PartsInStock | Projection::SalesParts | Projection::PriceQueries => {
                &self.most
            }
        };
        format!("{folder}{}/{path}", projection.service())
    }
}
