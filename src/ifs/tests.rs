//! The client against a local server that answers as scripted: each status, each way of breaking off, the token's life.

mod stock;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth::{Credentials, TokenAuth, TokenError};
use super::client::{IfsClient, IfsSettings};
use super::error::IfsError;
use super::wire::PartRequest;
use crate::clock::Clock;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::remote::scripted::{Asked, Reply, Scripted};
use crate::remote::{BreakerSettings, Egress, LimiterSettings, Tenure};

const TOKEN: &str = "/auth/realms/sandbox/protocol/openid-connect/token";
const BATCH: &str = "/main/ifsapplications/projection/v1/CustomerOrderHandling.svc/$batch";

fn client_of(url: &str, clock: Clock) -> IfsClient {
    let tenure = Tenure::endless(clock.clone());
    client_within(url, clock, tenure)
}

fn client_within(url: &str, clock: Clock, tenure: Tenure) -> IfsClient {
    let settings = IfsSettings {
        name: "ifs.test".to_owned(),
        base_url: url.parse().expect("a url"),
        projection_prefix: "/main/ifsapplications/projection/v1".to_owned(),
        customers_prefix: "/main/ifsapplications/projection/v1".to_owned(),
        realm: "sandbox".to_owned(),
        credentials: Credentials {
            client_id: "us".to_owned().into(),
            client_secret: "hush".to_owned().into(),
            auth: TokenAuth::Body,
        },
        request_timeout: Duration::from_millis(400),
        wait: Some(Duration::from_secs(60)),
        batch_parts_max: 100,
        limiter: LimiterSettings { wait_max: Duration::from_secs(1), ..LimiterSettings::new(1_000, 4) },
        breaker: BreakerSettings::default(),
        tenure,
    };
    let egress = Egress::allowing(["127.0.0.1"]).expect("a legal list");
    IfsClient::new(settings, &egress, clock).expect("a client")
}

fn clock() -> Clock {
    Clock::manual("2026-03-01T12:00:00Z".parse::<Timestamp>().expect("a literal timestamp"))
}

fn token(n: usize) -> Reply {
    Reply::json(200, &format!("{{\"access_token\":\"t{n}\",\"expires_in\":3600,\"token_type\":\"Bearer\"}}"))
}

/// A server that gives out tokens and answers everything else with one reply.
async fn answering(reply: Reply) -> Scripted {
    Scripted::start(move |asked, n| if asked.head.contains(TOKEN) { token(n) } else { reply.clone() }).await
}

fn calls(server: &Scripted) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| !asked.head.contains(TOKEN)).collect()
}

fn order() -> Vec<PartRequest> {
    vec![
        PartRequest::post("CustomerOrderSet", json!({"CustomerNo": "WEB"})).with_content_id(1),
        PartRequest::post("$1/OrderLinesArray", json!({"BuyQtyDue": "2"})),
    ]
}

fn batch_reply(parts: &[(u16, &str)]) -> Reply {
    let parts: String = parts
        .iter()
        .map(|(status, body)| {
            format!(
                "--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\nETag: W/\"e\"\r\nContent-Length: {}\r\n\r\n{body}\r\n",
                body.len()
            )
        })
        .collect();
    let set = format!("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n");
    Reply::new(200, "multipart/mixed; boundary=b", &set)
}

async fn create(server: &Scripted) -> Result<Vec<super::Answer>, IfsError> {
    let client = client_of(&server.url, clock());
    let ready = client.ready().await?;
    client.send_create(ready, &order()).await
}

const ORA: &str = r#"{"error":{"code":"ODP_DATABASE","message":"Database error","details":[{"message":"ORA-20110: CustomerOrder.X: no such part"}]}}"#;
const OWN: &str = r#"{"error":{"code":"ODP_INTERNAL","message":"Something"}}"#;
const MODIFIED: &str = r#"{"error":{"code":"X","message":"m","details":[{"message":"MI_MODIFIED_ERROR"}]}}"#;
const TIMED_OUT: &str = r#"{"error":{"code":"ODP_OPERATION_TIMEOUT","message":"m"}}"#;

