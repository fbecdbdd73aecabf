//! `webhooks list`, `register` and `repair`: the subscriptions of a connection's shop, shown or brought to what its flows take.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{Format, say, say_json, table, tell};
use super::{Failure, Shown, open_store};
use crate::app::{chain, key_ring, shop_client};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::ids::ConnectionName;
use crate::flow::subscriptions::{self, Act, Extent, Outcome, Standing, Survey, Wanted};
use crate::shopify::{Lane, ShopifyClient, ShopifyError};

#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// Lists the subscriptions that Shopify has, and what each is to this connection. Ends with 1 where something is missing, wrong or double.
    #[command(after_help = "Example: ml-connector webhooks list acme --json")]
    List {
        /// The connection.
        connection: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Subscribes to each topic that is missing; changes no subscription that stands.
    #[command(
        after_help = "Examples:\n  ml-connector webhooks register acme --dry-run\n  ml-connector webhooks register acme\n\nIt wants server.public_url, the address at which Shopify reaches this service."
    )]
    Register(BringUpArgs),
    /// Besides, puts subscriptions of ours right that lead elsewhere or send less, and takes doubles of ours away. Those of others are
    /// never touched.
    #[command(after_help = "Example: ml-connector webhooks repair acme --dry-run")]
    Repair(BringUpArgs),
}

#[derive(Debug, Args)]
pub(super) struct BringUpArgs {
    /// The connection.
    connection: String,
    /// Shows what would be done, and ends with 1 where there is something.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shown: Shown,
}

/// A shop, and what should stand there.
struct Desk {
    shop: ShopifyClient,
    wanted: Wanted,
    api_version: String,
}

pub(super) async fn webhooks(settings: Settings, command: WebhooksCommand) -> Result<(), Failure> {
    match command {
        WebhooksCommand::List { connection, shown } => {
            let desk = Desk::of(&settings, &connection).await?;
            let survey = desk.look().await?;
            desk.print(&Outcome { survey: survey.clone(), ..Outcome::default() }, &[], shown.format());
            if survey.is_right() { Ok(()) } else { Err(Failure::Found) }
        }
        WebhooksCommand::Register(args) => bring_up(&settings, args, Extent::Missing).await,
        WebhooksCommand::Repair(args) => bring_up(&settings, args, Extent::Everything).await,
    }
}

async fn bring_up(settings: &Settings, args: BringUpArgs, extent: Extent) -> Result<(), Failure> {
    let desk = Desk::of(settings, &args.connection).await?;
    if args.dry_run {
        let survey = desk.look().await?;
        let acts = survey.acts(extent);
        desk.print(&Outcome { survey, ..Outcome::default() }, &acts, args.shown.format());
        return if acts.is_empty() { Ok(()) } else { Err(Failure::Found) };
    }
    let outcome = subscriptions::bring_up(&desk.shop, &desk.wanted, extent).await;
    let outcome = outcome.map_err(|failed| {
        if !failed.done.is_empty() {
            tell(&format!(
                "ml-connector: {} of it was done before it broke off: see `webhooks list`",
                failed.done.len()
            ));
        }
        desk.failed(&failed.error)
    })?;
    desk.print(&outcome, &[], args.shown.format());
    if outcome.survey.is_right() && outcome.refused.is_empty() {
        return Ok(());
    }
    if extent == Extent::Missing && outcome.refused.is_empty() {
        tell("ml-connector: what is wrong or double is put right by `webhooks repair`");
    }
    Err(Failure::Found)
}

impl Desk {
    async fn of(settings: &Settings, connection: &str) -> Result<Self, Failure> {
        let found = settings.connections.iter().find(|(name, _)| name.as_str() == connection);
        let Some((name, connection)) = found else {
            return Err(Failure::Usage(format!(
                "no [connections.{connection}] in the settings: see `connection list`"
            )));
        };
        let Some(address) = settings.webhook_address(name) else {
            return Err(Failure::Usage(
                "server.public_url is not set: write the address at which Shopify reaches this service, as https://hooks.example.com"
                    .to_owned(),
            ));
        };
        let store = open_store(settings).await?;
        let keys = key_ring(settings)?;
        let shop = shop_client(settings, &store, &keys, &Clock::system(), name).await?.in_lane(Lane::Rest);
        let api_version = connection.link.shopify_api_version.clone();
        Ok(Self { shop, wanted: Wanted { connection: name.clone(), address }, api_version })
    }

