//! What is refused of the GL rules before anything runs: rules without name, condition or choice, codes that no IFS has, and rules
//! that can never choose because earlier ones always do.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::gl::{AnyOf, GlConditions, GlRule};
use super::gl_words::{ChargeKind, Choice, CodePart};
use super::{Checks, MappingSettings};

/// No code of IFS that a rule may choose is longer.
const CODE_CHARS_MAX: usize = 25;

pub(super) fn checks(checks: &mut Checks, settings: &MappingSettings) {
    let gl = &settings.gl;
    for (key, map) in [("gl.pre_posting", &gl.pre_posting), ("gl.row_pre_posting", &gl.row_pre_posting)] {
        for (part, code) in map {
            refuse_code(checks, format!("{key}.{}", part.letter()), code);
        }
    }
    for (part, field) in &gl.pre_posting_fields {
        if field.is_empty() || !field.chars().all(|c| c.is_ascii_alphanumeric()) {
            checks.refuse(format!("gl.pre_posting_fields.{}", part.letter()), field, "a field's name");
        }
    }
    let mut names = BTreeSet::new();
    for (index, rule) in gl.rules.iter().enumerate() {
        let key = |field: &str| format!("gl.rules[{index}].{field}");
        let name = rule.name.trim();
        if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
            checks.refuse(key("name"), &rule.name, "a name of 1 to 60 characters");
        } else if !names.insert(name) {
            checks.refuse(key("name"), &rule.name, "a name that no other rule has");
        }
        conditions(checks, &key, &rule.when);
        let choices = choices_of(rule);
        if choices.is_empty() {
            checks.refuse(key("name"), &rule.name, "a rule that chooses something, as order_type = \"NO\"");
        }
        for choice in &choices {
            refuse_code(checks, key(&word(*choice)), rule.value(*choice).unwrap_or_default());
        }
        if rule.sales_group.is_some() && gl.sales_group_field.is_empty() {
            let expected =
                "gl.sales_group_field set to the line field that carries it, or a part of that group instead";
            checks.refuse(key("sales_group"), rule.sales_group.as_deref().unwrap_or_default(), expected);
        }
        tax_codes(checks, &key, rule);
        if let Some(earlier) = gl.rules[..index].iter().find(|earlier| shadows(earlier, rule, &choices)) {
            let expected = format!(
                "a rule that can match: \"{}\" above holds whenever it does, and chooses the same",
                earlier.name
            );
            checks.refuse(key("when"), &rule.name, expected);
        }
    }
}

