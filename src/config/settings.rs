//! The settings as types: what the rest of the program is given. Values are whole here; how they were read is not this file's matter.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::domain::ids::{ConnectionName, TenantName};
use crate::flow::StandingTimes;
use crate::ifs::auth::TokenAuth;
use crate::mapping::rules::Rules;
use crate::mapping::stock::prices::PriceRules;
use crate::mapping::stock::{PriceSettings, StockRules, StockSettings};
use crate::remote::Egress;
use crate::shopify::auth::ShopifyAuth;
use crate::telemetry::LogFormat;

pub use crate::flow::{CensusSettings, Mode, SweepSettings};

/// Of a connection whose webhook subscriptions shall be watched while nobody knows where they should lead.
const UNWATCHED: &str = "webhook_watch wants server.public_url, which is not set: nobody looks whether the shop's webhook \
    subscriptions stand, and `webhooks register` makes none; webhook_watch = \"off\" says that they are kept elsewhere";

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Doors and their bounds.
    pub server: ServerSettings,
    /// Where the rows live.
    pub database: DatabaseSettings,
    /// Where the master keys are.
    pub vault: MasterKeySource,
    /// What is logged, and how.
    pub telemetry: TelemetrySettings,
    /// Who may be called besides public addresses by https.
    pub egress: Egress,
    /// When records in IFS that no link explains are looked for.
    pub standing_query: StandingQuerySettings,
    /// IFS Cloud installations by name.
    pub tenants: BTreeMap<TenantName, TenantSettings>,
    /// Shops linked to companies, by name.
    pub connections: BTreeMap<ConnectionName, ConnectionSettings>,
}

impl Settings {
    /// Where a connection's webhooks are taken, seen from Shopify; none without a public address.
    pub fn webhook_address(&self, connection: &ConnectionName) -> Option<String> {
        let public = self.server.public_url.as_ref()?;
        Some(format!("{}/webhooks/{connection}", public.as_str().trim_end_matches('/')))
    }

    /// What an operator should know of legal settings, by the connection; each note begins with a key of that connection.
    pub fn notes(&self) -> Vec<(ConnectionName, String)> {
        let mut notes = Vec::new();
        for (name, connection) in &self.connections {
            notes.extend(connection.rules.notes().into_iter().map(|note| (name.clone(), note)));
            if self.server.public_url.is_none() && connection.link.webhook_watch != WebhookWatch::Off {
                notes.push((name.clone(), UNWATCHED.to_owned()));
            }
        }
        notes
    }
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Where webhooks arrive.
    pub webhook_listen: SocketAddr,
    /// Probes, metrics, status.
    pub operations_listen: SocketAddr,
    /// The address at which Shopify reaches [`webhook_listen`](Self::webhook_listen), without `/webhooks/NAME`.
    pub public_url: Option<Url>,
    /// The file that held [`operator_token`](Self::operator_token).
    pub operator_token_file: Option<PathBuf>,
    /// The bearer token of `/status`; without one it answers 401.
    #[serde(skip)]
    pub operator_token: Option<SecretString>,
    /// Largest body of a webhook, in bytes.
    pub body_bytes_max: usize,
    /// Most deliveries that wait for their commit.
    pub queue_max: usize,
    /// How long SIGTERM waits for calls in hand, in seconds.
    pub shutdown_grace_secs: u64,
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `sqlite:FILE` or `postgres://…`; secret, since it may hold a password.
    pub url: SecretString,
    /// Most connections at one time.
    pub pool_size: u32,
    /// How long the right to write for a tenant lasts unless it is renewed.
    pub lease_secs: u64,
}

/// `[vault]`: where the master keys are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// `master_key_file`
    File(PathBuf),
    /// The environment variable `ML_CONNECTOR_MASTER_KEY`.
    Environment,
    /// Neither was given: a command that needs a key says so.
    Missing,
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// How log lines look.
    pub format: LogFormat,
    /// A level, or a filter as `tracing` reads it.
    pub level: String,
}

/// `[standing_query]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingQuerySettings {
    /// Time between two runs, in seconds.
    pub every_secs: u64,
    /// How far back a run looks, in hours.
    pub look_back_hours: u64,
    /// How far back one run a day looks, in days.
    pub nightly_look_back_days: u64,
}

impl StandingQuerySettings {
    /// The same as the flow takes it.
    pub fn times(self) -> StandingTimes {
        StandingTimes {
            every: Duration::from_secs(self.every_secs),
            look_back: Duration::from_secs(self.look_back_hours * 3_600),
            nightly_look_back: Duration::from_secs(self.nightly_look_back_days * 86_400),
        }
    }
}

