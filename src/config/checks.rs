//! What one key alone cannot tell: bounds, names, addresses, files, and what must agree between sections. A key that could not even be
//! read is not judged again.

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::Value;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::reader::Reader;
use super::settings::{
    ConnectionSettings, DatabaseSettings, LinkSettings, MasterKeySource, ServerSettings, Settings,
    StandingQuerySettings, TelemetrySettings, TenantSettings,
};
use super::sources::{Sources, Written};
use crate::domain::ids::{ConnectionName, TenantName};
use crate::mapping::rules::{MappingSettings, RuleError, Rules};
use crate::mapping::stock::StockRules;
use crate::mapping::stock::prices::PriceRules;
use crate::mapping::stock::settings::PriceSource;
use crate::remote::Egress;

/// Holds the master keys where no file is named.
const MASTER_KEY_VARIABLE: &str = "ML_CONNECTOR_MASTER_KEY";

/// The sections as they were read.
pub(super) struct Raw {
    pub(super) server: ServerSettings,
    pub(super) database: DatabaseKeys,
    pub(super) vault: VaultKeys,
    pub(super) telemetry: TelemetrySettings,
    pub(super) egress: EgressKeys,
    pub(super) standing_query: StandingQuerySettings,
    pub(super) tenants: Vec<(String, TenantSettings)>,
    pub(super) connections: Vec<(String, (LinkSettings, MappingSettings))>,
}

/// `[database]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseKeys {
    url: String,
    url_file: Option<std::path::PathBuf>,
    pool_size: u32,
    lease_secs: u64,
}

/// `[vault]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultKeys {
    master_key_file: Option<std::path::PathBuf>,
}

/// `[egress]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressKeys {
    allow: Vec<String>,
}

/// The settings, or `None` when something was refused.
pub(super) fn check(reader: &mut Reader<'_>, written: &Written, sources: &Sources, raw: Raw) -> Option<Settings> {
    let mut server = raw.server;
    check_server(reader, &mut server);
    let database = check_database(reader, written, raw.database);
    let vault = match raw.vault.master_key_file {
        Some(file) => MasterKeySource::File(file),
        None if sources.environment.contains_key(MASTER_KEY_VARIABLE) => MasterKeySource::Environment,
        None => MasterKeySource::Missing,
    };
    let egress = check_egress(reader, &raw.egress);
    check_standing_query(reader, raw.standing_query);
    let mut tenants = BTreeMap::new();
    for (name, tenant) in raw.tenants {
        check_tenant(reader, &egress, &name, &tenant);
        match TenantName::parse(&name) {
            Ok(name) => drop(tenants.insert(name, tenant)),
            Err(bad) => refuse_name(reader, "ifs", &name, &bad.to_string()),
        }
    }
    let connections = check_connections(reader, written, &egress, &tenants, raw.connections);
    reader.errors.is_empty().then_some(Settings {
        server,
        database: database?,
        vault,
        telemetry: raw.telemetry,
        egress,
        standing_query: raw.standing_query,
        tenants,
        connections,
    })
}

fn check_egress(reader: &mut Reader<'_>, keys: &EgressKeys) -> Egress {
    Egress::allowing(&keys.allow).unwrap_or_else(|refused| {
        reader.refuse(&path(["egress", "allow"]), None, refused.to_string());
        Egress::default()
    })
}

fn check_server(reader: &mut Reader<'_>, server: &mut ServerSettings) {
    let at = |key| path(["server", key]);
    within(reader, &at("body_bytes_max"), server.body_bytes_max as u64, 1024, 64 * 1024 * 1024);
    within(reader, &at("queue_max"), server.queue_max as u64, 1, 100_000);
    within(reader, &at("shutdown_grace_secs"), server.shutdown_grace_secs, 1, 600);
    if server.webhook_listen == server.operations_listen && server.webhook_listen.port() != 0 {
        reader.refuse(&at("operations_listen"), None, "is the address of the webhooks too: operations would be open");
    }
    if let Some(url) = &server.public_url {
        check_public(reader, &at("public_url"), url);
    }
    if let Some(file) = &server.operator_token_file {
        server.operator_token = secret(reader, &at("operator_token_file"), file);
    }
}

