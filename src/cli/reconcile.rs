//! `reconcile`: Shopify's orders of some days against our documents against IFS, with every difference and its reason.

use std::cell::Cell;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Format, say, say_json, table, tell};
use super::{Failure, Shown, open_store};
use crate::app::{chain, key_ring, reading_client, shop_client};
use crate::clock::{Clock, Tick};
use crate::config::{ConnectionSettings, Settings};
use crate::domain::ids::ConnectionName;
use crate::domain::money::{Currency, Money};
use crate::flow::account::{Difference, Gap, Standing};
use crate::flow::reconcile::{
    Asked, Books, Depth, KEPT_AFTER, Manner, Progress, ReconcileError, Reconciled, VISIBLE, reconcile as compare,
};
use crate::flow::sync::BULK_FROM;
use crate::mapping::components::Component;
use crate::mapping::rules::DiscountMode;
use crate::shopify::Lane;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ml-connector reconcile acme --from 2026-11-01 --to 2026-11-30\n  \
                  ml-connector reconcile acme --from 2026-11-27 --to 2026-11-27 --json\n\nEnds with 1 when a difference is unexplained. \
                  One that was stopped goes on where it was when the same command is given within an hour.")]
pub(super) struct ReconcileArgs {
    /// The connection's name.
    connection: String,
    /// The first day, in the connection's time zone, by the time at which orders were placed.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last day, the whole of it.
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// Most differences that are listed; all are counted.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    limit: usize,
    /// Reads every order whole from Shopify, also where its list says what we know.
    #[arg(long)]
    whole: bool,
    /// Begins anew, also where the same command was stopped.
    #[arg(long)]
    anew: bool,
    #[command(flatten)]
    shown: Shown,
}

pub(super) async fn reconcile(settings: Settings, args: ReconcileArgs) -> Result<(), Failure> {
    let found = settings.connections.iter().find(|(name, _)| name.as_str() == args.connection);
    let Some((name, connection)) = found else {
        let asked = &args.connection;
        return Err(Failure::Usage(format!("no [connections.{asked}] in the settings: see `connection list`")));
    };
    let span = span(connection, args.from, args.to)?;
    let (store, keys, clock) = (open_store(&settings).await?, key_ring(&settings)?, Clock::system());
    let tenant = &connection.link.ifs;
    let limits = settings.tenants.get(tenant);
    let limits = limits.ok_or_else(|| Failure::Usage(format!("the settings have no [ifs.{tenant}]")))?;
    let ifs = reading_client(&settings, &store, &keys, &clock, tenant).await?;
    // Orders that are sold now come first.
    let shopify = shop_client(&settings, &store, &keys, &clock, name).await?.in_lane(Lane::Rest);
    let of_tenant = settings.connections.iter().filter(|(_, other)| other.link.ifs == *tenant);
    let names: Vec<ConnectionName> = of_tenant.map(|(name, _)| name.clone()).collect();
    let books = Books {
        name,
        names: &names,
        store: &store,
        shopify: &shopify,
        ifs: &ifs,
        // The other half is the service's, which writes meanwhile.
        ifs_reads_max: usize::try_from(limits.concurrency_max.get() / 2).unwrap_or(1),
        batch_parts_max: limits.batch_parts_max,
        rules: &connection.rules,
        now: clock.now(),
        clock: &clock,
    };
    let asked = Asked {
        span,
        differences_max: args.limit,
        depth: if args.whole { Depth::Whole } else { Depth::Changed },
        manner: if args.anew { Manner::Anew } else { Manner::GoOn },
        bulk_from: BULK_FROM,
        kept_after: KEPT_AFTER,
    };
    if clock.now().duration_since(span.0) >= VISIBLE {
        tell(&format!(
            "{name}: Shopify shows orders older than 60 days only to an app with the scope read_all_orders; without it they are not_visible"
        ));
    }
    let teller = Teller { name, clock: &clock, said: Cell::new(None) };
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(|error| Failure::Usage(format!("signals: {error}")))?;
    let progress = |progress: Progress| teller.tell(progress);
    let reconciled = tokio::select! {
        ended = compare(books, &asked, &progress) => ended.map_err(failure)?,
        _ = interrupted.recv() => {
            tell(&format!("{name}: stopped; the same command goes on where this one ended"));
            return Err(Failure::Found);
        }
    };
    let told = Told { name, connection, from: args.from, to: args.to, reconciled: &reconciled };
    match args.shown.format() {
        Format::Json => say_json(&told.as_json()),
        Format::Text => told.say(),
    }
    if reconciled.account.is_clean() { Ok(()) } else { Err(Failure::Found) }
}

