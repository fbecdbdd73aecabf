//! Prices reach the shop: those of one product in a call, or 250 of a price list. To set a price again changes nothing, so that a call whose answer
//! was lost just goes again, and no call is written down before it leaves. What was planned long ago, or under other rules than today's, is
//! not sent: the next run plans it anew, with its guards.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Target, behind_orders, rules_of, targets};
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::flow::Connection;
use crate::shopify::ShopifyError;
use crate::shopify::prices::{PRICES_MAX, VariantPrice};
use crate::shopify::stock_write::FieldError;
use crate::store::{PriceFilter, PriceRow, RefusedPrice, SettledPrices, StoreError};
use crate::telemetry::metric;

/// A price that was planned, or accepted, longer ago is not set any more: what IFS asks, and what the shop shows, may be another by now.
const PLAN_AGE_MAX: SignedDuration = SignedDuration::from_hours(6);
/// The pause after trouble of Shopify as a whole, when it did not name one.
const REMOTE_PAUSE: Duration = Duration::from_secs(5);
/// The shortest pause: none at all would mean that there is more to do.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// What Shopify says of prices of a call, by their places: a word and a sentence.
type Told = BTreeMap<usize, (String, String)>;

/// What came of a call.
enum Answered {
    /// Shopify did it.
    Done,
    /// It did all but these.
    DoneBut(Told),
    /// It did none of it; these are not taken, the others may go again.
    Named(Told),
    /// It did none of it, and names none.
    Unnamed(String, String),
    /// It goes again after this time.
    Later(Duration),
}

/// Sets what is planned, by `calls_max` calls at most, so that orders are told between them. Returns how long until there is something to do
/// again; no time at all where there is more.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn drain(link: &Connection, calls_max: usize) -> Result<Option<Duration>, StoreError> {
    let rules = rules_of(link);
    let mut calls = 0;
    for target in targets(&link.prices) {
        loop {
            let most = i64::try_from(PRICES_MAX).unwrap_or(1);
            let mut rows = link.store.prices(&link.name, target.list, PriceFilter::Planned, (0, 0), most).await?;
            let Some(first) = rows.first() else { break };
            let (product, together) = (first.product_id, first.together);
            if link.is_stopping() || link.shopify.is_left_alone() || !link.tenant.tenure.holds() {
                return Ok(Some(REMOTE_PAUSE));
            }
            if calls == calls_max {
                return Ok(Some(Duration::ZERO));
            }
            calls += 1;
            let before = link.clock.now().checked_sub(PLAN_AGE_MAX).unwrap_or(Timestamp::MIN);
            let is_good = |row: &PriceRow| {
                row.rules == rules && row.currency == target.currency.code() && row.updated_at >= before
            };
            let old: Vec<u64> = rows.iter().filter(|row| !is_good(row)).map(|row| row.variant_id).collect();
            if !old.is_empty() {
                age(link, target, old).await?;
                continue;
            }
            if target.list == 0 {
                rows.retain(|row| row.product_id == product);
            }
            rows.truncate(together.unwrap_or(PRICES_MAX).max(1));
            if let Some(pause) = set(link, target, &rows).await? {
                return Ok(Some(pause));
            }
        }
    }
    Ok(None)
}

/// Gives plans up. A run that plans them anew is begun by itself.
async fn age(link: &Connection, target: Target<'_>, variants: Vec<u64>) -> Result<(), StoreError> {
    let (store, lease) = (&link.store, &link.tenant.lease);
    let aged = store.age_prices(lease, &link.name, (target.list, variants), link.clock.now()).await?;
    tracing::warn!(
        connection = %link.name, list = target.list, aged,
        "prices that were planned long ago, or under other settings, are not set: they are compared and planned anew"
    );
    Ok(())
}

/// Sets some prices in one call. Where Shopify takes none of them and names none, they go apart from now on, until the one that it means stands
/// alone. Gives how long to wait where something goes again.
async fn set(link: &Connection, target: Target<'_>, rows: &[PriceRow]) -> Result<Option<Duration>, StoreError> {
    let answered = send(link, target, rows).await;
    failpoint::hit(failpoint::PRICES_ANSWERED);
    let (written, refused): (Vec<&PriceRow>, Told) = match answered {
        Answered::Later(pause) => return Ok(Some(pause)),
        Answered::Done => (rows.iter().collect(), BTreeMap::new()),
        Answered::DoneBut(named) => {
            let others = rows.iter().enumerate().filter(|(index, _)| !named.contains_key(index));
            (others.map(|(_, row)| row).collect(), named)
        }
        Answered::Named(named) => (Vec::new(), named),
        Answered::Unnamed(..) if rows.len() > 1 => {
            let variants = rows.iter().map(|row| row.variant_id).collect();
            let which = (target.list, variants);
            link.store.part_prices(&link.tenant.lease, &link.name, which, rows.len() / 2).await?;
            return Ok(None);
        }
        Answered::Unnamed(code, text) => (Vec::new(), BTreeMap::from([(0, (code, text))])),
    };
    settle(link, target, (written, refused), rows).await?;
    failpoint::hit(failpoint::PRICES_SETTLED);
    Ok(None)
}

