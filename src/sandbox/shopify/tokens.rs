//! What opens the simulated shop's Admin API: the offline token, or tokens that end, and the endpoint that gives them. As strict as
//! Shopify may be: a new access token voids the one before it; a used refresh token is taken again only until its successor was used.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::super::listen::{Answer, json as json_answer};
use super::Shop;

/// How long a refresh token that was used is taken again, if its successor was not used.
const USED_AGAIN_FOR: Duration = Duration::from_secs(30 * 86_400);
/// Life of a refresh token.
const REFRESH_TOKEN_SECS: u64 = 90 * 86_400;
/// Life of a token of the client credentials grant, as Shopify says it.
const CLIENT_CREDENTIALS_SECS: u64 = 86_399;

/// How an app comes to its access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppAuth {
    /// The offline token that does not end.
    Token,
    /// Expiring offline tokens with a rotating refresh token.
    ExpiringToken,
    /// The client credentials grant.
    ClientCredentials,
}

/// The tokens of one shop's app.
#[derive(Debug)]
pub(super) struct Tokens {
    auth: AppAuth,
    offline: String,
    client_id: String,
    client_secret: String,
    lifetime_secs: u64,
    /// The access token that is valid, and until when.
    access: Option<(String, Timestamp)>,
    /// The refresh token that was given last.
    refresh: Refresh,
    /// The one that it was given for, and when that was first used.
    used: Option<(Refresh, Timestamp)>,
    takes_used_again: bool,
    given: usize,
}

#[derive(Clone, Debug)]
struct Refresh {
    token: String,
    until: Timestamp,
}

impl Tokens {
    pub(super) fn new(offline: String) -> Self {
        Self {
            auth: AppAuth::Token,
            offline,
            client_id: random("client"),
            client_secret: random("shpss"),
            lifetime_secs: 3_600,
            access: None,
            refresh: Refresh { token: random("shprt"), until: Timestamp::MAX },
            used: None,
            takes_used_again: true,
            given: 0,
        }
    }

    pub(super) fn set_auth(&mut self, auth: AppAuth, lifetime: Duration) {
        (self.auth, self.lifetime_secs, self.access) = (auth, lifetime.as_secs(), None);
    }

    /// Whether a request with this header may come in.
    pub(super) fn accepts(&self, token: Option<&str>, now: Timestamp) -> bool {
        match self.auth {
            AppAuth::Token => token == Some(self.offline.as_str()),
            AppAuth::ExpiringToken | AppAuth::ClientCredentials => {
                self.access.as_ref().is_some_and(|(valid, until)| token == Some(valid.as_str()) && now < *until)
            }
        }
    }

    /// Answers a request to the token endpoint.
    pub(super) fn grant(&mut self, content_type: &str, body: &[u8], now: Timestamp) -> Answer {
        if !content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return refused("invalid_request", "the body must be a form");
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        if (field("client_id"), field("client_secret")) != (self.client_id.as_str(), self.client_secret.as_str()) {
            return refused("application_cannot_be_found", "no such client id, or another secret");
        }
        match (self.auth, field("grant_type")) {
            (AppAuth::ClientCredentials, "client_credentials") => {
                let secs = self.lifetime_secs.min(CLIENT_CREDENTIALS_SECS);
                let token = self.give(secs, now);
                let body = json!({"access_token": token, "scope": "read_orders,write_orders", "expires_in": secs});
                json_answer(StatusCode::OK, &body)
            }
            (AppAuth::ExpiringToken, "refresh_token") => self.rotate(field("refresh_token"), now),
            _ => refused("unsupported_grant_type", "this app has another way"),
        }
    }

    fn rotate(&mut self, sent: &str, now: Timestamp) -> Answer {
        let known = [Some(&self.refresh), self.used.as_ref().map(|(used, _)| used)];
        let alive = known.into_iter().flatten().any(|known| known.token == sent && now < known.until);
        let next = || Refresh {
            token: random("shprt"),
            until: now.saturating_add(Duration::from_secs(REFRESH_TOKEN_SECS)).unwrap_or(Timestamp::MAX),
        };
        let first_use = self.used.as_ref().filter(|(used, _)| used.token == sent).map(|(_, first)| *first);
        if alive && sent == self.refresh.token {
            let used = std::mem::replace(&mut self.refresh, next());
            self.used = Some((used, now));
        } else if alive && first_use.is_some_and(|first| self.may_use_again(first, now)) {
            self.refresh = next();
        } else {
            return refused("invalid_grant", "the refresh token is not valid any more");
        }
        let token = self.give(self.lifetime_secs, now);
        json_answer(
            StatusCode::OK,
            &json!({
                "access_token": token, "expires_in": self.lifetime_secs, "refresh_token": self.refresh.token,
                "refresh_token_expires_in": REFRESH_TOKEN_SECS, "scope": "read_orders,write_orders",
            }),
        )
    }

