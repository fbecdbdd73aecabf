//! `stock list --outs`: what was done to products that have run out, and what Shopify did not take of it.

use serde_json::{Value, json};

use super::Failure;
use super::output::{Format, say, say_json, table};
use super::page::next_page;
use crate::domain::ids::ConnectionName;
use crate::store::{StockOut, StockOutFilter, Store};

/// Rows on one page.
const PAGE: i64 = 100;

pub(super) async fn list_outs(
    store: &Store,
    name: &ConnectionName,
    filter: StockOutFilter,
    after: Option<String>,
    format: Format,
) -> Result<(), Failure> {
    let after = match after {
        Some(text) => text.parse().map_err(|_| Failure::Usage(format!("--after: {text:?} is no number")))?,
        None => 0,
    };
    let rows = store.list_stock_outs(name, filter, after, PAGE).await?;
    let next = next_page(&rows, PAGE, |row| row.id);
    match format {
        Format::Json => say_json(&json!({"items": rows.iter().map(out_json).collect::<Vec<_>>(), "next": next})),
        Format::Text if rows.is_empty() => say("no product has run out"),
        Format::Text => {
            let headings = ["id", "product", "state", "what", "since", "Shopify said"];
            say(&table(&headings, &rows.iter().map(cells).collect::<Vec<_>>()));
            if let Some(next) = next {
                say(&format!("more: --after {next}"));
            }
        }
    }
    Ok(())
}

fn out_json(row: &StockOut) -> Value {
    let (ended_at, ended) = row.ended.as_ref().map(|(at, how)| (at.to_string(), how)).unzip();
    json!({
        "id": row.id, "product_id": row.product_id.to_string(), "state": row.state, "acts": row.acts, "reason": row.reason,
        "opened_at": row.opened_at.to_string(), "changed_at": row.changed_at.to_string(),
        "called_at": row.called_at.to_string(), "ended_at": ended_at, "ended": ended,
    })
}

fn cells(row: &StockOut) -> Vec<String> {
    let state = row.ended.as_ref().map_or_else(|| row.state.clone(), |(_, how)| how.clone());
    let at = row.changed_at.strftime("%Y-%m-%d %H:%M").to_string();
    let reason = row.reason.clone().unwrap_or_default();
    vec![row.id.to_string(), row.product_id.to_string(), state, row.acts.join(" "), at, reason]
}
