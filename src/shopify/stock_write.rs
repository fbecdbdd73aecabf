//! How levels are set: 250 a call, each only where it still is what it was read as, under a key that is kept over the call's retries.
//! A call goes once; who called decides whether it goes again, with the same key and the same content.

use serde::Deserialize;
use serde_json::json;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::limits::MESSAGE_CHARS_MAX;

const INVENTORY_SET_QUANTITIES: Document =
    Document { operation: "InventorySetQuantities", text: include_str!("graphql/inventory_set_quantities.graphql") };

/// Most levels of one call (Shopify's own limit).
pub const LEVELS_MAX: usize = 250;

/// One level of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetLevel {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// What it is set to.
    pub quantity: i64,
    /// What it must still be.
    pub from: i64,
}

/// Something of a mutation's input that Shopify does not take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// Shopify's code, where it gives one.
    #[serde(default)]
    pub code: Option<String>,
    /// Where in the input, as `["input", "quantities", "3", "quantity"]`.
    pub field: Option<Vec<String>>,
    /// What it says.
    pub message: String,
}

impl FieldError {
    /// Which element of the list of this name it is about, from 0; none where it is about something else, or about all.
    pub fn index(&self, list: &str) -> Option<usize> {
        let path = self.field.as_deref()?;
        let at = path.iter().position(|part| part == list)?;
        path.get(at + 1)?.parse().ok()
    }

    /// Whether it says of an element of that list that Shopify has no such thing. Many mutations give no code: then its words count.
    pub fn is_of_nothing(&self, list: &str) -> bool {
        let says = self.message.to_lowercase();
        let of_nothing = ["does not exist", "doesn't exist", "not found", "not be found", "no longer exists"];
        self.index(list).is_some() && of_nothing.iter().any(|words| says.contains(words))
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = self.message.chars().map(|c| if c.is_control() { ' ' } else { c });
        let message: String = plain.take(MESSAGE_CHARS_MAX).collect();
        match &self.code {
            Some(code) => write!(f, "{code} {message}"),
            None => f.write_str(&message),
        }
    }
}

/// Why one level of a call is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelRefusal {
    /// It is not any more what it was read as: read it again.
    Stale,
    /// Shopify does not want it, whatever it is: a location that was switched off, an item that is not kept there or is gone.
    Bad(FieldError),
}

/// What became of a call. But for `Done` nothing was set: Shopify takes all levels of a call or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetOutcome {
    /// All levels are set, by this call or by an earlier one of the same key.
    Done,
    /// An earlier call of the same key is under way: ask again, with the same.
    UnderWay,
    /// The key is used up, as after an attempt that failed on Shopify's side: the levels go again in another call.
    KeySpent(FieldError),
    /// Some levels are not taken, by their places in the call. Where none is named, any of them may be the one.
    Refused {
        /// Those that were named.
        named: Vec<(usize, LevelRefusal)>,
        /// What was said of the call as a whole, or of places that it does not have.
        whole: Vec<FieldError>,
    },
}

impl ShopifyClient {
    /// Sets what may be bought of some items, [`LEVELS_MAX`] at most, all or none. `reference` is a URI that Shopify shows beside the change.
    ///
    /// # Errors
    /// The call failed; whether Shopify did it may be open. To send it again with the same key and content does no harm for as long as
    /// Shopify remembers the key.
    pub async fn set_available(
        &self,
        levels: &[SetLevel],
        key: &str,
        reference: &str,
    ) -> Result<SetOutcome, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            inventory_set_quantities: Option<Payload>,
        }
        let quantities: Vec<_> = levels
            .iter()
            .map(|level| {
                json!({
                    "inventoryItemId": format!("gid://shopify/InventoryItem/{}", level.item_id),
                    "locationId": format!("gid://shopify/Location/{}", level.location_id),
                    "quantity": level.quantity,
                    "changeFromQuantity": level.from,
                })
            })
            .collect();
        let input = json!({
            "name": "available", "reason": "correction", "referenceDocumentUri": reference, "quantities": quantities,
        });
        let data = self.once(&INVENTORY_SET_QUANTITIES, json!({ "input": input, "key": key })).await?;
        let data: Data = serde_json::from_str(data.get())?;
        let payload = data.inventory_set_quantities.ok_or(ShopifyError::NotWhole { what: "the mutation's payload" })?;
        Ok(judged(payload.user_errors, levels.len()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) user_errors: Vec<FieldError>,
}

