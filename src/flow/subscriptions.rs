//! Webhook subscriptions: which should stand, which do, and what brings the one to the other. Only what is recognisably ours is
//! ever changed: by the name that we give, or because it leads to this connection's path. Doing it twice does no harm; what a lost
//! answer did is seen in the next list.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::ingest::CLAIMED_TOPICS;
use crate::domain::ids::ConnectionName;
use crate::shopify::subscriptions::{NAME_CHARS_MAX, Subscription, SubscriptionInput};
use crate::shopify::{ShopifyClient, ShopifyError};
use crate::telemetry::metric;

/// How often what is to be done is looked at anew, as after answers that were lost.
const ROUNDS_MAX: usize = 3;

/// What a connection's subscriptions should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The connection.
    pub connection: ConnectionName,
    /// Where its webhooks are taken, seen from Shopify: `https://host/webhooks/NAME`.
    pub address: String,
}

/// How far a bringing up goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is missing is created.
    Missing,
    /// Besides, ours that are wrong are put right, and doubles of ours taken away, but for those that only their path makes ours and
    /// that lead to another host: a gateway's, perhaps. They are told.
    Certain,
    /// Those too: a person says so.
    Everything,
}

/// What one subscription is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As it should be.
    Right,
    /// Ours, but not as it should be: in what.
    Wrong(String),
    /// Ours, beside another one of its topic.
    Double,
    /// Ours, of a topic that no flow takes: left alone.
    Unclaimed,
    /// Not ours: never touched.
    Foreign,
}

/// All subscriptions of a shop's app, as they are to one connection.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Each with its standing, as Shopify told them.
    pub seen: Vec<(Subscription, Standing)>,
    /// Topics that nothing of ours stands for.
    pub missing: Vec<String>,
    /// The ids of those that only their path makes ours, and that lead to another host.
    pub elsewhere: BTreeSet<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Subscribe to a topic.
    Create(String),
    /// Put the subscription of this id and topic right.
    Update(String, String),
    /// Take the subscription of this id and topic away.
    Delete(String, String),
}

/// A bringing up that broke off.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why.
    pub error: ShopifyError,
    /// What Shopify had done by then.
    pub done: Vec<Act>,
}

impl From<ShopifyError> for Failed {
    fn from(error: ShopifyError) -> Self {
        Self { error, done: Vec::new() }
    }
}

/// What was done, and what stands after it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What Shopify did, as far as it answered.
    pub done: Vec<Act>,
    /// What it would not do: in its words.
    pub refused: Vec<(Act, String)>,
    /// What stands now.
    pub survey: Survey,
}

impl Standing {
    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong(_) => "wrong",
            Self::Double => "double",
            Self::Unclaimed => "unclaimed",
            Self::Foreign => "foreign",
        }
    }
}

impl Survey {
    /// Topics that do not stand as they should.
    pub fn lacking(&self) -> usize {
        let wrong = self.seen.iter().filter(|(_, standing)| matches!(standing, Standing::Wrong(_)));
        self.missing.len() + wrong.count()
    }

    /// Whether nothing is missing, wrong or double.
    pub fn is_right(&self) -> bool {
        self.lacking() == 0 && !self.seen.iter().any(|(_, standing)| *standing == Standing::Double)
    }

    /// What there is to do. Doubles go first, since names are unique.
    pub fn acts(&self, extent: Extent) -> Vec<Act> {
        let changed = |row: &Subscription| extent == Extent::Everything || !self.elsewhere.contains(&row.id);
        let of = |standing: fn(&Standing) -> bool| {
            let meant = self.seen.iter().filter(move |(row, seen)| standing(seen) && changed(row));
            meant.map(|(row, _)| (row.id.clone(), row.topic.clone()))
        };
        let mut acts = Vec::new();
        if extent != Extent::Missing {
            acts.extend(of(|seen| *seen == Standing::Double).map(|(id, topic)| Act::Delete(id, topic)));
            acts.extend(of(|seen| matches!(seen, Standing::Wrong(_))).map(|(id, topic)| Act::Update(id, topic)));
        }
        acts.extend(self.missing.iter().cloned().map(Act::Create));
        acts
    }
}

/// The topics that our flows take, as Shopify's enum has them.
pub fn topics() -> impl Iterator<Item = String> {
    CLAIMED_TOPICS.iter().map(|topic| topic.replace('/', "_").to_uppercase())
}