/// Tells how far it is, on standard error.
struct Teller<'a> {
    name: &'a ConnectionName,
    clock: &'a Clock,
    /// Where it began, and what was said last.
    said: Cell<Option<(Said, Said)>>,
}

/// How many orders were compared at a time.
#[derive(Clone, Copy)]
struct Said {
    at: Tick,
    orders: u64,
}

/// Time between two lines.
const TOLD_EVERY: Duration = Duration::from_secs(5);

impl Teller<'_> {
    fn tell(&self, progress: Progress) {
        let name = self.name;
        match progress {
            Progress::Compared { orders, about } => self.tell_orders(orders, about),
            Progress::Strays => tell(&format!("{name}: IFS is searched for records that no link explains")),
            Progress::Note(text) => tell(&format!("{name}: {text}")),
        }
    }

    /// The first chunk tells nothing of the rate: it may hold what an earlier run had compared.
    fn tell_orders(&self, orders: u64, about: Option<u64>) {
        let now = Said { at: self.clock.monotonic(), orders };
        let Some((first, last)) = self.said.get() else {
            self.said.set(Some((now, now)));
            return;
        };
        let is_last = about.is_some_and(|about| orders >= about);
        if now.at.since(last.at) < TOLD_EVERY && !(is_last && last.orders < orders) {
            return;
        }
        self.said.set(Some((first, now)));
        let secs = now.at.since(first.at).as_secs().max(1);
        let rate = (orders - first.orders) / secs;
        let of = about.map(|about| format!(" of about {about}")).unwrap_or_default();
        let left = about.map(|about| about.saturating_sub(orders) / rate.max(1));
        let left = left.map(|secs| format!(", {} left", shown_time(secs))).unwrap_or_default();
        tell(&format!("{}: {orders} orders{of} compared, {rate} a second{left}", self.name));
    }
}

/// A time for people.
fn shown_time(secs: u64) -> String {
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7_199 => format!("{} min", secs / 60),
        _ => format!("{} h", secs / 3_600),
    }
}

/// The days as instants, in the connection's time zone.
fn span(connection: &ConnectionSettings, from: Date, to: Date) -> Result<(Timestamp, Timestamp), Failure> {
    if to < from {
        return Err(Failure::Usage(format!("--to {to} is before --from {from}")));
    }
    let wrong = |error: jiff::Error| Failure::Usage(format!("--from, --to: {error}"));
    let zone = TimeZone::get(&connection.rules.settings().time_zone).map_err(wrong)?;
    let begin = |date: Date| date.to_zoned(zone.clone()).map(|at| at.timestamp());
    let until = to.tomorrow().and_then(begin).map_err(wrong)?;
    Ok((begin(from).map_err(wrong)?, until))
}

fn failure(error: ReconcileError) -> Failure {
    let text = chain(&error);
    match error {
        ReconcileError::Shopify(_) | ReconcileError::Ifs(_) | ReconcileError::File(_) => Failure::Remote(text),
        ReconcileError::Store(error) => error.into(),
        ReconcileError::TooManyDigits(_) | ReconcileError::Crowded(_) => Failure::Usage(text),
    }
}