fn conditions(checks: &mut Checks, key: &impl Fn(&str) -> String, when: &GlConditions) {
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_currency = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let is_sku = |text: &str| {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        !text.trim().is_empty() && !beginning.contains('*') && !beginning.is_empty()
    };
    let said = |text: &str| !text.trim().is_empty();
    type Legal<'a> = (&'a str, &'a dyn Fn(&str) -> bool);
    let number: Legal<'_> = ("Shopify's number", &is_number);
    let word: Legal<'_> = ("one text at least, none of them empty", &said);
    let lists: [(&str, &Option<AnyOf>, Legal<'_>); 10] = [
        ("channel", &when.channel, word),
        ("tag", &when.tag, word),
        ("country", &when.country, ("two capitals, as \"SE\"", &is_country)),
        ("currency", &when.currency, ("three capitals, as \"SEK\"", &is_currency)),
        ("gateway", &when.gateway, word),
        ("location", &when.location, number),
        ("staff", &when.staff, number),
        ("sku", &when.sku, ("a SKU, or the beginning of one and *", &is_sku)),
        ("vendor", &when.vendor, word),
        ("product_type", &when.product_type, word),
    ];
    let mut given = when.b2b.is_some();
    for (name, list, (expected, legal)) in lists {
        let Some(list) = list else { continue };
        given = true;
        if list.values().is_empty() {
            checks.refuse(key(&format!("when.{name}")), "[]", expected);
        }
        for value in list.values().iter().filter(|value| !legal(value)) {
            checks.refuse(key(&format!("when.{name}")), shown(value), expected);
        }
    }
    if !given {
        checks.refuse(key("when"), "{}", "a condition at least: what always holds is a plain setting");
    }
}

fn tax_codes(checks: &mut Checks, key: &impl Fn(&str) -> String, rule: &GlRule) {
    for rate in rule.tax_codes.keys() {
        let legal = Decimal::from_str_exact(rate).is_ok_and(|rate| !rate.is_sign_negative() && rate < Decimal::ONE);
        if !legal {
            checks.refuse(key("tax_codes"), rate, "codes by a share below 1 as text, { \"0.25\" = \"V25\" }");
        }
    }
    if !rule.tax_codes.is_empty() && rule.when.country.is_none() {
        checks.refuse(key("tax_codes"), &rule.name, "a country in `when`: a tax code is of one country");
    }
}

fn refuse_code(checks: &mut Checks, key: String, code: &str) {
    let legal = !code.is_empty()
        && code.trim() == code
        && code.chars().count() <= CODE_CHARS_MAX
        && !code.chars().any(char::is_control);
    if !legal {
        let expected = format!("a code of IFS: 1 to {CODE_CHARS_MAX} characters, no blanks around it");
        checks.refuse(key, shown(code), expected);
    }
}

/// An empty text is written, unlike nothing: it is shown as a blank.
fn shown(text: &str) -> &str {
    if text.is_empty() { " " } else { text }
}

/// Everything that a rule chooses.
fn choices_of(rule: &GlRule) -> Vec<Choice> {
    let plain = [
        Choice::OrderType,
        Choice::Coordinator,
        Choice::MarketCode,
        Choice::Salesman,
        Choice::ShipVia,
        Choice::DeliveryTerms,
        Choice::PayTerm,
        Choice::Site,
        Choice::Part,
        Choice::SalesGroup,
    ];
    let rates = rule.tax_codes.keys().filter_map(|rate| Decimal::from_str_exact(rate).ok());
    plain
        .into_iter()
        .chain(ChargeKind::ALL.map(Choice::Charge))
        .chain(rates.map(Choice::TaxCode))
        .chain(CodePart::ALL.map(Choice::PrePosting))
        .chain(CodePart::ALL.map(Choice::RowPrePosting))
        .filter(|choice| rule.value(*choice).is_some())
        .collect()
}

/// The key of a choice in its rule.
fn word(choice: Choice) -> String {
    match choice {
        Choice::OrderType => "order_type".into(),
        Choice::Coordinator => "coordinator".into(),
        Choice::MarketCode => "market_code".into(),
        Choice::Salesman => "salesman".into(),
        Choice::ShipVia => "ship_via".into(),
        Choice::DeliveryTerms => "delivery_terms".into(),
        Choice::PayTerm => "pay_term".into(),
        Choice::Site => "site".into(),
        Choice::Part => "part".into(),
        Choice::SalesGroup => "sales_group".into(),
        Choice::Charge(kind) => format!("charge.{}", format!("{kind:?}").to_lowercase()),
        Choice::TaxCode(_) => "tax_codes".into(),
        Choice::PrePosting(part) => format!("pre_posting.{}", part.letter()),
        Choice::RowPrePosting(part) => format!("row_pre_posting.{}", part.letter()),
    }
}

/// Whether `earlier` holds whenever `rule` does, and has all that it chooses.
fn shadows(earlier: &GlRule, rule: &GlRule, choices: &[Choice]) -> bool {
    let (wide, narrow) = (&earlier.when, &rule.when);
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let begins = |wide: &str, narrow: &str| match wide.strip_suffix('*') {
        Some(beginning) => narrow.strip_suffix('*').unwrap_or(narrow).starts_with(beginning),
        None => wide == narrow,
    };
    let within =
        |wide: &Option<AnyOf>, narrow: &Option<AnyOf>, covers: &dyn Fn(&str, &str) -> bool| match (wide, narrow) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => {
                narrow.values().iter().all(|value| wide.values().iter().any(|known| covers(known, value)))
            }
        };
    let conditions = [
        (&wide.channel, &narrow.channel),
        (&wide.tag, &narrow.tag),
        (&wide.country, &narrow.country),
        (&wide.currency, &narrow.currency),
        (&wide.gateway, &narrow.gateway),
        (&wide.location, &narrow.location),
        (&wide.staff, &narrow.staff),
        (&wide.vendor, &narrow.vendor),
        (&wide.product_type, &narrow.product_type),
    ];
    conditions.iter().all(|(wide, narrow)| within(wide, narrow, &same))
        && within(&wide.sku, &narrow.sku, &begins)
        && (wide.b2b.is_none() || wide.b2b == narrow.b2b)
        && choices.iter().all(|choice| earlier.value(*choice).is_some())
        && !choices.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::mapping::fixtures;
    use crate::mapping::rules::Rules;

    fn errors(rules: &str) -> Vec<String> {
        let mut settings = fixtures::settings();
        settings.gl.rules = serde_json::from_str(rules).expect("rules");
        let wrong = Rules::new(settings).err().unwrap_or_default();
        wrong.into_iter().map(|error| format!("{}: {}", error.key, error.expected)).collect()
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (rules, says) in [
            (r#"[{"when": {"tag": "x"}, "order_type": "NO"}]"#, "gl.rules[0].name: a name of 1"),
            (r#"[{"name": "a", "order_type": "NO"}]"#, "gl.rules[0].when: a condition at least"),
            (r#"[{"name": "a", "when": {"tag": "x"}}]"#, "gl.rules[0].name: a rule that chooses something"),
            (r#"[{"name": "a", "when": {"tag": []}, "order_type": "NO"}]"#, "gl.rules[0].when.tag: one text"),
            (r#"[{"name": "a", "when": {"country": "Sweden"}, "order_type": "NO"}]"#, "when.country: two capitals"),
            (r#"[{"name": "a", "when": {"location": "Main"}, "order_type": "NO"}]"#, "when.location: Shopify's number"),
            (r#"[{"name": "a", "when": {"sku": "*"}, "order_type": "NO"}]"#, "when.sku: a SKU"),
            (r#"[{"name": "a", "when": {"sku": "A*B"}, "order_type": "NO"}]"#, "when.sku: a SKU"),
            (r#"[{"name": "a", "when": {"tag": "x"}, "order_type": " NO"}]"#, "gl.rules[0].order_type: a code of IFS"),
            (r#"[{"name": "a", "when": {"tag": "x"}, "pre_posting": {"B": ""}}]"#, "gl.rules[0].pre_posting.B: a code"),
            (r#"[{"name": "a", "when": {"tag": "x"}, "charge": {"tip": ""}}]"#, "gl.rules[0].charge.tip: a code"),
            (r#"[{"name": "a", "when": {"tag": "x"}, "tax_codes": {"0.2": "V"}}]"#, "tax_codes: a country in `when`"),
            (r#"[{"name": "a", "when": {"country": "SE"}, "tax_codes": {"25": "V"}}]"#, "codes by a share below 1"),
            (r#"[{"name": "a", "when": {"tag": "x"}, "sales_group": "G"}]"#, "gl.sales_group_field"),
        ] {
            let found = errors(rules);
            assert!(found.len() == 1 && found[0].contains(says), "{rules}: {found:?}");
        }
        let twice = r#"[{"name": "a", "when": {"tag": "x"}, "order_type": "NO"},
            {"name": "a", "when": {"tag": "y"}, "order_type": "NO"}]"#;
        assert_eq!(errors(twice), ["gl.rules[1].name: a name that no other rule has"]);
    }

    #[test]
    fn a_rule_that_an_earlier_one_always_forestalls_is_refused() {
        let after = |later: &str| {
            errors(&format!(
                r#"[{{"name": "wide", "when": {{"country": ["SE", "DE"], "sku": "BOOK*"}}, "order_type": "NO",
                     "market_code": "M"}}, {{"name": "late", {later}}}]"#
            ))
        };
        let dead = r#""when": {"country": "SE", "sku": ["BOOK-1", "BOOKS*"], "tag": "x"}, "order_type": "WEBX""#;
        let found = after(dead);
        assert!(found.len() == 1 && found[0].contains("\"wide\" above holds whenever it does"), "{found:?}");
        for alive in [
            r#""when": {"country": "SE", "sku": "BOO*"}, "order_type": "WEBX""#,
            r#""when": {"country": ["SE", "NO"], "sku": "BOOK*"}, "order_type": "WEBX""#,
            r#""when": {"country": "SE"}, "order_type": "WEBX""#,
            r#""when": {"country": "SE", "sku": "BOOK*"}, "order_type": "WEBX", "coordinator": "B2B""#,
        ] {
            assert_eq!(after(alive), [""; 0], "{alive}");
        }
    }
}
