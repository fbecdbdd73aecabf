//! `[connections.NAME.write_back]`.

use serde::{Deserialize, Serialize};

/// What Shopify is told about the order in IFS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteBackSettings {}
