//! `deliveries list`: what Shopify delivered and what became of each.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table};
use super::page::{PageArgs, next_page, parse_state};
use super::{Failure, Shown, open_store};
use crate::config::Settings;
use crate::store::{DeliveryFilter, DeliveryView, InboxState, Store};

/// Deliveries on one page.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum DeliveriesCommand {
    /// Lists deliveries, oldest first.
    #[command(
        after_help = "Examples:\n  ml-connector deliveries list --state received\n  ml-connector deliveries list --json --after 500"
    )]
    List {
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) async fn deliveries(settings: Settings, command: DeliveriesCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    let DeliveriesCommand::List { page: PageArgs { connection, state, after }, shown } = command;
    let known = InboxState::ALL.into_iter().map(InboxState::as_str);
    let state = state.map(|word| parse_state(&word, InboxState::parse, known)).transpose()?;
    list(&store, DeliveryFilter { connection, state, after, limit: PAGE }, shown.format()).await
}

async fn list(store: &Store, filter: DeliveryFilter, format: Format) -> Result<(), Failure> {
    let found = store.list_deliveries(filter).await?;
    let next = next_page(&found, PAGE, |delivery| delivery.id.get());
    match format {
        Format::Json => {
            let items: Vec<Value> = found.iter().map(brief).collect();
            say_json(&json!({"items": items, "next": next}));
        }
        Format::Text => {
            let rows: Vec<Vec<String>> = found.iter().map(cells).collect();
            say(&table(&["inbox", "connection", "received", "topic", "shopify id", "state", "reason"], &rows));
            if let Some(next) = next {
                say(&format!("more: --after {next}"));
            }
        }
    }
    Ok(())
}

fn brief(delivery: &DeliveryView) -> Value {
    json!({
        "inbox_id": delivery.id.get(),
        "connection": delivery.connection,
        "topic": delivery.topic,
        "webhook_id": delivery.webhook_id,
        "order_id": delivery.order_id.map(|id| id.to_string()),
        "state": delivery.state,
        "reason": delivery.reason,
        "received_at": delivery.received_at.to_string(),
    })
}

fn cells(delivery: &DeliveryView) -> Vec<String> {
    vec![
        delivery.id.to_string(),
        delivery.connection.clone(),
        delivery.received_at.to_string(),
        delivery.topic.clone(),
        delivery.order_id.map_or_else(String::new, |id| id.to_string()),
        delivery.state.clone(),
        delivery.reason.clone().unwrap_or_default(),
    ]
}
