//! One call to an OAuth token endpoint, and what a refusal means. What a token's answer must hold is each remote's own.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;

use super::{parse_retry_after, read_body};
use crate::clock::Clock;

/// How long a token endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest answer of a token endpoint.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest code of a refusal that is kept, in characters.
const CODE_CHARS_MAX: usize = 40;

/// Why an endpoint gave no answer that may hold a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It does not accept who asks, or what it is asked with.
    Refused {
        /// HTTP status.
        status: u16,
        /// OAuth error code, such as `invalid_client`; perhaps empty.
        code: String,
    },
    /// It cannot be reached, is too slow, or has trouble of its own.
    Unavailable {
        /// In what way.
        how: String,
        /// What it asked us to wait.
        after: Option<Duration>,
    },
}

/// Asks once. The body of a good answer is handed back unread: it may be anything.
///
/// # Errors
/// It was refused, or no whole answer came. A token may have been given out all the same.
pub async fn ask_for_token(request: RequestBuilder, clock: &Clock) -> Result<Bytes, TokenRefusal> {
    let response = request.timeout(TIMEOUT).send().await.map_err(|error| unavailable(&error))?;
    let status = response.status();
    let after = parse_retry_after(response.headers(), clock.now());
    let body = read_body(response, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| TokenRefusal::Unavailable { how: error.to_string(), after: None })?;
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Err(TokenRefusal::Refused { status: status.as_u16(), code: oauth_code(&body) })
        }
        _ => Err(TokenRefusal::Unavailable { how: format!("status {}", status.as_u16()), after }),
    }
}

/// Whether a token can stand in a header.
pub fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())
}

/// The `error` field of an OAuth refusal (RFC 6749, 5.2), if it is one: a short code, never the description.
fn oauth_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct OauthError {
        error: String,
    }
    let code = serde_json::from_slice::<OauthError>(body).map(|error| error.error).unwrap_or_default();
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(CODE_CHARS_MAX).collect()
}

fn unavailable(error: &reqwest::Error) -> TokenRefusal {
    let how = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the call broke off"
    };
    TokenRefusal::Unavailable { how: how.to_owned(), after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refusal_only_a_short_code_is_kept() {
        let code = |body: &str| oauth_code(body.as_bytes());
        assert_eq!(code(r#"{"error":"invalid_grant","error_description":"secret 4711 is wrong"}"#), "invalid_grant");
        assert_eq!(code(r#"{"error":"a <b>\n'c'"}"#), "abc");
        assert_eq!(code(&format!("{{\"error\":\"{}\"}}", "x".repeat(100))), "x".repeat(CODE_CHARS_MAX));
        for other in ["", "<html>", r#"{"error":7}"#, r#"{"errors":"x"}"#] {
            assert_eq!(code(other), "");
        }
    }

    #[test]
    fn a_token_that_no_header_holds_is_none() {
        assert!(is_sendable("shpat_0.a-B/c+d=="));
        for token in ["", "a b", "a\n", "\u{e9}"] {
            assert!(!is_sendable(token), "{token:?}");
        }
    }
}
