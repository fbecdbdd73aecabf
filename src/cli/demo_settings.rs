//! The settings of a service that works against the sandbox: what the demo runs with, and what `sandbox` prints for
//! trying by hand. Also used by the tests, so that they run on settings that a user could have written.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::sandbox::STOCK_WAREHOUSE;
use crate::sandbox::shopify::{ONLINE_STORE, WAREHOUSE};

/// How a connection of a run is set up, beside what all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// One customer in IFS for all orders, and nothing is told back.
    #[default]
    Plain,
    /// The same, and the shop is told each order's number and state in IFS.
    Telling,
    /// A customer for each buyer, in the buyer's currency; holds, filters, parts by rule; released and told back.
    Ruled,
}

/// One simulated shop.
#[derive(Debug, Clone)]
pub struct ShopEndpoint {
    /// The connection's name.
    pub connection: String,
    /// The shop's domain.
    pub domain: String,
    /// Its Admin API.
    pub base_url: String,
    /// IFS company.
    pub company: String,
    /// IFS site.
    pub site: String,
    /// How its connection is set up.
    pub manner: Manner,
}

/// Everything that differs between runs.
#[derive(Debug, Clone)]
pub struct DemoSettings {
    /// `database.url`
    pub database_url: String,
    /// Base URL of the simulated IFS.
    pub ifs_base_url: String,
    /// The shops.
    pub shops: Vec<ShopEndpoint>,
    /// How long a call to IFS may take.
    pub request_timeout: Duration,
    /// `Prefer: wait`, which the sandbox honours.
    pub wait: Duration,
    /// First look-up after a lost answer.
    pub look_up_first: Duration,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Calls to IFS at one time.
    pub concurrency_max: u32,
    /// Time between two sweeps; none switches them off.
    pub sweep_every: Option<Duration>,
    /// Days of a census; 0 switches it off.
    pub census_days: u64,
    /// How long an order rests where the shop's manner is ruled.
    pub lag: Duration,
    /// Time between two readings of the stock; without it the shops' stock is left alone.
    pub stock_every: Option<Duration>,
    /// Whether the own prices of shops without rules of their own follow IFS's, beside the stock.
    pub prices: bool,
}

impl DemoSettings {
    /// Settings with times that suit a remote on loopback.
    pub fn new(database_url: impl Into<String>, ifs_base_url: impl Into<String>, shops: Vec<ShopEndpoint>) -> Self {
        Self {
            database_url: database_url.into(),
            ifs_base_url: ifs_base_url.into(),
            shops,
            request_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(30),
            look_up_first: Duration::from_secs(1),
            lease: Duration::from_secs(15),
            concurrency_max: 8,
            sweep_every: Some(Duration::from_secs(900)),
            census_days: 30,
            lag: Duration::from_secs(4),
            stock_every: None,
            prices: false,
        }
    }

    /// The file of settings, with the master key and the operator's token in files of `folder`.
    pub fn to_toml(&self, folder: &Path) -> String {
        let mut toml = format!(
            r#"# Made for a run against the sandbox.
[server]
webhook_listen = "127.0.0.1:0"
operations_listen = "127.0.0.1:0"
operator_token_file = {token:?}

[database]
url = {database:?}
lease_secs = {lease}

[vault]
master_key_file = {key:?}

[egress]
allow = ["127.0.0.1"]

[ifs.sandbox]
base_url = {ifs:?}
realm = "sandbox"
request_timeout_secs = {timeout}
wait_secs = {wait}
wait_honoured = true
not_before_margin_secs = 1
look_up_first_secs = {look_up}
rate_per_minute = 60000
burst_max = 200
concurrency_max = {concurrency}
test_tenant = true
"#,
            token = folder.join("operator-token"),
            database = self.database_url,
            lease = self.lease.as_secs(),
            key = folder.join("master-key"),
            ifs = self.ifs_base_url,
            timeout = self.request_timeout.as_secs(),
            wait = self.wait.as_secs(),
            look_up = self.look_up_first.as_secs(),
            concurrency = self.concurrency_max,
        );
        for shop in &self.shops {
            let sweep_secs = self.sweep_every.map_or(0, |every| every.as_secs());
            write_connection(&mut toml, shop, (sweep_secs, self.census_days, self.lag));
            if let Some(every) = self.stock_every {
                write_stock(&mut toml, shop, every);
                if self.prices && shop.manner != Manner::Ruled {
                    toml.push_str(&PRICES_TABLE.replace("NAME", &shop.connection));
                }
            }
        }
        toml
    }
}

