//! Levels reach the shop: 250 a call, each call written down before it leaves, with the key that it keeps over its retries. A call
//! whose answer was lost goes again as it was; its answer settles each level.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::place::Place;
use super::read_shop::behind_orders;
use super::rules_of;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::flow::Connection;
use crate::shopify::ShopifyError;
use crate::shopify::stock_write::{FieldError, LEVELS_MAX, LevelRefusal, SetLevel, SetOutcome};
use crate::store::{CallEnd, CallLevel, LevelFate, StockCall, StoreError};
use crate::telemetry::metric;

/// A plan that is older does not go out any more: what IFS has may be another by now.
const PLAN_AGE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// A call that is older is not sent again: Shopify may not remember its key any more.
const CALL_AGE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How many calls in a row may set nothing before it is taken for the shop's own refusal, and not for a level's. Among so many levels as
/// a call has, one bad level is found by fewer.
const FRUITLESS_MAX: usize = 10;
/// How long ago such calls may have ended.
const FRUITLESS_AGE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// The pause of levels that were in such a call.
const FRUITLESS_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// How often a call that Shopify fails on, or whose answer cannot be read, is sent before its levels are read instead.
const FAILURES_MAX: i64 = 5;
/// The pause after trouble of Shopify as a whole, when it did not name one.
const REMOTE_PAUSE: Duration = Duration::from_secs(5);
/// The shortest pause: none at all would mean that there is more to do.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The pause while too few levels are planned for a whole call.
const PLAN_PAUSE: Duration = Duration::from_secs(1);
/// No level waits longer for others to fill its call.
const PLAN_PAUSE_MAX: SignedDuration = SignedDuration::from_mins(2);
/// The pause while Shopify works on an earlier call of the same key.
const UNDER_WAY_PAUSE: Duration = Duration::from_secs(2);
/// The pause after the key of a single level that is used up: it fails alone, and holds up no other.
const KEY_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// How a call went.
enum Sent {
    /// It has ended.
    Ended,
    /// It stays open, and goes again after this time.
    Open(Duration),
}

/// Sets what is due, by `calls_max` calls at most, so that orders are told between them. Returns how long until there is something to do
/// again; no time at all where there is more.
///
/// 1. Calls that are open go again, oldest first: nothing is known of them.
/// 2. Plans that are too old, or were made under other settings, are none any more.
/// 3. What is due goes, call by call.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn drain(link: &Connection, calls_max: usize) -> Result<Option<Duration>, StoreError> {
    let (store, lease) = (&link.store, &link.tenant.lease);
    // 1.
    for call in store.open_stock_calls(&link.name).await? {
        if is_held_back(link) {
            return Ok(Some(REMOTE_PAUSE));
        }
        if call.opened_at < ago(link, CALL_AGE_MAX) {
            tracing::warn!(connection = %link.name, call = call.id, "a call that sets levels got no answer: its levels are read again");
            end(link, &call, CallEnd::GivenUp).await?;
            continue;
        }
        store.resend_stock_call(lease, call.id).await?;
        if let Sent::Open(pause) = send(link, &call).await? {
            return Ok(Some(pause));
        }
    }
    // 2.
    let due = store.due_levels(&link.name, link.clock.now(), LEVELS_MAX).await?;
    if due == 0 {
        return Ok(None);
    }
    let place = Place::stored(link).await?;
    // While a plan over all is made, only whole calls go: what comes next may fill this one. A plan that does not get on holds up none.
    if due < LEVELS_MAX && place.as_ref().is_some_and(Place::plans_all) {
        let waited = store.due_levels(&link.name, ago(link, PLAN_PAUSE_MAX), 1).await?;
        if waited == 0 {
            return Ok(Some(PLAN_PAUSE));
        }
    }
    let is_other = place.is_some_and(|place| place.rules != rules_of(link));
    let good_from = if is_other { Timestamp::MAX } else { ago(link, PLAN_AGE_MAX) };
    store.age_stock_plans(lease, &link.name, good_from, link.clock.now()).await?;
    // 3.
    for _ in 0..calls_max {
        if is_held_back(link) {
            return Ok(Some(REMOTE_PAUSE));
        }
        let most = i64::try_from(LEVELS_MAX).unwrap_or(1);
        let Some(call) = store.open_stock_call(lease, &link.name, most, link.clock.now()).await? else {
            return Ok(None);
        };
        failpoint::hit(failpoint::STOCK_CALL_COMMITTED);
        if let Sent::Open(pause) = send(link, &call).await? {
            return Ok(Some(pause));
        }
    }
    Ok(Some(Duration::ZERO))
}