    async fn look(&self) -> Result<Survey, Failure> {
        subscriptions::look(&self.shop, &self.wanted).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &ShopifyError) -> Failure {
        Failure::Remote(format!("[connections.{}] {}", self.connection(), chain(error)))
    }

    fn connection(&self) -> &ConnectionName {
        &self.wanted.connection
    }

    fn print(&self, outcome: &Outcome, to_do: &[Act], format: Format) {
        match format {
            Format::Json => say_json(&self.as_json(outcome, to_do)),
            Format::Text => self.say_text(outcome, to_do),
        }
    }

    fn as_json(&self, outcome: &Outcome, to_do: &[Act]) -> Value {
        let act = |act: &Act| {
            let (what, topic, id) = told(act);
            json!({"act": what, "topic": topic, "id": id})
        };
        let items = outcome.survey.seen.iter().map(|(row, standing)| {
            let why = if let Standing::Wrong(why) = standing { Some(why) } else { None };
            json!({"id": row.id, "topic": row.topic, "uri": row.uri, "name": row.name, "format": row.format, "filter": row.filter,
                "include_fields": row.include_fields, "api_version": row.api_version.handle, "standing": standing.as_str(), "why": why})
        });
        let refused = outcome.refused.iter().map(|(refused, why)| {
            let mut told = act(refused);
            told["why"] = json!(why);
            told
        });
        json!({
            "connection": self.connection().as_str(), "address": self.wanted.address,
            "items": items.collect::<Vec<_>>(), "missing": outcome.survey.missing,
            "done": outcome.done.iter().map(act).collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>(),
            "would_do": to_do.iter().map(act).collect::<Vec<_>>(), "next": null,
        })
    }

    fn say_text(&self, outcome: &Outcome, to_do: &[Act]) {
        let row = |topic: &str, standing: &str, uri: &str, name: &str, version: &str| {
            [topic, standing, uri, name, version].map(str::to_owned).to_vec()
        };
        let seen = outcome.survey.seen.iter().map(|(seen, standing)| {
            let name = seen.name.as_deref().unwrap_or("-");
            row(&seen.topic, standing.as_str(), &seen.uri, name, &seen.api_version.handle)
        });
        let missing = outcome.survey.missing.iter().map(|topic| row(topic, "missing", "-", "-", "-"));
        let mut rows: Vec<Vec<String>> = seen.chain(missing).collect();
        rows.sort();
        say(&table(&["topic", "standing", "uri", "name", "version"], &rows));
        for (seen, standing) in &outcome.survey.seen {
            if let Standing::Wrong(why) = standing {
                say(&format!("wrong: {} {why}", seen.topic));
            }
        }
        for (acts, word) in [(outcome.done.as_slice(), "done"), (to_do, "would do")] {
            for act in acts {
                let (what, topic, _) = told(act);
                say(&format!("{word}: {what} {topic}"));
            }
        }
        for (act, why) in &outcome.refused {
            let (what, topic, _) = told(act);
            say(&format!("refused: {what} {topic}: {why}"));
        }
        if let Some((seen, _)) =
            outcome.survey.seen.iter().find(|(seen, _)| seen.api_version.handle != self.api_version)
        {
            tell(&format!(
                "note: Shopify sends this app's webhooks as {}, the settings ask for {}: choose the webhooks' API version in the app",
                seen.api_version.handle, self.api_version
            ));
        }
    }
}

/// What an act is, about which topic, and on which subscription.
fn told(act: &Act) -> (&'static str, &str, Option<&str>) {
    match act {
        Act::Create(topic) => ("create", topic, None),
        Act::Update(id, topic) => ("update", topic, Some(id)),
        Act::Delete(id, topic) => ("delete", topic, Some(id)),
    }
}