/// An account and what it is of.
struct Told<'a> {
    name: &'a ConnectionName,
    connection: &'a ConnectionSettings,
    from: Date,
    to: Date,
    reconciled: &'a Reconciled,
}

impl Told<'_> {
    /// Whether a component stands in IFS by itself under the settings.
    fn is_apart(&self, component: Component) -> bool {
        let settings = self.connection.rules.settings();
        component.is_compared() || settings.discount_mode == DiscountMode::Charge
    }

    fn as_json(&self) -> Value {
        let account = &self.reconciled.account;
        let sums: Vec<Value> = account
            .sums
            .iter()
            .flat_map(|(currency, columns)| {
                Component::ALL.into_iter().map(move |component| {
                    let money = |amount| money(amount, currency);
                    let apart = |amount| if self.is_apart(component) { money(amount) } else { Value::Null };
                    json!({
                        "currency": currency, "component": component.as_str(),
                        "shopify": money(columns.shopify.get(component)), "ours": apart(columns.ours.get(component)),
                        "ifs": apart(columns.ifs.get(component)),
                    })
                })
            })
            .collect();
        let reasons: Vec<Value> = account
            .reasons
            .iter()
            .map(|((standing, code), reason)| {
                let totals = reason.totals.iter().map(|(currency, [shopify, ours, ifs])| {
                    let money = |amount: &Decimal| money(*amount, currency);
                    json!({"currency": currency, "shopify": money(shopify), "ours": money(ours), "ifs": money(ifs)})
                });
                json!({"standing": standing.as_str(), "code": code, "orders": reason.orders, "totals": totals.collect::<Vec<_>>()})
            })
            .collect();
        json!({
            "connection": self.name.as_str(), "from": self.from.to_string(), "to": self.to.to_string(),
            "time_zone": self.connection.rules.settings().time_zone, "began": self.reconciled.began.to_string(), "clean": account.is_clean(),
            "orders": {"shopify": account.counts.shopify, "ours": account.counts.ours, "ifs": account.counts.ifs},
            "unexplained": account.count(Standing::Unexplained), "open": account.count(Standing::Open),
            "explained": account.count(Standing::Explained),
            "sums": sums, "reasons": reasons,
            "differences": {"items": account.differences.iter().map(difference).collect::<Vec<_>>(), "more": account.more},
        })
    }

    fn say(&self) {
        let account = &self.reconciled.account;
        let zone = &self.connection.rules.settings().time_zone;
        say(&format!("{}: orders placed from {} to {} ({zone})\n", self.name, self.from, self.to));
        let counts = account.counts;
        let mut rows = vec![vec![
            String::new(),
            "orders".into(),
            counts.shopify.to_string(),
            counts.ours.to_string(),
            counts.ifs.to_string(),
        ]];
        for (currency, columns) in &account.sums {
            for component in Component::ALL {
                let [shopify, ours, ifs] =
                    [&columns.shopify, &columns.ours, &columns.ifs].map(|book| book.get(component));
                if component != Component::Total && [shopify, ours, ifs].iter().all(Decimal::is_zero) {
                    continue;
                }
                let apart =
                    |amount| if self.is_apart(component) { figure(amount, currency) } else { "(in goods)".to_owned() };
                rows.push(vec![
                    currency.clone(),
                    component.as_str().into(),
                    figure(shopify, currency),
                    apart(ours),
                    apart(ifs),
                ]);
            }
        }
        say(&table(&["currency", "component", "Shopify", "ours", "IFS"], &rows));
        if !account.reasons.is_empty() {
            say("\nreasons");
            say(&table(&["standing", "reason", "orders", "Shopify", "ours", "IFS"], &self.reasons()));
        }
        if !account.differences.is_empty() {
            say("\ndifferences");
            let rows: Vec<Vec<String>> = account.differences.iter().flat_map(lines).collect();
            let headings =
                ["standing", "order", "IFS OrderNo", "document", "reason", "component", "Shopify", "ours", "IFS"];
            say(&table(&headings, &rows));
            say("");
            for one in &account.differences {
                say(&format!("{} {}: {}", order_of(one), one.code, one.text));
            }
        }
        if account.more > 0 {
            say(&format!("and {} more: see --limit", account.more));
        }
        let [unexplained, open] = [Standing::Unexplained, Standing::Open].map(|standing| account.count(standing));
        say(&match (unexplained, open) {
            (0, 0) => "\nnothing is unexplained, nothing is open".to_owned(),
            (0, open) => format!("\nnothing is unexplained; {open} open"),
            (unexplained, open) => format!("\n{unexplained} unexplained, {open} open"),
        });
    }

    fn reasons(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for ((standing, code), reason) in &self.reconciled.account.reasons {
            let mut head = vec![standing.as_str().to_owned(), code.clone(), reason.orders.to_string()];
            if reason.totals.is_empty() {
                rows.push(head.clone());
            }
            for (currency, totals) in &reason.totals {
                let cells = totals.iter().map(|total| format!("{} {currency}", figure(*total, currency)));
                rows.push(head.into_iter().chain(cells).collect());
                head = vec![String::new(); 3];
            }
        }
        rows
    }
}

