//! `prices sync|list|explain|accept`: which of the shop's prices differ from IFS's, and what a person lets through. Reads the rows of the last
//! run; the running service asks shop and IFS.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Format, say, say_json, table, tell};
use super::page::pair_of;
use super::{Failure, Shown, open_store, who};
use crate::actors::lease_keeper::lease_name;
use crate::clock::Clock;
use crate::config::{ConnectionSettings, Mode, Settings};
use crate::domain::ids::ConnectionName;
use crate::flow::prices::{ASKED, Asked, PRICES, began_by, targets};
use crate::flow::stock;
use crate::store::{Cursor, PriceFilter, PriceRow, Run, Store};

/// Prices on one page.
const PAGE: i64 = 100;
/// Time between two looks at how far a run has come.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum PricesCommand {
    /// Has the running service read shop and IFS and compare every price now, and follows it.
    #[command(after_help = "Example: ml-connector prices sync acme")]
    Sync {
        /// The connection.
        connection: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Lists prices that differ, wait, or were set last.
    #[command(
        after_help = "Examples:\n  ml-connector prices list acme --parked\n  ml-connector prices list acme --price-list 31168"
    )]
    List {
        /// The connection.
        connection: String,
        /// Only those that wait for a person.
        #[arg(long)]
        parked: bool,
        /// Those of a market's price list, by Shopify's number, instead of the shop's own.
        #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
        price_list: u64,
        /// Only behind this one (the `next` of the page before).
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Tells how each price of a SKU stands.
    #[command(after_help = "Example: ml-connector prices explain acme CUP-1")]
    Explain {
        /// The connection.
        connection: String,
        /// The SKU, IFS's CatalogNo, or Shopify's number of the variant or its inventory item.
        sku: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Lets a parked price through: this amount, and no other.
    #[command(
        after_help = "Example: ml-connector prices accept acme 44765452900 --price 20.00 --note \"new price list of May\""
    )]
    Accept {
        /// The connection.
        connection: String,
        #[command(flatten)]
        accepted: Accepted,
        #[command(flatten)]
        shown: Shown,
    },
}

/// What a person lets through.
#[derive(Debug, Args)]
pub(super) struct Accepted {
    /// Shopify's number of the variant.
    variant: u64,
    /// The amount, as `prices explain` shows it under `wanted`; refused where it is another one by now.
    #[arg(long, value_name = "AMOUNT", value_parser = Decimal::from_str_exact)]
    price: Decimal,
    /// Of a market's price list, by Shopify's number, instead of the shop's own.
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    price_list: u64,
    /// Why; it is kept.
    #[arg(long)]
    note: String,
}

pub(super) async fn prices(settings: Settings, command: PricesCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    match command {
        PricesCommand::Sync { connection, shown } => sync(&settings, &store, &connection, shown.format()).await,
        PricesCommand::List { connection, parked, price_list, after, shown } => {
            let filter = if parked { PriceFilter::Parked } else { PriceFilter::All };
            let name = the_connection(&settings, &connection)?.0;
            list(&store, name, (price_list, filter), after, shown.format()).await
        }
        PricesCommand::Explain { connection, sku, shown } => {
            let (name, connection) = the_connection(&settings, &connection)?;
            explain(&store, name, connection, &sku, shown.format()).await
        }
        PricesCommand::Accept { connection, accepted, shown } => {
            let (name, connection) = the_connection(&settings, &connection)?;
            accept(&store, name, connection, accepted, shown.format()).await
        }
    }
}

