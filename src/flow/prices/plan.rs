//! What becomes of each price of a list, by the sales parts' numbers, a piece at a time.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Place, PriceError, Target, Told, keep};
use crate::domain::money::Money;
use crate::domain::stock::SalesPart;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::flow::Connection;
use crate::flow::stock::{self, sold};
use crate::ifs::{IfsError, PriceQuestion};
use crate::mapping::park::ParkReason;
use crate::mapping::stock::prices::{IfsPrice, PricePlan, Standing, of_one};
use crate::mapping::stock::settings::PriceTax;
use crate::store::{self, KnownPrice, PartCoverage, PriceOutcome, StockVariant};

/// Numbers that are compared at once.
const NUMBERS_AT_ONCE: i64 = 200;

/// Compares the next piece of a list, and keeps what it comes to with the place behind it; false at the list's end. A piece that was kept and
/// whose place was not is compared again, to the same end.
pub(super) async fn piece(
    link: &Connection,
    place: &mut Place,
    target: Target<'_>,
    told: &Told,
) -> Result<bool, PriceError> {
    let (store, lease) = (&link.store, &link.tenant.lease);
    let site = link.rules.settings().site.clone();
    let numbers = store.stock_coverage(&link.name, site, place.after.clone(), NUMBERS_AT_ONCE).await?;
    let Some(last) = numbers.last().map(|number| number.catalog_no.clone()) else {
        store.end_price_plans(lease, &link.name, (target.list, place.run)).await?;
        place.target += 1;
        place.after = None;
        keep(link, place).await?;
        return Ok(false);
    };
    let named = numbers.iter().flat_map(|number| &number.variants).map(|variant| variant.variant_id).collect();
    let known = store.known_prices(&link.name, target.list, named).await?;
    let read = stock::Place::stored(link).await?.and_then(|place| place.read_from());
    let mut plans = Vec::new();
    for number in &numbers {
        let Some((variant, part)) = both_halves(number) else {
            place.seen.left += number.variants.len() as u64;
            continue;
        };
        let (own, known) = (figure(&variant.price), known.get(&variant.variant_id));
        let (shown, own) = match target.list {
            // What was set since the shop was read is what it has.
            0 => (known.and_then(|known| set_behind(known, read?)).or(own), None),
            _ => (told.fixed.get(&variant.variant_id).copied(), own.filter(|_| told.is_like_own)),
        };
        if target.list == 0 && shown.is_none() {
            // Nobody could say how far a price moves from a text that is none.
            place.seen.left += 1;
            continue;
        }
        let accepted = known.and_then(|known| figure(known.accepted.as_deref()?));
        let standing = Standing { currency: target.currency, shown, own };
        let (wanted, plan) = planned(link, target, &part, standing, accepted).await?;
        count(place, &plan);
        plans.push(store::PricePlan {
            variant_id: variant.variant_id,
            product_id: variant.product_id,
            catalog_no: part.catalog_no,
            shown: shown.map(|amount| amount.to_string()),
            currency: target.currency.code().to_owned(),
            outcome: outcome_of(plan, wanted),
        });
    }
    if target.customer_no.is_some() {
        clean(link).await;
    }
    let which = (target.list, place.run, place.rules.clone());
    store.put_price_plans(lease, &link.name, which, plans, link.clock.now()).await?;
    failpoint::hit(failpoint::PRICES_PLANNED);
    place.after = Some(last);
    keep(link, place).await?;
    Ok(true)
}

/// A variant and the active sales part that it alone is.
fn both_halves(number: &PartCoverage) -> Option<(&StockVariant, SalesPart)> {
    let [variant] = number.variants.as_slice() else { return None };
    let part = number.part.as_ref().map(sold).filter(|part| part.is_active)?;
    Some((variant, part))
}

/// What a price was set to later than this.
fn set_behind(known: &KnownPrice, read: Timestamp) -> Option<Decimal> {
    let (amount, at) = known.written.as_ref()?;
    figure(amount).filter(|_| *at >= read)
}

fn figure(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok()
}

