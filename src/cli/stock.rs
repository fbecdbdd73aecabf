//! `stock sync|explain|coverage|list|retry`: what the shop shows of IFS's stock, how that came about, and what a person may do. Reads the
//! rows of the last reading; the running service asks shop and IFS.

use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Format, say, say_json, table, tell};
use super::page::{pair_of, parse_state};
use super::stock_explain::{cell, explain, level_json};
use super::stock_outs::list_outs;
use super::{Failure, Shown, open_store, who};
use crate::actors::lease_keeper::lease_name;
use crate::clock::Clock;
use crate::config::{ConnectionSettings, Settings};
use crate::domain::ids::ConnectionName;
use crate::flow::stock::told::{Covered, Uncovered, uncovered, without_number};
use crate::flow::stock::{ASKED, Asked, Place, STOCK, Step};
use crate::store::{Cursor, LevelFilter, LevelRow, LevelState, Run, StockOutFilter, Store};

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
    #[command(
        after_help = "Examples:\n  ml-connector stock list acme --state parked\n  ml-connector stock list acme --outs"
    )]
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
            let (name, connection) = the_connection(&settings, &connection)?;
            explain(&store, name, (&connection.stock, sku.as_str()), shown.format()).await
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
    if !connection.link.stock.is_on() {
        let text = format!("connections.{name}.stock has neither every_secs nor cron: stock is switched off");
        return Err(Failure::Usage(text));
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
                cell("variants"),
                cell("levels"),
                cell("to_set"),
                cell("quiet"),
                cell("left")
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
        Step::Variants { .. } | Step::File { .. } => {
            format!("the shop: {} variants, {} levels", seen.variants, seen.levels)
        }
        Step::SalesParts { .. } => format!("IFS: {} sales parts", seen.sales_parts),
        Step::Orders => "what orders take".to_owned(),
        Step::DemandBefore { .. } | Step::DemandAfter { .. } => "IFS: open lines".to_owned(),
        Step::Stock { .. } => format!("IFS: stock of {} parts", seen.parts.values().sum::<u64>()),
        Step::Mend { .. } => "levels that somebody changed".to_owned(),
        Step::Books => "waits until every order is known".to_owned(),
        Step::Plan { .. } | Step::Leave { .. } => {
            format!("plans: {} to set, {} as they should be", seen.to_set, seen.quiet)
        }
        Step::Rest => "at its end".to_owned(),
    }
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
        counts.bundles += of_site.bundles;
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
                "bundles": counts.bundles, "uncovered": counts.uncovered, "items": items, "next": null,
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
            say(&format!(
                "{} covered, {} not kept in stock, {} bundles of Shopify's, {} to look at",
                counts.covered, counts.not_kept, counts.bundles, counts.uncovered
            ));
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
    let after = after.map(|text| pair_of(&text)).transpose()?;
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
            say_json(
                &json!({"items": levels.iter().map(level_json).collect::<Vec<_>>(), "next": next, "counts": counts}),
            );
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
