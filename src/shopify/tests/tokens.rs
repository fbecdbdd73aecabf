//! What a token is used for before it is kept: nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;

use super::{client_with, clock, ok, page};
use crate::clock::Clock;
use crate::remote::Tenure;
use crate::remote::scripted::{Asked, Reply, Scripted};
use crate::shopify::auth::{Kept, Put, Shelved, ShopifyAuth, TokenShelf, TokenSource};
use crate::shopify::grant::{AppCredentials, Granted, TokenError};
use crate::shopify::limits::TOKEN_FAILURE_PAUSE_MAX;
use crate::shopify::{ShopifyClient, ShopifyError};

/// A shelf that ends its puts as scripted, one after the other, and keeps nothing of them. Where one is overtaken, another's token
/// is kept from then on.
struct Shelf {
    puts: Mutex<Vec<Result<Put, TokenError>>>,
    overtaken: AtomicBool,
}

impl TokenShelf for Shelf {
    fn read(&self) -> BoxFuture<'_, Result<Shelved, TokenError>> {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let theirs = || Kept {
            token: secret("shpat_theirs"),
            since: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1),
        };
        let shelved = Shelved {
            app: AppCredentials { client_id: secret("an app"), client_secret: secret("hush") },
            access_token: self.overtaken.load(Ordering::SeqCst).then(theirs),
            refresh_token: Some(secret("shprt_kept")),
            refresh_token_old: None,
            revision: Vec::new(),
        };
        ready(Ok(shelved)).boxed()
    }

    fn reserve(&self) -> BoxFuture<'_, Result<bool, TokenError>> {
        ready(Ok(true)).boxed()
    }

    fn put<'a>(&'a self, _read: &'a Shelved, _granted: &'a Granted) -> BoxFuture<'a, Result<Put, TokenError>> {
        let end = self.puts.lock().unwrap_or_else(PoisonError::into_inner).remove(0);
        self.overtaken.store(end == Ok(Put::Overtaken), Ordering::SeqCst);
        ready(end).boxed()
    }

    fn give_back(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

fn client_of_shelf(url: &str, clock: &Clock, puts: Vec<Result<Put, TokenError>>) -> ShopifyClient {
    let shelf = Arc::new(Shelf { puts: Mutex::new(puts), overtaken: AtomicBool::new(false) });
    let token = TokenSource::Renewed { auth: ShopifyAuth::ExpiringToken, shelf };
    client_with(url, token, Tenure::endless(clock.clone()), clock.clone())
}

fn is_for_a_token(asked: &Asked) -> bool {
    asked.head.starts_with("POST /admin/oauth/access_token ")
}

/// Grants a token for each request, named by how many requests came before, and answers everything else.
fn shop(asked: &Asked, before: usize) -> Reply {
    if !is_for_a_token(asked) {
        return ok(&page("a", &[1], None));
    }
    let (access, refresh) = (format!("shpat_granted_{before}"), format!("shprt_granted_{before}"));
    Reply::json(200, &json!({ "access_token": access, "expires_in": 3_600, "refresh_token": refresh }).to_string())
}

/// The access tokens that calls came with.
fn used(server: &Scripted) -> Vec<String> {
    let header = |asked: &Asked| {
        let mut lines = asked.head.lines().filter_map(|line| line.split_once(": "));
        let (_, token) = lines.find(|(name, _)| name.eq_ignore_ascii_case("x-shopify-access-token")).expect("signed");
        token.to_owned()
    };
    server.asked().iter().filter(|asked| !is_for_a_token(asked)).map(header).collect()
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_is_not_used() {
    let (server, clock) = (Scripted::start(shop).await, clock());
    let full = TokenError::Shelf { how: "the disk is full".to_owned() };
    let client = client_of_shelf(&server.url, &clock, vec![Err(full.clone()), Ok(Put::Done)]);
    let error = client.order_by_id(1).await.expect_err("no token");
    assert!(matches!(&error, ShopifyError::NoToken(why) if *why == full), "{error:?}");
    assert!(used(&server).is_empty(), "its refresh token is kept nowhere: a call would use the kept one up");
    // The kept refresh token gives another one.
    clock.advance(TOKEN_FAILURE_PAUSE_MAX);
    client.order_by_id(1).await.expect("an answer");
    assert_eq!(used(&server), ["shpat_granted_1"]);
    assert!(server.asked().iter().filter(|asked| is_for_a_token(asked)).all(|asked| asked.body.contains("shprt_kept")));
}

#[tokio::test]
async fn a_token_that_was_overtaken_gives_way_to_the_one_that_is_kept() {
    let (server, clock) = (Scripted::start(shop).await, clock());
    let client = client_of_shelf(&server.url, &clock, vec![Ok(Put::Overtaken)]);
    client.order_by_id(1).await.expect("an answer");
    assert_eq!(used(&server), ["shpat_theirs"]);
}
