//! `[connections.NAME.holds]`.

use serde::{Deserialize, Serialize};

/// What an order waits for before it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldSettings {}
