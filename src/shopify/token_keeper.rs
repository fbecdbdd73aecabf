//! Keeps the renewed token of one shop: one for all callers, renewed by one of them at a time, over all processes, before it ends.
//! What Shopify gave is stored before it is used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use url::Url;

use super::auth::{AccessToken, Kept, Put, Shelved, ShopifyAuth, TokenShelf};
use super::grant::{self, Grant, Granted, TokenError};
use super::limits::{
    RENEWAL_WAIT_MAX, RENEWAL_WAIT_STEP, TOKEN_FAILURE_PAUSE_MAX, TOKEN_FAILURE_PAUSE_MIN, TOKEN_REFUSED_PAUSE,
};
use crate::clock::{Clock, Tick};
use crate::remote::{HeldToken, SharedToken, TokenLife, Turn};
use crate::telemetry::metric;

/// How often a renewal that somebody else overtook is looked at again.
const ROUNDS_MAX: usize = 3;

/// The keeper of one shop's token.
pub(super) struct TokenKeeper {
    auth: ShopifyAuth,
    shelf: Arc<dyn TokenShelf>,
    endpoint: Url,
    http: Client,
    clock: Clock,
    remote: String,
    /// Whoever may renew does so; the others wait and find the outcome.
    shared: SharedToken<AccessToken>,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    /// The last failure, and until when nobody asks again.
    failure: Option<(TokenError, Tick)>,
    failures: u32,
}

impl TokenKeeper {
    pub(super) fn new(
        auth: ShopifyAuth,
        shelf: Arc<dyn TokenShelf>,
        endpoint: Url,
        http: Client,
        clock: Clock,
        remote: &str,
    ) -> Self {
        let (shared, trouble) = (SharedToken::default(), Mutex::default());
        Self { auth, shelf, endpoint, http, clock, remote: remote.to_owned(), shared, trouble }
    }

    /// A token to use now. Renews it when there is none, or when it is time and nobody else does.
    pub(super) async fn token(&self) -> Result<AccessToken, TokenError> {
        match self.shared.turn(self.clock.monotonic()) {
            Turn::Use(token) => Ok(token),
            Turn::Renew(token, _flying) => Ok(self.renew(None).await.unwrap_or(token)),
            Turn::Wait => self.renew_or_share().await,
        }
    }

    /// Makes sure that a token is held that is not due, and says when to come again.
    pub(super) async fn keep(&self) -> Result<Duration, TokenError> {
        if self.shared.is_due(self.clock.monotonic()) {
            let _flying = self.shared.flight().await;
            if self.shared.is_due(self.clock.monotonic()) {
                self.renew(None).await?;
            }
        }
        Ok(self.shared.due_in(self.clock.monotonic()))
    }

    /// Another token than one that Shopify refused, unless that one is new itself.
    pub(super) async fn instead_of(&self, refused: &AccessToken) -> Result<Option<AccessToken>, TokenError> {
        let _flying = self.shared.flight().await;
        let now = self.clock.monotonic();
        match self.shared.usable(now) {
            // Replaced while we called or waited.
            Some(held) if !held.token.is_same(refused) => return Ok(Some(held.token)),
            // A shop that refuses what its own endpoint has just given refuses the next one too; unless another process had one.
            Some(held) if held.age(now) < TOKEN_REFUSED_PAUSE => {
                let shelved = self.shelf.read().await?;
                return Ok(self.take(&shelved, Some(refused), Due::Refused));
            }
            Some(_) | None => {}
        }
        self.renew(Some(refused)).await.map(Some)
    }

    async fn renew_or_share(&self) -> Result<AccessToken, TokenError> {
        let _flying = self.shared.flight().await;
        match self.shared.usable(self.clock.monotonic()) {
            Some(held) => Ok(held.token),
            None => self.renew(None).await,
        }
    }

    /// Looks at the shelf, and asks the endpoint where it must. The caller holds the flight. A failure is remembered, so that not
    /// every caller asks again.
    async fn renew(&self, refused: Option<&AccessToken>) -> Result<AccessToken, TokenError> {
        if let Some((failure, until)) = &self.lock().failure
            && self.clock.monotonic() < *until
        {
            return Err(failure.clone());
        }
        let outcome = self.look_or_ask(refused).await;
        let mut trouble = self.lock();
        match &outcome {
            Ok(_) => *trouble = Trouble::default(),
            Err(error) => {
                trouble.failures = trouble.failures.saturating_add(1);
                let pause = pause_after(error, trouble.failures);
                trouble.failure = Some((error.clone(), self.clock.monotonic() + pause));
            }
        }
        outcome
    }

