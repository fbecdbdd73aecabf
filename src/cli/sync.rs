//! `orders sync`: orders of a shop read on demand, one or a range, so that what is missing enters the inbox.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Format, say, say_json, tell};
use super::{Failure, Shown};
use crate::app::{key_ring, shop_client};
use crate::clock::Clock;
use crate::config::{ConnectionSettings, Settings};
use crate::domain::ids::ConnectionName;
use crate::flow::sync::{Asked, BULK_FROM, Desk, Manner, Statuses, SyncError, Synced, Which, sync};
use crate::shopify::Lane;
use crate::store::Store;

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["id", "name", "since"])]
pub(super) struct SyncArgs {
    /// The connection.
    connection: String,
    /// The order with this number of Shopify's, or its gid.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The order of this name, such as '#1001'.
    #[arg(long)]
    name: Option<String>,
    /// All orders that were placed or changed since then: a day of the shop's, or an instant as 2026-12-01T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// With --since: before then.
    #[arg(long, value_name = "TIME", requires = "since")]
    until: Option<String>,
    /// Of a range the archived orders alone; otherwise they come with all others.
    #[arg(long)]
    archived: bool,
    /// Only counts what would enter.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shown: Shown,
}

pub(super) async fn run(settings: &Settings, store: &Store, args: SyncArgs) -> Result<(), Failure> {
    let found = settings.connections.iter().find(|(name, _)| name.as_str() == args.connection);
    let Some((name, connection)) = found else {
        return Err(Failure::Usage(format!(
            "no [connections.{}] in the settings: see `connection list`",
            args.connection
        )));
    };
    let asked = Asked {
        which: which(&args, connection)?,
        statuses: if args.archived { Statuses::Archived } else { Statuses::Every },
        manner: if args.dry_run { Manner::DryRun } else { Manner::Enter },
        bulk_from: BULK_FROM,
    };
    let synced = read(settings, store, name, &asked).await?;
    print(name, &asked, synced, args.shown.format());
    Ok(())
}

async fn read(settings: &Settings, store: &Store, name: &ConnectionName, asked: &Asked) -> Result<Synced, Failure> {
    let (keys, clock) = (key_ring(settings)?, Clock::system());
    let shopify = shop_client(settings, store, &keys, &clock, name).await?.in_lane(Lane::Rest);
    let desk = Desk { connection: name, shopify: &shopify, store, clock: &clock };
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(|error| Failure::Usage(format!("signals: {error}")))?;
    let progress = |line: String| tell(&format!("{name}: {line}"));
    // Whatever was committed stands; what was not is read again.
    let ended = tokio::select! {
        ended = sync(&desk, asked, &progress) => ended,
        _ = interrupted.recv() => {
            tell(&format!("{name}: stopped; the same command goes on where this one ended"));
            return Err(Failure::Found);
        }
    };
    ended.map_err(|error| match error {
        SyncError::Store(error) => Failure::from(error),
        SyncError::NoName | SyncError::NotFound => Failure::Usage(error.to_string()),
        SyncError::Shopify(_) | SyncError::Bulk(_) => {
            Failure::Remote(format!("[connections.{name}] {}", crate::app::chain(&error)))
        }
    })
}

fn which(args: &SyncArgs, connection: &ConnectionSettings) -> Result<Which, Failure> {
    if let Some(id) = &args.id {
        let number = id.trim_start_matches("gid://shopify/Order/").parse();
        let bad = |_| Failure::Usage(format!("--id: {id:?} is no number of an order"));
        return number.map(Which::Id).map_err(bad);
    }
    if let Some(name) = &args.name {
        return Ok(Which::Name(name.clone()));
    }
    let time = |key: &str, text: &str| {
        let day = || connection.rules.midnight(text.parse::<Date>().ok()?);
        let at: Option<Timestamp> = text.parse().ok().or_else(day);
        at.ok_or_else(|| Failure::Usage(format!("{key}: {text:?} is neither a day nor an instant with its offset")))
    };
    let since = time("--since", args.since.as_deref().unwrap_or_default())?;
    let until = args.until.as_deref().map(|text| time("--until", text)).transpose()?;
    if until.is_some_and(|until| until <= since) {
        return Err(Failure::Usage("--until is not behind --since".to_owned()));
    }
    Ok(Which::Range { since, until })
}

fn print(name: &ConnectionName, asked: &Asked, synced: Synced, format: Format) {
    let Synced { orders, known, entered, unknown, standing } = synced;
    let dry = asked.manner == Manner::DryRun;
    match format {
        Format::Json => say_json(&json!({
            "connection": name.as_str(), "dry_run": dry, "orders": orders, "known": known, "entered": entered, "unknown": unknown,
            "standing": standing,
        })),
        Format::Text => {
            let entered_words = if dry { "would enter" } else { "entered" };
            say(&format!(
                "{orders} orders read: {known} known as they are, {entered} {entered_words} ({unknown} of them unknown until now), \
                 {standing} in the inbox already"
            ));
            if !dry && entered > 0 {
                say("the running service maps them; see `orders show` and `documents list`");
            }
        }
    }
}
