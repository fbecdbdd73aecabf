//! `[connections.NAME.gl]`: rules that choose order type, coordinator, charge types, tax codes and pre-posting by what an order
//! is. The first rule that holds and has the choice wins; the connection's plain settings come last. Checks: `gl_checks`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Rules;
pub use super::gl_words::{AnyOf, ChargeKind, Choice, CodePart};
use crate::domain::order::{Line, LineKind, Order};

/// The rules, and what holds where none of them chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlSettings {
    /// The field of header and rows that carries each code part.
    pub pre_posting_fields: BTreeMap<CodePart, String>,
    /// The header's pre-posting where no rule chooses it.
    pub pre_posting: BTreeMap<CodePart, String>,
    /// The rows' pre-posting where no rule chooses it.
    pub row_pre_posting: BTreeMap<CodePart, String>,
    /// The line field that carries a sales group; "" where IFS takes it from the part, and then no rule may choose one.
    pub sales_group_field: String,
    /// The rules, in the order in which they are asked.
    pub rules: Vec<GlRule>,
}

impl Default for GlSettings {
    fn default() -> Self {
        Self {
            pre_posting_fields: CodePart::ALL.iter().map(|part| (*part, format!("Code{}", part.letter()))).collect(),
            pre_posting: BTreeMap::new(),
            row_pre_posting: BTreeMap::new(),
            sales_group_field: String::new(),
            rules: Vec::new(),
        }
    }
}

/// One rule: when it holds, and what it chooses then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlRule {
    /// What people call it; `orders explain` prints it.
    pub name: String,
    /// When it holds.
    pub when: GlConditions,
    /// `OrderId`.
    pub order_type: Option<String>,
    /// `AuthorizeCode`.
    pub coordinator: Option<String>,
    /// `MarketCode`.
    pub market_code: Option<String>,
    /// `SalesmanCode`.
    pub salesman: Option<String>,
    /// `ShipViaCode`.
    pub ship_via: Option<String>,
    /// `DeliveryTerms`.
    pub delivery_terms: Option<String>,
    /// `PayTermId`.
    pub pay_term: Option<String>,
    /// `Contract`, a site of the connection's company.
    pub site: Option<String>,
    /// `CatalogNo` of a line.
    pub part: Option<String>,
    /// A line's sales group, in `sales_group_field`.
    pub sales_group: Option<String>,
    /// `ChargeType` by kind of charge.
    pub charge: GlCharges,
    /// A row's `TaxCode` by its rate: "0.25" for 25 %.
    pub tax_codes: BTreeMap<String, String>,
    /// The header's code parts.
    pub pre_posting: BTreeMap<CodePart, String>,
    /// The code parts of lines and of charges that belong to one.
    pub row_pre_posting: BTreeMap<CodePart, String>,
}

/// Charge types of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlCharges {
    /// Of shipping.
    pub shipping: Option<String>,
    /// Of tips.
    pub tip: Option<String>,
    /// Of import duties.
    pub duty: Option<String>,
    /// Of further fees.
    pub fee: Option<String>,
    /// Of discounts.
    pub discount: Option<String>,
    /// Of refunds by amount only.
    pub goodwill: Option<String>,
}

/// When a rule holds: all conditions that are given, each by any of its values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlConditions {
    /// The channel (`source_name`), in whatever case.
    pub channel: Option<AnyOf>,
    /// A tag of the order, in whatever case.
    pub tag: Option<AnyOf>,
    /// The country of delivery, two capitals.
    pub country: Option<AnyOf>,
    /// The currency that IFS gets.
    pub currency: Option<AnyOf>,
    /// A gateway that took a payment, in whatever case.
    pub gateway: Option<AnyOf>,
    /// The location where it was bought.
    pub location: Option<AnyOf>,
    /// Who sold it at the till.
    pub staff: Option<AnyOf>,
    /// Whether a B2B company bought.
    pub b2b: Option<bool>,
    /// A line's SKU: exact, or its beginning and `*`.
    pub sku: Option<AnyOf>,
    /// A line's vendor, in whatever case.
    pub vendor: Option<AnyOf>,
    /// A line's product type, in whatever case; such a rule makes us read each new order from Shopify.
    pub product_type: Option<AnyOf>,
}

