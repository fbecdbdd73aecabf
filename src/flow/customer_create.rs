//! A customer that is not linked yet: looked for by its exact keys, else made, exactly once. Where we number it, the number
//! itself guards against a double; where IFS does, the key in `AssociationNo` and the wait before a second create do.

use std::time::Duration;

use super::customer::{Content, base_text, reason};
use super::settling::{Outcome, failed, later, refusal_text};
use super::{Birth, Connection};
use crate::domain::document::ParkKind;
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::ifs::Answer;
use crate::ifs::error::{IfsError, Undecodable};
use crate::ifs::wire::{PartRequest, Row, customer as wire};
use crate::mapping::customer::DesiredCustomer;
use crate::mapping::customer_merge::{Origin, WrittenCustomer, birth_part};
use crate::mapping::rules::customers::{CustomerCreate, MatchBy};
use crate::store::{Attempt, Claimed, Intent, IntentKind, Link, NewIntent, Progress, Settled, StoreError, Watch};

/// The bytes leave within this time of the intent's commit, or a new intent is committed.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Intents committed in a row without one being sent in time.
const INTENTS_MAX: usize = 3;
/// The pause while another connection makes the same customer.
const ELSEWHERE_PAUSE: Duration = Duration::from_secs(5);
/// How often a create goes again in one step after an answer that closed the call without deciding it (401).
const SENDS_MAX: usize = 2;

/// What came of it.
pub(super) enum Become {
    /// It is linked, and committed so; its records come next.
    Linked(WrittenCustomer),
    /// The step is over.
    Settled(Box<Outcome>),
}

fn over(outcome: Outcome) -> Become {
    Become::Settled(Box::new(outcome))
}

/// What the exact keys found.
enum Found {
    Nothing,
    One {
        customer_no: String,
        association_no: Option<String>,
        reason: String,
    },
    /// Only a person can decide: a stable word and a sentence.
    Trouble {
        kind: ParkKind,
        code: &'static str,
        text: String,
    },
}

/// Looks the customer up by its exact keys, else makes it.
///
/// # Errors
/// The store's.
pub(super) async fn find_or_make(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
) -> Result<Become, StoreError> {
    // Where IFS numbers it, nothing there refuses a second one: nobody else may be about to make it.
    let born = match &desired.own_id {
        Some(_) => Born::Here(None),
        None => born(link, claimed, desired).await?,
    };
    let Born::Here(_birth) = born else {
        let text =
            "another connection of the tenant is making the customer of the same key, or it is in doubt whether it did";
        let reason = Some(reason("made_elsewhere", text.to_owned()));
        let again = Settled::Again { own_fault: false, due_at: later(link, ELSEWHERE_PAUSE), reason };
        return Ok(over(Outcome::new("look_up", claimed.desired_version, again).untried()));
    };
    match find(link, desired, &link.rules.settings().customers.match_by).await {
        Ok(Found::Nothing) => {}
        Ok(Found::One { customer_no, association_no, reason }) => {
            // Under our number and our key at once only a create of ours makes one: IFS came to a lost one late.
            let late = desired.own_id.as_ref() == Some(&customer_no)
                && association_no.as_deref() == Some(desired.association_no.as_str());
            let (origin, link_origin) = if late { (Origin::Made, "adopted") } else { (Origin::Found, "found") };
            let made = Link { order_no: customer_no.clone(), origin: link_origin, reason };
            let base = WrittenCustomer::new(customer_no, origin);
            return linked(link, claimed, None, made, base).await;
        }
        Ok(Found::Trouble { kind, code, text }) => {
            return Ok(over(Outcome::park("look_up", claimed, kind, code, text)));
        }
        Err(error) => return Ok(over(failed(link, claimed, "look_up", &error))),
    }
    if link.rules.settings().customers.create == CustomerCreate::Never {
        let text = "IFS has no customer with any of its keys, and customers.create is \"never\": make it in IFS under one of \
                    them, then run `documents retry`";
        return Ok(over(Outcome::park("look_up", claimed, ParkKind::Mapping, "customer_missing", text.to_owned())));
    }
    for _ in 0..SENDS_MAX {
        if let Some(become_) = announce_and_send(link, claimed, desired).await? {
            return Ok(become_);
        }
    }
    Ok(over(failed(link, claimed, "create", &IfsError::Unauthorized)))
}

/// Where a customer that IFS numbers is being made.
enum Born<'a> {
    /// Here, as long as this lives.
    Here(Option<Birth<'a>>),
    /// By another connection of the tenant, or it is in doubt whether one of its has made it.
    Elsewhere,
}

