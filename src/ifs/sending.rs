//! The moment in which the bytes of a call leave, with the failpoint that a test may put behind it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};

use super::error::IfsError;
use crate::failpoint;
use crate::remote::{Fate, NotOurs, OutgoingBody, Tenure};

/// Whether a failpoint stands between the sending of the bytes and the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    At(&'static str),
    Nothing,
}

/// Sends once, while the tenure holds: asked in the moment in which the bytes leave, after the connection was opened.
pub(super) async fn send(
    request: RequestBuilder,
    body: Bytes,
    mark: Mark,
    tenure: &Tenure,
) -> Result<Response, IfsError> {
    // An empty body is never asked for by the connection.
    tenure.check()?;
    let (body, fate) = OutgoingBody::new(body, tenure.clone());
    let request = request.body(reqwest::Body::wrap(body));
    let sent = match mark {
        Mark::At(point) if failpoint::is_armed(point) => send_and_stop(request, &fate, point).await,
        Mark::At(_) | Mark::Nothing => request.send().await,
    };
    sent.map_err(|error| if fate.was_kept_back() { NotOurs.into() } else { IfsError::from_transport(error) })
}

/// As any send, but passes the failpoint when the bytes have left, before the answer is looked at.
async fn send_and_stop(request: RequestBuilder, fate: &Fate, point: &'static str) -> Result<Response, reqwest::Error> {
    /// More than the connection's task needs to write what it took.
    const FLUSHED: Duration = Duration::from_millis(50);
    let sending = request.send();
    tokio::pin!(sending);
    tokio::select! {
        biased;
        () = fate.gone() => tokio::time::sleep(FLUSHED).await,
        never_sent = &mut sending => return never_sent,
    }
    failpoint::hit(point);
    sending.await
}
