//! The customer of an order, as `orders show` tells of it: which document, how it stands, how its IFS customer was found or made,
//! and the steps. No name, address or e-mail: what is desired and written of it is `documents show --content`'s.

use serde_json::{Value, json};

use super::Failure;
use super::documents::Content;
use super::output::{say, table};
use super::steps::steps_of;
use crate::domain::document::DocumentKind;
use crate::domain::ids::{ConnectionName, DocumentId};
use crate::flow::wish::Wish;
use crate::store::{DocumentRow, Store};

/// What is told of the customer that an order waits for or uses; null where it has none of its own.
pub(super) async fn customer_of(store: &Store, order: &DocumentRow) -> Result<Value, Failure> {
    if order.kind != DocumentKind::CustomerOrder.as_str() {
        return Ok(Value::Null);
    }
    let id = match order.waits_for {
        Some(id) => Some(id),
        None => named(store, order).await?,
    };
    let Some(id) = id else { return Ok(Value::Null) };
    let Some(document) = store.document(id).await? else { return Ok(Value::Null) };
    let link = store.customer_link(id).await?;
    Ok(json!({
        "id": document.id.get(),
        "state": document.state.as_str(),
        "reason": document.reason.as_ref().map(|reason| json!({
            "kind": reason.kind.map(|kind| kind.as_str()), "code": reason.code, "text": reason.text})),
        "customer_no": link.as_ref().map(|link| link.customer_no.as_str()),
        "origin": link.as_ref().map(|link| link.origin.as_str()),
        "because": link.as_ref().map(|link| link.reason.as_str()),
        "linked_at": link.as_ref().map(|link| link.linked_at.to_string()),
        "due_at": document.due_at.to_string(),
        "steps": steps_of(&store.attempts_of(id).await?, Content::Hidden),
    }))
}

/// The customer's document that the order's content names.
async fn named(store: &Store, order: &DocumentRow) -> Result<Option<DocumentId>, Failure> {
    let key = match Wish::parse(&order.desired) {
        Ok(Wish::Write { order }) => order.customer.map(|customer| customer.key),
        Ok(Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | Err(_) => None,
    };
    let Some(key) = key else { return Ok(None) };
    let name = ConnectionName::parse(&order.connection)
        .map_err(|error| Failure::Database(format!("documents.connection: {error}")))?;
    Ok(store.customer_standing(&name, &key).await?.map(|standing| standing.document))
}

/// The same as text; nothing where there is nothing to tell.
pub(super) fn tell(customer: &Value) {
    if customer.is_null() {
        return;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), str::to_owned);
    let reason = &customer["reason"];
    let why =
        if reason.is_null() { String::new() } else { format!("{}: {}", text(&reason["code"]), text(&reason["text"])) };
    let row = vec![
        customer["id"].to_string(),
        text(&customer["state"]),
        text(&customer["customer_no"]),
        text(&customer["origin"]),
        text(&customer["because"]),
        why,
    ];
    say("\ncustomer");
    say(&table(&["id", "state", "IFS CustomerNo", "origin", "because", "reason"], &[row]));
    say("\nsteps of the customer");
    say(&super::steps::steps_table(&customer["steps"]));
}