    fn may_use_again(&self, first: Timestamp, now: Timestamp) -> bool {
        self.takes_used_again && now.duration_since(first).unsigned_abs() < USED_AGAIN_FOR
    }

    fn give(&mut self, secs: u64, now: Timestamp) -> String {
        let token = random("shpat");
        let until = now.saturating_add(Duration::from_secs(secs)).unwrap_or(Timestamp::MAX);
        self.access = Some((token.clone(), until));
        self.given += 1;
        token
    }

    pub(super) fn revoke_access(&mut self) {
        self.access = None;
    }

    /// The app was authorised anew: everything given before is void; gives the first refresh token.
    pub(super) fn authorise(&mut self) -> String {
        (self.access, self.used) = (None, None);
        self.refresh = Refresh { token: random("shprt"), until: Timestamp::MAX };
        self.refresh.token.clone()
    }

    pub(super) fn set_takes_used_again(&mut self, takes: bool) {
        self.takes_used_again = takes;
    }

    pub(super) fn client(&self) -> (String, String) {
        (self.client_id.clone(), self.client_secret.clone())
    }

    pub(super) fn refresh_token(&self) -> String {
        self.refresh.token.clone()
    }

    pub(super) fn given(&self) -> usize {
        self.given
    }
}

impl Shop {
    /// From now on the Admin API is opened by another kind of token, of this life; what was given before is void.
    pub fn authenticate_by(&self, auth: AppAuth, lifetime: Duration) {
        self.lock().tokens.set_auth(auth, lifetime);
    }

    /// Client id and client secret of the app.
    pub fn app(&self) -> (String, String) {
        self.lock().tokens.client()
    }

    /// The refresh token that was given last.
    pub fn refresh_token(&self) -> String {
        self.lock().tokens.refresh_token()
    }

    /// The app is authorised anew: all tokens are void but the refresh token that this gives.
    pub fn authorise_anew(&self) -> String {
        self.lock().tokens.authorise()
    }

    /// The access token is void from now on; the refresh token is not.
    pub fn revoke_access_token(&self) {
        self.lock().tokens.revoke_access();
    }

    /// From now on a refresh token that was used once is refused.
    pub fn forget_used_refresh_tokens(&self) {
        self.lock().tokens.set_takes_used_again(false);
    }

    /// Access tokens that the endpoint gave.
    pub fn tokens_given(&self) -> usize {
        self.lock().tokens.given()
    }
}

fn random(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

fn refused(error: &str, description: &str) -> Answer {
    json_answer(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": description}))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::super::listen::bytes_of;
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    async fn refresh(tokens: &mut Tokens, with: &str, at: i64) -> Option<(String, String)> {
        let (id, secret) = tokens.client();
        let body = format!("client_id={id}&client_secret={secret}&grant_type=refresh_token&refresh_token={with}");
        let (head, body) = bytes_of(tokens.grant(FORM, body.as_bytes(), second(at))).await;
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        (head.status == 200).then(|| (text("access_token"), text("refresh_token")))
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("a time")
    }

    #[tokio::test]
    async fn a_refresh_token_is_taken_again_until_its_successor_was_used() {
        let mut tokens = Tokens::new("offline".into());
        tokens.set_auth(AppAuth::ExpiringToken, Duration::from_secs(60));
        let first = tokens.refresh_token();
        let (lost, _) = refresh(&mut tokens, &first, 0).await.expect("the first use");
        let (access, second_token) = refresh(&mut tokens, &first, 100).await.expect("its answer was lost");
        assert!(!tokens.accepts(Some(&*lost), second(100)) && tokens.accepts(Some(&*access), second(159)));
        assert!(!tokens.accepts(Some(&*access), second(160)) && !tokens.accepts(Some("offline"), second(100)));
        refresh(&mut tokens, &second_token, 200).await.expect("the successor");
        assert!(refresh(&mut tokens, &first, 201).await.is_none(), "retired");
        assert!(refresh(&mut tokens, "guessed", 201).await.is_none());
        assert!(refresh(&mut tokens, &second_token, 200 + 30 * 86_400).await.is_none(), "too late");
    }
}
