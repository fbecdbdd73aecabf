//! Mutations that are told from their own repetitions by a key: the first answer is given again, and a key is good for one input.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// One change of a level, as the answer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) item: u64,
    pub(super) location: u64,
    pub(super) delta: i64,
    pub(super) after: i64,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Carried {
    /// The adjustment group, where something was set.
    pub(super) group: Option<u64>,
    pub(super) at: String,
    pub(super) reason: String,
    pub(super) reference: Option<String>,
    /// What was set: `available` or `on_hand`.
    pub(super) name: String,
    pub(super) changes: Vec<Changed>,
    pub(super) errors: Vec<Value>,
}

/// What is known of a key.
pub(super) enum Known {
    /// Nothing.
    New,
    /// It was used for this very input.
    Same(Carried),
    /// It was used for another one.
    Other,
}

/// The keys that were used so far.
#[derive(Debug, Default)]
pub(super) struct Once {
    calls: BTreeMap<String, ([u8; 32], Carried)>,
}

impl Once {
    pub(super) fn known(&self, key: &str, input: &Value) -> Known {
        match self.calls.get(key) {
            None => Known::New,
            Some((digest, carried)) if *digest == digest_of(input) => Known::Same(carried.clone()),
            Some(_) => Known::Other,
        }
    }

    pub(super) fn keep(&mut self, key: &str, input: &Value, carried: Carried) {
        self.calls.insert(key.to_owned(), (digest_of(input), carried));
    }
}

fn digest_of(input: &Value) -> [u8; 32] {
    Sha256::digest(input.to_string().as_bytes()).into()
}