/// The name that we give to a subscription. A shop's names are unique, so the topic is in it; of two installations for one shop each
/// knows its own, so the connection is in it.
pub fn name_of(connection: &ConnectionName, topic: &str) -> String {
    let whole = format!("ml-connector-{connection}-{}", topic.replace('_', "-").to_lowercase());
    if whole.len() <= NAME_CHARS_MAX {
        return whole;
    }
    let digest = hex::encode(&Sha256::digest(whole.as_bytes())[..4]);
    format!("{}-{digest}", &whole[..NAME_CHARS_MAX - 9])
}

/// What the subscriptions of a shop's app are to one connection.
///
/// For each topic one of ours stays: the first that is right, else the one with our name, else the first. The others are doubles.
pub fn survey(subscriptions: Vec<Subscription>, wanted: &Wanted) -> Survey {
    let is_ours: Vec<bool> = subscriptions.iter().map(|row| is_ours(row, wanted)).collect();
    let mut standings = vec![Standing::Foreign; subscriptions.len()];
    for (index, row) in subscriptions.iter().enumerate() {
        if is_ours[index] {
            standings[index] = match wrong_in(row, wanted) {
                _ if !topics().any(|topic| topic == row.topic) => Standing::Unclaimed,
                None => Standing::Right,
                Some(what) => Standing::Wrong(what),
            };
        }
    }
    let mut missing = Vec::new();
    for topic in topics() {
        let ours: Vec<usize> =
            (0..subscriptions.len()).filter(|index| is_ours[*index] && subscriptions[*index].topic == topic).collect();
        let name = name_of(&wanted.connection, &topic);
        let right = ours.iter().find(|index| standings[**index] == Standing::Right);
        let named = ours.iter().find(|index| subscriptions[**index].name.as_ref() == Some(&name));
        match right.or(named).or(ours.first()).copied() {
            None => missing.push(topic),
            Some(kept) => {
                ours.iter().filter(|index| **index != kept).for_each(|index| standings[*index] = Standing::Double)
            }
        }
    }
    let only_by_path = |row: &&Subscription| !is_named(row, wanted) && host_of(&row.uri) != host_of(&wanted.address);
    let ours = subscriptions.iter().zip(&is_ours).filter(|(_, ours)| **ours).map(|(row, _)| row);
    let elsewhere = ours.filter(only_by_path).map(|row| row.id.clone()).collect();
    Survey { seen: subscriptions.into_iter().zip(standings).collect(), missing, elsewhere }
}

/// By the name that we gave, or because it leads to exactly this connection's path, or address, whatever the host.
fn is_ours(row: &Subscription, wanted: &Wanted) -> bool {
    let path = format!("webhooks/{}", wanted.connection);
    let leads_here = row.uri == wanted.address || split_address(&row.uri).is_some_and(|(_, rest)| rest == path);
    is_named(row, wanted) || leads_here
}

fn is_named(row: &Subscription, wanted: &Wanted) -> bool {
    row.name.as_deref() == Some(&*name_of(&wanted.connection, &row.topic))
}

fn host_of(uri: &str) -> Option<&str> {
    split_address(uri).map(|(host, _)| host)
}

/// Host and path, without the slash between them.
fn split_address(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix("https://")?.split_once('/')
}

/// In what a subscription of ours is not as it should be.
fn wrong_in(row: &Subscription, wanted: &Wanted) -> Option<String> {
    if row.uri != wanted.address {
        return Some(format!("leads to {} instead of {}", row.uri, wanted.address));
    }
    if row.format != "JSON" {
        return Some(format!("sends {}", row.format));
    }
    if row.filter.as_ref().is_some_and(|filter| !filter.is_empty()) {
        return Some("has a filter, which keeps orders back".to_owned());
    }
    (!row.include_fields.is_empty()).then(|| "sends some fields only".to_owned())
}

/// What stands.
///
/// # Errors
/// Shopify could not be asked.
pub async fn look(shop: &ShopifyClient, wanted: &Wanted) -> Result<Survey, ShopifyError> {
    Ok(survey(shop.webhook_subscriptions().await?, wanted))
}

/// Brings what stands to what should.
///
/// 1. List; what there is to do follows from it.
/// 2. Do it, each once. A lost answer is no matter: the next list tells.
/// 3. List again, and go on while something is left that Shopify has not refused.
///
/// # Errors
/// Shopify could not be asked, or does not let this app; with what was done by then.
pub async fn bring_up(shop: &ShopifyClient, wanted: &Wanted, extent: Extent) -> Result<Outcome, Failed> {
    let mut outcome = Outcome::default();
    match go_on(shop, wanted, extent, &mut outcome).await {
        Ok(()) => Ok(outcome),
        Err(error) => Err(Failed { error, done: outcome.done }),
    }
}