/// A value with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked<'r> {
    /// IFS's code.
    pub value: &'r str,
    /// What chose it.
    pub because: Because<'r>,
}

impl<'r> Picked<'r> {
    /// The value of a plain setting.
    pub fn setting(value: &'r str, key: impl Into<String>) -> Self {
        Self { value, because: Because::Setting(key.into()) }
    }
}

/// What chose a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because<'r> {
    /// The rule of this name.
    Rule(&'r str),
    /// The plain setting of this key.
    Setting(String),
}

impl std::fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rule(name) => write!(f, "gl rule \"{name}\""),
            Self::Setting(key) => write!(f, "setting {key}"),
        }
    }
}

impl GlRule {
    /// What the rule has for a choice.
    pub(super) fn value(&self, choice: Choice) -> Option<&str> {
        let found = match choice {
            Choice::OrderType => &self.order_type,
            Choice::Coordinator => &self.coordinator,
            Choice::MarketCode => &self.market_code,
            Choice::Salesman => &self.salesman,
            Choice::ShipVia => &self.ship_via,
            Choice::DeliveryTerms => &self.delivery_terms,
            Choice::PayTerm => &self.pay_term,
            Choice::Site => &self.site,
            Choice::Part => &self.part,
            Choice::SalesGroup => &self.sales_group,
            Choice::Charge(kind) => match kind {
                ChargeKind::Shipping => &self.charge.shipping,
                ChargeKind::Tip => &self.charge.tip,
                ChargeKind::Duty => &self.charge.duty,
                ChargeKind::Fee => &self.charge.fee,
                ChargeKind::Discount => &self.charge.discount,
                ChargeKind::Goodwill => &self.charge.goodwill,
            },
            Choice::TaxCode(rate) => return self.tax_code(rate),
            Choice::PrePosting(part) => return self.pre_posting.get(&part).map(String::as_str),
            Choice::RowPrePosting(part) => return self.row_pre_posting.get(&part).map(String::as_str),
        };
        found.as_deref()
    }

    fn tax_code(&self, rate: Decimal) -> Option<&str> {
        let same = |text: &str| Decimal::from_str_exact(text).is_ok_and(|known| known == rate);
        self.tax_codes.iter().find(|(text, _)| same(text)).map(|(_, code)| code.as_str())
    }
}

impl GlConditions {
    /// Whether a condition is about lines.
    pub(super) fn asks_for_lines(&self) -> bool {
        self.sku.is_some() || self.vendor.is_some() || self.product_type.is_some()
    }

    fn hold_for_order(&self, order: &Order, country: Option<&str>, currency: &str) -> bool {
        let number = |id: Option<u64>| id.map(|id| id.to_string());
        let one = |wanted: &Option<AnyOf>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| wanted.names(found)))
        };
        let any = |wanted: &Option<AnyOf>, found: &[String]| {
            wanted.as_ref().is_none_or(|wanted| found.iter().any(|found| wanted.names(found)))
        };
        one(&self.channel, order.source_name.as_deref())
            && any(&self.tag, &order.tags)
            && one(&self.country, country)
            && one(&self.currency, Some(currency))
            && any(&self.gateway, &order.gateways)
            && one(&self.location, number(order.location_id).as_deref())
            && one(&self.staff, number(order.staff_id).as_deref())
            && self.b2b.is_none_or(|b2b| b2b == order.company.is_some())
    }

    fn hold_for_line(&self, line: &Line) -> bool {
        let one = |wanted: &Option<AnyOf>, found: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| found.as_deref().is_some_and(|found| wanted.names(found)))
        };
        let sku = |wanted: &AnyOf| line.sku.as_deref().is_some_and(|sku| wanted.begins(sku));
        self.sku.as_ref().is_none_or(sku)
            && one(&self.vendor, &line.vendor)
            && one(&self.product_type, &line.product_type)
    }
}

