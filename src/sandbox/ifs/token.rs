//! The token endpoint: client credentials from the form or from Basic, tokens that really expire.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::super::listen::{Answer, json as json_answer};

/// Valid tokens and the credentials that give new ones.
#[derive(Debug)]
pub(super) struct Tokens {
    client_id: String,
    client_secret: String,
    lifetime_secs: u64,
    valid_until: BTreeMap<String, Timestamp>,
}

impl Tokens {
    pub(super) fn new(client_id: String, client_secret: String, lifetime_secs: u64) -> Self {
        Self { client_id, client_secret, lifetime_secs, valid_until: BTreeMap::new() }
    }

    /// Answers a token request.
    pub(super) fn grant(&mut self, content_type: &str, authorization: &str, body: &[u8], now: Timestamp) -> Answer {
        if !content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return refused(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form");
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        if field("grant_type") != "client_credentials" {
            return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only client_credentials is supported");
        }
        let scopes: Vec<&str> = field("scope").split(' ').collect();
        if !scopes.contains(&"openid") || !scopes.contains(&"microprofile-jwt") {
            return refused(StatusCode::BAD_REQUEST, "invalid_scope", "openid and microprofile-jwt are wanted");
        }
        let sent =
            basic(authorization).unwrap_or_else(|| (field("client_id").to_owned(), field("client_secret").to_owned()));
        if sent != (self.client_id.clone(), self.client_secret.clone()) {
            return refused(
                StatusCode::UNAUTHORIZED,
                "unauthorized_client",
                "Invalid client or Invalid client credentials",
            );
        }
        let token = format!("sandbox.{}.{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let until = now.saturating_add(Duration::from_secs(self.lifetime_secs)).unwrap_or(Timestamp::MAX);
        self.valid_until.retain(|_, valid_until| *valid_until > now);
        self.valid_until.insert(token.clone(), until);
        json_answer(
            StatusCode::OK,
            &json!({
                "access_token": token, "expires_in": self.lifetime_secs, "refresh_expires_in": 0, "token_type": "Bearer",
                "not-before-policy": 0, "scope": "openid microprofile-jwt",
            }),
        )
    }

    /// Whether an `Authorization` header carries a token that is valid now.
    pub(super) fn accepts(&self, authorization: &str, now: Timestamp) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or("");
        self.valid_until.get(token).is_some_and(|until| *until > now)
    }

    /// All tokens are void from now on.
    pub(super) fn revoke_all(&mut self) {
        self.valid_until.clear();
    }

    pub(super) fn set_secret(&mut self, client_secret: String) {
        self.client_secret = client_secret;
    }
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn refused(status: StatusCode, error: &str, description: &str) -> Answer {
    json_answer(status, &json!({ "error": error, "error_description": description }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn tokens() -> Tokens {
        Tokens::new("id".into(), "s+1".into(), 180)
    }

    #[test]
    fn credentials_are_taken_from_the_form_or_from_basic_and_wrong_ones_get_401() {
        let form = b"grant_type=client_credentials&scope=openid+microprofile-jwt&client_id=id&client_secret=s%2B1";
        let bare = b"grant_type=client_credentials&scope=openid%20microprofile-jwt";
        let basic = format!("Basic {}", STANDARD.encode("id:s+1"));
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(tokens().grant(FORM, "", form, now).status(), 200);
        assert_eq!(tokens().grant(FORM, &basic, bare, now).status(), 200);
        assert_eq!(tokens().grant(FORM, "", bare, now).status(), 401);
        assert_eq!(tokens().grant("application/json", "", form, now).status(), 400);
    }

    #[test]
    fn a_token_expires_after_its_lifetime() {
        let mut tokens = tokens();
        tokens.valid_until.insert("t".into(), Timestamp::from_second(180).expect("a time"));
        assert!(tokens.accepts("Bearer t", Timestamp::from_second(179).expect("a time")));
        assert!(!tokens.accepts("Bearer t", Timestamp::from_second(180).expect("a time")));
        assert!(!tokens.accepts("t", Timestamp::UNIX_EPOCH));
    }
}
