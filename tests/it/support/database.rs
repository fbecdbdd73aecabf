//! The databases that a test runs on, and questions asked of them beside the service.

use diesel::prelude::*;
use diesel::{PgConnection, SqliteConnection, sql_query, sql_types};

use super::postgres;

/// One database of a test's own; gone with it.
pub struct Database {
    /// As `database.url` names it.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Database {
    /// An empty SQLite file.
    pub fn sqlite() -> Self {
        Self::sqlite_in(&std::env::temp_dir())
    }

    /// An empty SQLite file in a folder of its own below this one.
    pub fn sqlite_in(above: &std::path::Path) -> Self {
        let folder = tempfile::tempdir_in(above).expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// An empty PostgreSQL database, where there is a server.
    pub fn postgres() -> Option<Self> {
        Some(Self { url: postgres::fresh_database()?, _folder: None })
    }

    /// The first column of the rows of a query, as text.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = sql_types::Text)]
            value: String,
        }
        let rows: Vec<Row> = if let Some(file) = self.url.strip_prefix("sqlite:") {
            let mut lite = SqliteConnection::establish(file).expect("the test's database opens");
            sql_query("PRAGMA busy_timeout = 5000").execute(&mut lite).expect("a pragma");
            sql_query(sql).load(&mut lite).expect("the query runs")
        } else {
            let mut pg = PgConnection::establish(&self.url).expect("the test's database opens");
            sql_query(sql).load(&mut pg).expect("the query runs")
        };
        rows.into_iter().map(|row| row.value).collect()
    }

    /// One number.
    pub fn number(&self, sql_of_value: &str) -> i64 {
        let texts = self.texts(&format!("SELECT CAST(({sql_of_value}) AS TEXT) AS value"));
        texts.first().and_then(|text| text.parse().ok()).expect("one number")
    }

    /// Runs one statement, as a person at the database would.
    pub fn execute(&self, sql: &str) {
        match self.url.strip_prefix("sqlite:") {
            Some(file) => {
                let mut lite = SqliteConnection::establish(file).expect("the test's database opens");
                sql_query("PRAGMA busy_timeout = 5000").execute(&mut lite).expect("a pragma");
                sql_query(sql).execute(&mut lite).expect("the statement runs");
            }
            None => execute_postgres(&self.url, sql),
        }
    }

    /// Where a delivery stands: state and reason.
    pub fn delivery(&self, webhook_id: &str) -> (String, Option<String>) {
        let column = |name: &str| {
            let sql = format!("SELECT COALESCE({name}, '') AS value FROM inbox WHERE webhook_id = '{webhook_id}'");
            let mut found = self.texts(&sql);
            assert_eq!(found.len(), 1, "one row of the delivery");
            found.remove(0)
        };
        (column("state"), Some(column("reason")).filter(|reason| !reason.is_empty()))
    }

    /// The bytes that are stored of a delivery.
    pub fn stored_body(&self, webhook_id: &str) -> Vec<u8> {
        let column = if self.url.starts_with("sqlite:") { "hex(body)" } else { "encode(body, 'hex')" };
        let found = self.texts(&format!("SELECT {column} AS value FROM inbox WHERE webhook_id = '{webhook_id}'"));
        assert_eq!(found.len(), 1, "one row of the delivery");
        hex::decode(&found[0]).expect("hex")
    }

    /// Keeps every other writer out until it is dropped (SQLite).
    pub fn lock_for_writing(&self) -> SqliteConnection {
        let file = self.url.strip_prefix("sqlite:").expect("an SQLite file");
        let mut lite = SqliteConnection::establish(file).expect("the test's database opens");
        sql_query("PRAGMA busy_timeout = 5000").execute(&mut lite).expect("a pragma");
        sql_query("BEGIN IMMEDIATE").execute(&mut lite).expect("the lock is free");
        lite
    }
}

/// Runs one statement on a PostgreSQL server.
pub fn execute_postgres(url: &str, sql: &str) {
    let mut pg = PgConnection::establish(url).expect("the server answers");
    sql_query(sql).execute(&mut pg).expect("the statement runs");
}
