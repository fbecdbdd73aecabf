//! `orders show` and `documents list|show|retry|resolve`: what became of the orders, and what a person may do.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::acts;
use super::customer_story::{customer_of, tell};
use super::output::{Format, say, say_json, table};
use super::page::{PageArgs, next_page, parse_state};
use super::steps::{cells_of, steps_of, steps_table, tell_differences};
use super::{Failure, Shown, open_store, who};
use crate::config::Settings;
use crate::domain::document::State;
use crate::domain::ids::{ConnectionName, DocumentId};
use crate::store::{DocumentFilter, DocumentRow, Store};

/// Documents on one page.
const PAGE: i64 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum OrdersCommand {
    /// Tells one order's story: deliveries, document, steps.
    #[command(
        after_help = "Examples:\n  ml-connector orders show '#1001'\n  ml-connector orders show 5580473532552 --connection acme\n  \
                      ml-connector orders show '#1001' --plan"
    )]
    Show {
        /// Shopify id, gid or name, or IFS OrderNo.
        order: String,
        /// Only of this connection.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        /// Shows instead what differs between Shopify and IFS now and what the writer would do about it; reads IFS, writes nothing.
        #[arg(long)]
        plan: bool,
        /// With --plan: shows names, addresses and notes too.
        #[arg(long, requires = "plan")]
        content: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Reads orders of a shop on demand: what is missing or newer there enters the inbox. Closed, archived and cancelled ones too.
    #[command(after_help = "Examples:\n  ml-connector orders sync acme --name '#1001'\n  \
                      ml-connector orders sync acme --since 2026-11-20 --dry-run\n\n\
                      A range that breaks off goes on where it ended when the same command is given again.")]
    Sync(super::sync::SyncArgs),
    /// Shows what the census of each night counted, by the day on which the orders were placed, newest first.
    #[command(after_help = "Example: ml-connector orders census acme --days 7")]
    Census(super::census::CensusArgs),
    /// Tells which rule or setting chose each code of an order.
    #[command(after_help = "Example: ml-connector orders explain '#1001'")]
    Explain {
        /// Shopify id, gid or name, or IFS OrderNo.
        order: String,
        /// Only of this connection.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DocumentsCommand {
    /// Lists documents.
    #[command(
        after_help = "Examples:\n  ml-connector documents list --state parked\n  ml-connector documents list --quarantined"
    )]
    List {
        #[command(flatten)]
        page: PageArgs,
        /// Lists deliveries that can't be read instead.
        #[arg(long, conflicts_with_all = ["connection", "state", "after"])]
        quarantined: bool,
        /// With --json: each document with its steps.
        #[arg(long, requires = "json", conflicts_with = "quarantined")]
        steps: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Shows one document with its steps.
    #[command(after_help = "Example: ml-connector documents show 17 --content")]
    Show {
        /// The document's number.
        id: i64,
        /// Shows what is desired and what was written too: names and addresses are in it.
        #[arg(long)]
        content: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Tries a parked, resolved, held, failing or skipped document again, judged anew under today's settings.
    #[command(after_help = "Example: ml-connector documents retry 17")]
    Retry {
        /// The document's number.
        id: i64,
        #[command(flatten)]
        shown: Shown,
    },
    /// Carries changed rules to orders that were written under earlier ones.
    #[command(after_help = "Examples:\n  ml-connector documents remap --dry-run\n  \
                      ml-connector documents remap --apply --connection acme --note 'new freight charge type from January'")]
    Remap(super::remap::RemapArgs),
    /// Lets a held order go on although what it waits for has not come; it is not held for that again.
    #[command(after_help = "Example: ml-connector documents release 17 --note 'paid by bank, seen on the account'")]
    Release {
        /// The document's number.
        id: i64,
        /// Why.
        #[arg(long)]
        note: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Closes a parked, held or failing document that a person has dealt with; nothing opens it again but `retry`.
    #[command(after_help = "Example: ml-connector documents resolve 17 --note 'keyed by hand as 10042'")]
    Resolve {
        /// The document's number.
        id: i64,
        /// What was done.
        #[arg(long)]
        note: String,
        #[command(flatten)]
        shown: Shown,
    },
}

/// What is asked of an order.
enum Asked {
    Story,
    Plan(Content),
    Explanation,
}

pub(super) async fn orders(settings: Settings, command: OrdersCommand) -> Result<(), Failure> {
    let (order, connection, shown, asked) = match command {
        OrdersCommand::Show { order, connection, plan: true, content, shown } => {
            (order, connection, shown, Asked::Plan(if content { Content::Shown } else { Content::Hidden }))
        }
        OrdersCommand::Show { order, connection, shown, .. } => (order, connection, shown, Asked::Story),
        OrdersCommand::Explain { order, connection, shown } => (order, connection, shown, Asked::Explanation),
        OrdersCommand::Sync(args) => {
            return super::sync::run(&settings, &open_store(&settings).await?, args).await;
        }
        OrdersCommand::Census(args) => {
            return super::census::run(&settings, &open_store(&settings).await?, args).await;
        }
    };
    let store = open_store(&settings).await?;
    let connection = connection
        .map(|name| ConnectionName::parse(&name))
        .transpose()
        .map_err(|error| Failure::Usage(format!("--connection: {error}")))?;
    let mut found = store.find_documents(connection, order.clone()).await?;
    // An order on two orders of IFS is one order, whichever of them was named.
    if let [one] = found.as_slice()
        && let Ok(name) = ConnectionName::parse(&one.connection)
    {
        let order_id = one.order_id;
        found = store.find_documents(Some(name), order_id.to_string()).await?;
        found.retain(|part| part.order_id == order_id);
    }
    match found.as_slice() {
        [] => Err(Failure::Usage(format!(
            "no order {order:?}: expected a Shopify id, gid or name such as #1001, or an IFS OrderNo; a delivery that can't \
             be read is in `documents list --quarantined`"
        ))),
        [document, rest @ ..] if are_parts(document, rest) => match asked {
            Asked::Story => show(&store, document, rest, Content::Hidden, shown.format()).await,
            Asked::Plan(content) => {
                // Of an order on two orders of IFS the one that was named, else the first.
                let named = found.iter().find(|part| part.order_no.as_ref() == Some(&order)).unwrap_or(document);
                super::plan::plan(&settings, &store, named, content, shown.format()).await
            }
            Asked::Explanation => super::explain::explain(&settings, &store, document, shown.format()).await,
        },
        several => {
            say(&rows(several));
            Err(Failure::Usage(format!("{order:?} means {} orders: use --connection or the Shopify id", several.len())))
        }
    }
}

pub(super) async fn documents(settings: Settings, command: DocumentsCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    match command {
        DocumentsCommand::List { quarantined: true, shown, .. } => list_quarantined(&store, shown.format()).await,
        DocumentsCommand::List { page: PageArgs { connection, state, after }, steps, shown, .. } => {
            let known = State::ALL.into_iter().map(State::as_str);
            let state = state.map(|word| parse_state(&word, State::parse, known)).transpose()?;
            let filter = DocumentFilter { connection, state, after, limit: PAGE };
            let depth = if steps { Depth::Steps } else { Depth::Brief };
            list(&store, filter, depth, shown.format()).await
        }
        DocumentsCommand::Show { id, content, shown } => {
            let document = the_document(&store, id).await?;
            let content = if content { Content::Shown } else { Content::Hidden };
            show(&store, &document, &[], content, shown.format()).await
        }
        DocumentsCommand::Retry { id, shown } => {
            acts::retry(&settings, &store, id).await?;
            after_act(&store, id, shown.format()).await
        }
        DocumentsCommand::Remap(args) => super::remap::remap(&settings, &store, args).await,
        DocumentsCommand::Release { id, note, shown } => {
            acts::release(&settings, &store, id, &note).await?;
            after_act(&store, id, shown.format()).await
        }
        DocumentsCommand::Resolve { id, note, shown } => {
            store.resolve_document(DocumentId::new(id), who(), note, Timestamp::now()).await?;
            after_act(&store, id, shown.format()).await
        }
    }
}

pub(super) async fn the_document(store: &Store, id: i64) -> Result<DocumentRow, Failure> {
    store
        .document(DocumentId::new(id))
        .await?
        .ok_or_else(|| Failure::Usage(format!("no document {id}: see `documents list`")))
}

async fn after_act(store: &Store, id: i64, format: Format) -> Result<(), Failure> {
    let document = the_document(store, id).await?;
    match format {
        Format::Json => say_json(&brief(&document)),
        Format::Text => say(&rows(std::slice::from_ref(&document))),
    }
    Ok(())
}

/// How much of each document a list tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Brief,
    Steps,
}

async fn list(store: &Store, filter: DocumentFilter, depth: Depth, format: Format) -> Result<(), Failure> {
    let found = store.list_documents(filter).await?;
    let next = next_page(&found, PAGE, |document| document.id.get());
    match format {
        Format::Json => {
            let mut items: Vec<Value> = found.iter().map(brief).collect();
            if depth == Depth::Steps {
                for (item, document) in items.iter_mut().zip(&found) {
                    item["steps"] = steps_of(&store.attempts_of(document.id).await?, Content::Hidden);
                }
            }
            say_json(&json!({"items": items, "next": next}));
        }
        Format::Text => {
            say(&rows(&found));
            if let Some(next) = next {
                say(&format!("more: --after {next}"));
            }
        }
    }
    Ok(())
}

async fn list_quarantined(store: &Store, format: Format) -> Result<(), Failure> {
    let found = store.quarantined(PAGE).await?;
    match format {
        Format::Json => {
            let item = |row: &crate::store::DeliveryView| {
                json!({"inbox_id": row.id.get(), "connection": row.connection, "topic": row.topic, "reason": row.reason,
                    "received_at": row.received_at.to_string()})
            };
            let items: Vec<Value> = found.iter().map(item).collect();
            say_json(&json!({"items": items, "next": null}));
        }
        Format::Text => {
            let cells = |row: &crate::store::DeliveryView| {
                vec![
                    row.id.to_string(),
                    row.connection.clone(),
                    row.topic.clone(),
                    row.received_at.to_string(),
                    row.reason.clone().unwrap_or_default(),
                ]
            };
            let cells: Vec<Vec<String>> = found.iter().map(cells).collect();
            say(&table(&["inbox", "connection", "topic", "received", "reason"], &cells));
        }
    }
    Ok(())
}

fn rows(documents: &[DocumentRow]) -> String {
    let row = |document: &DocumentRow| {
        vec![
            document.id.to_string(),
            document.connection.clone(),
            document.order_name.clone().unwrap_or_default(),
            document.order_id.to_string(),
            document.state.to_string(),
            document.order_no.clone().unwrap_or_else(|| "-".to_owned()),
            document.reason.as_ref().map_or_else(String::new, |reason| format!("{}: {}", reason.code, reason.text)),
        ]
    };
    let cells: Vec<Vec<String>> = documents.iter().map(row).collect();
    table(&["id", "connection", "order", "shopify id", "state", "IFS OrderNo", "reason"], &cells)
}

fn brief(document: &DocumentRow) -> Value {
    json!({
        "id": document.id.get(),
        "connection": document.connection,
        "kind": document.kind,
        "business_key": document.business_key,
        "order_id": document.order_id.to_string(),
        "order_name": document.order_name,
        "state": document.state.as_str(),
        "order_no": document.order_no,
        "origin": document.origin,
        "reason": document.reason.as_ref().map(|reason| json!({
            "kind": reason.kind.map(|kind| kind.as_str()), "code": reason.code, "text": reason.text})),
        "attempts": document.attempts,
        "desired_version": document.desired_version,
        "written_version": document.written_version,
        "due_at": document.due_at.to_string(),
        "held_since": document.held_since.map(|at| at.to_string()),
        "released": document.released,
        "waits_for": document.waits_for.map(DocumentId::get),
        "claimed": document.claimed,
        "open_intent": document.open_intent,
        "trace_id": document.trace_id,
        "created_at": document.created_at.to_string(),
        "updated_at": document.updated_at.to_string(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Shown,
    Hidden,
}

/// Whether all of these hold one order.
fn are_parts(document: &DocumentRow, rest: &[DocumentRow]) -> bool {
    rest.iter().all(|part| (&part.connection, part.order_id) == (&document.connection, document.order_id))
}

/// A document's story, and those of the other orders of IFS that hold the same order.
async fn show(
    store: &Store,
    document: &DocumentRow,
    parts: &[DocumentRow],
    content: Content,
    format: Format,
) -> Result<(), Failure> {
    let mut told = story(store, document, content).await?;
    let mut others = Vec::new();
    for part in parts {
        others.push(story(store, part, content).await?);
    }
    match format {
        Format::Json => {
            if !others.is_empty() {
                told["other_parts"] = others.into();
            }
            say_json(&told);
        }
        Format::Text => {
            tell_story(document, &told);
            for (part, told) in parts.iter().zip(&others) {
                say("\nanother order in IFS holds a part of it");
                tell_story(part, told);
            }
        }
    }
    Ok(())
}

async fn story(store: &Store, document: &DocumentRow, content: Content) -> Result<Value, Failure> {
    let attempts = store.attempts_of(document.id).await?;
    let name = ConnectionName::parse(&document.connection)
        .map_err(|error| Failure::Database(format!("documents.connection: {error}")))?;
    let deliveries = store.deliveries_of(&name, document.order_id).await?;
    let mut told = brief(document);
    told["deliveries"] = deliveries
        .iter()
        .map(|row| {
            json!({"inbox_id": row.id.get(), "topic": row.topic, "state": row.state, "reason": row.reason,
                "received_at": row.received_at.to_string(), "origin": row.origin})
        })
        .collect();
    told["steps"] = steps_of(&attempts, content);
    told["customer"] = customer_of(store, document).await?;
    if content == Content::Shown {
        told["desired"] = stored_json(&document.desired);
        told["written"] = document.written.as_deref().map_or(Value::Null, stored_json);
    }
    Ok(told)
}

/// A stored content; null when another version wrote it and it does not parse.
fn stored_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn tell_story(document: &DocumentRow, told: &Value) {
    say(&rows(std::slice::from_ref(document)));
    say("\ndeliveries");
    say(&table(
        &["received", "topic", "state", "reason"],
        &cells_of(&told["deliveries"], &["received_at", "topic", "state", "reason"]),
    ));
    say("\nsteps");
    say(&steps_table(&told["steps"]));
    tell(&told["customer"]);
    tell_differences(document, told);
    for part in ["desired", "written"] {
        if let Some(content) = told.get(part) {
            say(&format!("\n{part}\n{content:#}"));
        }
    }
}
