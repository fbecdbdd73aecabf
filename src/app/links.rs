//! Tenants and connections out of the settings: credentials opened, clients made, rules checked. No remote is called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;

use super::{StartError, Tenants, WebhookSecrets, advice, credentials, shops};
use crate::clock::Clock;
use crate::config::{ConnectionSettings, Settings, TenantSettings, WebhookWatch};
use crate::domain::ids::{ConnectionName, Generation, TenantName};
use crate::flow::subscriptions::{self, SubscriptionWatch, Watch};
use crate::flow::{Births, Connection, Losses, Mode, SecretUse, Tenant, TenantLimits, Term, Watches};
use crate::ifs::auth::Credentials;
use crate::ifs::{IfsClient, IfsSettings};
use crate::remote::{BreakerSettings, Egress, LimiterSettings, RetryPolicy, Tenure};
use crate::shopify::ShopifyClient;
use crate::store::{Lease, Store};
use crate::vault::KeyRing;

/// How a document's own failures are spaced.
const OWN_FAILURES: RetryPolicy = RetryPolicy {
    base: Duration::from_secs(2),
    delay_max: Duration::from_secs(900),
    tries_max: 8,
    wait_max: Duration::from_secs(900),
};

/// The tenants and connections of this process.
pub struct Links {
    /// The tenants.
    pub tenants: Vec<Arc<Tenant>>,
    /// The connections.
    pub connections: Vec<Arc<Connection>>,
    /// The webhook secrets of each connection by its name.
    pub webhook_secrets: WebhookSecrets,
}

/// Builds what the given terms are about, collecting all missing credentials before it fails. Everything is made anew: a client's
/// limiter begins without a burst, and nothing of an earlier term is left in it.
///
/// # Errors
/// Whatever an operator has to mend.
pub async fn build(
    settings: &Settings,
    store: &Store,
    keys: &KeyRing,
    clock: &Clock,
    terms: &BTreeMap<TenantName, Term>,
) -> Result<Links, StartError> {
    let mut desk = Desk { store, keys, missing: Vec::new() };
    let mut opened = HashMap::new();
    for owner in owners(settings, terms) {
        desk.open(&owner, &mut opened).await?;
    }
    if !desk.missing.is_empty() {
        return Err(StartError::Credentials(desk.missing));
    }
    let webhook_secrets = webhook_secrets(settings, &opened);
    refuse_shared(settings, &webhook_secrets)?;
    let egress = &settings.egress;
    let mut tenants = Tenants::new();
    for (name, tenant) in &settings.tenants {
        let Some(term) = terms.get(name) else { continue };
        let served = settings.connections.iter().filter(|(_, connection)| connection.link.ifs == *name);
        let served = served.map(|(connection, settings)| (connection.clone(), sites_read(settings))).collect();
        tenants.insert(name.as_str().to_owned(), build_tenant(name, tenant, (term, served), &opened, egress, clock)?);
    }
    let mut connections = Vec::new();
    for (name, connection) in &settings.connections {
        let of_term = tenants.get(connection.link.ifs.as_str()).zip(terms.get(&connection.link.ifs));
        let Some((tenant, term)) = of_term else { continue };
        check_fingerprint(settings, store, clock, name, connection).await?;
        let token = secret(&opened, &format!("connections.{name}"), "access_token");
        let shopify =
            shops::shopify_client(name, connection, (token, term.tenure.clone()), (store, keys), egress, clock)?;
        connections.push(Arc::new(Connection {
            name: name.clone(),
            tenant: Arc::clone(tenant),
            shopify,
            subscriptions: watched(settings, name, connection),
            rules: connection.rules.clone(),
            mode: connection.link.mode,
            sweep: connection.link.sweep.clone(),
            census: connection.link.census.clone(),
            stock: connection.stock.clone(),
            prices: connection.prices.clone(),
            secret_use: if connection.link.shared_app_secret { SecretUse::SharedApp } else { SecretUse::Own },
            store: store.clone(),
            clock: clock.clone(),
            retry: OWN_FAILURES,
            standing: settings.standing_query.times(),
            watches: Watches::default(),
            work: Notify::new(),
            broke_off: AtomicBool::new(false),
            stopping: Arc::clone(&term.stopping),
        }));
    }
    Ok(Links { tenants: tenants.into_values().collect(), connections, webhook_secrets })
}

