//! Load over HTTP/1.1 that costs as little as possible itself: kept connections, requests written as bytes, and of the
//! answer only its status read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::report::quantile;

/// Makes the bytes of the request with this number.
pub type Make = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// What came of a load.
pub struct Figures {
    /// Answers 200 in a second.
    pub per_sec: f64,
    /// Half of the answers came within.
    pub p50_ms: f64,
    /// 99 of 100 came within.
    pub p99_ms: f64,
    /// Answers other than 200.
    pub failed: u64,
}

/// Each connection sends its next request as soon as the last one was answered.
pub async fn closed(address: &str, connections: usize, lasts: Duration, make: Make) -> Figures {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let end = begun + lasts;
    let one = |_| {
        let (address, make, next) = (address.to_owned(), Arc::clone(&make), Arc::clone(&next));
        tokio::task::spawn_local(async move {
            let mut connection = Connection::open(&address).await;
            let mut answers = Answers::default();
            while Instant::now() < end {
                let request = make(next.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                let status = connection.exchange(&request).await;
                answers.add(status, sent.elapsed());
            }
            answers
        })
    };
    gather((0..connections).map(one).collect(), begun).await
}

/// Requests go at their time, whether earlier ones were answered or not; how long one takes is counted from its time on,
/// so that a wait for a free connection is not left out.
pub async fn open(address: &str, per_sec: u32, connections: usize, lasts: Duration, make: Make) -> Figures {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now() + Duration::from_millis(50);
    let one = |_| {
        let (address, make, next) = (address.to_owned(), Arc::clone(&make), Arc::clone(&next));
        tokio::task::spawn_local(async move {
            let mut connection = Connection::open(&address).await;
            let mut answers = Answers::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = begun + Duration::from_secs_f64(number as f64 / f64::from(per_sec));
                if due > begun + lasts {
                    return answers;
                }
                let request = make(number);
                tokio::time::sleep_until(due.into()).await;
                let status = connection.exchange(&request).await;
                answers.add(status, due.elapsed());
            }
        })
    };
    gather((0..connections).map(one).collect(), begun).await
}

#[derive(Default)]
struct Answers {
    taken_ms: Vec<f64>,
    failed: u64,
}

impl Answers {
    fn add(&mut self, status: u16, took: Duration) {
        if status == 200 {
            self.taken_ms.push(took.as_secs_f64() * 1_000.0);
        } else {
            self.failed += 1;
        }
    }
}

async fn gather(tasks: Vec<tokio::task::JoinHandle<Answers>>, begun: Instant) -> Figures {
    let mut all = Answers::default();
    for task in tasks {
        let answers = task.await.expect("a connection's task ends");
        all.taken_ms.extend(answers.taken_ms);
        all.failed += answers.failed;
    }
    let secs = begun.elapsed().as_secs_f64();
    assert!(!all.taken_ms.is_empty(), "nothing was answered 200; {} other answers", all.failed);
    Figures {
        per_sec: all.taken_ms.len() as f64 / secs,
        p50_ms: quantile(&mut all.taken_ms, 0.5),
        p99_ms: quantile(&mut all.taken_ms, 0.99),
        failed: all.failed,
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        stream.set_nodelay(true).expect("an open socket");
        Self { stream, buffer: Vec::with_capacity(1_024) }
    }

    /// The status of the answer.
    async fn exchange(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("takes the request");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("answers");
            assert!(read > 0, "the connection was closed without an answer");
            let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
            let body: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(0);
            if self.buffer.len() >= head + 4 + body {
                return text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            }
        }
    }
}