async fn accept(
    store: &Store,
    name: &ConnectionName,
    connection: &ConnectionSettings,
    Accepted { variant, price, price_list, note }: Accepted,
    format: Format,
) -> Result<(), Failure> {
    // What does not follow IFS any more is set by nobody.
    if !targets(&connection.prices).iter().any(|target| target.list == price_list) {
        let what = match price_list {
            0 => format!("connections.{name}.prices.source is \"off\": the shop's own prices do not follow IFS"),
            list => format!("connections.{name}.prices.price_lists has no {list}: its prices do not follow IFS"),
        };
        return Err(Failure::Usage(what));
    }
    let which = (price_list, variant);
    let (amount, currency) = store.accept_price(name, which, price, (who(), note), Timestamp::now()).await?;
    let is_live = connection.link.mode == Mode::Live;
    match format {
        Format::Json => say_json(&json!({
            "connection": name.as_str(), "variant_id": variant.to_string(), "price": amount, "currency": currency,
            "is_live": is_live,
        })),
        Format::Text if is_live => {
            say(&format!("variant {variant} is set to {amount} {currency} by the running service"))
        }
        Format::Text => say(&format!(
            "{amount} {currency} is accepted for variant {variant}; nothing is set while connections.{name}.mode is \"observe\""
        )),
    }
    Ok(())
}

fn the_connection<'s>(
    settings: &'s Settings,
    name: &str,
) -> Result<(&'s ConnectionName, &'s ConnectionSettings), Failure> {
    let found = settings.connections.iter().find(|(known, _)| known.as_str() == name);
    found.ok_or_else(|| Failure::Usage(format!("no [connections.{name}] in the settings: see `connection list`")))
}

/// Asks for a reading of the stock too: prices are compared by it.
async fn sync(settings: &Settings, store: &Store, connection: &str, format: Format) -> Result<(), Failure> {
    let (name, connection) = the_connection(settings, connection)?;
    if targets(&connection.prices).is_empty() {
        return Err(Failure::Usage(format!("connections.{name}.prices names no source: no price follows IFS")));
    }
    let lease = lease_name(&connection.link.ifs);
    if !store.leases().await?.iter().any(|one| one.name == lease && one.expires_in.is_some()) {
        return Err(Failure::Usage(format!("no process serves [ifs.{}]: start `serve` first", connection.link.ifs)));
    }
    let (clock, asked_at) = (Clock::system(), Timestamp::now());
    let usage = |error: serde_json::Error| Failure::Usage(error.to_string());
    let prices = serde_json::to_string(&Asked { at: asked_at.as_microsecond() }).map_err(usage)?;
    store.keep_cursor(name, Cursor { name: ASKED.to_owned(), value: prices }, asked_at).await?;
    let reading = stock::Asked { at: asked_at.as_microsecond(), accepts_fewer: false };
    let reading = serde_json::to_string(&reading).map_err(usage)?;
    store.keep_cursor(name, Cursor { name: stock::ASKED.to_owned(), value: reading }, asked_at).await?;
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
            "connection": name.as_str(), "what": run.what, "outcome": outcome, "message": run.message,
            "figures": figures,
        })),
        Format::Text if run.what == PRICES => {
            let cell = |key: &str| figures[key].to_string();
            say(&format!(
                "{outcome}: {} prices compared; {} to set, {} right, {} for a person",
                cell("compared"),
                cell("to_set"),
                cell("right"),
                cell("parked")
            ));
            run.message.iter().for_each(|message| say(message));
        }
        Format::Text => {
            say(&format!("the stock's reading {outcome}: no price was compared"));
            run.message.iter().for_each(|message| say(message));
        }
    }
    if outcome == "done" { Ok(()) } else { Err(Failure::Found) }
}

/// Follows the run that was asked for to its end; or the stock's, where that failed before.
async fn follow(store: &Store, name: &ConnectionName, asked_at: Timestamp, clock: &Clock) -> Result<Run, Failure> {
    let mut said = false;
    loop {
        let (latest, _) = store.latest_runs(name, PRICES).await?;
        if let Some(run) = latest.filter(|run| run.started_at >= asked_at && run.outcome.is_some()) {
            // One that had begun before, and went on since, is not the one that was asked for.
            let began = store.cursor(name, PRICES).await?.and_then(|kept| began_by(&kept));
            if run.outcome.as_deref() != Some("done") || began.is_some_and(|began| began >= asked_at) {
                return Ok(run);
            }
        }
        let (reading, _) = store.latest_runs(name, stock::STOCK).await?;
        if let Some(run) = reading.filter(|run| run.started_at >= asked_at) {
            if run.outcome.as_deref() == Some("failed") {
                return Ok(run);
            }
            if !said {
                tell(&format!("{name}: shop and IFS are read"));
                said = true;
            }
        }
        clock.wait(LOOK).await;
    }
}