/// Builds everything under leases that nobody holds: what would keep a tenant from being served is said at the start, by every replica,
/// whoever owns the tenant then. Nothing is called and nothing could be written with it.
///
/// # Errors
/// Whatever an operator has to mend.
pub async fn rehearse(
    settings: &Settings,
    store: &Store,
    keys: &KeyRing,
    clock: &Clock,
) -> Result<WebhookSecrets, StartError> {
    let nobodys = |name: &TenantName| {
        let lease = Lease { name: String::new(), owner: String::new(), generation: Generation::new(0) };
        let term = Term::endless(lease, clock);
        term.break_off();
        (name.clone(), term)
    };
    let terms = settings.tenants.keys().map(nobodys).collect();
    Ok(build(settings, store, keys, clock, &terms).await?.webhook_secrets)
}

type Opened = HashMap<(String, String), SecretString>;

/// One credential that is needed, or may be there.
struct Wanted {
    owner: String,
    kind: &'static str,
    required: bool,
}

fn owners(settings: &Settings, terms: &BTreeMap<TenantName, Term>) -> Vec<Wanted> {
    let of_tenants = settings.tenants.keys().filter(|name| terms.contains_key(*name)).flat_map(|name| {
        credentials::IFS_KINDS.map(|kind| Wanted { owner: format!("ifs.{name}"), kind, required: true })
    });
    let served = settings.connections.iter().filter(|(_, connection)| terms.contains_key(&connection.link.ifs));
    let of_connections = served.flat_map(|(name, connection)| {
        credentials::connection_kinds(connection.link.shopify_auth).iter().map(move |&kind| Wanted {
            owner: format!("connections.{name}"),
            kind,
            required: kind != "webhook_secret_old",
        })
    });
    of_tenants.chain(of_connections).collect()
}

struct Desk<'a> {
    store: &'a Store,
    keys: &'a KeyRing,
    missing: Vec<String>,
}

impl Desk<'_> {
    async fn open(&mut self, wanted: &Wanted, opened: &mut Opened) -> Result<(), StartError> {
        let Wanted { owner, kind, required } = wanted;
        match credentials::get(self.store, self.keys, owner, kind).await {
            Ok(Some(secret)) => drop(opened.insert((owner.clone(), (*kind).to_owned()), secret)),
            Ok(None) if *required => self
                .missing
                .push(format!("{owner} {kind} is missing: run `ml-connector credentials set {owner} {kind}`")),
            Ok(None) => {}
            Err(credentials::CredentialError::Vault(error)) => self.missing.push(advice(&error)),
            Err(credentials::CredentialError::Store(error)) => return Err(error.into()),
        }
        Ok(())
    }
}

fn secret(opened: &Opened, owner: &str, kind: &str) -> SecretString {
    // Invariant: required kinds were opened before, or the start has failed.
    opened.get(&(owner.to_owned(), kind.to_owned())).cloned().unwrap_or_default()
}

fn webhook_secrets(settings: &Settings, opened: &Opened) -> WebhookSecrets {
    let of = |name: &ConnectionName| {
        ["webhook_secret", "webhook_secret_old"]
            .into_iter()
            .filter_map(|kind| opened.get(&(format!("connections.{name}"), kind.to_owned())).cloned())
            .collect()
    };
    settings.connections.keys().map(|name| (name.as_str().to_owned(), of(name))).collect()
}

