//! Plain HTTP towards the service, also such as no client would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// No answer of the service is longer.
const BODY_BYTES_MAX: usize = 1_048_576;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends a POST with exactly these headers, repeated ones included.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = client().post(url).body(body.to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

/// Sends a GET, with a bearer token if one is given.
pub async fn get(url: &str, token: Option<&str>) -> Answer {
    let mut request = client().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    answer(request).await
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20)).build().expect("a client")
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let mut response = request.send().await.expect("the service answers");
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.expect("the answer ends well") {
        body.extend_from_slice(&chunk);
        assert!(body.len() < BODY_BYTES_MAX, "an answer without end");
    }
    Answer { status, body: String::from_utf8(body).expect("UTF-8") }
}

/// A connection on which a test writes the bytes of a request itself.
pub struct RawRequest(TcpStream);

impl RawRequest {
    /// Connects to `http://HOST:PORT` and sends the head of a POST with these header lines.
    pub fn post(base_url: &str, path: &str, header_lines: &[&str]) -> Self {
        let address = base_url.strip_prefix("http://").expect("plain http");
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a time-out");
        stream.set_write_timeout(Some(Duration::from_secs(15))).expect("a time-out");
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nX-Shopify-Topic: orders/create\r\n");
        for line in header_lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).expect("the head is taken");
        Self(stream)
    }

    /// Sends bytes; false when the service does not take them any more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Nothing more comes from this side.
    pub fn finish_sending(&self) {
        self.0.shutdown(std::net::Shutdown::Write).expect("an open connection");
    }

    /// The status of the answer, 0 when the connection ends without one.
    pub fn status(mut self) -> u16 {
        let mut answer = Vec::new();
        let mut piece = [0; 512];
        while !answer.windows(2).any(|end| end == b"\r\n") {
            match self.0.read(&mut piece) {
                Ok(0) | Err(_) => return 0,
                Ok(count) => answer.extend_from_slice(&piece[..count]),
            }
        }
        let line = String::from_utf8_lossy(&answer);
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }
}
