//! The HTTP plumbing that all simulated services share: accept on loopback, read a bounded body, answer
//! or close the connection without an answer. Knows nothing of IFS or Shopify.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::faults::{Fault, FaultPlan};
use super::ledger::Class;
use super::torn::{Tear, TornStream};

/// The only body type that the sandbox answers with.
pub(super) type Answer = Response<Full<Bytes>>;

/// What a service wants done with the connection.
#[derive(Debug)]
pub(super) enum Reply {
    Send(Answer),
    /// Close without a byte of an answer.
    Close,
    /// Close after so many bytes of the answer, status line included.
    Torn(Answer, u32),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Send(answer)
    }
}

/// Tells hyper to close the connection: an error from the service sends nothing.
#[derive(Debug)]
struct ClosedOnPurpose;

impl fmt::Display for ClosedOnPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for ClosedOnPurpose {}

/// Binds a loopback port; 0 lets the system choose. Gives the listener and where it listens.
pub(super) fn bind(port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    Ok((listener, at))
}

/// Serves one listener until the runtime ends. Each connection runs as its own task; with faults, some break while a request
/// is still being sent.
pub(super) async fn serve<H, F>(listener: TcpListener, faults: Option<FaultPlan>, handle: H) -> std::io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let handle = Arc::new(handle);
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "sandbox could not accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                continue;
            }
        };
        let handle = Arc::clone(&handle);
        let cut = faults.as_ref().and_then(cut_after);
        tokio::spawn(async move {
            let tear = Tear::never();
            let stream = TornStream::new(stream, cut, tear.clone());
            let service = service_fn(move |request| {
                let (answering, tear) = (handle(request), tear.clone());
                async move {
                    match answering.await {
                        Reply::Send(answer) => Ok(answer),
                        Reply::Close => Err(ClosedOnPurpose),
                        Reply::Torn(answer, bytes) => {
                            tear.after(bytes);
                            Ok(answer)
                        }
                    }
                }
            });
            // An error here is a connection that we closed on purpose or the caller gave up: both are in the ledger.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// After how many bytes of a request this connection breaks, if it does.
fn cut_after(faults: &FaultPlan) -> Option<u32> {
    match faults.draw(Class::Connection) {
        Some(Fault::CutRequest(within)) => Some(faults.up_to(within)),
        _ => None,
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It has more bytes than are taken.
    TooLarge,
    /// The connection broke in the middle of it: whoever sent it can be answered nothing.
    Broken,
}

impl From<Unread> for Reply {
    fn from(why: Unread) -> Self {
        match why {
            Unread::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "body too large").into(),
            Unread::Broken => Self::Close,
        }
    }
}

/// Reads a whole body of at most `bytes_max`.
///
/// # Errors
/// Why it was not read.
pub(super) async fn read_body(request: Request<Incoming>, bytes_max: usize) -> Result<(Parts, Bytes), Unread> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok((parts, collected.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::Broken),
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &Value) -> Answer {
    text(status, "application/json", &body.to_string())
}

/// An answer with a text body.
pub(super) fn text(status: StatusCode, content_type: &str, body: &str) -> Answer {
    build(status, &[("content-type", content_type.to_owned())], Bytes::copy_from_slice(body.as_bytes()))
}

/// An answer from its pieces. A header that HTTP does not allow is left out.
pub(super) fn build(status: StatusCode, headers: &[(&str, String)], body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    for (name, value) in headers {
        let name = hyper::header::HeaderName::try_from(*name);
        if let (Ok(name), Ok(value)) = (name, hyper::header::HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// So much is no answer of anybody's; a caller must have had enough long before.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;

/// An answer that says all is well and does not end in any sensible time.
pub(super) fn endless(content_type: &str) -> Answer {
    static BLANK: OnceLock<Bytes> = OnceLock::new();
    let blank = BLANK.get_or_init(|| Bytes::from(vec![b' '; ENDLESS_BYTES])).clone();
    build(StatusCode::OK, &[("content-type", content_type.to_owned())], blank)
}

/// The bytes of an answer made here.
pub(super) async fn bytes_of(answer: Answer) -> (hyper::http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    let collected = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never as Infallible {},
    };
    (parts, collected)
}