/// A signature proves the app, not the shop: one secret for two connections would let one shop's orders pass for another's.
fn refuse_shared(settings: &Settings, secrets: &WebhookSecrets) -> Result<(), StartError> {
    let is_shared_app = |name: &str| {
        settings.connections.iter().any(|(known, one)| known.as_str() == name && one.link.shared_app_secret)
    };
    let mut names: Vec<&String> = secrets.keys().collect();
    names.sort();
    for (index, first) in names.iter().enumerate() {
        for second in &names[index + 1..] {
            let same = secrets[*first]
                .iter()
                .any(|one| secrets[*second].iter().any(|other| one.expose_secret() == other.expose_secret()));
            if same && !(is_shared_app(first) && is_shared_app(second)) {
                return Err(StartError::SharedSecret((*first).clone(), (*second).clone()));
            }
        }
    }
    Ok(())
}

fn build_tenant(
    name: &TenantName,
    settings: &TenantSettings,
    (term, sites_read): (&Term, BTreeMap<ConnectionName, BTreeSet<String>>),
    opened: &Opened,
    egress: &Egress,
    clock: &Clock,
) -> Result<Arc<Tenant>, StartError> {
    let request_timeout = Duration::from_secs(settings.request_timeout_secs);
    let wait = Duration::from_secs(settings.wait_secs);
    let tenure = term.tenure.clone();
    let ifs = ifs_client(name, settings, (opened, tenure.clone()), egress, clock)?;
    let limits = TenantLimits {
        statement_limit: Duration::from_secs(settings.statement_limit_secs),
        not_before_margin: Duration::from_secs(settings.not_before_margin_secs),
        request_timeout,
        wait: Some(wait),
        wait_honoured: settings.wait_honoured,
        look_up_first: Duration::from_secs(settings.look_up_first_secs),
        look_up_max: Duration::from_secs(settings.look_up_max_secs),
        batch_parts_max: settings.batch_parts_max,
        cancel_action: settings.actions.cancel.clone(),
        cancel_line_action: settings.actions.cancel_line.clone(),
        release_action: settings.actions.release.clone(),
        copy_customer_action: settings.actions.copy_customer.clone(),
        concurrency_max: usize::try_from(settings.concurrency_max.get()).unwrap_or(usize::MAX),
    };
    let (births, losses) = (Births::default(), Losses::default());
    let (lease, connections) = (term.lease.clone(), sites_read.keys().cloned().collect());
    Ok(Arc::new(Tenant { name: name.clone(), ifs, limits, lease, tenure, connections, sites_read, births, losses }))
}

/// The sites that a connection's standing query reads; there is none under `mode = "observe"`.
fn sites_read(connection: &ConnectionSettings) -> BTreeSet<String> {
    match connection.link.mode {
        Mode::Live => connection.rules.sites().into_iter().map(str::to_owned).collect(),
        Mode::Observe => BTreeSet::new(),
    }
}

/// A client of one tenant for a command that reads: no lease, and only that tenant's credentials are opened.
///
/// # Errors
/// [`StartError::Credentials`] where they are missing or do not open; whatever else an operator has to mend.
pub async fn reading_client(
    settings: &Settings,
    store: &Store,
    keys: &KeyRing,
    clock: &Clock,
    name: &TenantName,
) -> Result<IfsClient, StartError> {
    let tenant = settings.tenants.get(name);
    let tenant = tenant.ok_or_else(|| StartError::Remote(format!("the settings have no [ifs.{name}]")))?;
    let mut desk = Desk { store, keys, missing: Vec::new() };
    let mut opened = HashMap::new();
    for kind in credentials::IFS_KINDS {
        desk.open(&Wanted { owner: format!("ifs.{name}"), kind, required: true }, &mut opened).await?;
    }
    if !desk.missing.is_empty() {
        return Err(StartError::Credentials(desk.missing));
    }
    ifs_client(name, tenant, (&opened, Tenure::endless(clock.clone())), &settings.egress, clock)
}

