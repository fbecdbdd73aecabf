//! `connection list` and `show`: what the settings say of each connection, and what the database knows.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table};
use super::{Failure, Shown, open_store};
use crate::actors::lease_keeper::lease_name;
use crate::config::{ConnectionSettings, Settings};
use crate::domain::ids::ConnectionName;
use crate::flow::Mode;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionCommand {
    /// Lists the connections.
    #[command(after_help = "Example: ml-connector connection list --json")]
    List {
        #[command(flatten)]
        shown: Shown,
    },
    /// Shows one connection.
    #[command(after_help = "Example: ml-connector connection show acme")]
    Show {
        /// Its name in the settings.
        name: String,
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) async fn connection(settings: Settings, command: ConnectionCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    match command {
        ConnectionCommand::List { shown } => list(&settings, &store, shown.format()).await,
        ConnectionCommand::Show { name, shown } => show(&settings, &store, &name, shown.format()).await,
    }
}

async fn list(settings: &Settings, store: &Store, format: Format) -> Result<(), Failure> {
    let mut items = Vec::new();
    for (name, connection) in &settings.connections {
        items.push(told(store, name, connection).await?);
    }
    match format {
        Format::Json => say_json(&json!({"items": items, "next": null})),
        Format::Text => {
            let cell = |item: &Value, key: &str| item[key].as_str().unwrap_or("-").to_owned();
            let columns = ["name", "shop", "ifs", "company", "site", "mode", "owner"];
            let rows: Vec<Vec<String>> =
                items.iter().map(|item| columns.iter().map(|key| cell(item, key)).collect()).collect();
            say(&table(&columns, &rows));
        }
    }
    Ok(())
}

async fn show(settings: &Settings, store: &Store, name: &str, format: Format) -> Result<(), Failure> {
    let found = settings.connections.iter().find(|(known, _)| known.as_str() == name);
    let Some((name, connection)) = found else {
        return Err(Failure::Usage(format!("no [connections.{name}] in the settings: see `connection list`")));
    };
    let item = told(store, name, connection).await?;
    match format {
        Format::Json => say_json(&item),
        Format::Text => {
            if let Some(fields) = item.as_object() {
                for (key, value) in fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    say(&format!("{key:<18} {text}"));
                }
            }
        }
    }
    Ok(())
}

async fn told(store: &Store, name: &ConnectionName, connection: &ConnectionSettings) -> Result<Value, Failure> {
    let (link, rules) = (&connection.link, connection.rules.settings());
    let counts = store.count_open_documents().await?;
    let open: serde_json::Map<String, Value> = counts
        .into_iter()
        .filter(|row| row.connection == name.as_str())
        .map(|row| (row.state, json!(row.count)))
        .collect();
    let mode = match link.mode {
        Mode::Live => "live",
        Mode::Observe => "observe",
    };
    let lease = lease_name(&link.ifs);
    let leases = store.leases().await?;
    let owner = leases.into_iter().find(|known| known.name == lease && known.expires_in.is_some());
    Ok(json!({
        "name": name.as_str(),
        "shop": link.shop,
        "ifs": link.ifs.as_str(),
        "company": rules.company,
        "site": rules.site,
        "mode": mode,
        "owner": owner.map(|lease| lease.owner),
        "orders_from": connection.rules.orders_from().to_string(),
        "fingerprint": store.connection_fingerprint(name).await?,
        "look_up_before": store.look_up_before(name).await?.map(|at| at.to_string()),
        "open_documents": open,
    }))
}
