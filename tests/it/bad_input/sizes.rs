//! Bodies that are too large, too slow, or not what their head announced.

use std::time::Instant;

use ml_connector::sandbox::shopify::{Story, signature};

use super::{assert_others_go_on, document_of};
use crate::support::database::Database;
use crate::support::http::RawRequest;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

const BOUND: usize = 65_536;
const MIB: usize = 1_048_576;

async fn bounded() -> (World, Served) {
    let listen = "operations_listen = \"127.0.0.1:0\"";
    let with_bound = "operations_listen = \"127.0.0.1:0\"\nbody_bytes_max = 65536";
    let world = World::new(Database::sqlite(), Setup { edits: vec![(listen, with_bound)], ..Setup::default() }).await;
    let served = world.serve(None);
    (world, served)
}

/// An order filled up with spaces, which JSON allows at its end.
fn of_length(world: &World, bytes: usize) -> Webhook {
    let webhook = Webhook::of_new_order(world, Story::Plain);
    let mut body = webhook.body.to_vec();
    assert!(body.len() < bytes);
    body.resize(bytes, b' ');
    webhook.with_body(body)
}

fn signed(world: &World, body: &[u8]) -> String {
    format!("X-Shopify-Hmac-Sha256: {}", signature(&world.shop().webhook_secret(), body))
}

#[actix_rt::test]
async fn a_body_at_the_bound_is_taken_and_one_byte_more_is_answered_413() {
    let (world, served) = bounded().await;
    let (fits, exceeds) = (of_length(&world, BOUND), of_length(&world, BOUND + 1));
    fits.is_taken(&served).await;
    assert_eq!(exceeds.send(&served).await.status, 413);
    // The same without an announced length, so that it shows only while it is read.
    let mut chunked = RawRequest::post(
        &served.webhooks,
        "/webhooks/acme",
        &["Transfer-Encoding: chunked", &signed(&world, &exceeds.body)],
    );
    chunked.send(format!("{:x}\r\n", exceeds.body.len()).as_bytes());
    chunked.send(&exceeds.body);
    chunked.send(b"\r\n0\r\n\r\n");
    assert_eq!(chunked.status(), 413);
    world.quiet().await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
    assert!(document_of(&world, &fits).await.is_some());
    let (_, log) = served.terminate_and_read();
    assert_eq!(log.matches("the body is larger than server.body_bytes_max").count(), 2, "{log}");
}

#[actix_rt::test]
async fn an_endless_body_is_cut_off_and_takes_no_memory() {
    let (world, served) = bounded().await;
    let before = peak_memory_bytes(&served);
    let mut endless = RawRequest::post(&served.webhooks, "/webhooks/acme", &["Transfer-Encoding: chunked"]);
    let mut piece = b"10000\r\n".to_vec();
    piece.resize(piece.len() + BOUND, b'x');
    piece.extend_from_slice(b"\r\n");
    let begun = Instant::now();
    while endless.send(&piece) {
        // The answer is given at once; what is on its way is taken for a second, so that it reaches the sender.
        assert!(begun.elapsed().as_secs() < 10, "the connection is still open");
    }
    let grown = peak_memory_bytes(&served).saturating_sub(before);
    assert!(grown < 16 * MIB, "memory grew by {grown} bytes");
    assert!(served.log().contains("the body is larger than server.body_bytes_max"), "{}", served.log());
    assert_others_go_on(&world, &served).await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
}

#[actix_rt::test]
async fn an_announced_length_is_believed_only_to_refuse() {
    let (world, served) = bounded().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    let hmac = signed(&world, &webhook.body);
    // 1. Too much is announced: refused before any of it is read.
    let much = RawRequest::post(&served.webhooks, "/webhooks/acme", &["Content-Length: 10000000000", &hmac]);
    assert_eq!(much.status(), 413);
    // 2. More is announced than comes.
    let more = format!("Content-Length: {}", webhook.body.len() + 100);
    let mut early = RawRequest::post(&served.webhooks, "/webhooks/acme", &[&more, &hmac]);
    early.send(&webhook.body);
    early.finish_sending();
    let status = early.status();
    assert!(status == 0 || status == 400, "{status}");
    served.says("the body was cut off");
    // 3. Less is announced than comes: what was announced is not what was signed.
    let less = format!("Content-Length: {}", webhook.body.len() - 100);
    let mut longer = RawRequest::post(&served.webhooks, "/webhooks/acme", &[&less, &hmac]);
    longer.send(&webhook.body);
    assert_eq!(longer.status(), 401);
    // 4. No length that is a number.
    let nonsense = RawRequest::post(&served.webhooks, "/webhooks/acme", &["Content-Length: many", &hmac]);
    assert_eq!(nonsense.status(), 400);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_body_that_stalls_is_given_up_and_holds_nobody_up() {
    let (world, served) = bounded().await;
    let begun = Instant::now();
    let mut stalling = RawRequest::post(&served.webhooks, "/webhooks/acme", &["Content-Length: 1000"]);
    stalling.send(b"{\"id\":");
    assert_others_go_on(&world, &served).await;
    assert_eq!(stalling.status(), 408);
    assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
}

/// The most memory that the process ever had resident.
fn peak_memory_bytes(served: &Served) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process_id())).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1_024
}