async fn go_on(
    shop: &ShopifyClient,
    wanted: &Wanted,
    extent: Extent,
    outcome: &mut Outcome,
) -> Result<(), ShopifyError> {
    let mut lost = None;
    for _ in 0..ROUNDS_MAX {
        outcome.survey = look(shop, wanted).await?;
        let acts = outcome.survey.acts(extent);
        let open: Vec<Act> =
            acts.into_iter().filter(|act| !outcome.refused.iter().any(|(refused, _)| refused == act)).collect();
        if open.is_empty() {
            break;
        }
        let mut lost_now = None;
        for act in open {
            match carry_out(shop, wanted, &act).await {
                Ok(None) => outcome.done.push(act),
                Ok(Some(why)) => outcome.refused.push((act, why)),
                Err(error) if error.passes_by_itself() => lost_now = Some(error),
                Err(error) => return Err(error),
            }
        }
        lost = lost_now;
    }
    outcome.survey = look(shop, wanted).await?;
    let left = outcome.survey.acts(extent);
    // What was refused because somebody else did it meanwhile stands now.
    outcome.refused.retain(|(act, _)| left.contains(act));
    match lost {
        Some(error) if !left.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// Why Shopify would not, if it would not.
async fn carry_out(shop: &ShopifyClient, wanted: &Wanted, act: &Act) -> Result<Option<String>, ShopifyError> {
    let input =
        |topic: &str| SubscriptionInput { uri: wanted.address.clone(), name: name_of(&wanted.connection, topic) };
    let errors = match act {
        Act::Create(topic) => shop.create_subscription(topic, &input(topic)).await?,
        Act::Update(id, topic) => shop.update_subscription(id, &input(topic)).await?,
        Act::Delete(id, _) => shop.delete_subscription(id).await?,
    };
    Ok(errors.first().map(ToString::to_string))
}

/// What the watcher does about what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Restores what is missing or wrong.
    Repair,
    /// Tells it.
    Report,
}

/// What a connection's watcher is made of.
#[derive(Debug, Clone)]
pub struct SubscriptionWatch {
    /// What should stand.
    pub wanted: Wanted,
    /// What is done about what does not.
    pub task: Watch,
    /// How often it is looked.
    pub every: Duration,
}

/// One look of the watcher: what does not stand is told, and restored where that is its task. Gives what stands after it.
///
/// # Errors
/// As [`bring_up`].
pub async fn watch(shop: &ShopifyClient, wanted: &Wanted, task: Watch) -> Result<Outcome, Failed> {
    let connection = &wanted.connection;
    let outcome = match task {
        Watch::Repair => {
            bring_up(shop, wanted, Extent::Certain).await.inspect_err(|failed| tell_done(connection, &failed.done))?
        }
        Watch::Report => Outcome { survey: look(shop, wanted).await?, ..Outcome::default() },
    };
    tell_done(connection, &outcome.done);
    for (act, why) in &outcome.refused {
        tracing::error!(%connection, ?act, %why, "Shopify would not restore a webhook subscription: run `webhooks list`");
    }
    let survey = &outcome.survey;
    for topic in &survey.missing {
        tracing::warn!(%connection, %topic, "a webhook subscription is missing: run `webhooks register`");
    }
    for (row, standing) in &survey.seen {
        if let Standing::Wrong(what) = standing {
            tracing::warn!(%connection, topic = %row.topic, %what, "a webhook subscription is wrong: run `webhooks repair`");
        }
    }
    metrics::gauge!(metric::SUBSCRIPTIONS_MISSING, "connection" => connection.to_string())
        .set(u32::try_from(survey.lacking()).unwrap_or(u32::MAX));
    Ok(outcome)
}

/// Says and counts what the watcher did.
fn tell_done(connection: &ConnectionName, done: &[Act]) {
    for act in done {
        let (topic, what) = match act {
            Act::Create(topic) => (topic, "was missing: created"),
            Act::Update(_, topic) => (topic, "was wrong: put right"),
            Act::Delete(_, topic) => (topic, "stood twice: one taken away"),
        };
        tracing::warn!(%connection, %topic, "a webhook subscription {what}");
        metrics::counter!(metric::SUBSCRIPTIONS_RESTORED_TOTAL, "connection" => connection.to_string()).increment(1);
    }
}