    /// 1. What is kept is taken if it is good: another process may have renewed it.
    /// 2. The right to ask, over all processes; while another has it, its answer is waited for.
    /// 3. Once more: it may have been put there meanwhile. Then the endpoint is asked.
    async fn look_or_ask(&self, refused: Option<&AccessToken>) -> Result<AccessToken, TokenError> {
        let mut waited = Duration::ZERO;
        loop {
            // 1.
            let shelved = self.shelf.read().await?;
            if let Some(token) = self.take(&shelved, refused, Due::Refused) {
                return Ok(token);
            }
            // 2.
            if self.shelf.reserve().await? {
                break;
            }
            // What is due but not over serves until the other's answer is there.
            if let Some(token) = self.take(&shelved, refused, Due::Taken) {
                return Ok(token);
            }
            if waited >= RENEWAL_WAIT_MAX {
                return Err(TokenError::Busy);
            }
            tokio::time::sleep(RENEWAL_WAIT_STEP).await;
            waited += RENEWAL_WAIT_STEP;
        }
        // 3.
        let outcome = self.ask_and_put(refused).await;
        self.shelf.give_back().await;
        outcome
    }

    async fn ask_and_put(&self, refused: Option<&AccessToken>) -> Result<AccessToken, TokenError> {
        for _ in 0..ROUNDS_MAX {
            let shelved = self.shelf.read().await?;
            if let Some(token) = self.take(&shelved, refused, Due::Refused) {
                return Ok(token);
            }
            let began = self.clock.monotonic();
            let asked = self.ask(&shelved).await;
            let label = if asked.is_ok() { "done" } else { "failed" };
            metrics::counter!(metric::TOKEN_REFRESHES_TOTAL, "remote" => self.remote.clone(), "outcome" => label)
                .increment(1);
            let granted = asked?;
            // Invariant: what was granted is stored before it is used. Until its refresh token is used, Shopify takes the old one.
            match self.shelf.put(&shelved, &granted).await? {
                Put::Done => {
                    let (since, life) = (granted.asked_at, granted.expires_in);
                    let expires_at = since.saturating_add(life).unwrap_or(Timestamp::MAX);
                    let kept = Kept { token: granted.access_token, since, expires_at };
                    return Ok(self.hold(&kept, life, Duration::ZERO, began));
                }
                // A person stored another refresh token, or a process that slept beyond its right woke up: theirs counts.
                Put::Overtaken => {}
            }
        }
        Err(TokenError::Busy)
    }

    async fn ask(&self, shelved: &Shelved) -> Result<Granted, TokenError> {
        let ask =
            async |grant: Grant<'_>| grant::ask(&self.http, &self.endpoint, &shelved.app, grant, &self.clock).await;
        if self.auth == ShopifyAuth::ClientCredentials {
            return ask(Grant::ClientCredentials).await;
        }
        let token = shelved.refresh_token.as_ref().ok_or(TokenError::Missing { kind: "refresh_token" })?;
        match (ask(Grant::RefreshToken(token)).await, &shelved.refresh_token_old) {
            // The pair that is kept is worth nothing: as after an answer that overtook another one.
            (Err(TokenError::Refused { .. }), Some(old)) => ask(Grant::RefreshToken(old)).await,
            (outcome, _) => outcome,
        }
    }

    /// Holds what the shelf keeps, where it is good.
    fn take(&self, shelved: &Shelved, refused: Option<&AccessToken>, due: Due) -> Option<AccessToken> {
        let kept = shelved.access_token.as_ref()?;
        if refused.is_some_and(|refused| refused.is(&kept.token)) {
            return None;
        }
        let span = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        let (now, began) = (self.clock.now(), self.clock.monotonic());
        let (life, age) = (span(kept.since, kept.expires_at), span(kept.since, now));
        let TokenLife { renew_after, usable_for } = TokenLife::of(life);
        let good_for = if due == Due::Taken { usable_for } else { renew_after };
        (age < good_for).then(|| self.hold(kept, life, age, began))
    }

    fn hold(&self, kept: &Kept, life: Duration, age: Duration, now: Tick) -> AccessToken {
        let known = self.shared.held().map(|held| held.token).filter(|token| token.is(&kept.token));
        let token = known.unwrap_or_else(|| AccessToken::new(kept.token.clone()));
        self.shared.hold(HeldToken::new(token.clone(), TokenLife::of(life), age, now));
        token
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        // Never held across a wait or anything that can panic.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a token that is due for renewal is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Taken,
    Refused,
}

/// How long nobody asks again. A refusal lasts until a person acts; other trouble passes.
fn pause_after(error: &TokenError, failures: u32) -> Duration {
    let doubled = TOKEN_FAILURE_PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    match error {
        TokenError::Refused { .. } | TokenError::Missing { .. } => TOKEN_REFUSED_PAUSE,
        TokenError::Unavailable { .. } | TokenError::Unreadable | TokenError::Shelf { .. } | TokenError::Busy => {
            error.after().unwrap_or_default().max(doubled.min(TOKEN_FAILURE_PAUSE_MAX))
        }
    }
}
