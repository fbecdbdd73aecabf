//! `[connections.NAME.write_back]`: what Shopify is told about the order in IFS.

use serde::{Deserialize, Serialize};

use super::settings::MappingSettings;
use super::{Checks, Rules};
use crate::domain::order::Order;

/// Most characters of a tag of an order (Shopify's own limit).
const TAG_CHARS_MAX: usize = 40;
const ORDER_NO: &str = "{order_no}";
const STATE: &str = "{state}";

/// What Shopify is told about the order in IFS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteBackSettings {
    /// IFS's `OrderNo`, as metafield `order_no`.
    pub order_no: TellBy,
    /// IFS's `Objstate` as it was last read, as metafield `state`.
    pub state: TellBy,
    /// The metafields' namespace.
    pub namespace: String,
    /// Tags that are added; `{order_no}` and `{state}` are filled in.
    pub tags: Vec<String>,
}

impl Default for WriteBackSettings {
    fn default() -> Self {
        Self { order_no: TellBy::Off, state: TellBy::Off, namespace: "ifs".into(), tags: Vec::new() }
    }
}

/// How something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellBy {
    /// Not at all.
    Off,
    /// As a metafield of the order.
    Metafield,
}

impl Rules {
    /// Whether Shopify is told anything.
    pub fn writes_back(&self) -> bool {
        let settings = &self.settings().write_back;
        settings.order_no != TellBy::Off || settings.state != TellBy::Off || !settings.tags.is_empty()
    }

    /// The tags for an order in IFS.
    pub fn tags_for(&self, order_no: &str, state: &str) -> Vec<String> {
        let filled = |tag: &String| tag.replace(ORDER_NO, order_no).replace(STATE, state);
        self.settings().write_back.tags.iter().map(filled).collect()
    }

    /// Whether a tag of an order is one that we put there. Such a tag decides nothing: else we would wake ourselves.
    pub fn is_own_tag(&self, tag: &str) -> bool {
        self.settings().write_back.tags.iter().any(|template| fits(template, tag))
    }

    /// The order without the tags that we put there.
    #[must_use]
    pub fn without_own_tags(&self, order: &Order) -> Option<Order> {
        let own = order.tags.iter().any(|tag| self.is_own_tag(tag));
        own.then(|| {
            let mut order = order.clone();
            order.tags.retain(|tag| !self.is_own_tag(tag));
            order
        })
    }
}

/// Whether `tag` could be `template` filled in. Shopify's tags do not tell capitals apart.
fn fits(template: &str, tag: &str) -> bool {
    let template = template.to_lowercase().replace(STATE, ORDER_NO);
    let mut rest = tag.to_lowercase();
    let parts: Vec<&str> = template.split(ORDER_NO).collect();
    let Some((first, others)) = parts.split_first() else { return false };
    let Some(after) = rest.strip_prefix(first).map(str::to_owned) else { return false };
    rest = after;
    for (index, part) in others.iter().enumerate() {
        let last = index + 1 == others.len();
        let at = if last && !part.is_empty() {
            rest.strip_suffix(part).map(str::len)
        } else if last {
            Some(rest.len())
        } else {
            rest.get(1..).and_then(|tail| tail.find(part)).map(|at| at + 1)
        };
        // What is filled in is never empty.
        match at {
            Some(at) if at > 0 => rest = rest[at..][part.len()..].to_owned(),
            _ => return false,
        }
    }
    rest.is_empty()
}

/// Checks the table.
pub(super) fn checks(checks: &mut Checks, settings: &MappingSettings) {
    let write_back = &settings.write_back;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(3..=255).contains(&write_back.namespace.len()) || !write_back.namespace.bytes().all(legal) {
        checks.refuse("write_back.namespace", &write_back.namespace, "3 to 255 letters, digits, _ and -, as \"ifs\"");
    }
    for (index, tag) in write_back.tags.iter().enumerate() {
        let chars = tag.replace(ORDER_NO, "").replace(STATE, "").chars().count();
        if tag.trim().is_empty() || tag.contains(',') || chars > TAG_CHARS_MAX {
            checks.refuse(
                format!("write_back.tags[{index}]"),
                tag,
                format!("a tag of at most {TAG_CHARS_MAX} characters without a comma, as \"ifs-{{order_no}}\""),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    fn rules(tags: &[&str]) -> Rules {
        let mut settings = fixtures::settings();
        settings.write_back.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Rules::new(settings).expect("legal")
    }

    #[test]
    fn our_own_tags_are_known_again_whatever_was_filled_in() {
        let rules = rules(&["ifs-{order_no}", "ifs:{state}", "In-ERP"]);
        assert!(rules.writes_back());
        for tag in rules.tags_for("W1001", "Released") {
            assert!(rules.is_own_tag(&tag), "{tag}");
        }
        assert!(rules.is_own_tag("in-erp") && rules.is_own_tag("IFS-W7"));
        for tag in ["ifs", "ifs-", "vip", "my ifs-1", "In-ERP-2"] {
            assert!(!rules.is_own_tag(tag), "{tag}");
        }
    }

    #[test]
    fn a_tag_with_two_fillings_is_known_again() {
        let rules = rules(&["{state}/{order_no}"]);
        assert!(rules.is_own_tag("Released/W1001"));
        assert!(!rules.is_own_tag("/W1001") && !rules.is_own_tag("Released/"));
    }

    #[test]
    fn an_order_loses_only_our_tags() {
        let rules = rules(&["ifs-{order_no}"]);
        let mut order = fixtures::order("plain-eur");
        order.tags = vec!["ifs-W1".into(), "vip".into()];
        assert_eq!(rules.without_own_tags(&order).expect("it has one").tags, ["vip"]);
        order.tags = vec!["vip".into()];
        assert_eq!(rules.without_own_tags(&order), None);
    }

    #[test]
    fn what_shopify_would_not_take_is_refused() {
        let mut settings = fixtures::settings();
        settings.write_back.namespace = "i s".into();
        settings.write_back.tags = vec!["a,b".into()];
        let errors = Rules::new(settings).expect_err("wrong");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["write_back.namespace", "write_back.tags[0]"]);
    }
}
