//! The service as child processes: started, killed with SIGKILL, started again, told to stop; what each used meanwhile.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;

use super::{SERVICE, Trouble};

/// Below the ports that systems give to outgoing connections: a port of those may be taken while its child is dead.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How long a child may take to stop when it is told to.
const STOP_MAX: Duration = Duration::from_secs(40);
/// How often a child is looked at while it stops.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What each child gets beside its settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// `ML_CONNECTOR_FAILPOINT`
    pub(super) failpoint: Option<String>,
    /// `ML_CONNECTOR_PLANTED_BUG`
    pub(super) planted: Option<&'static str>,
    /// `ML_CONNECTOR_CLOCK_JUMPS`
    pub(super) clock_jumps: Option<String>,
    /// `ML_CONNECTOR_RETRY_AFTER_MAX_SECS`
    pub(super) retry_after_max_secs: Option<u64>,
}

/// The most that any child used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Peaks {
    /// Resident memory, KiB.
    pub(super) rss_kib: u64,
    /// Open files, sockets included.
    pub(super) open_files: u64,
    /// Threads.
    pub(super) threads: u64,
}

/// One replica of the service, dead or alive, always on the same ports.
pub(super) struct Replica {
    config: PathBuf,
    log: PathBuf,
    webhooks: u16,
    operations: u16,
    child: Option<Child>,
}

/// A command of the service, with nothing of it from the environment.
pub(super) fn service(config: &Path) -> Result<Command, Trouble> {
    let program = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let mut command = Command::new(program);
    command.arg(SERVICE).arg("--config").arg(config);
    for name in ["CONFIG", "MASTER_KEY", "FAILPOINT", "PLANTED_BUG", "CLOCK_JUMPS", "RETRY_AFTER_MAX_SECS"] {
        command.env_remove(format!("ML_CONNECTOR_{name}"));
    }
    Ok(command)
}

impl Replica {
    /// A replica that is not started yet.
    pub(super) fn new(config: &Path, log: PathBuf) -> Result<Self, Trouble> {
        let (webhooks, operations) = (free_port()?, free_port()?);
        Ok(Self { config: config.to_owned(), log, webhooks, operations, child: None })
    }

    /// Where it takes a connection's webhooks.
    pub(super) fn webhook_url(&self, connection: &str) -> String {
        format!("http://127.0.0.1:{}/webhooks/{connection}", self.webhooks)
    }

    /// Starts it; it is not waited for.
    pub(super) fn start(&mut self, environment: &Environment) -> Result<(), Trouble> {
        let told = |error: io::Error| format!("a child does not start: {error}");
        let log = OpenOptions::new().append(true).create(true).open(&self.log).map_err(told)?;
        let mut command = service(&self.config)?;
        command
            .arg("serve")
            .env("ML_CONNECTOR__SERVER__WEBHOOK_LISTEN", format!("127.0.0.1:{}", self.webhooks))
            .env("ML_CONNECTOR__SERVER__OPERATIONS_LISTEN", format!("127.0.0.1:{}", self.operations))
            .env("ML_CONNECTOR__TELEMETRY__FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log));
        if let Some(point) = &environment.failpoint {
            command.env("ML_CONNECTOR_FAILPOINT", point);
        }
        if let Some(bug) = environment.planted {
            command.env("ML_CONNECTOR_PLANTED_BUG", bug);
        }
        if let Some(jumps) = &environment.clock_jumps {
            command.env("ML_CONNECTOR_CLOCK_JUMPS", jumps);
        }
        if let Some(secs) = environment.retry_after_max_secs {
            command.env("ML_CONNECTOR_RETRY_AFTER_MAX_SECS", secs.to_string());
        }
        self.child = Some(command.spawn().map_err(told)?);
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) fn kill(&mut self) -> Result<(), Trouble> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map(drop).map_err(|error| format!("a child cannot be killed: {error}"))
    }

    /// SIGCONT, after it was stopped.
    pub(super) fn go_on(&self) -> Result<(), Trouble> {
        let Some(child) = &self.child else { return Ok(()) };
        let sent = Command::new("kill").args(["-CONT", &child.id().to_string()]).status();
        sent.map(drop).map_err(|error| format!("a child cannot be told to go on: {error}"))
    }

    /// Whether it ended by itself since it was last asked.
    pub(super) fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)) | Err(_)));
        if ended {
            self.child = None;
        }
        ended
    }

    /// SIGTERM; true when it ended with 0 in time.
    pub(super) async fn stop(&mut self) -> Result<bool, Trouble> {
        let Some(mut child) = self.child.take() else { return Ok(false) };
        let told = |error: io::Error| format!("a child cannot be stopped: {error}");
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().map_err(told)?;
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().map_err(told)? {
                return Ok(status.success());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        child.kill().and_then(|()| child.wait()).map_err(told)?;
        Ok(false)
    }

    /// Adds what it uses now.
    pub(super) fn sample(&self, peaks: &mut Peaks) {
        let Some(child) = &self.child else { return };
        let folder = PathBuf::from(format!("/proc/{}", child.id()));
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        peaks.rss_kib = peaks.rss_kib.max(figure("VmRSS:"));
        peaks.threads = peaks.threads.max(figure("Threads:"));
        let files = std::fs::read_dir(folder.join("fd")).map(Iterator::count).unwrap_or_default();
        peaks.open_files = peaks.open_files.max(files as u64);
    }

    /// All that its processes wrote until now.
    pub(super) fn log(&self) -> Result<String, Trouble> {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| io::Read::read_to_end(&mut file, &mut text));
        read.map_err(|error| format!("{}: {error}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Err(trouble) = self.kill() {
            super::tell(&trouble);
        }
    }
}

/// A port that no replica of this process was given before: scenes that are played at once find the same ports free until their
/// children listen.
fn free_port() -> Result<u16, Trouble> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    // Not by the run's seed: another process with the same seed would draw the same ones.
    let mut random = rand::rng();
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tried = (0..200).map(|_| random.random_range(PORTS));
    let is_free = |port: &u16| !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = tried.find(is_free).ok_or("no free port")?;
    given.insert(port);
    Ok(port)
}
