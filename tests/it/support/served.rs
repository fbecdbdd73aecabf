//! The real binary as a child process: `serve` until it is told to stop or killed, and every line that it wrote.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for a line of the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary with a file of settings, and nothing of it from the environment.
pub fn binary(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ml-connector"));
    command.arg("--config").arg(config);
    for name in ["ML_CONNECTOR_CONFIG", "ML_CONNECTOR_FAILPOINT", "ML_CONNECTOR_MASTER_KEY"] {
        command.env_remove(name);
    }
    command
}

/// A running child.
pub struct Served {
    child: Child,
    /// `POST` goes here.
    pub webhooks: String,
    /// Probes and metrics.
    pub operations: String,
    /// What it is called in the leases.
    pub owner: String,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts `serve` and waits until it serves; with a failpoint armed, if one is named.
    pub fn start(config: &Path, failpoint: Option<&str>) -> Self {
        let mut command = binary(config);
        command
            .arg("serve")
            .env("ML_CONNECTOR__TELEMETRY__FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(name) = failpoint {
            command.env("ML_CONNECTOR_FAILPOINT", name);
        }
        let mut child = command.spawn().expect("the binary starts");
        let (sender, lines) = channel();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().expect("a pipe"), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
                // Nobody may be waiting for lines any more; the log is kept all the same.
                sender.send(line).unwrap_or_default();
            }
        });
        let (webhooks, operations, owner) = (String::new(), String::new(), String::new());
        let mut served = Self { child, webhooks, operations, owner, lines, log, reader: Some(reader) };
        let told: serde_json::Value = serde_json::from_str(&served.says("ml-connector serves")).expect("logs are JSON");
        let at = |key: &str| format!("http://{}", told[key].as_str().expect("an address"));
        (served.webhooks, served.operations) = (at("webhooks"), at("operations"));
        told["owner"].as_str().expect("its name").clone_into(&mut served.owner);
        served
    }

    /// The URL of a connection's webhooks.
    pub fn webhook_url(&self, connection: &str) -> String {
        format!("{}/webhooks/{connection}", self.webhooks)
    }

    /// Waits until the failpoint is reached with which it was started, at whichever passage; other tasks go on meanwhile.
    pub async fn reached(self, failpoint: &str) -> Self {
        let name = failpoint.split(':').next().unwrap_or(failpoint);
        let said = format!("failpoint reached: {name}");
        let waiting = actix_rt::task::spawn_blocking(move || {
            self.says(&said);
            self
        });
        waiting.await.expect("the point is reached")
    }

    /// Waits for a further line that holds `text` and returns it.
    pub fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
        }
        panic!("the service never said {text:?}: {}", self.log());
    }

    /// Everything that it wrote until now.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("a living child");
        self.child.wait().expect("ends");
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(self) -> i32 {
        self.terminate_and_read().0
    }

    /// SIGTERM; the exit code and everything that it ever wrote.
    pub fn terminate_and_read(mut self) -> (i32, String) {
        self.signal_to_stop();
        let status = self.ends();
        self.reader.take().expect("read once").join().expect("the reader ends with the pipe");
        (status.code().expect("a code"), self.log())
    }

    /// SIGTERM, without waiting.
    pub fn signal_to_stop(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Whether it is stopped by SIGSTOP.
    pub fn is_paused(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process_id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    fn signal(&self, signal: &str) {
        let process_id = self.process_id().to_string();
        assert!(Command::new("kill").args([signal, &process_id]).status().expect("kill runs").success());
    }

    fn ends(&mut self) -> ExitStatus {
        self.child.wait().expect("ends")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
