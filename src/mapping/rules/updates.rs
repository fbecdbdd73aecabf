//! `[connections.NAME.updates]`.

use serde::{Deserialize, Serialize};

/// What is done about a change, by the state in which IFS holds the order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateSettings {}
