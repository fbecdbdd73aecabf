//! A connection that breaks at a given byte: of what the caller sends, or of what it is answered.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// More than any answer has.
const NEVER: u64 = u64::MAX;

/// Decides, while an answer is made, after how many of its bytes the connection breaks.
#[derive(Clone, Debug)]
pub(super) struct Tear(Arc<AtomicU64>);

impl Tear {
    /// A connection that holds.
    pub(super) fn never() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }

    /// From now on so many bytes still go out.
    pub(super) fn after(&self, bytes: u32) {
        self.0.store(u64::from(bytes), Ordering::Release);
    }
}

/// The server's side of one connection.
#[derive(Debug)]
pub(super) struct TornStream {
    stream: TcpStream,
    read_left: u64,
    write_left: Tear,
}

impl TornStream {
    /// A connection of which at most `read_max` bytes are taken in; what the caller sent beyond them resets it.
    pub(super) fn new(stream: TcpStream, read_max: Option<u32>, write_left: Tear) -> Self {
        Self { stream, read_left: read_max.map_or(NEVER, u64::from), write_left }
    }
}

impl AsyncRead for TornStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_left == NEVER {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        if self.read_left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = usize::try_from(self.read_left).unwrap_or(usize::MAX).min(buf.remaining());
        let mut bytes = vec![0; most];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        self.read_left -= part.filled().len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TornStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.write_left.0.load(Ordering::Acquire);
        if left == NEVER {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..most]))?;
        self.write_left.0.store(left - written as u64, Ordering::Release);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
