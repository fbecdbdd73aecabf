//! The access token of one shop: a long-lived offline token out of the vault. Rotating tokens will be kept here too; nothing else sees one.

use std::sync::{Arc, PoisonError, RwLock};

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

/// The header that carries it.
const HEADER: &str = "X-Shopify-Access-Token";

/// Holds the token in use. Clones share it.
#[derive(Clone)]
pub struct TokenHolder(Arc<RwLock<SecretString>>);

impl TokenHolder {
    /// Holds a token out of the vault.
    pub fn new(token: SecretString) -> Self {
        Self(Arc::new(RwLock::new(token)))
    }

    /// Takes another token into use; calls under way keep the old one.
    pub fn replace(&self, token: SecretString) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match HeaderValue::from_str(token.expose_secret()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(HEADER, value)
            }
            // Not sent at all: Shopify answers 401, which says what to mend.
            Err(_not_a_header) => request,
        }
    }
}
