//! The service's own account of a run, as its commands tell it from outside: every delivery, every document with its steps.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Trouble;
use super::children::service;

/// All that the service says.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) documents: Vec<Document>,
    pub(super) strays: Vec<Stray>,
}

/// A line of `strays list`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stray {
    pub(super) order_no: String,
    pub(super) business_key: String,
    pub(super) text: String,
}

/// A line of `deliveries list`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Delivery {
    pub(super) connection: String,
    pub(super) topic: String,
    pub(super) webhook_id: String,
    pub(super) order_id: Option<String>,
    pub(super) state: String,
    pub(super) reason: Option<String>,
}

/// A line of `documents list --steps`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Document {
    pub(super) id: i64,
    pub(super) connection: String,
    pub(super) kind: String,
    pub(super) order_id: String,
    pub(super) state: String,
    pub(super) order_no: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) reason: Option<Reason>,
    pub(super) desired_version: i64,
    pub(super) written_version: i64,
    pub(super) claimed: bool,
    pub(super) open_intent: Option<String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Step {
    pub(super) step: String,
    pub(super) outcome: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<i64>,
}

impl Account {
    /// Reads all of it.
    pub(super) async fn read(config: &Path) -> Result<Self, Trouble> {
        let config = config.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let deliveries = all(&config, &["deliveries", "list", "--json"])?;
            let documents = all(&config, &["documents", "list", "--steps", "--json"])?;
            let strays = all(&config, &["strays", "list", "--json"])?;
            Ok(Self { deliveries, documents, strays })
        });
        reading.await.map_err(|error| format!("the account was not read: {error}"))?
    }
}

/// Every page of a list.
fn all<T: DeserializeOwned>(config: &Path, command: &[&str]) -> Result<Vec<T>, Trouble> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let mut asked = service(config)?;
        asked.args(command).stdin(Stdio::null());
        if let Some(after) = after {
            asked.args(["--after", &i64::to_string(&after)]);
        }
        let output = asked.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let page: Page<T> = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{command:?} told something else: {error}"))?;
        items.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(items),
        }
    }
}