fn write_connection(toml: &mut String, shop: &ShopEndpoint, (sweep_secs, census_days, lag): (u64, u64, Duration)) {
    let customers = match shop.manner {
        Manner::Plain | Manner::Telling => "customer_no = \"WEB-DEFAULT\"",
        Manner::Ruled => RULED_KEYS,
    };
    write!(
        toml,
        r#"
[connections.{name}]
shop = {domain:?}
ifs = "sandbox"
mode = "live"
shopify_base_url = {base_url:?}
company = {company:?}
site = {site:?}
orders_from = 2020-01-01T00:00:00Z
time_zone = "Europe/Stockholm"
{customers}
coordinator = "WEB"
order_type = "NO"
ship_via = {{ STANDARD = "STD", EXPRESS = "EXP" }}
cancel_reason = "WEB"
tax_codes = [
    {{ country = "DE", rate = "0.19", code = "V19" }},
    {{ country = "DE", rate = "0.07", code = "V07" }},
    {{ country = "SE", rate = "0.25", code = "V25" }},
    {{ country = "SE", rate = "0.06", code = "V06" }},
    {{ country = "GB", rate = "0.20", code = "V20" }},
    {{ country = "NO", rate = "0.25", code = "V25" }},
    {{ country = "JP", rate = "0.10", code = "V10" }},
    {{ country = "*", rate = "0", code = "V00" }},
]
tax_sets = {{ quebec = {{ structure = "GSTQST", country = "CA", taxes = [{{ title = "GST", rate = "0.05" }}, {{ title = "QST", rate = "0.09975" }}] }} }}
custom_part = "CUSTOM"
gift_card_part = "GIFTCARD"
payment_terms = {{ "Net 30" = "30" }}
salesmen = {{ 548380009 = "101" }}

[connections.{name}.charge]
shipping = {{ default = "FREIGHT" }}
rounding = "ROUNDING"
tip = "TIP"
duty = "DUTY"
fee = {{ default = "FEE" }}
goodwill = "GOODWILL"

[connections.{name}.sweep]
every_secs = {sweep_secs}

[connections.{name}.census]
days = {census_days}
"#,
        name = shop.connection,
        domain = shop.domain,
        base_url = shop.base_url,
        company = shop.company,
        site = shop.site,
    )
    .expect("a String takes every text");
    let tables = match shop.manner {
        Manner::Plain => "",
        Manner::Telling => TELLING_TABLES,
        Manner::Ruled => RULED_TABLES,
    };
    toml.push_str(&tables.replace("NAME", &shop.connection).replace("LAG", &lag.as_secs().to_string()));
}

/// The stock of the sandbox's warehouse, at the location that online orders are sent from. A shop with rules of its own takes what has
/// run out off its online store, the others make a draft of it.
fn write_stock(toml: &mut String, shop: &ShopEndpoint, every: Duration) {
    let policy = match shop.manner {
        Manner::Plain | Manner::Telling => "policy = \"draft\"".to_owned(),
        Manner::Ruled => format!("policy = \"unpublish\"\nchannels = [\"{ONLINE_STORE}\"]"),
    };
    write!(
        toml,
        r#"
[connections.{name}.stock]
every_secs = {every_secs}
locations = [{{ location = "{WAREHOUSE}", warehouses = ["{STOCK_WAREHOUSE}"] }}]

[connections.{name}.stock.out]
{policy}
"#,
        name = shop.connection,
        every_secs = every.as_secs(),
    )
    .expect("a String takes every text");
}

/// What the connection of a shop with rules of its own says instead of one customer.
const RULED_KEYS: &str = r#"customer = "match_or_create"
currency = "presentment"
release_when = "paid_or_terms"
variant_map = { 44999000001 = "MUG-001" }
barcode_map = { 4099999000002 = "LAMP-002" }
title_map = { "Geschenkverpackung" = "CUSTOM" }
default_part = "DEFAULT-PART""#;

/// The list prices of sales parts, compared whenever somebody asks, and first thing every day.
const PRICES_TABLE: &str = r#"
[connections.NAME.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0
"#;

const TELLING_TABLES: &str = r#"
[connections.NAME.write_back]
order_no = "metafield"
state = "metafield"
"#;

const RULED_TABLES: &str = r#"
[connections.NAME.customers]
templates = [{ country = "SE", customer = "TEMPLATE-SE" }, { customer = "TEMPLATE-DE" }]

[connections.NAME.holds]
lag_secs = LAG
payment = "paid_or_terms"
risk = ["investigate", "cancel"]
look_every_secs = 600

[connections.NAME.filters.never]
tag = ["no-erp"]
channel = ["subscription"]
country = ["CH"]
financial_status = ["voided"]

[connections.NAME.write_back]
order_no = "metafield"
state = "metafield"
tags = ["ifs-{order_no}"]
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::write_settings;
    use crate::mapping::stock::settings::{OutPolicy, PriceSource};

    fn endpoint(connection: &str, site: &str, manner: Manner) -> ShopEndpoint {
        ShopEndpoint {
            connection: connection.to_owned(),
            domain: format!("{connection}.myshopify.com"),
            base_url: "http://127.0.0.1:1".to_owned(),
            company: "10".to_owned(),
            site: site.to_owned(),
            manner,
        }
    }

    #[test]
    fn the_stock_of_a_shop_is_kept_where_a_run_wants_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let shops = vec![endpoint("first", "S10", Manner::Telling), endpoint("second", "S20", Manner::Ruled)];
        let mut demo = DemoSettings::new("sqlite:demo.db", "http://127.0.0.1:2", shops);
        let settings = write_settings(&demo, folder.path()).expect("settings without stock");
        assert!(settings.connections.values().all(|connection| connection.stock.settings().every_secs == 0));
        demo.stock_every = Some(Duration::from_secs(3_600));
        let settings = write_settings(&demo, folder.path()).expect("settings with stock");
        let told = settings.connections.values().map(|connection| {
            let stock = &connection.stock;
            let location = stock.places()[0].location;
            (stock.settings().every_secs, location, stock.settings().out.policy, stock.channels().to_vec())
        });
        let kept = |policy, channels| (3_600, WAREHOUSE, policy, channels);
        let first = kept(OutPolicy::Draft, Vec::new());
        assert_eq!(told.collect::<Vec<_>>(), [first, kept(OutPolicy::Unpublish, vec![ONLINE_STORE])]);
        demo.prices = true;
        let settings = write_settings(&demo, folder.path()).expect("settings with prices");
        let sources = settings.connections.values().map(|connection| connection.prices.settings().source);
        assert_eq!(sources.collect::<Vec<_>>(), [PriceSource::SalesPart, PriceSource::Off]);
    }
}
