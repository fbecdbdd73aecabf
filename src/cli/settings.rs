//! `config check`, `config defaults` and `migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::output::{Format, say, say_json};
use super::{Failure, Shown, open_store, who};
use crate::config::{DEFAULT_TOML, Explained, Settings, explained_settings};
use crate::domain::ids::ConnectionName;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Reads the settings and tells every error at once; calls nobody.
    #[command(after_help = "Example: ml-connector --config ml-connector.toml config check")]
    Check {
        #[command(flatten)]
        shown: Shown,
    },
    /// Prints every setting with its meaning, its default and an example: the file that is compiled in. Reads no settings.
    #[command(after_help = "Examples:\n  ml-connector config defaults\n  ml-connector config defaults --json")]
    Defaults {
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// After a restored backup: every order is looked up in IFS before it is created.
    MarkRestored {
        /// Only this connection; else all of the settings.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) fn config(command: &ConfigCommand, config: Option<PathBuf>) -> Result<(), Failure> {
    let shown = match command {
        ConfigCommand::Check { shown } => shown,
        ConfigCommand::Defaults { shown } => {
            defaults(shown.format());
            return Ok(());
        }
    };
    let settings = super::load(config)?;
    let (tenants, connections) = (settings.tenants.len(), settings.connections.len());
    let notes = settings.notes();
    match shown.format() {
        Format::Json => {
            let notes: Vec<_> =
                notes.iter().map(|(name, note)| json!({"connection": name.as_str(), "note": note})).collect();
            say_json(&json!({"ok": true, "tenants": tenants, "connections": connections, "notes": notes}));
        }
        Format::Text => {
            say(&format!("the settings are in order: {tenants} IFS tenant(s), {connections} connection(s)"));
            for (name, note) in notes {
                say(&format!("note: connections.{name}.{note}"));
            }
        }
    }
    Ok(())
}

fn defaults(format: Format) {
    match format {
        Format::Text => say(DEFAULT_TOML.trim_end()),
        Format::Json => {
            let item = |setting: Explained| json!({"key": setting.key, "text": setting.text, "default": setting.default, "example": setting.example});
            let items: Vec<_> = explained_settings().into_iter().map(item).collect();
            say_json(&json!({"items": items}));
        }
    }
}

pub(super) async fn migrate(settings: Settings, args: MigrateArgs) -> Result<(), Failure> {
    match args.command {
        None => {
            let applied = crate::app::open_store(&settings)?.migrate().await?;
            match args.shown.format() {
                Format::Json => say_json(&json!({"applied": applied})),
                Format::Text if applied.is_empty() => say("the tables are up to date"),
                Format::Text => applied.iter().for_each(|name| say(&format!("applied {name}"))),
            }
            Ok(())
        }
        Some(MigrateCommand::MarkRestored { connection, shown }) => {
            let connections = chosen(&settings, connection)?;
            let names: Vec<String> = connections.iter().map(ToString::to_string).collect();
            let store = open_store(&settings).await?;
            let touched = store.mark_restored(connections, who(), Timestamp::now()).await?;
            match shown.format() {
                Format::Json => say_json(&json!({"connections": names, "documents": touched})),
                Format::Text => say(&format!(
                    "marked {}: orders are looked up before any create ({touched} waiting document(s) changed)",
                    names.join(", ")
                )),
            }
            Ok(())
        }
    }
}

fn chosen(settings: &Settings, connection: Option<String>) -> Result<Vec<ConnectionName>, Failure> {
    match connection {
        None => Ok(settings.connections.keys().cloned().collect()),
        Some(name) => settings
            .connections
            .keys()
            .find(|known| known.as_str() == name)
            .map(|known| vec![known.clone()])
            .ok_or_else(|| Failure::Usage(format!("no [connections.{name}] in the settings"))),
    }
}
