//! A request body that tells when its last byte was handed to the connection, for the failpoint between sending and hearing.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// A body of known length, so that it travels with a Content-Length like any other.
pub struct OutgoingBody {
    bytes: Option<Bytes>,
    gone: Arc<Notify>,
}

impl OutgoingBody {
    /// A body, and the signal that it is gone. The signal comes when the connection's task took the bytes; that task flushes them before
    /// it gives way, so on a one-threaded runtime nobody else runs before they left.
    pub fn watched(bytes: Bytes) -> (Self, Arc<Notify>) {
        let gone = Arc::new(Notify::new());
        let body = Self { bytes: Some(bytes), gone: Arc::clone(&gone) };
        (body, gone)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            self.gone.notify_one();
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
