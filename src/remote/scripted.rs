//! A local server for tests of the clients: answers one connection after the other as scripted, and keeps what was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and answers the next request on the same connection.
    Kept(Vec<u8>),
    /// Closes without a word.
    Drop,
    /// Says nothing and keeps the connection.
    Hang,
}

impl Reply {
    /// An answer with a body.
    pub(crate) fn new(status: u16, content_type: &str, body: &str) -> Self {
        Self::with_headers(status, &format!("Content-Type: {content_type}\r\n"), body)
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::new(status, "application/json", body)
    }

    /// An answer with these header lines.
    pub(crate) fn with_headers(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        Self::Bytes(text.into_bytes())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and headers.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: String,
}

/// The running server.
pub(crate) struct Scripted {
    /// Its address, such as `http://127.0.0.1:1234`.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// Starts on a free port. `script` gives the reply to each request; it is told the request and how many came before.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let (seen, script, opened) = (Arc::clone(&asked), Arc::new(script), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                tokio::spawn(async move {
                    serve(stream, &seen, &*script).await.unwrap_or_default();
                });
            }
        });
        Self { url, asked, connections }
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    script: &(dyn Fn(&Asked, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    loop {
        let asked = read_request(&mut stream).await?;
        let reply = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = script(&asked, seen.len());
            seen.push(asked);
            reply
        };
        match reply {
            Reply::Kept(bytes) => stream.write_all(&bytes).await?,
            Reply::Bytes(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Reply::Drop => return Ok(()),
            Reply::Hang => std::future::pending().await,
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
            let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
            if body.len() >= length {
                return Ok(Asked { head: head.to_owned(), body: body.to_owned() });
            }
        }
        match stream.read(&mut chunk).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
