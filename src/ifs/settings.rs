//! What the client of one tenant is built from.

use std::time::Duration;

use url::Url;

use super::auth::Credentials;
use crate::remote::{BreakerSettings, EgressError, LimiterSettings, Tenure};

/// What a client is built from.
pub struct IfsSettings {
    /// How logs and metrics call this tenant.
    pub name: String,
    /// Its address, without a path.
    pub base_url: Url,
    /// Path of its projections, such as `/main/ifsapplications/projection/v1`.
    pub projection_prefix: String,
    /// Path of the projection of customers, which may live elsewhere.
    pub customers_prefix: String,
    /// Realm of its token endpoint.
    pub realm: String,
    /// What it knows us by.
    pub credentials: Credentials,
    /// How long one call may take.
    pub request_timeout: Duration,
    /// The statement limit that is asked for with `Prefer: wait`, in whole seconds.
    pub wait: Option<Duration>,
    /// Parts of one `$batch` at most; more reads than that go in several.
    pub batch_parts_max: usize,
    /// Rate and concurrency.
    pub limiter: LimiterSettings,
    /// When to leave it alone.
    pub breaker: BreakerSettings,
    /// Until when it may be called at all.
    pub tenure: Tenure,
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum IfsSetupError {
    /// The address may not be called.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Address, prefix or realm do not make a URL.
    #[error("base_url, projection_prefix and realm do not make a url")]
    BadUrl(#[from] url::ParseError),
    /// The HTTP client cannot be built, as on a machine without root certificates.
    #[error(
        "the http client cannot be built: are there root certificates on this machine (ca-certificates, SSL_CERT_FILE)?"
    )]
    Client(#[from] reqwest::Error),
}
