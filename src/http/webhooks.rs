//! `POST /webhooks/{connection}`: bounded body, signature over the raw bytes, durable row, then 200. Nothing else is
//! ever answered 2xx.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::actors::webhook_ingress::{Commit, WebhookIngress};
use crate::clock::Clock;
use crate::domain::ids::ConnectionName;
use crate::failpoint;
use crate::flow::ingest::{self, DeliveryHeaders};
use crate::planted;
use crate::store::Stored;
use crate::supervision::Slot;
use crate::telemetry::metric;

/// Shopify waits 5 s in all; a commit that takes longer than this is answered 503 and delivered again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a sender may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Room made for a body before its first byte came.
const FIRST_CAPACITY: usize = 8_192;
/// Bytes of bodies in memory at once, in KiB; who finds no room is answered 503.
pub const ROOM_UNITS: usize = 64 * 1_024;
const UNIT: usize = 1_024;

/// What the route needs.
pub struct WebhookDoor {
    /// The webhook secrets of each connection, one or two.
    pub secrets: HashMap<String, Vec<SecretString>>,
    /// Longest body, bytes.
    pub body_bytes_max: usize,
    /// Room for bodies, in KiB.
    pub room: Arc<Semaphore>,
    /// The ingress.
    pub ingress: Slot<WebhookIngress>,
    /// The clock.
    pub clock: Clock,
}

/// Why a delivery was not taken.
enum Refusal {
    TooLarge,
    TooSlow,
    CutOff,
    Unsigned(&'static str),
    Busy(&'static str),
}

/// Takes one delivery.
pub async fn receive(
    door: web::Data<WebhookDoor>,
    connection: web::Path<String>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    let begun = Instant::now();
    let topic = header(request.headers(), "X-Shopify-Topic").unwrap_or_default();
    let answer = match take(&door, &connection, &topic, &request, &mut payload).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(refusal) => {
            let mut answer = refuse(&refusal, &connection, &topic);
            // A body that is not read to its end lives until the answer is sent, so that the connection is closed after it:
            // actix drains a chunked one that was dropped before, however long it is.
            answer.extensions_mut().insert(payload);
            answer
        }
    };
    let known = door.secrets.contains_key(connection.as_str());
    let label = if known { connection.into_inner() } else { "unknown".to_owned() };
    let status = answer.status().as_u16().to_string();
    metrics::counter!(metric::WEBHOOK_DELIVERIES_TOTAL, "connection" => label, "status" => status).increment(1);
    metrics::histogram!(metric::WEBHOOK_DURATION_SECONDS).record(begun.elapsed());
    answer
}

async fn take(
    door: &WebhookDoor,
    connection: &str,
    topic: &str,
    request: &HttpRequest,
    payload: &mut web::Payload,
) -> Result<(), Refusal> {
    // 1. A bounded body, in bounded memory.
    let (body, _room) = read_body(door, request, payload).await?;
    failpoint::hit(failpoint::BODY_READ);
    // 2. The signature; an unknown connection is answered no differently from a wrong one.
    let signatures = request.headers().get_all("X-Shopify-Hmac-Sha256").count();
    // As it came: nothing is cut off it or out of it, so that only one text is right.
    let signature = request.headers().get("X-Shopify-Hmac-Sha256").and_then(|text| text.to_str().ok());
    let signature = signature.unwrap_or_default();
    let nobody = Vec::new();
    let secrets = door.secrets.get(connection).unwrap_or(&nobody);
    let right = ingest::signature_is_right(secrets, &body, signature);
    let name = match (ConnectionName::parse(connection), secrets.is_empty(), signatures, right) {
        (Err(_), ..) | (_, true, ..) => return Err(Refusal::Unsigned("no such connection")),
        (_, _, 0, _) => return Err(Refusal::Unsigned("the signature is missing")),
        (_, _, 2.., _) => return Err(Refusal::Unsigned("there are several signatures")),
        (_, _, _, false) => return Err(Refusal::Unsigned("the signature is wrong")),
        (Ok(name), false, 1, true) => name,
    };
    // 3. The row, durable before the answer.
    let headers = delivery_headers(topic, request.headers());
    let delivery = ingest::delivery(&name, headers, &body, door.clock.now());
    let trace_id = delivery.trace_id.clone();
    let stored = commit(door, delivery).await?;
    match stored {
        Stored::New(inbox_id) => {
            tracing::info!(%trace_id, connection, topic, %inbox_id, "a delivery is stored");
        }
        Stored::Duplicate => tracing::info!(%trace_id, connection, topic, "an equal delivery is stored already"),
    }
    Ok(())
}

async fn commit(door: &WebhookDoor, delivery: crate::store::Delivery) -> Result<Stored, Refusal> {
    let ingress = door.ingress.get().ok_or(Refusal::Busy("the ingress is not started"))?;
    let (done, answer) = oneshot::channel();
    let committed = async {
        let queued = ingress.send(Commit { delivery, done }).await;
        match queued {
            Ok(Ok(())) if planted::is(planted::ACKNOWLEDGED_BEFORE_COMMIT) => return Ok(Stored::Duplicate),
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Refusal::Busy("the queue is full")),
            Err(_) => return Err(Refusal::Busy("the ingress is restarting")),
        }
        match answer.await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(error)) => {
                tracing::error!(%error, "a delivery could not be stored");
                Err(Refusal::Busy("the store failed"))
            }
            Err(_) => Err(Refusal::Busy("the ingress ended")),
        }
    };
    timeout(COMMIT_TIMEOUT, committed).await.unwrap_or(Err(Refusal::Busy("the store is slow")))
}