async fn born<'a>(link: &'a Connection, claimed: &Claimed, desired: &DesiredCustomer) -> Result<Born<'a>, StoreError> {
    let tenant = &link.tenant;
    let Some(birth) = tenant.births.begin(&desired.key) else { return Ok(Born::Elsewhere) };
    let elsewhere = link.store.is_born_elsewhere(&tenant.connections, claimed.id, &claimed.business_key).await?;
    Ok(if elsewhere { Born::Elsewhere } else { Born::Here(Some(birth)) })
}

/// Looks by each key in one batch of reads; the first of the list that finds one decides.
async fn find(link: &Connection, desired: &DesiredCustomer, by: &[MatchBy]) -> Result<Found, IfsError> {
    let mut asked: Vec<(MatchBy, &str, PartRequest)> = Vec::new();
    for by in by {
        let (id, url) = match by {
            MatchBy::Link => continue,
            MatchBy::ExternalId => match &desired.external_id {
                Some(id) => (id, wire::customer(id)),
                None => continue,
            },
            MatchBy::OwnId => match &desired.own_id {
                Some(id) => (id, wire::customer(id)),
                None => continue,
            },
            MatchBy::AssociationNo => (&desired.association_no, wire::by_association(&desired.association_no)),
        };
        asked.push((*by, id, PartRequest::get(url)));
    }
    if asked.is_empty() {
        return Ok(Found::Nothing);
    }
    let parts: Vec<PartRequest> = asked.iter().map(|(_, _, part)| part.clone()).collect();
    let answers = link.tenant.ifs.customers().batch_read(&parts).await?;
    for ((by, id, _), answer) in asked.iter().zip(answers) {
        let rows = match (by, answer) {
            (MatchBy::AssociationNo, answer) => answer?.rows()?,
            (_, Ok(answer)) => vec![answer.row()?],
            (_, Err(IfsError::NotFound { .. })) => Vec::new(),
            (_, Err(error)) => return Err(error),
        };
        match judge(*by, id, &rows)? {
            Found::Nothing => {}
            found => return Ok(found),
        }
    }
    Ok(Found::Nothing)
}

fn judge(by: MatchBy, id: &str, rows: &[Row]) -> Result<Found, IfsError> {
    let number = |row: &Row| {
        let number = row.text(wire::CUSTOMER_ID).map(str::to_owned);
        number.ok_or_else(|| IfsError::from(Undecodable::new("a customer without its CustomerId")))
    };
    match (rows, by) {
        ([row], _) => {
            let reason = match by {
                MatchBy::Link => "linked before".to_owned(),
                MatchBy::ExternalId => format!("linked by external id {id}"),
                MatchBy::OwnId => format!("found by own id {id}"),
                MatchBy::AssociationNo => "found by our key in AssociationNo".to_owned(),
            };
            let association_no = row.text(wire::ASSOCIATION_NO).map(str::to_owned);
            Ok(Found::One { customer_no: number(row)?, association_no, reason })
        }
        // An ERP named a customer that is not there: another one in its place would be wrong.
        ([], MatchBy::ExternalId) => Ok(Found::Trouble {
            kind: ParkKind::Mapping,
            code: "external_id_unknown",
            text: format!(
                "the company's external id in Shopify is {id}, but IFS has no customer of that number: correct it in Shopify or \
                 make the customer in IFS, then run `documents retry`"
            ),
        }),
        ([], _) => Ok(Found::Nothing),
        (several, _) => {
            let numbers = several.iter().map(number).collect::<Result<Vec<_>, _>>()?;
            Ok(Found::Trouble {
                kind: ParkKind::Ambiguity,
                code: "several_customers_with_our_key",
                text: format!(
                    "IFS customers {} carry our key in AssociationNo: take it out of all but one, then run `documents retry`",
                    numbers.join(", ")
                ),
            })
        }
    }
}

