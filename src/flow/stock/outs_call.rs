//! The calls that disable a product that has run out, and that enable it again.

use super::read_shop::behind_orders;
use crate::domain::stock::OutAct;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::flow::Connection;
use crate::shopify::ShopifyError;
use crate::shopify::stock_out::{Publishing, VARIANTS_MAX};
use crate::shopify::stock_write::FieldError;
use crate::telemetry::metric;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Disable,
    Enable,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

/// What Shopify did not take of some acts.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What it said first.
    pub(super) reason: Option<String>,
    /// Acts on channels that it does not have: there is nothing to be done or undone.
    pub(super) fallen: Vec<OutAct>,
}

impl Told {
    /// Takes what a call came to; what is about this product alone keeps nothing else waiting.
    fn take(&mut self, answer: Result<Vec<FieldError>, ShopifyError>) -> Result<Vec<FieldError>, ShopifyError> {
        let errors = match answer {
            Ok(errors) => errors,
            Err(error) if is_of_product(&error) => {
                self.reason.get_or_insert_with(|| error.to_string());
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        failpoint::hit(failpoint::STOCK_OUT_ANSWERED);
        if let Some(error) = errors.first() {
            self.reason.get_or_insert_with(|| error.to_string());
        }
        Ok(errors)
    }
}

/// Does some acts, or undoes them: each channel in a call of its own, since Shopify takes all of a call or none. What it does not take is
/// told, and the next look tries again. Counts the calls.
pub(super) async fn call(
    link: &Connection,
    product: u64,
    acts: &[OutAct],
    way: Way,
    calls: &mut usize,
) -> Result<Told, ShopifyError> {
    let (shopify, mut told) = (behind_orders(link), Told::default());
    if acts.contains(&OutAct::Draft) {
        let status = if way == Way::Disable { "DRAFT" } else { "ACTIVE" };
        *calls += 1;
        told.take(shopify.set_product_status(product, status).await)?;
    }
    let publishing = if way == Way::Disable { Publishing::Off } else { Publishing::On };
    let mut variants: Vec<u64> = Vec::new();
    for act in acts {
        match *act {
            OutAct::Draft => {}
            OutAct::Deny(variant) => variants.push(variant),
            OutAct::Unpublish(channel) => {
                *calls += 1;
                let errors = told.take(shopify.set_published(product, &[channel], publishing).await)?;
                if errors.iter().any(|error| error.is_of_nothing("input")) {
                    told.fallen.push(*act);
                }
            }
        }
    }
    for some in variants.chunks(VARIANTS_MAX) {
        let policy = if way == Way::Disable { "DENY" } else { "CONTINUE" };
        *calls += 1;
        told.take(shopify.set_policies(product, some, policy).await)?;
    }
    count(link, way.as_str(), if told.reason.is_none() { "done" } else { "refused" });
    match &told.reason {
        Some(reason) => tracing::warn!(
            connection = %link.name, product, way = way.as_str(), %reason, gone = ?told.fallen,
            "Shopify does not take what is due to a product that has run out, or is there again: it is tried again with the next reading, but for channels that are gone"
        ),
        None => {
            tracing::info!(connection = %link.name, product, way = way.as_str(), "a product has run out, or is there again")
        }
    }
    Ok(told)
}

/// Whether a call that came to nothing here may be carried out yet.
pub(super) fn may_come_late(error: &ShopifyError) -> bool {
    matches!(error, ShopifyError::Lost(_) | ShopifyError::Unavailable { .. })
}

/// Whether an error is about one product alone: the others are looked at all the same.
pub(super) fn is_of_product(error: &ShopifyError) -> bool {
    matches!(error.verdict(), Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. })
}

/// Counts what came of a product.
pub(super) fn count(link: &Connection, act: &'static str, outcome: &'static str) {
    let connection = link.name.as_str().to_owned();
    metrics::counter!(metric::STOCK_OUTS_TOTAL, "connection" => connection, "act" => act, "outcome" => outcome)
        .increment(1);
}
