//! The moment in which the bytes of a call leave, with the failpoint that a test may put behind it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};

use super::error::IfsError;
use crate::failpoint;
use crate::remote::OutgoingBody;

/// Whether a failpoint stands between the sending of the bytes and the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    At(&'static str),
    Nothing,
}

/// Sends once.
pub(super) async fn send(request: RequestBuilder, body: Bytes, mark: Mark) -> Result<Response, IfsError> {
    if let Mark::At(point) = mark
        && failpoint::is_armed(point)
    {
        return send_and_stop(request, body, point).await.map_err(IfsError::from_transport);
    }
    request.body(body).send().await.map_err(IfsError::from_transport)
}

/// As any send, but passes the failpoint when the bytes have left, before the answer is looked at.
async fn send_and_stop(request: RequestBuilder, body: Bytes, point: &'static str) -> Result<Response, reqwest::Error> {
    /// More than the connection's task needs to write what it took.
    const FLUSHED: Duration = Duration::from_millis(50);
    let (body, gone) = OutgoingBody::watched(body);
    let sending = request.body(reqwest::Body::wrap(body)).send();
    tokio::pin!(sending);
    tokio::select! {
        biased;
        () = gone.notified() => tokio::time::sleep(FLUSHED).await,
        never_sent = &mut sending => return never_sent,
    }
    failpoint::hit(point);
    sending.await
}
