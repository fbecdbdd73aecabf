//! What the shop is told about its orders in IFS.