/// Shopify calls public addresses by https only, and its subscriptions carry no password.
fn check_public(reader: &mut Reader<'_>, at: &[String], url: &Url) {
    if !url.username().is_empty() || url.password().is_some() {
        return reader.refuse(at, None, "holds a name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return reader.refuse(at, None, "holds more than scheme, host, port and a path");
    }
    if url.host_str() == Some("localhost") || Egress::default().check(url).is_err() {
        reader.refuse(at, None, "is not https at a public address: Shopify could not reach it");
    }
}

fn check_standing_query(reader: &mut Reader<'_>, keys: StandingQuerySettings) {
    let at = |key| path(["standing_query", key]);
    within(reader, &at("every_secs"), keys.every_secs, 60, 86_400);
    within(reader, &at("look_back_hours"), keys.look_back_hours, 1, 24 * 60);
    within(reader, &at("nightly_look_back_days"), keys.nightly_look_back_days, 1, 400);
}

fn check_database(reader: &mut Reader<'_>, written: &Written, keys: DatabaseKeys) -> Option<DatabaseSettings> {
    let at = |key| path(["database", key]);
    within(reader, &at("pool_size"), u64::from(keys.pool_size), 1, 100);
    within(reader, &at("lease_secs"), keys.lease_secs, 1, 600);
    let (url, at) = match &keys.url_file {
        None => (Some(SecretString::from(keys.url)), at("url")),
        Some(_) if find(written, &at("url")).is_some() => {
            reader.refuse(&at("url_file"), find(written, &at("url_file")), "stands beside url: leave one of them out");
            return None;
        }
        Some(file) => (secret(reader, &at("url_file"), file), at("url_file")),
    };
    let url = url?;
    let schemes = ["sqlite:", "postgres://", "postgresql://"];
    let text = secrecy::ExposeSecret::expose_secret(&url);
    if !schemes.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
        reader.refuse(&at, find(written, &at), "is neither sqlite:FILE nor postgres://…");
    }
    Some(DatabaseSettings { url, pool_size: keys.pool_size, lease_secs: keys.lease_secs })
}

fn check_tenant(reader: &mut Reader<'_>, egress: &Egress, name: &str, tenant: &TenantSettings) {
    let at = |key| path(["ifs", name, key]);
    check_address(reader, egress, &at("base_url"), &tenant.base_url);
    filled(reader, &at("realm"), &tenant.realm);
    for (key, prefix) in
        [("projection_prefix", &tenant.projection_prefix), ("customers_prefix", &tenant.customers_prefix)]
    {
        if !prefix.starts_with('/') || prefix.ends_with('/') {
            reader.refuse(&at(key), None, "does not begin with / or ends with it");
        }
    }
    within(reader, &at("request_timeout_secs"), tenant.request_timeout_secs, 1, 900);
    within(reader, &at("statement_limit_secs"), tenant.statement_limit_secs, 1, 86_400);
    within(reader, &at("not_before_margin_secs"), tenant.not_before_margin_secs, 1, 86_400);
    within(reader, &at("wait_secs"), tenant.wait_secs, 1, 900);
    within(reader, &at("rate_per_minute"), u64::from(tenant.rate_per_minute.get()), 1, 100_000);
    within(reader, &at("burst_max"), u64::from(tenant.burst_max.get()), 1, 1_000);
    within(reader, &at("concurrency_max"), u64::from(tenant.concurrency_max.get()), 1, 100);
    within(reader, &at("look_up_first_secs"), tenant.look_up_first_secs, 1, 3_000);
    // Below an hour: a due time further away is taken for one set under a wall clock that was wrong.
    within(reader, &at("look_up_max_secs"), tenant.look_up_max_secs, tenant.look_up_first_secs, 3_000);
    within(reader, &at("batch_parts_max"), tenant.batch_parts_max as u64, 4, 1_000);
    let actions = &tenant.actions;
    for (key, action) in [
        ("cancel", &actions.cancel),
        ("cancel_line", &actions.cancel_line),
        ("release", &actions.release),
        ("copy_customer", &actions.copy_customer),
    ] {
        let at = path(["ifs", name, "actions", key]);
        filled(reader, &at, action);
        if action.contains(['/', '(', ' ']) {
            reader.refuse(&at, None, "is more than an action's name");
        }
    }
}