async fn settle(
    link: &Connection,
    target: Target<'_>,
    (written, refused): (Vec<&PriceRow>, Told),
    some: &[PriceRow],
) -> Result<(), StoreError> {
    let count = written.len() as u64;
    let written = written.into_iter().filter_map(|row| Some((row.variant_id, row.wanted.clone()?))).collect::<Vec<_>>();
    let named = refused.into_iter().filter_map(|(index, told)| Some((some.get(index)?, told)));
    let mut refused_rows = Vec::new();
    for (row, (code, text)) in named {
        tracing::warn!(
            connection = %link.name, variant = row.variant_id, %code,
            "Shopify does not take a price: see `prices list --parked`"
        );
        let text = format!("Shopify did not take it: {text}; mend it there, the next run sets it");
        let Some(amount) = row.wanted.clone() else { continue };
        refused_rows.push(RefusedPrice { variant_id: row.variant_id, amount, code, text });
    }
    let (store, lease) = (&link.store, &link.tenant.lease);
    let settled = SettledPrices { written, refused: refused_rows };
    store.settle_prices(lease, &link.name, target.list, settled, link.clock.now()).await?;
    metrics::counter!(metric::PRICES_SET_TOTAL, "connection" => link.name.as_str().to_owned()).increment(count);
    Ok(())
}

async fn send(link: &Connection, target: Target<'_>, rows: &[PriceRow]) -> Answered {
    let mut prices = Vec::with_capacity(rows.len());
    for row in rows {
        let amount = row.wanted.as_deref().and_then(|wanted| Decimal::from_str_exact(wanted).ok());
        let Some(amount) = amount else {
            return Answered::Unnamed("unreadable_price".to_owned(), "its stored amount is none".to_owned());
        };
        prices.push(VariantPrice { variant_id: row.variant_id, amount });
    }
    let product = rows.first().map(|row| row.product_id).unwrap_or_default();
    let shopify = behind_orders(link);
    let answer = match target.list {
        0 => shopify.set_prices(product, &prices).await,
        list => shopify.fix_prices(list, target.currency.code(), &prices).await,
    };
    match answer {
        Ok(errors) => judged(target, rows.len(), &errors),
        Err(error) => failed(link, &error),
    }
}

/// What Shopify's errors mean for a call. Of a product's prices it sets those that it does not name; of a price list's, none.
fn judged(target: Target<'_>, rows: usize, errors: &[FieldError]) -> Answered {
    let list = if target.list == 0 { "variants" } else { "prices" };
    let told = |error: &FieldError| (code_of(error), error.to_string());
    let index = |error: &FieldError| error.index(list).filter(|index| *index < rows);
    let named: Told = errors.iter().filter_map(|error| Some((index(error)?, told(error)))).collect();
    let Some(unnamed) = errors.iter().find(|error| index(error).is_none()) else {
        return match (errors.is_empty(), target.list) {
            (true, _) => Answered::Done,
            (false, 0) => Answered::DoneBut(named),
            (false, _) => Answered::Named(named),
        };
    };
    if named.is_empty() {
        let (code, text) = told(unnamed);
        return Answered::Unnamed(code, text);
    }
    Answered::Named(named)
}

fn code_of(error: &FieldError) -> String {
    error.code.as_deref().unwrap_or("refused").to_ascii_lowercase()
}

/// What becomes of a call that failed. An answer that cannot be read counts as a refusal: what it set all the same, the next run finds right.
fn failed(link: &Connection, error: &ShopifyError) -> Answered {
    match error.verdict() {
        Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. } => {
            Answered::Unnamed("refused".to_owned(), error.to_string())
        }
        Verdict::Retry { after, scope: Scope::Remote } => {
            tracing::warn!(connection = %link.name, %error, "prices were not set: the call goes again");
            Answered::Later(after.unwrap_or(REMOTE_PAUSE).max(PAUSE_MIN))
        }
        Verdict::Ambiguous | Verdict::NotSent | Verdict::Done => Answered::Later(REMOTE_PAUSE),
    }
}
