//! `[connections.NAME.filters]`: which orders stay out of IFS. Each list is a rule of its own, named in `skipped`.

use serde::{Deserialize, Serialize};

use super::Checks;
use crate::domain::money::Currency;
use crate::domain::order::{FinancialStatus, Order};

/// Which orders stay out of IFS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterSettings {
    /// An order goes in only when each list that is not empty names something of it.
    pub only: FilterLists,
    /// An order stays out when any list names something of it.
    pub never: FilterLists,
}

/// What orders are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterLists {
    /// Tags, in whatever case.
    pub tag: Vec<String>,
    /// Channels (`source_name`), as "web", "pos" or an app's number.
    pub channel: Vec<String>,
    /// Countries of delivery, two capitals.
    pub country: Vec<String>,
    /// Shopify's financial status in small letters, as "paid".
    pub financial_status: Vec<String>,
    /// Currencies that the customer paid in, ISO 4217.
    pub currency: Vec<String>,
    /// Shopify's numbers of the locations (tills) where it was bought.
    pub location: Vec<String>,
}

/// The rule that keeps an order out, by its setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the setting of that name")]
pub enum FilterRule {
    OnlyTag,
    OnlyChannel,
    OnlyCountry,
    OnlyFinancialStatus,
    OnlyCurrency,
    OnlyLocation,
    NeverTag,
    NeverChannel,
    NeverCountry,
    NeverFinancialStatus,
    NeverCurrency,
    NeverLocation,
}

impl FilterRule {
    /// The stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OnlyTag => "only_tag",
            Self::OnlyChannel => "only_channel",
            Self::OnlyCountry => "only_country",
            Self::OnlyFinancialStatus => "only_financial_status",
            Self::OnlyCurrency => "only_currency",
            Self::OnlyLocation => "only_location",
            Self::NeverTag => "never_tag",
            Self::NeverChannel => "never_channel",
            Self::NeverCountry => "never_country",
            Self::NeverFinancialStatus => "never_financial_status",
            Self::NeverCurrency => "never_currency",
            Self::NeverLocation => "never_location",
        }
    }
}

impl FilterSettings {
    /// The first rule that keeps the order out; `never` before `only`.
    pub fn keeps_out(&self, order: &Order, country: Option<&str>) -> Option<FilterRule> {
        use FilterRule as Rule;
        let facts = Facts::of(order, country);
        let never = [
            (facts.tag(&self.never.tag), Rule::NeverTag),
            (facts.channel(&self.never.channel), Rule::NeverChannel),
            (facts.country(&self.never.country), Rule::NeverCountry),
            (facts.financial_status(&self.never.financial_status), Rule::NeverFinancialStatus),
            (facts.currency(&self.never.currency), Rule::NeverCurrency),
            (facts.location(&self.never.location), Rule::NeverLocation),
        ];
        if let Some((_, rule)) = never.into_iter().find(|(named, _)| *named) {
            return Some(rule);
        }
        let only = [
            (self.only.tag.is_empty() || facts.tag(&self.only.tag), Rule::OnlyTag),
            (self.only.channel.is_empty() || facts.channel(&self.only.channel), Rule::OnlyChannel),
            (self.only.country.is_empty() || facts.country(&self.only.country), Rule::OnlyCountry),
            (
                self.only.financial_status.is_empty() || facts.financial_status(&self.only.financial_status),
                Rule::OnlyFinancialStatus,
            ),
            (self.only.currency.is_empty() || facts.currency(&self.only.currency), Rule::OnlyCurrency),
            (self.only.location.is_empty() || facts.location(&self.only.location), Rule::OnlyLocation),
        ];
        only.into_iter().find(|(wanted, _)| !wanted).map(|(_, rule)| rule)
    }
}

/// What an order is told by.
struct Facts<'a> {
    order: &'a Order,
    /// Where it is sold.
    country: Option<&'a str>,
    location: Option<String>,
}

impl<'a> Facts<'a> {
    fn of(order: &'a Order, country: Option<&'a str>) -> Self {
        Self { order, country, location: order.location_id.map(|id| id.to_string()) }
    }

    fn tag(&self, named: &[String]) -> bool {
        self.order.tags.iter().any(|tag| named.iter().any(|word| same(word, tag)))
    }

    fn channel(&self, named: &[String]) -> bool {
        self.order.source_name.as_deref().is_some_and(|channel| named.iter().any(|word| same(word, channel)))
    }

    fn country(&self, named: &[String]) -> bool {
        self.country.is_some_and(|country| named.iter().any(|word| word == country))
    }

    fn financial_status(&self, named: &[String]) -> bool {
        let status = self.order.financial_status.as_ref().map(FinancialStatus::as_str);
        status.is_some_and(|status| named.iter().any(|word| word == status))
    }

    fn currency(&self, named: &[String]) -> bool {
        named.iter().any(|word| word == self.order.presentment_currency.code())
    }

    fn location(&self, named: &[String]) -> bool {
        self.location.as_ref().is_some_and(|location| named.contains(location))
    }
}

/// Shopify tells tags that differ by their case only as one.
fn same(word: &str, found: &str) -> bool {
    word.trim().to_lowercase() == found.trim().to_lowercase()
}

