//! A request body that asks, in the moment in which it is handed to the connection, whether it may still leave; and tells when it has,
//! for the failpoint between sending and hearing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::tenure::{NotOurs, Tenure};

/// A body of known length, so that it travels with a Content-Length like any other.
pub struct OutgoingBody {
    bytes: Option<Bytes>,
    tenure: Tenure,
    fate: Fate,
}

/// What became of a body. Clones share it.
#[derive(Clone, Default)]
pub struct Fate(Arc<Told>);

#[derive(Default)]
struct Told {
    kept_back: AtomicBool,
    gone: Notify,
}

impl Fate {
    /// Whether it was kept back: the connection got no byte of it, and who waits for a request of that length has none.
    pub fn was_kept_back(&self) -> bool {
        self.0.kept_back.load(Ordering::Acquire)
    }

    /// Waits until it is gone. That is told when the connection's task took the bytes; that task flushes them before it gives way, so on
    /// a one-threaded runtime nobody else runs before they left.
    pub async fn gone(&self) {
        self.0.gone.notified().await;
    }
}

impl OutgoingBody {
    /// A body that leaves only while this tenure holds, and where to learn what became of it.
    pub fn new(bytes: Bytes, tenure: Tenure) -> (Self, Fate) {
        let fate = Fate::default();
        (Self { bytes: Some(bytes), tenure, fate: fate.clone() }, fate)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = NotOurs;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, NotOurs>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        if let Err(not_ours) = self.tenure.check() {
            self.fate.0.kept_back.store(true, Ordering::Release);
            return Poll::Ready(Some(Err(not_ours)));
        }
        self.fate.0.gone.notify_one();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::Clock;

    async fn polled(bytes: &'static [u8], tenure: &Tenure) -> (Option<Result<Bytes, NotOurs>>, bool) {
        let (mut body, fate) = OutgoingBody::new(Bytes::from_static(bytes), tenure.clone());
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        (frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())), fate.was_kept_back())
    }

    #[tokio::test]
    async fn a_body_asks_when_it_is_taken_an_empty_one_too() {
        let tenure = Tenure::endless(Clock::manual(Timestamp::UNIX_EPOCH));
        assert_eq!(polled(b"bytes", &tenure).await, (Some(Ok(Bytes::from_static(b"bytes"))), false));
        tenure.end();
        for bytes in [&b"bytes"[..], b""] {
            assert_eq!(polled(bytes, &tenure).await, (Some(Err(NotOurs)), true));
        }
    }
}
