//! `orders census`: what the census of each night counted, day by day. Reads only the rows; Shopify is not asked.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table};
use super::{Failure, Shown};
use crate::config::Settings;
use crate::store::{CensusDay, Store};

const HEADINGS: [&str; 8] = ["day", "shopify", "known", "missing", "newer", "gone", "gaps in the names", "counted"];

#[derive(Debug, Args)]
pub(super) struct CensusArgs {
    /// The connection.
    connection: String,
    /// So many days, the newest that were counted.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    #[command(flatten)]
    shown: Shown,
}

pub(super) async fn run(settings: &Settings, store: &Store, args: CensusArgs) -> Result<(), Failure> {
    let found = settings.connections.iter().find(|(name, _)| name.as_str() == args.connection);
    let Some((name, connection)) = found else {
        return Err(Failure::Usage(format!(
            "no [connections.{}] in the settings: see `connection list`",
            args.connection
        )));
    };
    let days = store.census_days(name, i64::from(args.days)).await?;
    let census = &connection.link.census;
    match args.shown.format() {
        Format::Json => {
            let items: Vec<Value> = days.iter().map(as_json).collect();
            say_json(&json!({"connection": name.as_str(), "items": items, "next": null}));
        }
        Format::Text if days.is_empty() && census.days == 0 => {
            say("no day was counted: the census is switched off by census.days = 0");
        }
        Format::Text if days.is_empty() => {
            say(&format!("no day was counted yet: the service counts once a day, from {}:00 on", census.at_hour));
        }
        Format::Text => {
            let rows: Vec<Vec<String>> = days.iter().map(cells).collect();
            say(&table(&HEADINGS, &rows));
        }
    }
    Ok(())
}

fn as_json((day, taken_at): &(CensusDay, Timestamp)) -> Value {
    json!({
        "day": day.day, "shopify": day.shopify, "known": day.ours, "missing": day.missing, "newer": day.newer, "gone": day.gone,
        "gaps": day.gaps, "counted_at": taken_at.to_string(),
    })
}

fn cells((day, taken_at): &(CensusDay, Timestamp)) -> Vec<String> {
    let numbers = [day.shopify, day.ours, day.missing, day.newer, day.gone].map(|number| number.to_string());
    let gaps = if day.gaps.is_empty() { "-".to_owned() } else { day.gaps.clone() };
    let counted = taken_at.strftime("%Y-%m-%d %H:%M").to_string();
    [vec![day.day.clone()], numbers.to_vec(), vec![gaps, counted]].concat()
}