/// Announces and sends once; `None` when the answer closed the call and asks for the same one again at once.
///
/// 1. Permit, slot and token first, so that nothing waits after the intent.
/// 2. Commit the intent.
/// 3. Send within its time, once.
/// 4. Link what was made; everything that no answer closes stays unknown.
async fn announce_and_send(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
) -> Result<Option<Become>, StoreError> {
    // 1.
    let customers = link.tenant.ifs.customers();
    let ready = match customers.ready().await {
        Ok(ready) => ready,
        Err(error) => return Ok(Some(over(failed(link, claimed, "create", &error)))),
    };
    // 2.
    let Some(intent) = announce(link, claimed, desired).await? else {
        let again = Settled::Again { own_fault: false, due_at: later(link, Duration::from_secs(1)), reason: None };
        let outcome = Outcome::new("create", claimed.desired_version, again);
        return Ok(Some(over(outcome.detail("the database was too slow to send in time"))));
    };
    failpoint::hit(failpoint::CUSTOMER_INTENT_COMMITTED);
    // 3.
    let part = birth_part(desired, &link.tenant.limits.copy_customer_action);
    let made = customers.create_customer(ready, &part).await.and_then(|answer| number_of(&answer, desired));
    // 4.
    match made {
        Ok(customer_no) => {
            failpoint::hit(failpoint::CUSTOMER_ANSWERED);
            let reason = match &desired.template {
                Some(template) => format!("created from template {template}"),
                None => "created by posts".to_owned(),
            };
            let made = Link { order_no: customer_no.clone(), origin: "created", reason };
            let base = WrittenCustomer::new(customer_no, Origin::Made);
            linked(link, claimed, Some((intent, "created")), made, base).await.map(Some)
        }
        Err(error) => refused(link, claimed, desired, intent, &error).await,
    }
}

async fn announce(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
) -> Result<Option<IntentId>, StoreError> {
    let content = Content::Write { customer: Box::new(desired.clone()) }.to_text();
    // A number of our own is refused the second time: nothing has to be waited for.
    let needed = if desired.own_id.is_some() { Duration::ZERO } else { link.tenant.limits.not_before(1) };
    for _ in 0..INTENTS_MAX {
        let begun = link.clock.monotonic();
        let new = NewIntent {
            kind: IntentKind::Create,
            content: content.clone(),
            desired_version: claimed.desired_version,
            parts: 1,
            send_by: later(link, SEND_WITHIN),
            needed,
        };
        let intent = link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?;
        if link.clock.monotonic() - begun < SEND_WITHIN {
            return Ok(Some(intent));
        }
        link.store.close_unsent_intent(&link.tenant.lease, claimed, intent, link.clock.now()).await?;
    }
    Ok(None)
}

/// The number of the customer that was made: ours, else it stands in the answer.
fn number_of(answer: &Answer, desired: &DesiredCustomer) -> Result<String, IfsError> {
    if let Some(own_id) = &desired.own_id {
        return Ok(own_id.clone());
    }
    let of_action = answer.body.get("value").and_then(serde_json::Value::as_str);
    let of_record = answer.body.get(wire::CUSTOMER_ID).and_then(serde_json::Value::as_str);
    let number = of_record.or(of_action).filter(|number| !number.is_empty());
    // Made, but we can't say which: undecodable, so that the look-up finds it.
    number
        .map(str::to_owned)
        .ok_or_else(|| Undecodable::new("the answer does not name the customer that was made").into())
}

async fn refused(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
    intent: IntentId,
    error: &IfsError,
) -> Result<Option<Become>, StoreError> {
    let text = error.to_string();
    let outcome = match error.verdict() {
        Verdict::Ambiguous | Verdict::Done => {
            link.watches.begin(intent, link.clock.monotonic());
            let due_at = later(link, link.tenant.limits.look_up_first);
            Outcome::new("create", claimed.desired_version, Settled::Unknown { due_at, own_fault: false }).detail(text)
        }
        Verdict::NotSent => failed(link, claimed, "create", error).closing(Some(intent), "never_sent"),
        Verdict::Retry { .. } if matches!(error, IfsError::Unauthorized) => {
            link.store.close_unsent_intent(&link.tenant.lease, claimed, intent, link.clock.now()).await?;
            return Ok(None);
        }
        Verdict::Retry { .. } => failed(link, claimed, "create", error).closing(Some(intent), "turned_away"),
        Verdict::Reject => return exists_already(link, claimed, desired, intent, error).await.map(Some),
    };
    Ok(Some(over(outcome)))
}

/// IFS refused it: where the number is ours, perhaps because it is taken, by an earlier create of ours or by a person.
async fn exists_already(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
    intent: IntentId,
    error: &IfsError,
) -> Result<Become, StoreError> {
    let found = match &desired.own_id {
        Some(_) => find(link, desired, &[MatchBy::OwnId]).await,
        None => Ok(Found::Nothing),
    };
    match found {
        Ok(Found::One { customer_no, association_no, .. }) => {
            let made = "made meanwhile under our key, by an earlier create or by another connection";
            adopt(link, claimed, desired, (intent, "refused"), (customer_no, association_no), made).await
        }
        Ok(Found::Nothing | Found::Trouble { .. }) => {
            let text = refusal_text(&error.to_string());
            let parked = Outcome::park("create", claimed, ParkKind::Refusal, "refused_by_ifs", text);
            Ok(over(parked.closing(Some(intent), "refused")))
        }
        // The refusal stands; whether the number is taken is asked again by the next step.
        Err(error) => Ok(over(failed(link, claimed, "look_up", &error).closing(Some(intent), "refused"))),
    }
}