/// What its subscriptions are to be, and who restores them: under `mode = "observe"` nothing is written, so they are told only.
fn watched(settings: &Settings, name: &ConnectionName, connection: &ConnectionSettings) -> Option<SubscriptionWatch> {
    let wanted = subscriptions::Wanted { connection: name.clone(), address: settings.webhook_address(name)? };
    let task = match (connection.link.webhook_watch, connection.link.mode) {
        (WebhookWatch::Off, _) => return None,
        (WebhookWatch::Repair, Mode::Live) => Watch::Repair,
        (WebhookWatch::Repair, Mode::Observe) | (WebhookWatch::Report, _) => Watch::Report,
    };
    Some(SubscriptionWatch { wanted, task, every: Duration::from_secs(connection.link.webhook_watch_secs) })
}

/// A client of one connection's shop for a command: no lease, and only that connection's credentials are opened.
///
/// # Errors
/// As [`reading_client`].
pub async fn shop_client(
    settings: &Settings,
    store: &Store,
    keys: &KeyRing,
    clock: &Clock,
    name: &ConnectionName,
) -> Result<ShopifyClient, StartError> {
    let found = settings.connections.get(name);
    let connection = found.ok_or_else(|| StartError::Remote(format!("the settings have no [connections.{name}]")))?;
    let owner = format!("connections.{name}");
    let mut desk = Desk { store, keys, missing: Vec::new() };
    let mut opened = HashMap::new();
    for &kind in credentials::connection_kinds(connection.link.shopify_auth) {
        let required = !kind.starts_with("webhook_secret");
        desk.open(&Wanted { owner: owner.clone(), kind, required }, &mut opened).await?;
    }
    if !desk.missing.is_empty() {
        return Err(StartError::Credentials(desk.missing));
    }
    let token = secret(&opened, &owner, "access_token");
    let tenure = Tenure::endless(clock.clone());
    shops::shopify_client(name, connection, (token, tenure), (store, keys), &settings.egress, clock)
}

fn ifs_client(
    name: &TenantName,
    settings: &TenantSettings,
    (opened, tenure): (&Opened, Tenure),
    egress: &Egress,
    clock: &Clock,
) -> Result<IfsClient, StartError> {
    let owner = format!("ifs.{name}");
    IfsClient::new(
        IfsSettings {
            name: owner.clone(),
            base_url: settings.base_url.clone(),
            projection_prefix: settings.projection_prefix.clone(),
            customers_prefix: settings.customers_prefix.clone(),
            realm: settings.realm.clone(),
            credentials: Credentials {
                client_id: secret(opened, &owner, "client_id"),
                client_secret: secret(opened, &owner, "client_secret"),
                auth: settings.token_auth,
            },
            request_timeout: Duration::from_secs(settings.request_timeout_secs),
            wait: Some(Duration::from_secs(settings.wait_secs)),
            batch_parts_max: settings.batch_parts_max,
            limiter: limiter(settings),
            breaker: BreakerSettings::default(),
            tenure,
        },
        egress,
        clock.clone(),
    )
    .map_err(|error| StartError::Remote(format!("[{owner}] {}", crate::app::chain(&error))))
}

fn limiter(settings: &TenantSettings) -> LimiterSettings {
    LimiterSettings {
        per_minute: settings.rate_per_minute,
        burst: settings.burst_max,
        concurrency_max: settings.concurrency_max,
        ..LimiterSettings::new(1, 1)
    }
}

/// The first contact's systems are remembered; other ones under the same name would mix their records up.
async fn check_fingerprint(
    settings: &Settings,
    store: &Store,
    clock: &Clock,
    name: &ConnectionName,
    connection: &ConnectionSettings,
) -> Result<(), StartError> {
    use sha2::{Digest as _, Sha256};
    let link = &connection.link;
    let base_url = settings.tenants.get(&link.ifs).map(|tenant| tenant.base_url.as_str()).unwrap_or_default();
    let systems = [base_url, &connection.rules.settings().company, &link.shop].join("\n");
    let print: String = hex::encode(Sha256::digest(systems.as_bytes())).chars().take(16).collect();
    match store.connection_fingerprint(name).await? {
        Some(known) if known != print => Err(StartError::Fingerprint(name.to_string(), known, print)),
        Some(_) => Ok(()),
        None => Ok(store.remember_fingerprint(name, print, clock.now()).await?),
    }
}