fn judged(errors: Vec<FieldError>, levels: usize) -> SetOutcome {
    if errors.is_empty() {
        return SetOutcome::Done;
    }
    let has = |code: &str| errors.iter().find(|error| error.code.as_deref() == Some(code));
    if has("IDEMPOTENCY_CONCURRENT_REQUEST").is_some() {
        return SetOutcome::UnderWay;
    }
    let spent = has("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED").or_else(|| has("IDEMPOTENCY_KEY_PARAMETER_MISMATCH"));
    if let Some(spent) = spent {
        return SetOutcome::KeySpent(spent.clone());
    }
    let (mut named, mut whole) = (Vec::new(), Vec::new());
    for error in errors {
        match error.index("quantities").filter(|index| *index < levels) {
            Some(index) => {
                let stale =
                    matches!(error.code.as_deref(), Some("CHANGE_FROM_QUANTITY_STALE" | "COMPARE_QUANTITY_STALE"));
                named.push((index, if stale { LevelRefusal::Stale } else { LevelRefusal::Bad(error) }));
            }
            None => whole.push(error),
        }
    }
    SetOutcome::Refused { named, whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, field: &[&str]) -> FieldError {
        let field = (!field.is_empty()).then(|| field.iter().map(|part| (*part).to_owned()).collect());
        FieldError { code: Some(code.to_owned()), field, message: "no".to_owned() }
    }

    #[test]
    fn each_error_is_put_down_to_its_level_or_to_the_call() {
        let stale = error("CHANGE_FROM_QUANTITY_STALE", &["input", "quantities", "1", "changeFromQuantity"]);
        let bad = error("INVALID_LOCATION", &["input", "quantities", "0", "locationId"]);
        let beyond = error("INVALID_LOCATION", &["input", "quantities", "7", "locationId"]);
        let unnamed = error("INVALID_REASON", &["input", "reason"]);
        let outcome = judged(vec![stale, bad.clone(), beyond.clone(), unnamed.clone()], 2);
        let named = vec![(1, LevelRefusal::Stale), (0, LevelRefusal::Bad(bad))];
        assert_eq!(outcome, SetOutcome::Refused { named, whole: vec![beyond, unnamed] });
        assert_eq!(judged(Vec::new(), 2), SetOutcome::Done);
    }

    #[test]
    fn what_shopify_does_not_have_is_told_from_what_it_does_not_allow() {
        let of = |field: &[&str], message: &str| FieldError { message: message.to_owned(), ..error("X", field) };
        let path = ["input", "0", "publicationId"];
        assert!(of(&path, "Publication does not exist or is not publishable").is_of_nothing("input"));
        assert!(!of(&path, "Access denied").is_of_nothing("input"));
        assert!(!of(&["id"], "Resource does not exist").is_of_nothing("input"));
    }

    #[test]
    fn a_key_that_is_in_use_or_used_up_says_nothing_of_the_levels() {
        let stale = error("CHANGE_FROM_QUANTITY_STALE", &["input", "quantities", "0"]);
        let busy = error("IDEMPOTENCY_CONCURRENT_REQUEST", &[]);
        assert_eq!(judged(vec![stale.clone(), busy], 1), SetOutcome::UnderWay);
        let spent = error("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", &[]);
        assert_eq!(judged(vec![spent.clone(), stale], 1), SetOutcome::KeySpent(spent));
    }
}