/// A customer with our number or key, found because a create of ours may have made it.
async fn adopt(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
    close: (IntentId, &'static str),
    (customer_no, association_no): (String, Option<String>),
    made: &'static str,
) -> Result<Become, StoreError> {
    // Only our creates carry our key: without it a person made this one, and what it says stays.
    let ours = association_no.as_deref() == Some(desired.association_no.as_str());
    let (origin, link_origin, reason) = if ours {
        (Origin::Made, "adopted", made.to_owned())
    } else {
        (Origin::Found, "found", format!("found by own id {customer_no}: somebody made it meanwhile"))
    };
    let base = WrittenCustomer::new(customer_no.clone(), origin);
    let found = Link { order_no: customer_no, origin: link_origin, reason };
    linked(link, claimed, Some(close), found, base).await
}

/// Resolves a create whose answer never came.
///
/// 1. Note the time watched so far, then look up by the key that guards the create.
/// 2. Found: it is adopted.
/// 3. Not found: a number of our own may be sent again at once, since a late commit refuses it; one that IFS gives, only
///    after not-before.
///
/// # Errors
/// The store's.
pub(super) async fn resolve(
    link: &Connection,
    claimed: &Claimed,
    intent: &Intent,
    sent: &DesiredCustomer,
) -> Result<Become, StoreError> {
    // 1.
    let watched = link.watches.look(intent.id, link.clock.monotonic());
    link.store.watch_intent(&link.tenant.lease, claimed, intent.id, Watch { watched }).await?;
    let by = if sent.own_id.is_some() { MatchBy::OwnId } else { MatchBy::AssociationNo };
    let left = match by {
        MatchBy::OwnId => Duration::ZERO,
        MatchBy::Link | MatchBy::ExternalId | MatchBy::AssociationNo => {
            intent.needed.saturating_sub(intent.watched + watched)
        }
    };
    let detail = match find(link, sent, &[by]).await {
        // 2.
        Ok(Found::One { customer_no, association_no, .. }) => {
            link.watches.end(intent.id);
            let made = "made by a create whose answer was lost";
            return adopt(link, claimed, sent, (intent.id, "adopted"), (customer_no, association_no), made).await;
        }
        Ok(Found::Trouble { kind, code, text }) if left.is_zero() => {
            let parked = Outcome::park("look_up", claimed, kind, code, text);
            return Ok(over(parked.closing(Some(intent.id), "left_to_a_person")));
        }
        // 3.
        Ok(Found::Nothing) if left.is_zero() => {
            let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
            let outcome =
                Outcome::new("look_up", claimed.desired_version, again).closing(Some(intent.id), "never_committed");
            return Ok(over(outcome.detail("not there, and a second create is safe now")));
        }
        Ok(Found::Nothing) => "not there yet".to_owned(),
        Ok(Found::Trouble { text, .. }) => text,
        Err(error) => error.to_string(),
    };
    let pause = super::look_up::pause(link, intent, if left.is_zero() { Duration::MAX } else { left });
    let unknown = Settled::Unknown { due_at: later(link, pause), own_fault: false };
    Ok(over(Outcome::new("look_up", intent.desired_version, unknown).detail(detail)))
}

/// Commits the link; the document stays claimed for the rest of the step.
async fn linked(
    link: &Connection,
    claimed: &Claimed,
    close: Option<(IntentId, &'static str)>,
    made: Link,
    base: WrittenCustomer,
) -> Result<Become, StoreError> {
    if let Some((intent, _)) = close {
        link.watches.end(intent);
    }
    let attempt = Attempt {
        step: "link".to_owned(),
        outcome: made.origin.to_owned(),
        detail: Some(format!("{}: {}", made.order_no, made.reason)),
        ..Attempt::default()
    };
    let progress = Progress { close, link: Some(made), written: Some(base_text(&base)), attempt: Some(attempt) };
    link.store.progress(&link.tenant.lease, claimed, progress, link.clock.now()).await?;
    failpoint::hit(failpoint::CUSTOMER_LINKED);
    Ok(Become::Linked(base))
}