/// Whether nothing may be sent now.
fn is_held_back(link: &Connection) -> bool {
    link.is_stopping() || link.shopify.is_left_alone() || !link.tenant.tenure.holds()
}

fn ago(link: &Connection, age: SignedDuration) -> Timestamp {
    link.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN)
}

/// Sends a call and settles what came of it.
async fn send(link: &Connection, call: &StockCall) -> Result<Sent, StoreError> {
    let level = |level: &CallLevel| SetLevel {
        item_id: level.item_id,
        location_id: level.location_id,
        quantity: level.quantity,
        from: level.from,
    };
    let levels: Vec<SetLevel> = call.levels.iter().map(level).collect();
    let reference = format!("ml-connector://stock/{}/{}", link.name, call.id);
    let answer = behind_orders(link).set_available(&levels, &call.key, &reference).await;
    failpoint::hit(failpoint::STOCK_CALL_ANSWERED);
    let ended = match answer {
        Ok(SetOutcome::Done) => CallEnd::Done,
        Ok(SetOutcome::UnderWay) => return Ok(Sent::Open(UNDER_WAY_PAUSE)),
        // It failed on Shopify's side, perhaps by one level: they go apart until that one stands alone.
        Ok(SetOutcome::KeySpent(error)) => {
            let alone = call.levels.first().filter(|_| call.levels.len() == 1);
            tracing::warn!(
                connection = %link.name, %error, levels = call.levels.len(), inventory_item = alone.map(|level| level.item_id),
                "Shopify failed on a call and has used up its key: its levels go in other calls"
            );
            let at = link.clock.now().checked_add(KEY_PAUSE).unwrap_or(Timestamp::MAX);
            alone.map_or(CallEnd::Split, |_| CallEnd::Refused(vec![(0, LevelFate::Alone(at))]))
        }
        Ok(SetOutcome::Refused { named, whole }) if named.is_empty() => {
            let code = whole.first().map_or_else(|| "refused".to_owned(), code_of);
            refused_whole(link, call, code, &told(&whole)).await?
        }
        Ok(SetOutcome::Refused { named, .. }) => refused(link, named),
        Err(error) => match failed(link, call, &error).await? {
            Ok(ended) => ended,
            Err(pause) => return Ok(Sent::Open(pause)),
        },
    };
    end(link, call, ended).await?;
    Ok(Sent::Ended)
}

/// What becomes of the levels of a call that Shopify did not take: those that it names each their own, the others go again.
fn refused(link: &Connection, named: Vec<(usize, LevelRefusal)>) -> CallEnd {
    let fate = |(index, refusal): (usize, LevelRefusal)| match refusal {
        LevelRefusal::Stale => (index, LevelFate::Stale),
        LevelRefusal::Bad(error) => (index, parked(link, code_of(&error), &error.to_string())),
    };
    CallEnd::Refused(named.into_iter().map(fate).collect())
}

