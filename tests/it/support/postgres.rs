//! Databases of the tests' own on a PostgreSQL server that is started once, where PostgreSQL is installed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

// Included as a file: a release build of the library, which the benches use, holds none of the proof.
#[path = "../../../src/chaos/postgres.rs"]
mod server;

use server::{Server, start};

/// The URL of a new, empty database; `None` where PostgreSQL is not installed (said once, plainly).
pub fn fresh_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = SERVER.get_or_init(started).as_ref()?;
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    super::database::execute_postgres(&server.url("postgres"), &format!("CREATE DATABASE {name}"));
    Some(server.url(&name))
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what they leave out")]
fn started() -> Option<Server> {
    let server = start().expect("a server starts where it is installed");
    if let Some(server) = &server {
        // It lives as long as the tests: what is lost when the machine goes down is lost with them.
        for setting in ["fsync = off", "full_page_writes = off"] {
            super::database::execute_postgres(&server.url("postgres"), &format!("ALTER SYSTEM SET {setting}"));
        }
        super::database::execute_postgres(&server.url("postgres"), "SELECT pg_reload_conf()");
    } else {
        eprintln!(
            "PostgreSQL (initdb, pg_ctl) is not installed: these tests run on SQLite only, nothing is shown for PostgreSQL"
        );
    }
    server
}