/// A list: its name, its words, what a word should be, and whether one is.
type Named<'a> = (&'a str, &'a [String], &'a str, fn(&str) -> bool);

/// Notes what cannot be meant.
pub(super) fn checks(checks: &mut Checks, filters: &FilterSettings) {
    for (side, lists) in [("only", &filters.only), ("never", &filters.never)] {
        let named: [Named<'_>; 6] = [
            ("tag", &lists.tag, "a tag", |word| !word.trim().is_empty()),
            ("channel", &lists.channel, "a channel, as \"web\" or \"pos\"", |word| !word.trim().is_empty()),
            ("country", &lists.country, "two capitals, as \"SE\"", |word| {
                word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_uppercase())
            }),
            (
                "financial_status",
                &lists.financial_status,
                "Shopify's word, as \"paid\" or \"partially_paid\"",
                |word| {
                    word == word.to_lowercase() && !matches!(FinancialStatus::parse(word), FinancialStatus::Unknown(_))
                },
            ),
            ("currency", &lists.currency, "a currency of ISO 4217, as \"SEK\"", |word| {
                Currency::from_code(word).is_some()
            }),
            ("location", &lists.location, "Shopify's number of a location, as \"65712345\"", |word| {
                word.parse::<u64>().is_ok()
            }),
        ];
        for (what, words, expected, legal) in named {
            for word in words.iter().filter(|word| !legal(word)) {
                checks.refuse(format!("filters.{side}.{what}"), word, expected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures::order;

    fn lists(change: impl FnOnce(&mut FilterLists)) -> FilterLists {
        let mut lists = FilterLists::default();
        change(&mut lists);
        lists
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn each_list_is_a_rule_of_its_own() {
        let mut order = order("plain-eur");
        order.tags = vec!["Wholesale".to_owned(), "vip".to_owned()];
        order.source_name = Some("web".to_owned());
        order.location_id = Some(77);
        let never = |lists: FilterLists| {
            FilterSettings { never: lists, ..FilterSettings::default() }.keeps_out(&order, Some("DE"))
        };
        let only = |lists: FilterLists| {
            FilterSettings { only: lists, ..FilterSettings::default() }.keeps_out(&order, Some("DE"))
        };
        assert_eq!(FilterSettings::default().keeps_out(&order, Some("DE")), None);
        for (named, other, never_rule, only_rule) in [
            (
                lists(|lists| lists.tag = words(&["wholesale"])),
                lists(|lists| lists.tag = words(&["whole"])),
                FilterRule::NeverTag,
                FilterRule::OnlyTag,
            ),
            (
                lists(|lists| lists.channel = words(&["pos", "web"])),
                lists(|lists| lists.channel = words(&["pos"])),
                FilterRule::NeverChannel,
                FilterRule::OnlyChannel,
            ),
            (
                lists(|lists| lists.country = words(&["DE"])),
                lists(|lists| lists.country = words(&["SE"])),
                FilterRule::NeverCountry,
                FilterRule::OnlyCountry,
            ),
            (
                lists(|lists| lists.financial_status = words(&["paid"])),
                lists(|lists| lists.financial_status = words(&["refunded"])),
                FilterRule::NeverFinancialStatus,
                FilterRule::OnlyFinancialStatus,
            ),
            (
                lists(|lists| lists.currency = words(&["EUR"])),
                lists(|lists| lists.currency = words(&["USD"])),
                FilterRule::NeverCurrency,
                FilterRule::OnlyCurrency,
            ),
            (
                lists(|lists| lists.location = words(&["77"])),
                lists(|lists| lists.location = words(&["78"])),
                FilterRule::NeverLocation,
                FilterRule::OnlyLocation,
            ),
        ] {
            assert_eq!(never(named.clone()), Some(never_rule));
            assert_eq!(only(named), None, "{}", only_rule.code());
            assert_eq!(never(other.clone()), None, "{}", never_rule.code());
            assert_eq!(only(other), Some(only_rule));
        }
    }

    #[test]
    fn an_order_without_the_fact_is_not_what_only_asks_for() {
        let mut order = order("plain-eur");
        order.location_id = None;
        let only = lists(|lists| lists.location = words(&["77"]));
        let filters = FilterSettings { only, ..FilterSettings::default() };
        assert_eq!(filters.keeps_out(&order, Some("DE")), Some(FilterRule::OnlyLocation));
    }

    #[test]
    fn words_that_shopify_never_says_are_refused() {
        let mut checks = Checks(Vec::new());
        let never = FilterLists {
            tag: words(&[" "]),
            channel: words(&[""]),
            country: words(&["se"]),
            financial_status: words(&["Paid", "settled"]),
            currency: words(&["XXY"]),
            location: words(&["Stockholm"]),
        };
        super::checks(&mut checks, &FilterSettings { never, ..FilterSettings::default() });
        let keys: Vec<&str> = checks.0.iter().map(|error| error.key.as_str()).collect();
        let expected = ["tag", "channel", "country", "financial_status", "financial_status", "currency", "location"];
        assert_eq!(keys, expected.map(|key| format!("filters.never.{key}")));
    }
}