fn check_connections(
    reader: &mut Reader<'_>,
    written: &Written,
    egress: &Egress,
    tenants: &BTreeMap<TenantName, TenantSettings>,
    raw: Vec<(String, (LinkSettings, MappingSettings))>,
) -> BTreeMap<ConnectionName, ConnectionSettings> {
    let mut connections = BTreeMap::new();
    let mut shops: BTreeMap<String, String> = BTreeMap::new();
    for (name, (link, mut mapping)) in raw {
        let at = |key: &str| path(["connections", &name, key]);
        check_link(reader, egress, &name, &link);
        if let Some(found) = find(written, &at("batch_parts_max")) {
            reader.refuse_with(&at("batch_parts_max"), Some(found), "is not a setting here", "write it in [ifs.NAME]");
        }
        match tenants.get(&link.ifs) {
            Some(tenant) => mapping.batch_parts_max = tenant.batch_parts_max,
            None if reader.is_refused(&at("ifs")) => {}
            None => {
                let known: Vec<&str> = tenants.keys().map(TenantName::as_str).collect();
                let advice = format!("write a section [ifs.{}], or one of: {}", link.ifs, known.join(", "));
                reader.refuse_with(&at("ifs"), None, "names a tenant without a section", advice);
            }
        }
        if !reader.is_refused(&at("shop"))
            && let Some(other) = shops.insert(link.shop.clone(), name.clone())
        {
            let problem = format!("is the shop of [connections.{other}] too");
            reader.refuse_with(&at("shop"), None, problem, "a shop stands in one connection only: take one out");
        }
        let stock = StockRules::new(link.stock.clone(), &mapping.site);
        let stock = stock.map_err(|wrong| refuse_rules(reader, &name, wrong));
        let prices = PriceRules::new(link.prices.clone()).map_err(|wrong| refuse_rules(reader, &name, wrong));
        if let (Ok(stock), Ok(prices)) = (&stock, &prices) {
            check_prices(reader, &name, (stock, prices), &mapping.site);
        }
        let rules = Rules::new(mapping).map_err(|wrong| refuse_rules(reader, &name, wrong));
        match (ConnectionName::parse(&name), rules, stock, prices) {
            (Ok(name), Ok(rules), Ok(stock), Ok(prices)) => {
                drop(connections.insert(name, ConnectionSettings { link, rules, stock, prices }));
            }
            (Ok(_), ..) => {}
            (Err(bad), ..) => refuse_name(reader, "connections", &name, &bad.to_string()),
        }
    }
    connections
}

/// Prices are compared by what the stock's readings told of the shop and of the site's sales parts.
fn check_prices(reader: &mut Reader<'_>, name: &str, (stock, prices): (&StockRules, &PriceRules), site: &str) {
    let follows = prices.settings().source != PriceSource::Off || !prices.lists().is_empty();
    if follows && (!stock.settings().is_on() || !stock.sites().contains(&site)) {
        let advice = "set stock.every_secs or stock.cron, and a location of this site in stock.locations: prices are compared by \
                      that reading; a group with sku = [\"*\"] and levels = \"leave\" leaves the stock itself alone";
        let at = path(["connections", name, "prices"]);
        reader.refuse_with(&at, None, "wants the stock's readings of its site", advice);
    }
}

/// What the mapping says of its settings, at the keys where they stand: `tax_codes[0].rate` is inside `tax_codes`.
fn refuse_rules(reader: &mut Reader<'_>, name: &str, wrong: Vec<RuleError>) {
    for RuleError { key, found, expected } in wrong {
        let mut at = path(["connections", name]);
        at.extend(key.replace('[', ".").replace(']', "").split('.').map(str::to_owned));
        if found == "nothing" {
            reader.refuse(&at, None, "is missing");
        } else {
            reader.refuse(&at, None, format!("found {found}, expected {expected}"));
        }
    }
}

