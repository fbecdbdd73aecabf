//! `stock sync|explain|coverage|list|retry`: what the shop shows of IFS's stock, how that came about, and what a person may do. Reads the
//! rows of the last reading; the running service asks shop and IFS.

use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Format, exact_number, say, say_json, table, tell};
use super::page::{next_page, parse_state};
use super::{Failure, Shown, open_store, who};
use crate::actors::lease_keeper::lease_name;
use crate::clock::Clock;
use crate::config::{ConnectionSettings, Settings};
use crate::domain::ids::ConnectionName;
use crate::flow::stock::told::{Covered, Uncovered, uncovered, without_number};
use crate::flow::stock::{ASKED, Asked, Place, STOCK, Step};
use crate::mapping::stock::target::Terms;
use crate::store::{Cursor, LevelFilter, LevelRow, LevelState, Run, StockOut, StockOutFilter, StockVariant, Store};

/// Levels on one page.
const PAGE: i64 = 100;
/// Time between two looks at how far a run has come.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum StockCommand {
    /// Has the running service read and plan everything now, and follows it.
    #[command(after_help = "Examples:\n  ml-connector stock sync acme\n  ml-connector stock sync acme --accept-fewer")]
    Sync {
        /// The connection.
        connection: String,
        /// Takes the stock for the truth although IFS tells far fewer parts than the last time; for this one reading.
        #[arg(long)]
        accept_fewer: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Tells every figure of how the levels of a SKU came about.
    #[command(after_help = "Example: ml-connector stock explain acme CUP-1")]
    Explain {
        /// The connection.
        connection: String,
        /// The SKU, IFS's CatalogNo, or Shopify's number of the variant or its inventory item.
        sku: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Lists SKUs without a part, parts without a SKU, and parts on two variants.
    #[command(after_help = "Example: ml-connector stock coverage acme --json")]
    Coverage {
        /// The connection.
        connection: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Lists levels, or what was done to products that have run out.
    #[command(after_help = "Examples:\n  ml-connector stock list acme --state parked\n  ml-connector stock list acme --outs")]
    List {
        /// The connection.
        connection: String,
        /// Only levels in this state.
        #[arg(long, value_name = "STATE", conflicts_with = "outs")]
        state: Option<String>,
        /// Only behind this one (the `next` of the page before).
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        /// Lists products that have run out instead.
        #[arg(long)]
        outs: bool,
        /// With --outs: those too that are over.
        #[arg(long, requires = "outs")]
        all: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Has parked levels read and planned again: those of some inventory items, or all.
    #[command(after_help = "Examples:\n  ml-connector stock retry acme\n  ml-connector stock retry acme 44765452900")]
    Retry {
        /// The connection.
        connection: String,
        /// Shopify's numbers of inventory items.
        items: Vec<u64>,
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) async fn stock(settings: Settings, command: StockCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    match command {
        StockCommand::Sync { connection, accept_fewer, shown } => {
            sync(&settings, &store, &connection, accept_fewer, shown.format()).await
        }
        StockCommand::Explain { connection, sku, shown } => {
            explain(&store, the_connection(&settings, &connection)?.0, &sku, shown.format()).await
        }
        StockCommand::Coverage { connection, shown } => {
            let (name, connection) = the_connection(&settings, &connection)?;
            tell_coverage(&store, name, connection, shown.format()).await
        }
        StockCommand::List { connection, after, outs: true, all, shown, .. } => {
            let filter = if all { StockOutFilter::All } else { StockOutFilter::Open };
            list_outs(&store, the_connection(&settings, &connection)?.0, filter, after, shown.format()).await
        }
        StockCommand::List { connection, state, after, shown, .. } => {
            list(&store, the_connection(&settings, &connection)?.0, state, after, shown.format()).await
        }
        StockCommand::Retry { connection, items, shown } => {
            let name = the_connection(&settings, &connection)?.0;
            let items = (!items.is_empty()).then_some(items);
            let retried = store.retry_levels(name, items, who(), Timestamp::now()).await?;
            match shown.format() {
                Format::Json => say_json(&json!({"connection": name.as_str(), "levels": retried})),
                Format::Text => say(&format!("{retried} level(s) are read and planned again by the running service")),
            }
            Ok(())
        }
    }
}

fn the_connection<'s>(
    settings: &'s Settings,
    name: &str,
) -> Result<(&'s ConnectionName, &'s ConnectionSettings), Failure> {
    let found = settings.connections.iter().find(|(known, _)| known.as_str() == name);
    found.ok_or_else(|| Failure::Usage(format!("no [connections.{name}] in the settings: see `connection list`")))
}

async fn sync(
    settings: &Settings,
    store: &Store,
    connection: &str,
    accepts_fewer: bool,
    format: Format,
) -> Result<(), Failure> {
    let (name, connection) = the_connection(settings, connection)?;
    if connection.link.stock.every_secs == 0 {
        return Err(Failure::Usage(format!("connections.{name}.stock.every_secs is 0: stock is switched off")));
    }
    let lease = lease_name(&connection.link.ifs);
    if !store.leases().await?.iter().any(|one| one.name == lease && one.expires_in.is_some()) {
        return Err(Failure::Usage(format!("no process serves [ifs.{}]: start `serve` first", connection.link.ifs)));
    }
    let (clock, asked_at) = (Clock::system(), Timestamp::now());
    let asked = Asked { at: asked_at.as_microsecond(), accepts_fewer };
    let value = serde_json::to_string(&asked).map_err(|error| Failure::Usage(error.to_string()))?;
    store.keep_cursor(name, Cursor { name: ASKED.to_owned(), value }, asked_at).await?;
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(|error| Failure::Usage(format!("signals: {error}")))?;
    let run = tokio::select! {
        run = follow(store, name, asked_at, &clock) => run?,
        _ = interrupted.recv() => {
            tell(&format!("{name}: no longer followed; the service goes on"));
            return Err(Failure::Found);
        }
    };
    let figures: Value = serde_json::from_str(&run.figures).unwrap_or(Value::Null);
    let outcome = run.outcome.clone().unwrap_or_default();
    match format {
        Format::Json => say_json(&json!({
            "connection": name.as_str(), "outcome": outcome, "message": run.message, "figures": figures,
        })),
        Format::Text => {
            let cell = |key: &str| figures[key].to_string();
            say(&format!(
                "{outcome}: {} variants, {} levels; {} to set, {} as they should be, {} left alone",
                cell("variants"), cell("levels"), cell("to_set"), cell("quiet"), cell("left")
            ));
            if let Some(message) = &run.message {
                say(message);
            }
        }
    }
    if outcome == "done" { Ok(()) } else { Err(Failure::Found) }
}

/// Follows the run that was asked for to its end.
async fn follow(store: &Store, name: &ConnectionName, asked_at: Timestamp, clock: &Clock) -> Result<Run, Failure> {
    let mut said = String::new();
    loop {
        let (latest, _) = store.latest_runs(name, STOCK).await?;
        if let Some(run) = latest.filter(|run| run.started_at >= asked_at) {
            if run.outcome.is_some() {
                return Ok(run);
            }
            let place = store.cursor(name, STOCK).await?;
            let place = place.and_then(|text| serde_json::from_str::<Place>(&text).ok());
            let line = place.as_ref().map_or_else(String::new, doing);
            if !line.is_empty() && line != said {
                tell(&format!("{name}: {line}"));
                said = line;
            }
        }
        clock.wait(LOOK).await;
    }
}

/// What a run does, in one line.
fn doing(place: &Place) -> String {
    let seen = &place.seen;
    match &place.step {
        Step::Variants { .. } | Step::File { .. } => format!("the shop: {} variants, {} levels", seen.variants, seen.levels),
        Step::SalesParts { .. } => format!("IFS: {} sales parts", seen.sales_parts),
        Step::Orders => "what orders take".to_owned(),
        Step::DemandBefore { .. } | Step::DemandAfter { .. } => "IFS: open lines".to_owned(),
        Step::Stock { .. } => format!("IFS: stock of {} parts", seen.parts.values().sum::<u64>()),
        Step::Mend { .. } => "levels that somebody changed".to_owned(),
        Step::Books => "waits until every order is known".to_owned(),
        Step::Plan { .. } => format!("plans: {} to set, {} as they should be", seen.to_set, seen.quiet),
        Step::Rest => "at its end".to_owned(),
    }
}

async fn explain(store: &Store, name: &ConnectionName, sku: &str, format: Format) -> Result<(), Failure> {
    let variants = store.variants_named(name, sku.to_owned()).await?;
    if variants.is_empty() {
        return Err(Failure::Usage(format!(
            "no variant {sku:?} in the last reading: expected a SKU, a CatalogNo, or Shopify's number of a variant or an inventory item"
        )));
    }
    match format {
        Format::Json => say_json(&json!({"items": variants.iter().map(variant_json).collect::<Vec<_>>(), "next": null})),
        Format::Text => variants.iter().for_each(tell_variant),
    }
    Ok(())
}

fn variant_json(variant: &StockVariant) -> Value {
    json!({
        "variant_id": variant.variant_id.to_string(), "product_id": variant.product_id.to_string(),
        "item_id": variant.item_id.to_string(), "sku": variant.sku, "catalog_no": variant.catalog_no,
        "is_tracked": variant.is_tracked, "levels": variant.levels.iter().map(level_json).collect::<Vec<_>>(),
    })
}

fn level_json(level: &LevelRow) -> Value {
    let planned_from = level.planned_from.as_ref();
    let terms = terms_of(level).map_or(Value::Null, |terms| {
        let steps = terms.steps().into_iter().map(|(name, figure)| (name.to_owned(), exact_number(figure)));
        json!({
            "steps": steps.collect::<serde_json::Map<_, _>>(), "short": exact_number(terms.short), "shares": terms.shares,
            "units": exact_number(terms.units), "whole": terms.whole, "cap": terms.cap, "committed": terms.committed,
        })
    });
    json!({
        "item_id": level.item_id.to_string(), "location_id": level.location_id.to_string(), "state": level.state.as_str(),
        "available": level.available, "committed": level.committed, "quantity": level.quantity, "wanted": level.wanted,
        "site": planned_from.map(|from| &from.0), "part_no": planned_from.map(|from| &from.1),
        "catalog_no": planned_from.map(|from| &from.2), "terms": terms,
        "reason": level.reason.as_ref().map(|(code, _)| code), "text": level.reason.as_ref().map(|(_, text)| text),
        "read_from": level.read_from.map(|at| at.to_string()), "written": level.written.map(|(units, _)| units),
        "written_at": level.written.map(|(_, at)| at.to_string()),
    })
}

/// The figures of a level; none where another version wrote them.
fn terms_of(level: &LevelRow) -> Option<Terms> {
    level.terms.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

fn tell_variant(variant: &StockVariant) {
    let sku = variant.sku.as_deref().unwrap_or("-");
    let catalog_no = variant.catalog_no.as_deref().unwrap_or("no sales part by the rules");
    let tracked = if variant.is_tracked { "" } else { "; Shopify does not count it" };
    say(&format!("variant {} (SKU {sku}): {catalog_no}{tracked}", variant.variant_id));
    for level in &variant.levels {
        say(&format!("  location {}: {}, shows {}", level.location_id, level.state.as_str(), level.available));
        if let Some((code, text)) = &level.reason {
            say(&format!("    {code}: {text}"));
        }
        let Some(terms) = terms_of(level) else { continue };
        for (term, figure) in terms.steps().into_iter().filter(|(_, figure)| !figure.is_zero()) {
            say(&format!("    {term:<10} {:>12}", figure.normalize()));
        }
        say(&format!(
            "    = {} whole units of {} for {} SKU(s); wanted {}, set to {}",
            terms.whole,
            terms.units.normalize(),
            terms.shares,
            cell(level.wanted),
            cell(level.quantity),
        ));
    }
}

fn cell(figure: Option<i64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}

async fn tell_coverage(
    store: &Store,
    name: &ConnectionName,
    connection: &ConnectionSettings,
    format: Format,
) -> Result<(), Failure> {
    let (mut rows, mut counts): (Vec<(String, Uncovered)>, Covered) = (Vec::new(), Covered::default());
    for site in connection.stock.sites() {
        let of_site = uncovered(store, name, site, &mut |one| rows.push((site.to_owned(), one))).await?;
        counts.covered += of_site.covered;
        counts.not_kept += of_site.not_kept;
        counts.uncovered += of_site.uncovered;
    }
    counts.uncovered += without_number(store, name, &mut |one| rows.push(("-".to_owned(), one))).await?;
    match format {
        Format::Json => {
            let items: Vec<Value> = rows
                .iter()
                .map(|(site, one)| {
                    let variants: Vec<String> = one.variants.iter().map(u64::to_string).collect();
                    json!({"site": site, "catalog_no": one.catalog_no, "code": one.code, "variants": variants, "text": one.text})
                })
                .collect();
            say_json(&json!({
                "connection": name.as_str(), "covered": counts.covered, "not_kept": counts.not_kept,
                "uncovered": counts.uncovered, "items": items, "next": null,
            }));
        }
        Format::Text => {
            let cells = |(site, one): &(String, Uncovered)| {
                let catalog_no = one.catalog_no.clone().unwrap_or_else(|| "-".to_owned());
                vec![site.clone(), catalog_no, one.code.to_owned(), one.text.clone()]
            };
            if !rows.is_empty() {
                say(&table(&["site", "CatalogNo", "what", "text"], &rows.iter().map(cells).collect::<Vec<_>>()));
            }
            say(&format!("{} covered, {} not kept in stock, {} to look at", counts.covered, counts.not_kept, counts.uncovered));
        }
    }
    Ok(())
}

async fn list(
    store: &Store,
    name: &ConnectionName,
    state: Option<String>,
    after: Option<String>,
    format: Format,
) -> Result<(), Failure> {
    let known = || LevelState::ALL.into_iter().map(LevelState::as_str);
    let parse = |word: &str| LevelState::ALL.into_iter().find(|state| state.as_str() == word);
    let state = state.map(|word| parse_state(&word, parse, known())).transpose()?;
    let after = after.map(|text| place_of(&text)).transpose()?;
    let filter = LevelFilter { state, after, limit: PAGE, ..LevelFilter::default() };
    let levels = store.stock_levels(name, filter).await?;
    let is_full = i64::try_from(levels.len()).is_ok_and(|count| count == PAGE);
    let next = levels.last().filter(|_| is_full).map(|level| format!("{}/{}", level.item_id, level.location_id));
    match format {
        Format::Json => {
            let counts: serde_json::Map<String, Value> = store
                .count_stock_levels(name)
                .await?
                .into_iter()
                .map(|(state, count)| (state.as_str().to_owned(), json!(count)))
                .collect();
            say_json(&json!({"items": levels.iter().map(level_json).collect::<Vec<_>>(), "next": next, "counts": counts}));
        }
        Format::Text => {
            for (state, count) in store.count_stock_levels(name).await? {
                say(&format!("{}: {count}", state.as_str()));
            }
            let cells = |level: &LevelRow| {
                let part = level.planned_from.as_ref().map_or_else(|| "-".to_owned(), |from| from.2.clone());
                let why = level.reason.as_ref().map_or_else(String::new, |(_, text)| text.clone());
                vec![
                    level.item_id.to_string(),
                    level.location_id.to_string(),
                    part,
                    level.state.as_str().to_owned(),
                    level.available.to_string(),
                    cell(level.quantity),
                    cell(level.wanted),
                    why,
                ]
            };
            let headings = ["item", "location", "CatalogNo", "state", "shows", "set to", "wanted", "why"];
            say(&table(&headings, &levels.iter().map(cells).collect::<Vec<_>>()));
            if let Some(next) = next {
                say(&format!("more: --after {next}"));
            }
        }
    }
    Ok(())
}

/// An item and a location, as `next` shows them.
fn place_of(text: &str) -> Result<(u64, u64), Failure> {
    let read = || {
        let (item, location) = text.split_once('/')?;
        Some((item.parse().ok()?, location.parse().ok()?))
    };
    read().ok_or_else(|| Failure::Usage(format!("--after: found {text:?}, expected the `next` of the page before")))
}

async fn list_outs(
    store: &Store,
    name: &ConnectionName,
    filter: StockOutFilter,
    after: Option<String>,
    format: Format,
) -> Result<(), Failure> {
    let after = match after {
        Some(text) => text.parse().map_err(|_| Failure::Usage(format!("--after: {text:?} is no number")))?,
        None => 0,
    };
    let rows = store.list_stock_outs(name, filter, after, PAGE).await?;
    let next = next_page(&rows, PAGE, |row| row.id);
    match format {
        Format::Json => {
            let items: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "id": row.id, "product_id": row.product_id.to_string(), "state": row.state, "acts": row.acts,
                        "opened_at": row.opened_at.to_string(), "changed_at": row.changed_at.to_string(),
                        "ended_at": row.ended.as_ref().map(|(at, _)| at.to_string()), "ended": row.ended.as_ref().map(|(_, how)| how),
                    })
                })
                .collect();
            say_json(&json!({"items": items, "next": next}));
        }
        Format::Text if rows.is_empty() => say("no product has run out"),
        Format::Text => {
            let cells = |row: &StockOut| {
                let state = row.ended.as_ref().map_or_else(|| row.state.clone(), |(_, how)| how.clone());
                let at = row.changed_at.strftime("%Y-%m-%d %H:%M").to_string();
                vec![row.id.to_string(), row.product_id.to_string(), state, row.acts.join(" "), at]
            };
            say(&table(&["id", "product", "state", "what", "since"], &rows.iter().map(cells).collect::<Vec<_>>()));
        }
    }
    Ok(())
}
