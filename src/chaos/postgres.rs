//! A PostgreSQL server of one process's own, where `initdb` and `pg_ctl` are found: on a free loopback port, run by an
//! unprivileged user (PostgreSQL refuses root), stopped when the process ends, however it ends.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Debian's `nobody`.
const UNPRIVILEGED: u32 = 65_534;

/// A running server.
#[derive(Debug)]
pub struct Server {
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    /// The URL of one of its databases. A new server has `postgres`, empty.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Starts one; `None` where PostgreSQL is not installed.
///
/// # Errors
/// What went wrong, in words.
pub fn start() -> Result<Option<Server>, String> {
    let Some(bin) = find_bin() else { return Ok(None) };
    let told = |error: std::io::Error| format!("the folder of a PostgreSQL server: {error}");
    let folder = tempfile::tempdir().map_err(told)?;
    let root = std::fs::metadata(folder.path()).map_err(told)?.uid() == 0;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).map_err(told)?;
    if root {
        chown(folder.path(), Some(UNPRIVILEGED), Some(UNPRIVILEGED)).map_err(told)?;
    }
    let data = folder.path().join("db");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(bin.join(program));
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if root {
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        let status = command.status().map_err(|error| format!("{program} does not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}")) }
    };
    let text = |path: &Path| path.display().to_string();
    run("initdb", &["-D", &text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])?;
    let port = free_port().map_err(|error| format!("no free port: {error}"))?;
    let options = format!(
        "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=400",
        text(folder.path())
    );
    run("pg_ctl", &["-D", &text(&data), "-w", "-l", &text(&folder.path().join("log")), "-o", &options, "start"])?;
    stop_with_this_process(&data).map_err(|error| format!("sh does not start: {error}"))?;
    Ok(Some(Server { port, _folder: folder }))
}

/// A server outlives the process that started it: a watcher stops it when that is gone.
fn stop_with_this_process(data: &Path) -> std::io::Result<()> {
    let script = format!(
        "server=$(head -n 1 '{}'); while kill -0 {} 2>/dev/null; do sleep 0.5; done; kill -INT $server 2>/dev/null; sleep 1; \
         rm -rf '{}'",
        data.join("postmaster.pid").display(),
        std::process::id(),
        data.parent().unwrap_or(data).display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map(drop)
}

fn find_bin() -> Option<PathBuf> {
    let has_both = |folder: &Path| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let installed =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    on_path.chain(installed).find(|folder| has_both(folder))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
