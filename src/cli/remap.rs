//! `documents remap`: changed rules carried to orders that were written under earlier ones, shown first or done.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table, tell};
use super::{Failure, Shown, who};
use crate::config::{ConnectionSettings, Settings};
use crate::domain::document::State;
use crate::domain::ids::ConnectionName;
use crate::flow::remap::{Remapped, remapped};
use crate::mapping::difference::Difference;
use crate::store::{DocumentRow, Store, StoreError};

/// Documents that are read at once.
const PAGE: i64 = 100;
/// How often an order that changes while it is judged is judged again.
const ROUNDS_MAX: usize = 5;

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false, args = ["dry_run", "apply"])]
pub(super) struct RemapArgs {
    /// Shows what would change, order by order; changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does it: the orders are planned anew, and the running service writes them.
    #[arg(long, requires = "note")]
    apply: bool,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Only of this connection.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// How one order fares.
struct Told {
    document: DocumentRow,
    word: &'static str,
    differences: Vec<Difference>,
    why: Option<String>,
}

/// The words for how an order fares.
const SAME: &str = "same";
const WOULD_CHANGE: &str = "would_change";
const PLANNED: &str = "planned";
const STAYS: &str = "stays";

pub(super) async fn remap(settings: &Settings, store: &Store, args: RemapArgs) -> Result<(), Failure> {
    if let Some(asked) = &args.connection
        && !settings.connections.keys().any(|name| name.as_str() == asked)
    {
        return Err(Failure::Usage(format!(
            "--connection: no [connections.{asked}] in the settings: see `connection list`"
        )));
    }
    let mut told = Vec::new();
    for (name, connection) in &settings.connections {
        if args.connection.as_deref().is_none_or(|asked| asked == name.as_str()) {
            of_connection(store, name, connection, &args, &mut told).await?;
        }
    }
    print(&told, args.shown.format());
    if told.iter().any(|one| one.word == STAYS) { Err(Failure::Found) } else { Ok(()) }
}

async fn of_connection(
    store: &Store,
    name: &ConnectionName,
    connection: &ConnectionSettings,
    args: &RemapArgs,
    told: &mut Vec<Told>,
) -> Result<(), Failure> {
    let (mut after, mut looked) = (0, 0_usize);
    loop {
        let page = store.mapped_by_others(name, connection.rules.revision(), after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id.get();
        looked += page.len();
        for document in page {
            told.push(one(store, name, connection, args, document).await?);
        }
        tell(&format!("{name}: {looked} orders looked at"));
    }
}

/// One order: judged, and stored where that is asked for; judged again when it changed meanwhile.
async fn one(
    store: &Store,
    name: &ConnectionName,
    connection: &ConnectionSettings,
    args: &RemapArgs,
    mut document: DocumentRow,
) -> Result<Told, Failure> {
    for _ in 0..ROUNDS_MAX {
        let (word, differences, anew) =
            match remapped(store, &connection.rules, name, &document, Timestamp::now()).await? {
                Remapped::Stays { differences, why } => {
                    return Ok(Told { document, word: STAYS, differences, why: Some(why) });
                }
                Remapped::Same(anew) => (SAME, Vec::new(), anew),
                Remapped::Differs { differences, anew } => {
                    (if args.apply { PLANNED } else { WOULD_CHANGE }, differences, anew)
                }
            };
        if !args.apply {
            return Ok(Told { document, word, differences, why: None });
        }
        let by = (who(), args.note.clone().unwrap_or_default());
        match store.remap_document(document.id, anew, by, Timestamp::now()).await {
            Ok(State::Planned | State::Written | State::Unknown | State::Writing | State::Retry) => {
                return Ok(Told { document, word, differences, why: None });
            }
            Ok(state) => {
                let why = Some(format!("it stays {state}: see `documents show {}`", document.id));
                return Ok(Told { document, word: STAYS, differences, why });
            }
            Err(StoreError::Stale) => document = super::documents::the_document(store, document.id.get()).await?,
            Err(error) => return Err(error.into()),
        }
    }
    let why = Some(format!("it changed while it was judged, {ROUNDS_MAX} times: run the command again"));
    Ok(Told { document, word: STAYS, differences: Vec::new(), why })
}

/// What becomes of a value, unless it may be a person's.
fn values(one: &Difference) -> (Option<String>, Option<String>) {
    let hidden = one.is_personal();
    let shown = |value: &crate::mapping::scalar::Scalar| {
        if hidden { format!("({} characters)", value.to_string().chars().count()) } else { value.to_string() }
    };
    (one.was.as_ref().map(shown), one.becomes.as_ref().map(shown))
}

fn print(told: &[Told], format: Format) {
    let count = |word: &str| told.iter().filter(|one| one.word == word).count();
    let counts = [SAME, WOULD_CHANGE, PLANNED, STAYS].map(|word| (word, count(word)));
    match format {
        Format::Json => {
            let difference = |one: &Difference| {
                let (was, becomes) = values(one);
                json!({"record": one.record, "field": one.field, "change": one.change.map(|change| change.as_str()), "was": was,
                    "becomes": becomes})
            };
            let item = |one: &Told| {
                json!({"document": one.document.id.get(), "connection": one.document.connection,
                    "order_name": one.document.order_name, "order_id": one.document.order_id.to_string(),
                    "order_no": one.document.order_no, "outcome": one.word, "why": one.why,
                    "differences": one.differences.iter().map(difference).collect::<Vec<_>>()})
            };
            let items: Vec<Value> = told.iter().filter(|one| one.word != SAME).map(item).collect();
            let counts: serde_json::Map<String, Value> =
                counts.into_iter().map(|(word, count)| (word.to_owned(), json!(count))).collect();
            say_json(&json!({"items": items, "next": null, "counts": counts}));
        }
        Format::Text => {
            let rows: Vec<Vec<String>> = told.iter().filter(|one| one.word != SAME).flat_map(lines).collect();
            if !rows.is_empty() {
                say(&table(&["order", "IFS OrderNo", "document", "outcome", "what", "was", "becomes"], &rows));
            }
            let counts: Vec<String> = counts
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(word, count)| format!("{count} {word}"))
                .collect();
            say(&if counts.is_empty() {
                "no order stands in IFS as earlier rules made it".to_owned()
            } else {
                counts.join(", ")
            });
        }
    }
}

/// The lines of one order: each difference, then why it stays.
fn lines(one: &Told) -> Vec<Vec<String>> {
    let dash = || "-".to_owned();
    let name = one.document.order_name.clone().unwrap_or_else(|| one.document.order_id.to_string());
    let head =
        [name, one.document.order_no.clone().unwrap_or_else(dash), one.document.id.to_string(), one.word.to_owned()];
    let mut cells: Vec<[String; 3]> = one
        .differences
        .iter()
        .map(|difference| {
            let (was, becomes) = values(difference);
            [difference.what(), was.unwrap_or_else(dash), becomes.unwrap_or_else(dash)]
        })
        .collect();
    if let Some(why) = &one.why {
        cells.push([why.clone(), String::new(), String::new()]);
    }
    if cells.is_empty() {
        cells.push([String::new(), String::new(), String::new()]);
    }
    cells.into_iter().map(|rest| head.iter().cloned().chain(rest).collect()).collect()
}
