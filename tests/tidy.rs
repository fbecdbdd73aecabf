//! The walls of the crate, run as tests: which module may import which, which crate stays behind which module, how long a
//! file may be, and what no file of the repository may say. Only `std`: the rules must not depend on what they judge.
//!
//! A rule here is changed by a decision (docs/adr/), not by an exception for one file.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;
