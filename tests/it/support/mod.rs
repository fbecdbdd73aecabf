//! What the tests stand on.

pub mod composed;
pub mod database;
pub mod held;
pub mod http;
pub mod postgres;
pub mod served;
pub mod stocked;
pub mod webhook;
pub mod world;

/// Runs one test on each database: `on_both!(name, async |world| { … })`. PostgreSQL is passed by, plainly, where it is
/// not installed.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $setup:expr, $body:expr) => {
        mod $name {
            use super::*;

            #[actix_rt::test]
            async fn on_sqlite() {
                let world =
                    $crate::support::world::World::new($crate::support::database::Database::sqlite(), $setup).await;
                let body = $body;
                body(&world).await;
            }

            #[actix_rt::test]
            async fn on_postgres() {
                let Some(database) = $crate::support::database::Database::postgres() else { return };
                let world = $crate::support::world::World::new(database, $setup).await;
                let body = $body;
                body(&world).await;
            }
        }
    };
}