impl Rules {
    /// What the rules choose, and which of them did; none leaves it to the plain settings.
    ///
    /// `line` is the line of the row that a row's choice is about. A rule that asks for lines never chooses for a row without
    /// one; for the header any line of the order will do, removed ones too, so that a choice outlives its line.
    pub fn choose(&self, choice: Choice, order: &Order, line: Option<&Line>) -> Option<Picked<'_>> {
        let of = self.particulars(order);
        let holds = |rule: &GlRule| {
            let lines_hold = || match (rule.when.asks_for_lines(), choice.is_of_a_row()) {
                (false, _) => true,
                (true, true) => line.is_some_and(|line| rule.when.hold_for_line(line)),
                (true, false) => {
                    order.lines.iter().any(|line| line.kind != LineKind::Tip && rule.when.hold_for_line(line))
                }
            };
            rule.when.hold_for_order(order, of.country, of.currency) && lines_hold()
        };
        let chosen = |rule: &'_ GlRule| rule.value(choice).is_some() && holds(rule);
        let rule = self.settings().gl.rules.iter().find(|rule| chosen(rule))?;
        rule.value(choice).map(|value| Picked { value, because: Because::Rule(&rule.name) })
    }

    /// As [`choose`](Self::choose), and else a plain setting, where it says something.
    pub fn choose_or<'r>(
        &'r self,
        choice: Choice,
        order: &Order,
        line: Option<&Line>,
        key: &str,
        setting: &'r str,
    ) -> Option<Picked<'r>> {
        let plain = || (!setting.is_empty()).then(|| Picked::setting(setting, key));
        self.choose(choice, order, line).or_else(plain)
    }

    /// The header's code parts that something chooses, with the fields that carry them.
    pub fn pre_posting(&self, order: &Order) -> Vec<(&str, Picked<'_>)> {
        let gl = &self.settings().gl;
        self.code_parts("gl.pre_posting", &gl.pre_posting, |part| self.choose(Choice::PrePosting(part), order, None))
    }

    /// The code parts of a row that something chooses, with the fields that carry them.
    pub fn row_pre_posting(&self, order: &Order, line: Option<&Line>) -> Vec<(&str, Picked<'_>)> {
        let gl = &self.settings().gl;
        self.code_parts("gl.row_pre_posting", &gl.row_pre_posting, |part| {
            self.choose(Choice::RowPrePosting(part), order, line)
        })
    }

    fn code_parts<'r>(
        &'r self,
        key: &str,
        plain: &'r BTreeMap<CodePart, String>,
        chosen: impl Fn(CodePart) -> Option<Picked<'r>>,
    ) -> Vec<(&'r str, Picked<'r>)> {
        let setting =
            |part: &CodePart| plain.get(part).map(|value| Picked::setting(value, format!("{key}.{}", part.letter())));
        CodePart::ALL
            .iter()
            .filter_map(|part| {
                let field = self.settings().gl.pre_posting_fields.get(part)?;
                Some((field.as_str(), chosen(*part).or_else(|| setting(part))?))
            })
            .collect()
    }

    /// Whether a rule asks for what only the catalogue tells.
    pub(super) fn gl_needs_catalogue(&self) -> bool {
        self.settings().gl.rules.iter().any(|rule| rule.when.product_type.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    fn rules(gl: &str) -> Rules {
        let mut settings = fixtures::settings();
        settings.gl.rules = serde_json::from_str(gl).expect("rules");
        Rules::new(settings).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    fn chosen(rules: &Rules, choice: Choice, order: &Order, line: Option<usize>) -> Option<(String, String)> {
        let picked = rules.choose(choice, order, line.map(|index| &order.lines[index]))?;
        Some((picked.value.to_owned(), picked.because.to_string()))
    }

    fn some(value: &str, rule: &str) -> Option<(String, String)> {
        Some((value.to_owned(), format!("gl rule \"{rule}\"")))
    }

    #[test]
    fn the_first_rule_that_holds_wins_for_each_choice_by_itself() {
        let rules = rules(
            r#"[{"name": "vip", "when": {"tag": "VIP", "country": ["DE", "AT"]}, "coordinator": "VIP"},
                {"name": "german", "when": {"country": "DE"}, "coordinator": "DE", "order_type": "WEBX",
                 "pre_posting": {"B": "110"}}]"#,
        );
        let mut order = fixtures::order("plain-eur");
        order.tags = vec!["vip".into()];
        assert_eq!(chosen(&rules, Choice::Coordinator, &order, None), some("VIP", "vip"));
        assert_eq!(chosen(&rules, Choice::OrderType, &order, None), some("WEBX", "german"));
        let parts = rules.pre_posting(&order);
        assert_eq!((parts.len(), parts[0].0, parts[0].1.value), (1, "CodeB", "110"));
        order.tags.clear();
        assert_eq!(chosen(&rules, Choice::Coordinator, &order, None), some("DE", "german"));
        assert_eq!(chosen(&rules, Choice::MarketCode, &order, None), None);
        order.shipping_address = None;
        order.billing_address = None;
        assert_eq!(chosen(&rules, Choice::OrderType, &order, None), None, "no country is not any country");
    }

    #[test]
    fn a_condition_on_lines_means_any_line_for_the_header_and_its_own_line_for_a_row() {
        let rules = rules(
            r#"[{"name": "cups", "when": {"sku": "CUP*"}, "order_type": "WEBX", "charge": {"shipping": "FRAGILE"},
                 "row_pre_posting": {"C": "150"}, "tax_codes": {"0.190": "V19C"}}]"#
                .replace("\"when\": {", "\"when\": {\"country\": \"DE\", ")
                .as_str(),
        );
        let mut order = fixtures::order("plain-eur");
        order.lines[0].sku = Some("TABLE".into());
        order.lines[1].sku = Some("CUP-1".into());
        assert_eq!(chosen(&rules, Choice::OrderType, &order, None), some("WEBX", "cups"));
        assert_eq!(chosen(&rules, Choice::TaxCode(Decimal::new(19, 2)), &order, Some(1)), some("V19C", "cups"));
        assert_eq!(chosen(&rules, Choice::TaxCode(Decimal::new(7, 2)), &order, Some(1)), None, "another rate");
        assert_eq!(rules.row_pre_posting(&order, Some(&order.lines[0])), []);
        assert_eq!(rules.row_pre_posting(&order, Some(&order.lines[1])).len(), 1);
        assert_eq!(chosen(&rules, Choice::Charge(ChargeKind::Shipping), &order, None), None, "shipping has no line");
        order.lines[1].current_quantity = 0;
        assert_eq!(chosen(&rules, Choice::OrderType, &order, None), some("WEBX", "cups"), "it outlives its line");
    }

    #[test]
    fn every_condition_is_asked() {
        let order = {
            let mut order = fixtures::order("plain-eur");
            order.source_name = Some("pos".into());
            order.gateways = vec!["shopify_payments".into(), "gift_card".into()];
            (order.location_id, order.staff_id) = (Some(7), Some(9));
            order.lines[0].vendor = Some("Acme".into());
            order.lines[0].product_type = Some("Books".into());
            order
        };
        for (yes, no) in [
            (r#""channel": "POS""#, r#""channel": ["web", "123"]"#),
            (r#""gateway": "gift_card""#, r#""gateway": "manual""#),
            (r#""location": 7"#, r#""location": 8"#),
            (r#""staff": ["9", "10"]"#, r#""staff": "7""#),
            (r#""currency": "EUR""#, r#""currency": "SEK""#),
            (r#""b2b": false"#, r#""b2b": true"#),
            (r#""vendor": "ACME""#, r#""vendor": "Acm""#),
            (r#""product_type": "books""#, r#""product_type": "toys""#),
        ] {
            let rule = |when: &str| rules(&format!(r#"[{{"name": "x", "when": {{{when}}}, "market_code": "M"}}]"#));
            assert!(rule(yes).choose(Choice::MarketCode, &order, None).is_some(), "{yes}");
            assert!(rule(no).choose(Choice::MarketCode, &order, None).is_none(), "{no}");
        }
    }

    #[test]
    fn only_a_rule_on_the_product_type_needs_the_catalogue() {
        let needs = |when: &str| {
            rules(&format!(r#"[{{"name": "x", "when": {{{when}}}, "market_code": "M"}}]"#)).needs().catalogue
        };
        assert!(needs(r#""product_type": "Books""#));
        assert!(!needs(r#""vendor": "Acme""#));
    }
}
