//! `[connections.NAME.gl]`.

use serde::{Deserialize, Serialize};

/// Rules that choose order type, coordinator, charge types, tax codes and pre-posting by what an order is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlSettings {}
