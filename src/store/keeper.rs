//! A keeper at the store's one door, for simulations: each piece of work meets it before it begins and after it was done, and there it
//! can be made to wait, be refused, or never hear that it was done. Not compiled into a shipped build.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Door, Store, StoreError};

/// Where a piece of work meets the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Nothing of it is done; an error means that nothing will be.
    Enters(Door),
    /// All of it is committed; an error means that its caller never hears of that.
    Leaves(Door),
}

type Meeting = dyn Fn(Passage) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync;

/// Decides about each passage, in its own time. A caller that is dropped while it waits goes no further.
#[derive(Clone)]
pub struct Keeper(Arc<Meeting>);

impl Keeper {
    /// A keeper that meets each passage so.
    pub fn new(meets: impl Fn(Passage) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(meets))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

impl Store {
    /// Puts a keeper at the door, for good; a second one is turned away.
    pub fn keep(&self, keeper: Keeper) -> bool {
        self.inner.keeper.set(keeper).is_ok()
    }

    pub(super) async fn meets_keeper(&self, passage: Passage) -> Result<(), StoreError> {
        match self.inner.keeper.get() {
            Some(keeper) => (keeper.0)(passage).await,
            None => Ok(()),
        }
    }
}