fn check_link(reader: &mut Reader<'_>, egress: &Egress, name: &str, link: &LinkSettings) {
    let at = |key| path(["connections", name, key]);
    let domain = link.shop.strip_suffix(".myshopify.com").unwrap_or_default();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if domain.is_empty() || !domain.chars().all(legal) {
        reader.refuse(&at("shop"), None, "is not a shop's own domain in lower case");
    }
    if let Some(url) = &link.shopify_base_url {
        check_address(reader, egress, &at("shopify_base_url"), url);
    }
    let version = link.shopify_api_version.split_once('-');
    let digits = |text: &str, length: usize| text.len() == length && text.chars().all(|c| c.is_ascii_digit());
    if !version.is_some_and(|(year, month)| digits(year, 4) && digits(month, 2)) {
        reader.refuse(&at("shopify_api_version"), None, "is not a year and a month");
    }
    within(reader, &at("webhook_watch_secs"), link.webhook_watch_secs, 60, 7 * 86_400);
    let at = |key| path(["connections", name, "sweep", key]);
    let sweep = &link.sweep;
    within(reader, &at("every_secs"), sweep.every_secs, 0, 86_400);
    // Shopify's index may be minutes behind its orders.
    within(reader, &at("overlap_secs"), sweep.overlap_secs, 600, 86_400);
    within(reader, &at("first_days"), sweep.first_days, 1, 365);
    within(reader, &at("page_orders"), u64::from(sweep.page_orders), 1, 250);
    within(reader, &at("reading_orders"), sweep.reading_orders, 1, 24_000);
    within(reader, &at("webhook_grace_secs"), sweep.webhook_grace_secs, 60, 86_400);
    let at = |key| path(["connections", name, "census", key]);
    within(reader, &at("days"), link.census.days, 0, 365);
    within(reader, &at("at_hour"), link.census.at_hour, 0, 23);
    // A day that is still counted each night is not forgotten.
    within(reader, &at("keep_days"), link.census.keep_days, link.census.days.max(1), 3_650);
    if link.stock.is_on() && link.sweep.every_secs == 0 {
        // What may be sold is known only where every order is: without a sweep no level would ever rise.
        let advice = "set sweep.every_secs: a level rises only after a sweep has found every order";
        let key = if link.stock.every_secs > 0 { "every_secs" } else { "cron" };
        reader.refuse_with(&path(["connections", name, "stock", key]), None, "wants the sweep", advice);
    }
}

/// An address of a remote: one that may be called, without path or password.
fn check_address(reader: &mut Reader<'_>, egress: &Egress, at: &[String], url: &Url) {
    let Some(host) = url.host_str() else {
        return reader.refuse(at, None, "has no host");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return reader.refuse(at, None, "holds a name or a password; store them with `credentials set`");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        reader.refuse(at, None, "holds more than scheme, host and port");
    }
    if let Err(refused) = egress.check(url) {
        let advice = format!("write https and a public host, or name {host:?} in egress.allow");
        reader.refuse_with(at, None, refused.to_string(), advice);
    }
}

fn within(reader: &mut Reader<'_>, at: &[String], value: u64, least: u64, most: u64) {
    if !(least..=most).contains(&value) {
        reader.refuse(at, None, format!("is {value}, outside of {least} to {most}"));
    }
}

fn filled(reader: &mut Reader<'_>, at: &[String], text: &str) {
    if text.trim().is_empty() || text.trim() != text {
        reader.refuse(at, None, "is empty or has blanks around it");
    }
}

/// The secret in `file`, without the line end that an editor leaves.
fn secret(reader: &mut Reader<'_>, at: &[String], file: &Path) -> Option<SecretString> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) => {
            reader.refuse(at, None, format!("names {}, which cannot be read: {e}", file.display()));
            return None;
        }
    };
    let text = text.trim();
    if text.is_empty() {
        reader.refuse(at, None, format!("names {}, which is empty", file.display()));
        return None;
    }
    Some(SecretString::from(text))
}

fn refuse_name(reader: &mut Reader<'_>, kind: &str, name: &str, problem: &str) {
    let advice = format!("write [{kind}.NAME] with a NAME of a-z, 0-9 and -, 32 characters at most");
    reader.refuse_with(&path([kind, name]), None, problem, advice);
}

fn path<const N: usize>(parts: [&str; N]) -> Vec<String> {
    parts.map(str::to_owned).to_vec()
}

fn find<'w>(written: &'w Written, at: &[String]) -> Option<&'w Value> {
    let (first, rest) = at.split_first()?;
    rest.iter().try_fold(written.values.get(first)?, |value, part| value.as_dict()?.get(part))
}