async fn read_body(
    door: &WebhookDoor,
    request: &HttpRequest,
    payload: &mut web::Payload,
) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
    let bytes_max = door.body_bytes_max;
    let announced = header(request.headers(), "Content-Length").and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(Refusal::TooLarge);
    }
    // A body of unknown length may become as large as any.
    let units = u32::try_from(announced.unwrap_or(bytes_max) / UNIT + 1).unwrap_or(u32::MAX);
    let room = Arc::clone(&door.room).try_acquire_many_owned(units).map_err(|_| Refusal::Busy("no room for bodies"))?;
    let read = async {
        let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(FIRST_CAPACITY));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Refusal::CutOff)?;
            if body.len() + chunk.len() > bytes_max {
                return Err(Refusal::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let body = timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(Refusal::TooSlow))?;
    Ok((body, room))
}

fn delivery_headers(topic: &str, headers: &HeaderMap) -> DeliveryHeaders {
    DeliveryHeaders {
        topic: topic.to_owned(),
        webhook_id: header(headers, "X-Shopify-Webhook-Id").unwrap_or_default(),
        event_id: header(headers, "X-Shopify-Event-Id"),
        shop_domain: header(headers, "X-Shopify-Shop-Domain"),
        api_version: header(headers, "X-Shopify-API-Version"),
        triggered_at: header(headers, "X-Shopify-Triggered-At"),
    }
}

/// A header as text, at most 255 characters of it: no row takes more.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(255).collect())
}

fn refuse(refusal: &Refusal, connection: &str, topic: &str) -> HttpResponse {
    let connection: String = connection.chars().filter(|c| !c.is_control()).take(40).collect();
    let (status, reason) = match refusal {
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than server.body_bytes_max"),
        Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        Refusal::CutOff => (StatusCode::BAD_REQUEST, "the body was cut off"),
        Refusal::Unsigned(why) => (StatusCode::UNAUTHORIZED, *why),
        Refusal::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, *why),
    };
    tracing::warn!(%connection, topic, status = status.as_u16(), reason, "a delivery is refused");
    let mut answer = HttpResponse::build(status);
    if matches!(refusal, Refusal::Busy(_)) {
        answer.insert_header((RETRY_AFTER, "5"));
    }
    // What is wrong is for the operator's log: a sender without the secret learns nothing.
    answer.finish()
}
