//! `[connections.NAME.filters]`.

use serde::{Deserialize, Serialize};

/// Which orders stay out of IFS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterSettings {}