/// What becomes of a call that Shopify did not take without naming a level: its levels go apart until the one that it means stands
/// alone. Where it takes no call at all, none of them is meant, and they wait.
async fn refused_whole(link: &Connection, call: &StockCall, code: String, told: &str) -> Result<CallEnd, StoreError> {
    let most = i64::try_from(FRUITLESS_MAX).unwrap_or(i64::MAX);
    if link.store.fruitless_stock_calls(&link.name, ago(link, FRUITLESS_AGE_MAX), most).await? >= FRUITLESS_MAX {
        tracing::warn!(
            connection = %link.name, %code, error = %told, levels = call.levels.len(),
            "Shopify takes no call that sets levels: they are tried again in ten minutes"
        );
        return Ok(CallEnd::Later(link.clock.now().checked_add(FRUITLESS_PAUSE).unwrap_or(Timestamp::MAX)));
    }
    if call.levels.len() > 1 {
        return Ok(CallEnd::Split);
    }
    Ok(CallEnd::Refused(vec![(0, parked(link, code, told))]))
}

fn told(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn parked(link: &Connection, code: String, told: &str) -> LevelFate {
    tracing::warn!(connection = %link.name, %code, "Shopify does not take a level: see `stock list --state parked`");
    let text = format!("Shopify did not take it: {told}; mend it there, then run `stock retry`");
    LevelFate::Parked { code, text }
}

fn code_of(error: &FieldError) -> String {
    error.code.as_deref().unwrap_or("refused").to_ascii_lowercase()
}

/// What becomes of a call that failed: how it ended, or how long until it goes again.
async fn failed(
    link: &Connection,
    call: &StockCall,
    error: &ShopifyError,
) -> Result<Result<CallEnd, Duration>, StoreError> {
    Ok(match error.verdict() {
        // Nothing was done, and nothing ever will be of it.
        Verdict::Reject => Ok(refused_whole(link, call, "refused".to_owned(), &error.to_string()).await?),
        Verdict::Retry { scope: Scope::Remote | Scope::Record, after } => {
            if is_of_call(error) && given_up(link, call).await? {
                return Ok(Ok(CallEnd::GivenUp));
            }
            tracing::warn!(connection = %link.name, %error, "levels were not set: the call goes again as it was");
            Err(after.unwrap_or(REMOTE_PAUSE).max(PAUSE_MIN))
        }
        Verdict::Ambiguous | Verdict::NotSent | Verdict::Done => Err(REMOTE_PAUSE),
    })
}

/// Whether a call has failed often enough to leave it, now that it has once more.
async fn given_up(link: &Connection, call: &StockCall) -> Result<bool, StoreError> {
    match link.store.stock_call_failed(&link.tenant.lease, call.id).await {
        Ok(failures) => Ok(failures >= FAILURES_MAX),
        // An earlier owner's answer came first: the next look finds it ended.
        Err(StoreError::Stale) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error is about the call itself: Shopify failed on it for a reason that it does not tell, or its answer cannot be read.
fn is_of_call(error: &ShopifyError) -> bool {
    let is_of_record = matches!(error.verdict(), Verdict::Retry { scope: Scope::Record, .. });
    is_of_record || matches!(error, ShopifyError::Unavailable { after: None, .. })
}

async fn end(link: &Connection, call: &StockCall, ended: CallEnd) -> Result<(), StoreError> {
    let (connection, count) = (link.name.as_str().to_owned(), call.levels.len() as u64);
    let outcome = match &ended {
        CallEnd::Done => "done",
        CallEnd::Refused(_) => "refused",
        CallEnd::Split => "split",
        CallEnd::Later(_) => "later",
        CallEnd::GivenUp => "given_up",
    };
    let is_done = ended == CallEnd::Done;
    match link.store.end_stock_call(&link.tenant.lease, &link.name, call.id, ended, link.clock.now()).await {
        // An earlier owner's answer came first.
        Ok(()) | Err(StoreError::Stale) => {}
        Err(error) => return Err(error),
    }
    metrics::counter!(metric::STOCK_CALLS_TOTAL, "connection" => connection.clone(), "outcome" => outcome).increment(1);
    if is_done {
        metrics::counter!(metric::STOCK_LEVELS_SET_TOTAL, "connection" => connection).increment(count);
    }
    failpoint::hit(failpoint::STOCK_CALL_SETTLED);
    Ok(())
}