const RETRY_REMOTE: Verdict = Verdict::Retry { after: None, scope: Scope::Remote };
const RETRY_RECORD: Verdict = Verdict::Retry { after: None, scope: Scope::Record };

#[tokio::test]
async fn each_status_of_a_create_has_its_verdict_and_nothing_is_sent_twice() {
    for (status, body, kind, verdict) in [
        (200, "{}", "undecodable", Verdict::Ambiguous),
        (204, "", "undecodable", Verdict::Ambiguous),
        (302, "", "unclear", Verdict::Ambiguous),
        (400, OWN, "refused", Verdict::Reject),
        (400, "<html>", "refused", Verdict::Reject),
        (400, MODIFIED, "busy", RETRY_RECORD),
        (401, "", "unauthorized", RETRY_REMOTE),
        (403, OWN, "forbidden", Verdict::Reject),
        (404, OWN, "not_found", Verdict::Reject),
        (408, OWN, "unclear", Verdict::Ambiguous),
        (409, OWN, "refused", Verdict::Reject),
        (412, OWN, "changed", RETRY_RECORD),
        (413, "", "refused", Verdict::Reject),
        (422, OWN, "refused", Verdict::Reject),
        (423, OWN, "busy", RETRY_RECORD),
        (428, OWN, "refused", Verdict::Reject),
        (429, "", "too_many_requests", RETRY_REMOTE),
        (500, ORA, "refused", Verdict::Reject),
        (500, OWN, "failed", RETRY_RECORD),
        (500, MODIFIED, "busy", RETRY_RECORD),
        (500, TIMED_OUT, "unclear", Verdict::Ambiguous),
        (500, "<html>ORA-20110</html>", "unclear", Verdict::Ambiguous),
        (500, "{}", "unclear", Verdict::Ambiguous),
        (501, "", "refused", Verdict::Reject),
        (502, OWN, "unclear", Verdict::Ambiguous),
        (503, OWN, "unavailable", RETRY_REMOTE),
        (503, MODIFIED, "busy", RETRY_RECORD),
        (503, "", "unclear", Verdict::Ambiguous),
        (504, OWN, "unclear", Verdict::Ambiguous),
    ] {
        let server = answering(Reply::json(status, body)).await;
        let error = create(&server).await.expect_err("no good answer");
        assert_eq!((error.kind(), error.verdict()), (kind, verdict), "{status} {body}");
        assert_eq!(calls(&server).len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_refusal_inside_the_batch_counts_like_one_of_the_whole() {
    for (status, body, kind) in
        [(500, ORA, "refused"), (412, OWN, "changed"), (504, OWN, "unclear"), (429, "", "too_many_requests")]
    {
        let error = create(&answering(batch_reply(&[(status, body)])).await).await.expect_err("refused");
        assert_eq!(error.kind(), kind);
    }
    let error = create(&answering(batch_reply(&[(500, ORA)])).await).await.expect_err("refused");
    let refusal = error.refusal().expect("a refusal");
    assert_eq!(refusal.message, "ORA-20110: CustomerOrder.X: no such part");
}

#[tokio::test]
async fn a_create_gives_the_answers_of_all_parts_and_is_sent_as_agreed() {
    let server = answering(batch_reply(&[(201, r#"{"OrderNo":"1001","Total":"0.10"}"#), (201, "{}")])).await;
    let answers = create(&server).await.expect("created");
    let row = answers[0].row().expect("a record");
    assert_eq!((row.text("OrderNo"), row.etag.as_deref()), (Some("1001"), Some("W/\"e\"")));
    assert_eq!(answers.len(), 2);
    let asked = server.asked();
    assert!(asked[0].body.contains("client_secret=hush") && asked[0].body.contains("scope=openid+microprofile-jwt"));
    let head = asked[1].head.to_ascii_lowercase();
    assert!(asked[1].head.starts_with(&format!("POST {BATCH} HTTP/1.1")), "{head}");
    for line in [
        "authorization: bearer t0",
        "accept: multipart/mixed",
        "prefer: wait=60",
        "content-length: ",
        "content-type: multipart/mixed; boundary=batch_",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(asked[1].body.contains("Content-ID: 1\r\n") && asked[1].body.contains("{\"BuyQtyDue\":\"2\"}"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_comes_leaves_a_create_unknown() {
    let whole = batch_reply(&[(201, "{}"), (201, "{}")]);
    let Reply::Bytes(bytes) = whole else { panic!("bytes") };
    let cut = Reply::Bytes(bytes[..bytes.len() - 9].to_vec());
    let endless = Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".to_vec());
    for reply in [Reply::Drop, Reply::Hang, cut, endless, Reply::Bytes(b"<html>".to_vec())] {
        let server = answering(reply.clone()).await;
        let error = create(&server).await.expect_err("no answer");
        assert_eq!((error.kind(), error.verdict()), ("lost", Verdict::Ambiguous), "{error:?}");
        assert_eq!(calls(&server).len(), 1);
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_no_byte_left() {
    let server = answering(Reply::Drop).await;
    let client = client_of(&server.url, clock());
    let ready = client.ready().await.expect("a token");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let nobody = client_of(&format!("http://{closed}"), clock());
    let error = nobody.send_create(ready, &order()).await.expect_err("nobody there");
    assert_eq!((error.kind(), error.verdict()), ("not_connected", Verdict::NotSent));
}

#[tokio::test]
async fn a_read_is_repeated_and_renews_a_refused_token_once() {
    let server = Scripted::start(|asked, n| match n {
        _ if asked.head.contains(TOKEN) => token(n),
        1 => Reply::json(401, ""),
        3 => Reply::Drop,
        4 => Reply::with_headers(503, "Retry-After: 0\r\n", ""),
        _ => Reply::with_headers(200, "ETag: \"h\"\r\n", r#"{"OrderNo":"7"}"#),
    })
    .await;
    let answer = client_of(&server.url, clock())
        .query("CustomerOrderSet(OrderNo='7')?$select=OrderNo")
        .await
        .expect("in the end");
    assert_eq!(answer.row().expect("a record").etag.as_deref(), Some("\"h\""));
    let bearers: Vec<_> = calls(&server)
        .iter()
        .map(|asked| asked.head.contains("Bearer t0") || asked.head.contains("bearer t0"))
        .collect();
    assert_eq!(bearers, [true, false, false, false]);
}

#[tokio::test]
async fn a_read_that_is_refused_or_told_to_wait_long_is_not_repeated() {
    for (reply, kind) in [
        (Reply::json(404, OWN), "not_found"),
        (Reply::json(500, ORA), "refused"),
        (Reply::with_headers(503, "Retry-After: 600\r\n", OWN), "unavailable"),
        (Reply::json(200, "<html>"), "undecodable"),
    ] {
        let server = answering(reply).await;
        let error = client_of(&server.url, clock()).query("CustomerOrderSet").await.expect_err(kind);
        assert_eq!(error.kind(), kind);
        assert_eq!(calls(&server).len(), if kind == "undecodable" { 4 } else { 1 }, "{kind}");
    }
}

#[tokio::test]
async fn a_long_retry_after_holds_back_the_next_call_too() {
    let server = answering(Reply::with_headers(429, "Retry-After: 600\r\n", "")).await;
    let client = client_of(&server.url, clock());
    assert_eq!(client.query("CustomerOrderSet").await.expect_err("too many").kind(), "too_many_requests");
    let Err(error) = client.ready().await else { panic!("nobody waits ten minutes in place") };
    assert!(
        matches!(error.verdict(), Verdict::Retry { after: Some(after), scope: Scope::Remote } if after.as_secs() > 590)
    );
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn reads_of_one_batch_have_an_outcome_each() {
    let part = |status: u16, body: &str| {
        format!(
            "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}\r\n",
            body.len()
        )
    };
    let body = format!("{}{}--b--\r\n", part(200, r#"{"value":[{"LineNo":"1"}]}"#), part(404, OWN));
    let server = answering(Reply::new(200, "multipart/mixed; boundary=b", &body)).await;
    let reads = ["A", "B", "C"].map(PartRequest::get);
    let outcomes = client_of(&server.url, clock()).batch_read(&reads).await.expect("a batch");
    assert_eq!(outcomes[0].as_ref().expect("found").rows().expect("a list").len(), 1);
    let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map_or("done", IfsError::kind)).collect();
    assert_eq!(kinds, ["done", "not_found", "not_reached"]);
    assert!(calls(&server)[0].head.contains("odata.continue-on-error"));
}

#[tokio::test]
async fn an_action_carries_its_etag_and_body_once() {
    let server = answering(Reply::json(204, "")).await;
    let client = client_of(&server.url, clock());
    let ready = client.ready().await.expect("a token");
    let answer =
        client.action(ready, "CustomerOrderSet(OrderNo='1')/X.Cancel", "W/\"e\"", json!({"CancelReason": "WEB"})).await;
    assert_eq!(answer.expect("done").body, Value::Null);
    let asked = &calls(&server)[0];
    assert!(asked.head.to_ascii_lowercase().contains("if-match: w/\"e\"") && asked.body == r#"{"CancelReason":"WEB"}"#);
}

#[tokio::test]
async fn the_token_is_fetched_once_for_all_and_again_at_eleven_twelfths() {
    let server = answering(Reply::json(200, "{}")).await;
    let clock = clock();
    let client = client_of(&server.url, clock.clone());
    let tokens = || server.asked().len() - calls(&server).len();
    let (a, b, c) = futures::join!(client.keep_token(), client.keep_token(), client.ready());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    drop(c);
    assert_eq!(tokens(), 1);
    assert_eq!(client.keep_token().await.expect("held"), Duration::from_secs(55 * 60));
    clock.advance(Duration::from_secs(55 * 60 - 1));
    drop(client.ready().await);
    assert_eq!(tokens(), 1);
    clock.advance(Duration::from_secs(1));
    drop(client.ready().await);
    assert_eq!(tokens(), 2);
}

#[tokio::test]
async fn all_who_wait_for_one_fetch_share_its_failure() {
    let server = Scripted::start(|_, _| Reply::json(503, "")).await;
    let client = client_of(&server.url, clock());
    let (a, b, c) = futures::join!(client.keep_token(), client.keep_token(), client.keep_token());
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_short_token_is_renewed_ten_seconds_before_its_end() {
    let short = r#"{"access_token":"short","expires_in":60}"#;
    let server = Scripted::start(move |_, _| Reply::json(200, short)).await;
    let client = client_of(&server.url, clock());
    assert_eq!(client.keep_token().await.expect("a token"), Duration::from_secs(50));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_old_token_in_use_until_its_end() {
    let server = Scripted::start(|_, n| if n == 0 { token(0) } else { Reply::json(503, "") }).await;
    let clock = clock();
    let client = client_of(&server.url, clock.clone());
    drop(client.ready().await);
    clock.advance(Duration::from_secs(56 * 60));
    assert!(client.ready().await.is_ok());
    assert!(client.keep_token().await.is_err());
    clock.advance(Duration::from_secs(4 * 60));
    assert!(client.ready().await.is_err());
}

#[tokio::test]
async fn whatever_is_no_token_is_named_and_shows_no_secret() {
    for (reply, expected) in [
        (Reply::new(200, "text/html", "<html>login</html>"), TokenError::Unreadable),
        (Reply::json(200, r#"{"access_token":"x y","expires_in":60}"#), TokenError::Unreadable),
        (Reply::json(200, r#"{"access_token":"x","expires_in":0}"#), TokenError::Unreadable),
        (
            Reply::json(401, r#"{"error":"invalid_client","error_description":"hush"}"#),
            TokenError::Refused { status: 401, code: "invalid_client".to_owned() },
        ),
    ] {
        let server = Scripted::start(move |_, _| reply.clone()).await;
        let Err(IfsError::NoToken(error)) = client_of(&server.url, clock()).ready().await else { panic!("a token") };
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
    for reply in
        [Reply::Drop, Reply::json(500, ""), Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{".to_vec())]
    {
        let server = Scripted::start(move |_, _| reply.clone()).await;
        let Err(error) = client_of(&server.url, clock()).ready().await else { panic!("a token") };
        assert_eq!(error.verdict(), RETRY_REMOTE, "{error:?}");
    }
}

#[tokio::test]
async fn a_tenant_that_fails_in_a_row_is_left_alone() {
    let server = answering(Reply::Drop).await;
    let clock = clock();
    let client = client_of(&server.url, clock.clone());
    for _ in 0..5 {
        let ready = client.ready().await.expect("a token");
        client.send_create(ready, &order()).await.expect_err("dropped");
    }
    assert!(client.is_left_alone());
    assert!(matches!(client.ready().await, Err(IfsError::NotNow(_))));
    clock.advance(Duration::from_secs(15));
    assert!(client.ready().await.is_ok());
}

#[tokio::test]
async fn each_write_opens_a_connection_of_its_own_and_reads_share_theirs() {
    let kept = |reply: Reply| {
        let Reply::Bytes(bytes) = reply else { panic!("bytes") };
        Reply::Kept(String::from_utf8(bytes).expect("text").replace("Connection: close\r\n", "").into_bytes())
    };
    let server = Scripted::start(move |asked, n| {
        kept(match &asked.head {
            head if head.contains(TOKEN) => token(n),
            head if head.contains(BATCH) => batch_reply(&[(201, "{}"), (201, "{}")]),
            _ => Reply::json(200, "{}"),
        })
    })
    .await;
    let client = client_of(&server.url, clock());
    for _ in 0..3 {
        client.query("CustomerOrderSet").await.expect("read");
    }
    assert_eq!(server.connections(), 1, "the token and all reads");
    for written in 1..4 {
        let ready = client.ready().await.expect("a token");
        client.send_create(ready, &order()).await.expect("created");
        assert_eq!(server.connections(), 1 + written);
    }
}

#[tokio::test]
async fn a_write_whose_lease_lapsed_after_its_intent_sends_no_byte() {
    let server = answering(batch_reply(&[(201, "{}"), (201, "{}")])).await;
    let tenure = Tenure::endless(clock());
    let client = client_within(&server.url, clock(), tenure.clone());
    let (ready, other) = (client.ready().await.expect("still ours"), client.ready().await.expect("still ours"));
    tenure.end();
    let error = client.send_create(ready, &order()).await.expect_err("kept back");
    assert_eq!((error.kind(), error.verdict()), ("not_ours", Verdict::NotSent));
    let error = client.write(other, &PartRequest::delete("X", "e")).await.expect_err("kept back without a body too");
    assert_eq!((error.kind(), error.verdict()), ("not_ours", Verdict::NotSent));
    assert_eq!((calls(&server).len(), client.writes_answered()), (0, 0));
    assert!(matches!(client.ready().await, Err(IfsError::NotOurs(_))));
}

/// The far side of the next test: runs only in the child process that it starts.
#[tokio::test]
async fn child_of_the_bytes_sent_test() {
    if let Ok(url) = std::env::var("ML_CONNECTOR_TEST_URL") {
        let client = client_of(&url, clock());
        let ready = client.ready().await.expect("a token");
        client.send_create(ready, &order()).await.expect("never reached: the failpoint stops this process");
    }
}

#[tokio::test]
async fn at_the_failpoint_all_bytes_have_left_and_the_process_stands_still() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let server = answering(Reply::Hang).await;
    let mut child = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "ifs::tests::child_of_the_bytes_sent_test", "--nocapture"])
        .env("ML_CONNECTOR_FAILPOINT", failpoint::BYTES_SENT)
        .env("ML_CONNECTOR_TEST_URL", &server.url)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("a child");
    let stderr = std::os::fd::OwnedFd::from(child.stderr.take().expect("piped"));
    let stderr = tokio::net::unix::pipe::Receiver::from_owned_fd(stderr).expect("a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let mut reached = false;
    while let Ok(Some(line)) = lines.next_line().await {
        reached |= line == "failpoint reached: bytes_sent";
        if reached {
            break;
        }
    }
    let whole = calls(&server);
    child.kill().expect("alive until now");
    child.wait().expect("killed");
    assert!(reached);
    assert_eq!(whole.len(), 1, "the server has read the whole request");
}
