//! Whether the service has read the stock since it was asked to, and has done all that follows: levels are set, products are dealt
//! with. Read in its own tables.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::Failure;
use crate::domain::ids::ConnectionName;
use crate::flow::stock::{ASKED, Asked, Place, STOCK};
use crate::store::{Cursor, LevelState, Store};

/// The cursor of the look at products.
const PRODUCTS: &str = "stock_outs";
/// A reading that was under way already is none of those that were asked for: it is asked for again after so long.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// How far the look at products has come.
#[derive(Deserialize)]
struct Look {
    run: i64,
    is_done: bool,
}

/// A reading that was asked for.
pub(crate) struct StockRest {
    connection: ConnectionName,
    /// The last reading before it.
    before: i64,
    asked_at: Instant,
}

impl StockRest {
    /// Asks for it, as `stock sync` does.
    pub(crate) async fn ask(store: &Store, connection: ConnectionName) -> Result<Self, Failure> {
        let before = cursor::<Place>(store, &connection, STOCK).await?.map_or(0, |place| place.run);
        ask(store, &connection).await?;
        Ok(Self { connection, before, asked_at: Instant::now() })
    }

    /// Whether it was read, and all that follows is done.
    pub(crate) async fn is_over(&mut self, store: &Store) -> Result<bool, Failure> {
        let Some(place) = cursor::<Place>(store, &self.connection, STOCK).await? else { return Ok(false) };
        if place.run <= self.before {
            if !place.is_under_way() && self.asked_at.elapsed() > ASK_EVERY {
                ask(store, &self.connection).await?;
                self.asked_at = Instant::now();
            }
            return Ok(false);
        }
        let is_open =
            |state: LevelState| matches!(state, LevelState::Planned | LevelState::Writing | LevelState::Stale);
        if place.is_under_way() || place.planned != place.run {
            return Ok(false);
        }
        if store.count_stock_levels(&self.connection).await?.into_iter().any(|(state, _)| is_open(state)) {
            return Ok(false);
        }
        let look = cursor::<Look>(store, &self.connection, PRODUCTS).await?;
        Ok(look.is_some_and(|look| look.run == place.planned && look.is_done))
    }
}

async fn ask(store: &Store, connection: &ConnectionName) -> Result<(), Failure> {
    let now = Timestamp::now();
    let asked = Asked { at: now.as_microsecond(), accepts_fewer: false };
    let value = serde_json::to_string(&asked).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(store.keep_cursor(connection, Cursor { name: ASKED.to_owned(), value }, now).await?)
}

async fn cursor<T: DeserializeOwned>(
    store: &Store,
    connection: &ConnectionName,
    name: &str,
) -> Result<Option<T>, Failure> {
    let Some(text) = store.cursor(connection, name).await? else { return Ok(None) };
    let unreadable = |error| Failure::Usage(format!("the cursor {name} cannot be read: {error}"));
    serde_json::from_str(&text).map(Some).map_err(unreadable)
}
