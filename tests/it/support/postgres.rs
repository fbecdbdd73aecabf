//! A PostgreSQL server of the tests' own, where `initdb` and `pg_ctl` are found: started once, on a free loopback port,
//! by an unprivileged user (PostgreSQL refuses root), stopped when the test process ends.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Debian's `nobody`.
const UNPRIVILEGED: u32 = 65_534;

struct Server {
    port: u16,
    _folder: tempfile::TempDir,
}

/// The URL of a new, empty database; `None` where PostgreSQL is not installed (said once, plainly).
pub fn fresh_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = SERVER.get_or_init(start).as_ref()?;
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    super::database::execute_postgres(&admin, &format!("CREATE DATABASE {name}"));
    Some(format!("postgres://postgres@127.0.0.1:{}/{name}", server.port))
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what they leave out")]
fn start() -> Option<Server> {
    let Some(bin) = find_bin() else {
        eprintln!(
            "PostgreSQL (initdb, pg_ctl) is not installed: these tests run on SQLite only, nothing is shown for PostgreSQL"
        );
        return None;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = is_root(folder.path());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    if root {
        chown(folder.path(), Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("root may give a folder away");
    }
    let data = folder.path().join("db");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(bin.join(program));
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if root {
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        let status = command.status().expect("the program starts");
        assert!(status.success(), "{program} failed: {status}");
    };
    let data_text = data.to_str().expect("UTF-8");
    run("initdb", &["-D", data_text, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]);
    let port = free_port();
    let log = folder.path().join("log");
    let options = format!(
        "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=400",
        folder.path().display()
    );
    run("pg_ctl", &["-D", data_text, "-w", "-l", log.to_str().expect("UTF-8"), "-o", &options, "start"]);
    stop_with_this_process(&data);
    Some(Server { port, _folder: folder })
}

/// A server outlives the process that started it: a watcher stops it when the test process is gone, however it ended.
#[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
fn stop_with_this_process(data: &Path) {
    let pid_file = data.join("postmaster.pid");
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 0.5; done; kill -INT $(head -n 1 '{}') 2>/dev/null; sleep 1; rm -rf '{}'",
        std::process::id(),
        pid_file.display(),
        data.parent().expect("a folder").display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts");
}

fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).is_ok_and(|meta| meta.uid() == 0)
}

fn find_bin() -> Option<PathBuf> {
    let has_both = |folder: &Path| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let installed =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    on_path.chain(installed).find(|folder| has_both(folder))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
