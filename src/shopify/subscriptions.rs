//! Webhook subscriptions of a shop's app: list, create, update, delete. Each call that changes something goes once; what a lost
//! answer did is found by listing again. Which subscriptions should stand is the flow's.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::limits::SUBSCRIPTION_PAGES_MAX;
use super::write::UserError;

const LIST: Document =
    Document { operation: "WebhookSubscriptions", text: include_str!("graphql/webhook_subscriptions.graphql") };
const CREATE: Document = Document {
    operation: "WebhookSubscriptionCreate",
    text: include_str!("graphql/webhook_subscription_create.graphql"),
};
const UPDATE: Document = Document {
    operation: "WebhookSubscriptionUpdate",
    text: include_str!("graphql/webhook_subscription_update.graphql"),
};
const DELETE: Document = Document {
    operation: "WebhookSubscriptionDelete",
    text: include_str!("graphql/webhook_subscription_delete.graphql"),
};

/// Longest name of a subscription; it is of letters, digits, `_` and `-`, and unique in its shop (changelog of 2026-02-11).
pub const NAME_CHARS_MAX: usize = 50;

/// A subscription as Shopify tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// `gid://shopify/WebhookSubscription/…`.
    pub id: String,
    /// As Shopify's enum has it: `ORDERS_CREATE`.
    pub topic: String,
    /// Where it leads: `https://…`, or a queue of a cloud.
    pub uri: String,
    /// `JSON` or `XML`.
    pub format: String,
    /// Only what it matches is sent.
    pub filter: Option<String>,
    /// Only these fields are sent; all where there is none.
    pub include_fields: Vec<String>,
    /// Its name.
    pub name: Option<String>,
    /// The version of the API that the bodies are of. It is the app's, and cannot be chosen for a subscription.
    pub api_version: ApiVersion,
}

/// A version of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiVersion {
    /// As `2026-10`.
    pub handle: String,
}

/// What a subscription of ours is to be: the whole order as JSON, to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionInput {
    /// Where it leads.
    pub uri: String,
    /// Its name.
    pub name: String,
}

impl SubscriptionInput {
    /// All that a subscription of another making may have otherwise is said too, so that an update puts it right.
    fn json(&self) -> Value {
        json!({"uri": self.uri, "name": self.name, "format": "JSON", "filter": null, "includeFields": []})
    }
}

impl ShopifyClient {
    /// All subscriptions of the app.
    ///
    /// # Errors
    /// They could not be read whole; it was tried again where that is of use.
    pub async fn webhook_subscriptions(&self) -> Result<Vec<Subscription>, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            webhook_subscriptions: Page,
        }
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..SUBSCRIPTION_PAGES_MAX {
            let data = self.query(&LIST, json!({ "after": after })).await?;
            let Data { webhook_subscriptions: page } = serde_json::from_str(data.get())?;
            all.extend(page.nodes);
            if !page.page_info.has_next_page {
                return Ok(all);
            }
            let cursor = page.page_info.end_cursor;
            after = Some(cursor.ok_or(ShopifyError::NotWhole { what: "a page of subscriptions has no cursor" })?);
        }
        Err(ShopifyError::NotWhole { what: "the pages of subscriptions do not end" })
    }

    /// Subscribes to a topic. What Shopify does not take is told.
    ///
    /// # Errors
    /// The call failed; whether Shopify did it may be open.
    pub async fn create_subscription(
        &self,
        topic: &str,
        input: &SubscriptionInput,
    ) -> Result<Vec<UserError>, ShopifyError> {
        let variables = json!({ "topic": topic, "subscription": input.json() });
        told(&self.once(&CREATE, variables).await?, "webhookSubscriptionCreate")
    }

    /// Puts a subscription right. What Shopify does not take is told.
    ///
    /// # Errors
    /// As [`create_subscription`](Self::create_subscription).
    pub async fn update_subscription(
        &self,
        id: &str,
        input: &SubscriptionInput,
    ) -> Result<Vec<UserError>, ShopifyError> {
        let variables = json!({ "id": id, "subscription": input.json() });
        told(&self.once(&UPDATE, variables).await?, "webhookSubscriptionUpdate")
    }

    /// Takes a subscription away. What Shopify does not take is told; one that is gone already is such.
    ///
    /// # Errors
    /// As [`create_subscription`](Self::create_subscription).
    pub async fn delete_subscription(&self, id: &str) -> Result<Vec<UserError>, ShopifyError> {
        told(&self.once(&DELETE, json!({ "id": id })).await?, "webhookSubscriptionDelete")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Subscription>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// The `userErrors` of a mutation's payload.
fn told(data: &serde_json::value::RawValue, mutation: &str) -> Result<Vec<UserError>, ShopifyError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload {
        user_errors: Vec<UserError>,
    }
    let mut data: std::collections::HashMap<String, Option<Payload>> = serde_json::from_str(data.get())?;
    let payload = data.remove(mutation).flatten();
    payload.map(|payload| payload.user_errors).ok_or(ShopifyError::NotWhole { what: "the mutation's payload" })
}