fn difference(one: &Difference) -> Value {
    let gaps: Vec<Value> = one
        .gaps
        .iter()
        .map(|gap| {
            let money = |amount: Option<Decimal>| match (amount, &one.currency) {
                (Some(amount), Some(currency)) => money(amount, currency),
                (Some(_) | None, _) => Value::Null,
            };
            json!({"component": gap.component.as_str(), "shopify": money(gap.shopify), "ours": money(gap.ours), "ifs": money(gap.ifs)})
        })
        .collect();
    json!({
        "standing": one.standing.as_str(), "code": one.code, "text": one.text, "order_id": one.order_id.map(|id| id.to_string()),
        "order_name": one.order_name, "order_nos": one.order_nos, "document": one.document.map(|id| id.get()), "gaps": gaps,
    })
}

/// The lines of one difference, one for each component.
fn lines(one: &Difference) -> Vec<Vec<String>> {
    let dash = || "-".to_owned();
    let numbers = if one.order_nos.is_empty() { dash() } else { one.order_nos.join(" + ") };
    let document = one.document.map_or_else(dash, |id| id.to_string());
    let mut head = vec![one.standing.as_str().to_owned(), order_of(one), numbers, document, one.code.clone()];
    let cells = |gap: &Gap| {
        let currency = one.currency.as_deref().unwrap_or_default();
        let shown = |amount: Option<Decimal>| amount.map_or_else(dash, |amount| figure(amount, currency));
        vec![gap.component.as_str().to_owned(), shown(gap.shopify), shown(gap.ours), shown(gap.ifs)]
    };
    let mut rows = Vec::new();
    for gap in &one.gaps {
        rows.push(head.into_iter().chain(cells(gap)).collect());
        head = vec![String::new(); 5];
    }
    if one.gaps.is_empty() {
        rows.push(head);
    }
    rows
}

/// What people call the order.
fn order_of(one: &Difference) -> String {
    one.order_name.clone().or_else(|| one.order_id.map(|id| id.to_string())).unwrap_or_else(|| "-".to_owned())
}

/// An amount with at least its currency's decimals.
fn figure(amount: Decimal, currency: &str) -> String {
    let plain = || amount.normalize().to_string();
    Currency::from_code(currency).map_or_else(plain, |currency| {
        let text = Money::new(amount, currency).to_string();
        text.split(' ').next().unwrap_or_default().to_owned()
    })
}

fn money(amount: Decimal, currency: &str) -> Value {
    let mut object = Map::new();
    object.insert("amount".to_owned(), json!(figure(amount, currency)));
    object.insert("currency".to_owned(), json!(currency));
    Value::Object(object)
}