async fn list(
    store: &Store,
    name: &ConnectionName,
    (price_list, filter): (u64, PriceFilter),
    after: Option<String>,
    format: Format,
) -> Result<(), Failure> {
    let after = after.map_or(Ok((0, 0)), |text| pair_of(&text))?;
    let rows = store.prices(name, price_list, filter, after, PAGE).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let next = rows.last().filter(|_| is_full).map(|row| format!("{}/{}", row.product_id, row.variant_id));
    match format {
        Format::Json => say_json(&json!({"items": rows.iter().map(row_json).collect::<Vec<_>>(), "next": next})),
        Format::Text if rows.is_empty() => say("no price differs"),
        Format::Text => {
            say(&in_table(&rows));
            if let Some(next) = next {
                say(&format!("more: --after {next}"));
            }
        }
    }
    Ok(())
}

async fn explain(
    store: &Store,
    name: &ConnectionName,
    connection: &ConnectionSettings,
    sku: &str,
    format: Format,
) -> Result<(), Failure> {
    let variants = store.variants_named(name, sku.to_owned()).await?;
    if variants.is_empty() {
        return Err(Failure::Usage(format!("no reading of the shop has told of {sku}: see `stock coverage`")));
    }
    let (latest, _) = store.latest_runs(name, PRICES).await?;
    let failed = latest.filter(|run| run.outcome.as_deref() == Some("failed")).and_then(|run| run.message);
    let mut items = Vec::new();
    for variant in &variants {
        let part = variant.catalog_no.as_deref().unwrap_or("none");
        let (id, price) = (variant.variant_id, &variant.price);
        let mut rows = Vec::new();
        for target in targets(&connection.prices) {
            let before = (variant.product_id, id.saturating_sub(1));
            let found = store.prices(name, target.list, PriceFilter::All, before, 1).await?;
            rows.extend(found.into_iter().filter(|row| row.variant_id == id));
        }
        match format {
            Format::Json => items.push(json!({
                "variant_id": id.to_string(), "catalog_no": variant.catalog_no, "price": price,
                "prices": rows.iter().map(row_json).collect::<Vec<_>>(),
            })),
            Format::Text => {
                say(&format!("variant {id}, CatalogNo {part}: the shop asked {price} when it was read last"));
                if rows.is_empty() {
                    say("every price of it that follows IFS is right, or it is left alone: see `stock coverage`");
                } else {
                    say(&in_table(&rows));
                }
            }
        }
    }
    match format {
        Format::Json => say_json(&json!({"connection": name.as_str(), "items": items, "failed": failed})),
        Format::Text => failed.iter().for_each(|message| say(&format!("the latest run failed: {message}"))),
    }
    Ok(())
}

fn in_table(rows: &[PriceRow]) -> String {
    let cells = |row: &PriceRow| {
        let list = if row.price_list == 0 { "shop".to_owned() } else { row.price_list.to_string() };
        let amount = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "-".to_owned());
        let why = row.reason.as_ref().map_or_else(String::new, |(_, text)| text.clone());
        let (shown, wanted) = (amount(&row.shown), amount(&row.wanted));
        let (id, catalog_no, state) = (row.variant_id.to_string(), row.catalog_no.clone(), row.state.clone());
        vec![list, id, catalog_no, state, shown, wanted, row.currency.clone(), why]
    };
    let headings = ["list", "variant", "CatalogNo", "state", "shows", "wanted", "currency", "why"];
    table(&headings, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn row_json(row: &PriceRow) -> Value {
    json!({
        "price_list": (row.price_list != 0).then(|| row.price_list.to_string()), "variant_id": row.variant_id.to_string(),
        "product_id": row.product_id.to_string(), "catalog_no": row.catalog_no, "state": row.state, "shown": row.shown,
        "wanted": row.wanted, "currency": row.currency, "accepted": row.accepted,
        "code": row.reason.as_ref().map(|(code, _)| code), "text": row.reason.as_ref().map(|(_, text)| text),
        "updated_at": row.updated_at.to_string(),
    })
}
