//! `credentials set` and `list`. A secret comes from standard input or a file, never from an argument, and is never shown.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::output::{Format, say, say_json, table};
use super::{Failure, Shown, open_store, who};
use crate::app::credentials as desk;
use crate::config::Settings;

/// Longest secret, bytes.
const SECRET_BYTES_MAX: u64 = 16_384;

#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    /// Stores a secret, encrypted; it replaces an earlier one of that kind.
    #[command(
        after_help = "Examples:\n  ml-connector credentials set connections.acme webhook_secret < secret\n  ml-connector credentials set ifs.main client_secret --file secret\n\nKinds: ifs.NAME takes client_id and client_secret; connections.NAME takes webhook_secret and webhook_secret_old, and by its shopify_auth access_token (token), client_id, client_secret and refresh_token (expiring_token), or client_id and client_secret (client_credentials)."
    )]
    Set {
        /// `connections.NAME` or `ifs.NAME`.
        owner: String,
        /// What the secret is.
        kind: String,
        /// Reads it from this file instead of standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Lists kinds, versions, fingerprints, and when a token ends; never a secret.
    #[command(after_help = "Example: ml-connector credentials list")]
    List {
        #[command(flatten)]
        shown: Shown,
    },
}

pub(super) async fn credentials(settings: Settings, command: CredentialsCommand) -> Result<(), Failure> {
    let store = open_store(&settings).await?;
    match command {
        CredentialsCommand::Set { owner, kind, file, shown } => {
            desk::check_owner(&settings, &owner, &kind).map_err(Failure::Usage)?;
            let keys = crate::app::key_ring(&settings)?;
            let secret = read_secret(file.as_deref())?;
            let print = desk::put(&store, &keys, &owner, &kind, &secret, who(), Timestamp::now()).await?;
            match shown.format() {
                Format::Json => say_json(&json!({"owner": owner, "kind": kind, "fingerprint": print})),
                Format::Text => say(&format!("stored {owner} {kind}, fingerprint {print}")),
            }
            Ok(())
        }
        CredentialsCommand::List { shown } => {
            let rows = store.list_credentials().await?;
            match shown.format() {
                Format::Json => {
                    let items: Vec<_> = rows
                        .iter()
                        .map(|row| {
                            json!({"owner": row.owner, "kind": row.kind, "version": row.version, "key_id": row.key_id,
                                "fingerprint": row.fingerprint, "updated_at": row.updated_at.to_string(),
                                "expires_at": row.expires_at.map(|at| at.to_string())})
                        })
                        .collect();
                    say_json(&json!({"items": items, "next": null}));
                }
                Format::Text => {
                    let told = |row: &crate::store::CredentialRow| {
                        vec![
                            row.owner.clone(),
                            row.kind.clone(),
                            row.version.to_string(),
                            row.key_id.clone(),
                            row.fingerprint.clone(),
                            row.updated_at.to_string(),
                            row.expires_at.map_or_else(|| "-".to_owned(), ends),
                        ]
                    };
                    let cells: Vec<Vec<String>> = rows.iter().map(told).collect();
                    say(&table(&["owner", "kind", "version", "key", "fingerprint", "set", "ends"], &cells));
                }
            }
            Ok(())
        }
    }
}

/// When a token ends; the first instant of all is that of one whose client id, secret or refresh token was replaced.
fn ends(at: Timestamp) -> String {
    if at <= Timestamp::UNIX_EPOCH { "ended".to_owned() } else { at.to_string() }
}

fn read_secret(file: Option<&Path>) -> Result<SecretString, Failure> {
    let mut text = String::new();
    let read = match file {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(SECRET_BYTES_MAX).read_to_string(&mut text),
    };
    read.map_err(|error| Failure::Usage(format!("the secret could not be read: {error}")))?;
    let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
    if secret.expose_secret().is_empty() {
        return Err(Failure::Usage("the secret is empty: give it on standard input or with --file".to_owned()));
    }
    Ok(secret)
}
