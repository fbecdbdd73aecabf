//! `[connections.NAME.customers]`.

use serde::{Deserialize, Serialize};

/// How IFS customers are found and made where `customer = "match_or_create"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerSettings {}