/// `[ifs.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// Its address, without a path.
    pub base_url: Url,
    /// The realm of its token endpoint.
    pub realm: String,
    /// Path of its projections, beginning with `/`, without one at the end.
    pub projection_prefix: String,
    /// Path of the projection of customers.
    pub customers_prefix: String,
    /// How client id and secret travel in the token request.
    #[serde(deserialize_with = "token_auth")]
    pub token_auth: TokenAuth,
    /// How long we wait for an answer.
    pub request_timeout_secs: u64,
    /// How long IFS may run one statement.
    pub statement_limit_secs: u64,
    /// Added to it before a second create.
    pub not_before_margin_secs: u64,
    /// The limit asked for by `Prefer: wait`.
    pub wait_secs: u64,
    /// Whether this tenant was shown to end a statement at `wait_secs`.
    pub wait_honoured: bool,
    /// Most requests in a minute, in the long run.
    pub rate_per_minute: NonZeroU32,
    /// Most requests at once after a quiet time.
    pub burst_max: NonZeroU32,
    /// Most requests at one time.
    pub concurrency_max: NonZeroU32,
    /// First pause before looking up a create whose answer was lost; doubled each time.
    pub look_up_first_secs: u64,
    /// Longest pause between two look-ups.
    pub look_up_max_secs: u64,
    /// Most parts of one change set.
    pub batch_parts_max: usize,
    /// Whether probes may write.
    pub test_tenant: bool,
    /// Names of bound actions.
    pub actions: ActionNames,
}

/// `[ifs.NAME.actions]`: bound actions of a customer order, without the projection's prefix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionNames {
    /// Cancels an order.
    pub cancel: String,
    /// Cancels a line.
    pub cancel_line: String,
    /// Releases an order.
    pub release: String,
    /// Copies a template customer; an action of the projection of customers, bound to no record.
    pub copy_customer: String,
}

/// `[connections.NAME]`
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// What it links, and how far it may go.
    pub link: LinkSettings,
    /// What becomes what, and from when.
    pub rules: Rules,
    /// Which stock of IFS the shop sells.
    pub stock: StockRules,
    /// How IFS's prices reach the shop.
    pub prices: PriceRules,
}

/// The keys of `[connections.NAME]` that are not about mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    /// The shop's own domain, lower case.
    pub shop: String,
    /// The tenant it writes to.
    #[serde(deserialize_with = "tenant_name")]
    pub ifs: TenantName,
    /// Whether anything is written.
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// Whether another connection's app signs with the same secret.
    pub shared_app_secret: bool,
    /// Address of the shop's API, where it is not `https://SHOP`.
    pub shopify_base_url: Option<Url>,
    /// Version of the Admin API, such as `2026-10`.
    pub shopify_api_version: String,
    /// How the shop's access token is had.
    #[serde(deserialize_with = "shopify_auth")]
    pub shopify_auth: ShopifyAuth,
    /// What is done about webhook subscriptions that do not stand.
    #[serde(deserialize_with = "webhook_watch")]
    pub webhook_watch: WebhookWatch,
    /// How often it is looked whether they stand.
    pub webhook_watch_secs: u64,
    /// How it looks for what no webhook told.
    pub sweep: SweepSettings,
    /// How it counts them once a night.
    pub census: CensusSettings,
    /// Which stock of IFS the shop sells, as it was written.
    pub stock: StockSettings,
    /// How IFS's prices reach the shop, as it was written.
    pub prices: PriceSettings,
}

/// `webhook_watch`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookWatch {
    /// What is missing or wrong is restored; told only under `mode = "observe"`.
    Repair,
    /// It is told.
    Report,
    /// Nobody looks.
    Off,
}

impl LinkSettings {
    /// The fields above by their keys: what of `[connections.NAME]` is not about mapping.
    pub(super) const KEYS: &[&str] = &[
        "shop",
        "ifs",
        "mode",
        "shared_app_secret",
        "shopify_base_url",
        "shopify_api_version",
        "shopify_auth",
        "webhook_watch",
        "webhook_watch_secs",
        "sweep",
        "census",
        "stock",
        "prices",
    ];
}

fn tenant_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TenantName, D::Error> {
    TenantName::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn token_auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenAuth, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "body" => Ok(TokenAuth::Body),
        "basic" => Ok(TokenAuth::Basic),
        other => Err(serde::de::Error::unknown_variant(other, &["body", "basic"])),
    }
}

fn webhook_watch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WebhookWatch, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "repair" => Ok(WebhookWatch::Repair),
        "report" => Ok(WebhookWatch::Report),
        "off" => Ok(WebhookWatch::Off),
        other => Err(serde::de::Error::unknown_variant(other, &["repair", "report", "off"])),
    }
}

fn shopify_auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ShopifyAuth, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "token" => Ok(ShopifyAuth::Token),
        "expiring_token" => Ok(ShopifyAuth::ExpiringToken),
        "client_credentials" => Ok(ShopifyAuth::ClientCredentials),
        other => Err(serde::de::Error::unknown_variant(other, &["token", "expiring_token", "client_credentials"])),
    }
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "live" => Ok(Mode::Live),
        "observe" => Ok(Mode::Observe),
        other => Err(serde::de::Error::unknown_variant(other, &["live", "observe"])),
    }
}
