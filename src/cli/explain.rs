//! `orders explain`: which rule or setting chose each code of an order.

use serde_json::{Value, json};

use super::Failure;
use super::output::{Format, say, say_json, table};
use crate::config::Settings;
use crate::flow::explain::explain_order;
use crate::store::{DocumentRow, Store};

/// Prints why the order of a document becomes what it becomes, under today's settings.
pub(super) async fn explain(
    settings: &Settings,
    store: &Store,
    document: &DocumentRow,
    format: Format,
) -> Result<(), Failure> {
    let known = settings.connections.iter().find(|(name, _)| name.as_str() == document.connection);
    let Some((name, connection)) = known else {
        return Err(Failure::Usage(format!("the settings have no [connections.{}] any more", document.connection)));
    };
    let Some(items) = explain_order(store, &connection.rules, name, document.order_id).await? else {
        return Err(Failure::Usage("no version of the order is known that this program can read".to_owned()));
    };
    match format {
        Format::Json => {
            let item = |item: &crate::mapping::explain::Item| json!({"what": item.what, "value": item.value, "because": item.because});
            let items: Vec<Value> = items.iter().map(item).collect();
            say_json(
                &json!({"connection": document.connection, "order_id": document.order_id.to_string(), "items": items}),
            );
        }
        Format::Text => {
            let cells: Vec<Vec<String>> = items
                .into_iter()
                .map(|item| vec![item.what, item.value.unwrap_or_else(|| "-".to_owned()), item.because])
                .collect();
            say(&table(&["what", "value", "because"], &cells));
        }
    }
    Ok(())
}
