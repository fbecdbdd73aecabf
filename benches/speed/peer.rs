//! Who the service is compared with: a Node service that does the same, and `pgbench` doing the same insert.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::database::execute_postgres;

/// The Node service: express, Shopify's official library, pg.
pub struct Peer {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Peer {
    /// Starts it on an empty PostgreSQL database, after fetching what it is made of.
    pub fn start(database_url: &str, secret: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer");
        if !folder.join("node_modules").is_dir() {
            let installed = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
                .current_dir(&folder)
                .stdout(Stdio::null())
                .status()
                .expect("npm is installed");
            assert!(installed.success(), "npm ci failed in benches/peer");
        }
        let mut child = Command::new("node")
            .arg(folder.join("server.mjs"))
            .env("NODE_ENV", "production")
            .env("DATABASE_URL", database_url)
            .env("WEBHOOK_SECRET", secret)
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it tells its port");
        let port: u16 = line.trim().parse().expect("a port");
        Self { child, address: format!("127.0.0.1:{port}") }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Transactions in a second of `pgbench`, inserting one delivery each into a table like `inbox` with all its indexes.
pub fn pgbench_per_sec(url: &str, clients: usize, lasts: Duration, body_bytes: usize) -> f64 {
    execute_postgres(url, "CREATE TABLE IF NOT EXISTS inbox_by_hand (LIKE inbox INCLUDING ALL)");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("insert.sql");
    std::fs::write(
        &script,
        "INSERT INTO inbox_by_hand (connection, topic, webhook_id, body_sha256, event_id, shop_domain, api_version, \
         triggered_at, body, received_at, trace_id, state, due_at, origin) VALUES ('bench', 'products/update', \
         gen_random_uuid()::text, :sha, 'event', 'shop.myshopify.com', '2026-10', '2026-11-27T12:00:00Z', :body::bytea, 0, \
         gen_random_uuid()::text, 'unclaimed', 0, 'webhook') ON CONFLICT DO NOTHING;\n",
    )
    .expect("writes");
    let output = Command::new(find("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", lasts.as_secs()))
        .arg(format!("--define=sha={}", "0f".repeat(32)))
        .arg(format!("--define=body=\\x{}", "6a".repeat(body_bytes)))
        .arg("--file")
        .arg(&script)
        .arg(url)
        .output()
        .expect("pgbench runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = told.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|rest| rest.split(' ').next());
    tps.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("pgbench told no tps: {told}{}", String::from_utf8_lossy(&output.stderr)))
}

fn find(program: &str) -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = installed.map(|entry| entry.path().join("bin").join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(program))
}
