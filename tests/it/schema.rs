//! The contract of the tables: both databases have the same ones, and diesel's picture of them is right.

use crate::support::database::Database;
use ml_connector::store::Store;

async fn columns(database: &Database, sql: &str) -> Vec<String> {
    let store = Store::open(&database.url, 2).expect("opens");
    let applied = store.migrate().await.expect("migrates");
    assert!(!applied.is_empty());
    assert!(store.migrate().await.expect("migrates again").is_empty(), "a second run has nothing to do");
    let mut found = database.texts(sql);
    found.sort();
    found
}

const SQLITE: &str = "SELECT m.name || '.' || c.name || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN '!' ELSE '' END AS value \
    FROM sqlite_master m JOIN pragma_table_info(m.name) c \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '__diesel_schema_migrations'";
const POSTGRES: &str = "SELECT table_name || '.' || column_name || CASE WHEN is_nullable = 'NO' THEN '!' ELSE '' END AS value \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations'";

/// The columns that diesel's hand-written picture names, a `!` behind those that are not null.
fn pictured() -> Vec<String> {
    let source = include_str!("../../src/store/schema.rs");
    let mut found = Vec::new();
    let mut table = "";
    for line in source.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
            table = name;
        } else if let Some((column, kind)) = line.strip_suffix(',').and_then(|line| line.split_once(" -> ")) {
            let bang = if kind.starts_with("Nullable") { "" } else { "!" };
            found.push(format!("{table}.{column}{bang}"));
        }
    }
    found.sort();
    found
}

#[actix_rt::test]
async fn both_databases_hold_the_tables_that_diesel_expects() {
    let pictured = pictured();
    assert!(pictured.len() > 80, "the picture was read: {}", pictured.len());
    assert_eq!(columns(&Database::sqlite(), SQLITE).await, pictured, "SQLite");
    if let Some(postgres) = Database::postgres() {
        assert_eq!(columns(&postgres, POSTGRES).await, pictured, "PostgreSQL");
    }
}