fn count(place: &mut Place, plan: &PricePlan) {
    let seen = &mut place.seen;
    seen.compared += 1;
    match plan {
        PricePlan::Keep => seen.right += 1,
        PricePlan::Change(_) => seen.to_set += 1,
        PricePlan::Park(_) => seen.parked += 1,
    }
}

/// What becomes of a price, and what it would be by IFS, where that is known.
async fn planned(
    link: &Connection,
    target: Target<'_>,
    part: &SalesPart,
    standing: Standing,
    accepted: Option<Decimal>,
) -> Result<(Option<String>, PricePlan), PriceError> {
    let price = match target.customer_no {
        None => link.prices.of_part(part),
        Some(customer_no) => match asked(link, target, customer_no, part).await? {
            Ok(price) => price,
            Err(reason) => return Ok((None, PricePlan::Park(reason))),
        },
    };
    let is_of_currency = price.currency.as_deref() == Some(target.currency.code());
    let rounded = |amount| Money::new(target.currency.round(amount), target.currency);
    let wanted = price.amount.filter(|_| is_of_currency).map(|amount| in_full(rounded(amount)));
    let plan = link.prices.plan(&part.catalog_no, standing, &price, accepted);
    Ok((wanted, plan))
}

/// What a customer would pay for one unit, less the discount that IFS names. Where IFS does not tell it of this part alone, that is a person's, and
/// all other prices go on.
async fn asked(
    link: &Connection,
    target: Target<'_>,
    customer_no: &str,
    part: &SalesPart,
) -> Result<Result<IfsPrice, ParkReason>, IfsError> {
    let settings = link.rules.settings();
    let question = PriceQuestion {
        contract: &settings.site,
        customer_no,
        catalog_no: &part.catalog_no,
        currency: target.currency.code(),
        with_tax: target.tax == PriceTax::Included,
    };
    let answer = match link.tenant.ifs.price(&question).await {
        Ok(answer) => answer,
        Err(error) if is_of_the_part(&error) => {
            let text = format!("IFS does not say what {customer_no} pays for {}: {error}", part.catalog_no);
            return Ok(Err(ParkReason::money("price_not_told", text)));
        }
        Err(error) => return Err(error),
    };
    let told = match target.tax {
        PriceTax::Included => answer.gross,
        PriceTax::Excluded => answer.net,
    };
    let share = (Decimal::ONE_HUNDRED - answer.discount_percent.unwrap_or(Decimal::ZERO)) / Decimal::ONE_HUNDRED;
    let amount = told.and_then(|price| of_one(part, price)?.checked_mul(share));
    Ok(Ok(IfsPrice { amount, currency: answer.currency }))
}

/// Whether only this part is meant: a tenant that is down, or lets us ask nothing, is not.
fn is_of_the_part(error: &IfsError) -> bool {
    match error.verdict() {
        Verdict::Reject => !matches!(error, IfsError::Forbidden { .. }),
        Verdict::Retry { scope: Scope::Record, .. } => true,
        Verdict::Ambiguous => matches!(error, IfsError::Undecodable(_)),
        Verdict::Retry { scope: Scope::Remote, .. } | Verdict::NotSent | Verdict::Done => false,
    }
}

/// Has IFS forget what it was asked. Where it does not, the next piece asks once more.
async fn clean(link: &Connection) {
    if let Err(error) = link.tenant.ifs.clean_prices().await {
        tracing::warn!(connection = %link.name, %error, "IFS keeps its price queries: they only take room there");
    }
}

fn outcome_of(plan: PricePlan, wanted: Option<String>) -> PriceOutcome {
    match plan {
        PricePlan::Keep => PriceOutcome::Keep,
        PricePlan::Change(money) => PriceOutcome::Change(in_full(money)),
        PricePlan::Park(reason) => PriceOutcome::Park { wanted, code: reason.code.to_owned(), text: reason.text },
    }
}

/// Money's amount with as many decimals as its currency has.
fn in_full(money: Money) -> String {
    let mut amount = money.amount();
    amount.rescale(money.currency().decimals());
    amount.to_string()
}
