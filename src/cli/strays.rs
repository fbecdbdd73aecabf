//! `strays list` and `dismiss`: records in IFS with a key of ours that no link explains, and a person's word that one is right.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table};
use super::{Failure, Shown, open_store, who};
use crate::config::Settings;
use crate::store::{Ended, StrayRow};

#[derive(Debug, Subcommand)]
pub(super) enum StraysCommand {
    /// Lists them, newest first, at most 1,000.
    #[command(
        after_help = "Examples:\n  ml-connector strays list\n  ml-connector strays list --connection acme --all --json"
    )]
    List {
        /// Only of this connection.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        /// Those too that are explained or dismissed by now.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Says that one is right as it stands: it is not told again. Nothing changes in IFS.
    #[command(after_help = "Example: ml-connector strays dismiss 4 --note 'keyed by sales, agreed with finance'")]
    Dismiss {
        /// Its number, as `strays list` shows it.
        id: i64,
        /// Why.
        #[arg(long)]
        note: String,
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) async fn strays(settings: Settings, command: StraysCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    let (rows, shown) = match command {
        StraysCommand::List { connection, all, shown } => {
            let ended = if all { Ended::Listed } else { Ended::LeftOut };
            (store.list_strays(connection, ended).await?, shown)
        }
        StraysCommand::Dismiss { id, note, shown } => {
            (vec![store.dismiss_stray(id, who(), note, Timestamp::now()).await?], shown)
        }
    };
    match shown.format() {
        Format::Json => say_json(&json!({"items": rows.iter().map(as_json).collect::<Vec<_>>(), "next": null})),
        Format::Text if rows.is_empty() => say("no record in IFS with our key is unexplained"),
        Format::Text => {
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            say(&table(&["id", "connection", "IFS OrderNo", "key", "document", "found", "state", "what"], &cells));
        }
    }
    Ok(())
}

fn state(row: &StrayRow) -> String {
    row.ended.as_ref().map_or_else(|| "open".to_owned(), |(_, how)| how.clone())
}

fn as_json(row: &StrayRow) -> Value {
    json!({
        "id": row.id, "connection": row.connection, "order_no": row.order_no, "business_key": row.business_key,
        "code": row.code, "text": row.text, "document": row.document.map(|id| id.get()), "found_at": row.found_at.to_string(),
        "seen_at": row.seen_at.to_string(), "ended_at": row.ended.as_ref().map(|(at, _)| at.to_string()), "state": state(row),
    })
}

fn cells(row: &StrayRow) -> Vec<String> {
    let document = row.document.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let found = row.found_at.strftime("%Y-%m-%d %H:%M").to_string();
    let (connection, order_no, key) = (row.connection.clone(), row.order_no.clone(), row.business_key.clone());
    vec![row.id.to_string(), connection, order_no, key, document, found, state(row), row.text.clone()]
}
