//! What is written to a shop: metafields and tags. Both are the same however often they are said; each call goes once, and
//! who called decides whether it is said again.

use serde::Deserialize;
use serde_json::json;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::limits::MESSAGE_CHARS_MAX;

const METAFIELDS_SET: Document =
    Document { operation: "MetafieldsSet", text: include_str!("graphql/metafields_set.graphql") };
const TAGS_ADD: Document = Document { operation: "TagsAdd", text: include_str!("graphql/tags_add.graphql") };

/// Most metafields of one call (Shopify's own limit).
pub const METAFIELDS_MAX: usize = 25;

/// A text to be kept with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metafield {
    /// `gid://shopify/Order/…`.
    pub owner: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub key: String,
    /// The text.
    pub value: String,
}

/// Something that Shopify does not take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserError {
    /// Which metafield, from 0; none for the call as a whole.
    pub element_index: Option<usize>,
    /// Shopify's code, where it gives one.
    pub code: Option<String>,
    /// What it says.
    pub message: String,
}

impl std::fmt::Display for UserError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = self.message.chars().map(|c| if c.is_control() { ' ' } else { c });
        let message: String = plain.take(MESSAGE_CHARS_MAX).collect();
        match &self.code {
            Some(code) => write!(f, "{code} {message}"),
            None => f.write_str(&message),
        }
    }
}

impl ShopifyClient {
    /// Sets metafields, 25 at most, all or none. What Shopify does not take is told, and then none is set.
    ///
    /// # Errors
    /// The call failed; whether Shopify did it may be open. To say it again does no harm.
    pub async fn set_metafields(&self, metafields: &[Metafield]) -> Result<Vec<UserError>, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            metafields_set: Option<Payload>,
        }
        let metafields: Vec<_> = metafields
            .iter()
            .map(|field| {
                json!({
                    "ownerId": field.owner, "namespace": field.namespace, "key": field.key, "value": field.value,
                    "type": "single_line_text_field"
                })
            })
            .collect();
        let data = self.once(&METAFIELDS_SET, json!({ "metafields": metafields })).await?;
        let data: Data = serde_json::from_str(data.get())?;
        told(data.metafields_set)
    }

    /// Adds tags to a record. What Shopify does not take is told.
    ///
    /// # Errors
    /// As [`set_metafields`](Self::set_metafields).
    pub async fn add_tags(&self, id: &str, tags: &[String]) -> Result<Vec<UserError>, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            tags_add: Option<Payload>,
        }
        let data = self.once(&TAGS_ADD, json!({ "id": id, "tags": tags })).await?;
        let data: Data = serde_json::from_str(data.get())?;
        told(data.tags_add)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_errors: Vec<UserError>,
}

fn told(payload: Option<Payload>) -> Result<Vec<UserError>, ShopifyError> {
    payload.map(|payload| payload.user_errors).ok_or(ShopifyError::NotWhole { what: "the mutation's payload" })
}
