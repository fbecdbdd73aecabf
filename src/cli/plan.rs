//! `orders show --plan`: what the writer would do about an order now. IFS is read, nothing is written.

use serde_json::{Value, json};

use super::acts::connection_of;
use super::output::{Format, say, say_json, table};
use super::{Failure, documents::Content};
use crate::app::{key_ring, reading_client};
use crate::clock::Clock;
use crate::config::Settings;
use crate::flow::preview::{Preview, preview};
use crate::mapping::difference::is_personal;
use crate::mapping::preview::Side;
use crate::mapping::scalar::Scalar;
use crate::store::{DocumentRow, Store};

/// Prints what differs between what was written, what Shopify asks for and what IFS holds, and the steps from here.
pub(super) async fn plan(
    settings: &Settings,
    store: &Store,
    document: &DocumentRow,
    content: Content,
    format: Format,
) -> Result<(), Failure> {
    let (_, connection) = connection_of(settings, document)?;
    let keys = key_ring(settings)?;
    let ifs = reading_client(settings, store, &keys, &Clock::system(), &connection.link.ifs).await?;
    let told = preview(&ifs, &connection.rules, document).await.map_err(|error| {
        Failure::Remote(format!("[ifs.{}] IFS cannot be read: {}", connection.link.ifs, crate::app::chain(&error)))
    })?;
    match format {
        Format::Json => say_json(&as_json(document, &told, content)),
        Format::Text => say_text(document, &told, content),
    }
    Ok(())
}

/// A value, unless it may be a person's and was not asked for.
fn shown(side: &Side, value: Option<&Scalar>, content: Content) -> Option<String> {
    let hidden =
        content == Content::Hidden && side.field.as_deref().is_some_and(|field| is_personal(&side.record, field));
    let length = |value: &Scalar| format!("({} characters, see --content)", value.to_string().chars().count());
    value.map(|value| if hidden { length(value) } else { value.to_string() })
}

fn as_json(document: &DocumentRow, told: &Preview, content: Content) -> Value {
    let side = |side: &Side| {
        json!({"record": side.record, "field": side.field, "change": side.change.map(|change| change.as_str()),
            "written": shown(side, side.written.as_ref(), content), "shopify": shown(side, side.shopify.as_ref(), content),
            "ifs": shown(side, side.ifs.as_ref(), content), "then": side.then.as_str()})
    };
    json!({
        "document": document.id.get(),
        "order_id": document.order_id.to_string(),
        "order_no": document.order_no,
        "state": document.state.as_str(),
        "ifs_state": told.ifs_state,
        "verdict": told.verdict,
        "park": told.park.as_ref().map(|park| json!({"kind": park.kind.as_str(), "code": park.code, "text": park.text})),
        "differences": told.sides.iter().map(side).collect::<Vec<_>>(),
        "steps": told.steps,
    })
}

fn say_text(document: &DocumentRow, told: &Preview, content: Content) {
    let number = document.order_no.as_deref().unwrap_or("-");
    say(&format!(
        "{} is {} here, IFS order {number} is {} there",
        document.order_name.as_deref().unwrap_or("the order"),
        document.state,
        told.ifs_state.as_deref().unwrap_or("not read")
    ));
    if !told.sides.is_empty() {
        let cell = |side: &Side, value: Option<&Scalar>| shown(side, value, content).unwrap_or_else(|| "-".to_owned());
        let row = |side: &Side| {
            vec![
                side.record.clone(),
                side.field.clone().unwrap_or_else(|| "(row)".to_owned()),
                side.change.map_or_else(|| "-".to_owned(), |change| change.as_str().to_owned()),
                cell(side, side.written.as_ref()),
                cell(side, side.shopify.as_ref()),
                cell(side, side.ifs.as_ref()),
                side.then.as_str().to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = told.sides.iter().map(row).collect();
        say("\ndifferences");
        say(&table(&["record", "field", "change", "written", "Shopify", "IFS", "then"], &rows));
    }
    if !told.steps.is_empty() {
        say("\nsteps");
        for (number, step) in (1..).zip(&told.steps) {
            say(&format!("{number:>3}  {step}"));
        }
    }
    say(&format!("\n{}", told.verdict));
}
