//! What happened in a run, line by line, without anything that differs from machine to machine or from time to time: the same seed
//! gives the same lines.

use std::cell::RefCell;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

/// The lines so far. Clones write the same ones.
#[derive(Clone, Default)]
pub struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// One word for all lines.
    pub fn digest(&self) -> String {
        let text = self.0.borrow().join("\n");
        hex::encode(Sha256::digest(text.as_bytes())).chars().take(16).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}
