//! The rules of one connection, checked: what `judge` and the writers ask. How they are written down: [`settings`].

pub mod codes;
pub mod conflicts;
pub mod customers;
pub mod filters;
pub mod gl;
mod gl_checks;
mod gl_words;
pub mod holds;
pub mod money;
pub mod settings;
mod tax_sets;
pub mod updates;
pub mod write_back;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use conflicts::ConflictPolicies;
use money::TaxCode;
pub use settings::MappingSettings;
use settings::{AmountCurrency, ReleaseWhen};
pub use settings::{ConflictPolicy, CreateMode, DiscountMode, ForeignRows, LateAdditions, TaxedOn, Untaxed};
use tax_sets::TaxSet;
use updates::UpdateTable;

use super::note;
use crate::domain::money::Side;
use crate::domain::order::{CancelReason, Order, Told};
use crate::ifs::wire::names;

/// A setting that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {expected} was expected, found {found}")]
pub struct RuleError {
    /// The key, as MAPPING names it.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// The checked rules of one connection.
#[derive(Debug, Clone)]
pub struct Rules {
    settings: MappingSettings,
    revision: String,
    orders_from: Timestamp,
    time_zone: TimeZone,
    tax_gap_line: Decimal,
    tax_gap_order: Decimal,
    tax_codes: Vec<TaxCode>,
    tax_sets: Vec<TaxSet>,
    updates: UpdateTable,
}

/// How the order's three references go into IFS, with each field's length in characters.
const REFERENCE_FIELDS: [(&str, usize); 3] =
    [(names::CUSTOMER_PO_NO, 50), (names::INTERNAL_REF, 30), (names::EXTERNAL_REF, 100)];

impl Rules {
    /// Checks settings; all errors at once.
    ///
    /// # Errors
    /// One [`RuleError`] for each setting that is missing or cannot be meant.
    pub fn new(settings: MappingSettings) -> Result<Self, Vec<RuleError>> {
        let mut checks = Checks(Vec::new());
        checks.required(&settings);
        checks.references(&settings);
        let orders_from = checks.orders_from(&settings.orders_from);
        let time_zone = checks.time_zone(&settings.time_zone);
        let tax_gap_line = checks.gap("tax_gap_line", &settings.tax_gap_line);
        let tax_gap_order = checks.gap("tax_gap_order", &settings.tax_gap_order);
        let tax_codes = checks.tax_codes(&settings);
        let tax_sets = checks.tax_sets(&settings);
        checks.money(&settings);
        checks.bounds(&settings);
        checks.notes(&settings);
        let updates = checks.updates(&settings);
        customers::checks(&mut checks, &settings);
        gl_checks::checks(&mut checks, &settings);
        codes::checks(&mut checks, &settings);
        write_back::checks(&mut checks, &settings);
        holds::checks(&mut checks, &settings.holds);
        filters::checks(&mut checks, &settings.filters);
        if !checks.0.is_empty() {
            return Err(checks.0);
        }
        let written = serde_json::to_vec(&settings).expect("maps with text keys always serialise");
        let revision = hex::encode(Sha256::digest(written));
        Ok(Self {
            settings,
            revision,
            orders_from,
            time_zone,
            tax_gap_line,
            tax_gap_order,
            tax_codes,
            tax_sets,
            updates,
        })
    }

    /// The digest of the rules: it changes when any of them does.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The settings as they were written.
    pub fn settings(&self) -> &MappingSettings {
        &self.settings
    }

    /// The go-live instant: older orders are never created.
    pub fn orders_from(&self) -> Timestamp {
        self.orders_from
    }

    /// Which of an amount's two currencies goes to IFS.
    pub fn side(&self) -> Side {
        match self.settings.currency {
            AmountCurrency::Shop => Side::Shop,
            AmountCurrency::Presentment => Side::Presentment,
        }
    }

    /// The day of a moment in the shop's time zone plus `lead_days`, as IFS's timestamp of its midnight.
    pub fn wanted_delivery(&self, moment: Timestamp) -> String {
        let day = moment.to_zoned(self.time_zone.clone()).date();
        let day = day.saturating_add(i64::from(self.settings.lead_days).days());
        format!("{day}T00:00:00Z")
    }

    /// The day of a moment in the shop's time zone, as `2026-12-01`.
    pub fn day_of(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.time_zone.clone()).date().to_string()
    }

    /// A moment on the shop's own clock.
    pub fn local(&self, moment: Timestamp) -> jiff::Zoned {
        moment.to_zoned(self.time_zone.clone())
    }

    /// When a day of the shop's begins; `None` for one that no calendar holds.
    pub fn midnight(&self, day: jiff::civil::Date) -> Option<Timestamp> {
        day.to_zoned(self.time_zone.clone()).ok().map(|begins| begins.timestamp())
    }

    /// Whether we release the order in IFS once the gate finds nothing.
    pub fn releases(&self, order: &Order) -> bool {
        match self.settings.release_when {
            ReleaseWhen::Never => false,
            ReleaseWhen::PaidOrTerms => order.is_paid() || order.payment_terms.is_some(),
        }
    }

    /// The tax code of a place, rate and kind of row: the most particular row of `tax_codes` wins. `untaxed` is why nothing is
    /// taxed, the strongest reason first; a row that asks for another reason is none. A gift card is never taxed, wherever it
    /// goes: its own row comes before any reason.
    pub fn tax_code(
        &self,
        country: &str,
        region: Option<&str>,
        rate: Decimal,
        on: TaxedOn,
        untaxed: &[Untaxed],
    ) -> Option<&str> {
        // Without a reason 0, else the more the stronger; none for a reason that is not given.
        let strength = |row: &TaxCode| match row.when {
            None => Some(0),
            Some(when) => untaxed.iter().rev().position(|known| *known == when).map(|place| place + 1),
        };
        let is_own = |row: &TaxCode| on == TaxedOn::GiftCard && row.on.is_some();
        self.tax_codes
            .iter()
            .filter(|row| row.country.as_deref().is_none_or(|known| known == country) && row.rate == rate)
            .filter(|row| row.region.is_none() || row.region.as_deref() == region)
            .filter(|row| row.on.is_none_or(|kind| kind == on))
            .filter_map(|row| Some((strength(row)?, row)))
            .max_by_key(|(why, row)| (is_own(row), *why, row.country.is_some(), row.region.is_some(), row.on.is_some()))
            .map(|(_, row)| row.code.as_str())
    }

    /// Where a country lies, seen from the seller; none where no territory is set.
    pub fn tax_territory(&self, country: &str) -> Option<Territory> {
        let own = self.settings.tax_territory.first()?;
        Some(if own == country {
            Territory::Home
        } else if self.settings.tax_territory.iter().any(|known| known == country) {
            Territory::Inside
        } else {
            Territory::Outside
        })
    }

    /// Most that one row's tax may differ from Shopify's.
    pub fn tax_gap_line(&self) -> Decimal {
        self.tax_gap_line
    }

    /// Most that the order's tax may differ from Shopify's.
    pub fn tax_gap_order(&self) -> Decimal {
        self.tax_gap_order
    }

    /// IFS's code for why an order is cancelled.
    pub fn cancel_reason(&self, reason: Option<&CancelReason>) -> &str {
        reason
            .and_then(|reason| self.settings.cancel_reasons.get(reason.as_str()))
            .map_or(self.settings.cancel_reason.as_str(), String::as_str)
    }

    /// Which facts beside the order itself these rules read: where a payload lacks one of them, the order is read again by its
    /// id. Each group of rules adds its own.
    pub fn needs(&self) -> Told {
        let company = self.settings.customer == settings::CustomerMode::MatchOrCreate;
        let groups = self.settings.bundle == settings::BundleMode::PackagePart;
        Told { company, catalogue: self.needs_catalogue(), risk: self.settings.holds.asks_risk(), groups }
    }

    /// The facts that one order needs: a company's, only where it belongs to one.
    pub fn needs_of(&self, order: &crate::domain::order::Order) -> Told {
        let company = self.matches_customers() && order.company.is_some();
        self.needs().and(Told { company, ..Told::default() })
    }

    /// What an operator should know of legal settings: what they leave undone, and why.
    pub fn notes(&self) -> Vec<String> {
        let settings = &self.settings;
        let mut notes = Vec::new();
        if !settings.holds.asks_risk() {
            let released = match settings.release_when {
                ReleaseWhen::Never => "",
                ReleaseWhen::PaidOrTerms => ", though paid orders are released without a person",
            };
            notes.push(format!(
                "holds.risk is empty: orders that Shopify thinks risky are not held{released}; [\"investigate\", \"cancel\"] holds them, and costs one reading of each new order"
            ));
        }
        notes
    }

    /// The fields of an address that carry its lines, in their order.
    pub fn address_fields(&self) -> &'static [&'static str] {
        let lines = usize::try_from(self.settings.address_lines).unwrap_or(usize::MAX);
        names::ADDRESS_LINES.get(..lines).unwrap_or(&names::ADDRESS_LINES)
    }

    /// What happens when a person in IFS and Shopify changed the same field.
    pub fn conflicts(&self) -> ConflictPolicies {
        ConflictPolicies::new(self.settings.conflict_policy, &self.settings.conflicts)
    }

    /// What is done about each change in each state of the order in IFS.
    pub fn updates(&self) -> UpdateTable {
        self.updates
    }

    /// How many characters a reference field of the header holds.
    pub fn reference_chars_max(field: &str) -> usize {
        REFERENCE_FIELDS.iter().find(|(name, _)| *name == field).map_or(0, |(_, chars)| *chars)
    }
}

/// Where a country lies, seen from the seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Territory {
    /// The seller's own country.
    Home,
    /// Another country of the seller's tax territory.
    Inside,
    /// Beyond it.
    Outside,
}

/// Collects what is wrong.
pub(super) struct Checks(pub(super) Vec<RuleError>);

impl Checks {
    pub(super) fn refuse(&mut self, key: impl Into<String>, found: &str, expected: impl Into<String>) {
        let found = if found.is_empty() { "nothing".to_owned() } else { format!("\"{found}\"") };
        self.0.push(RuleError { key: key.into(), found, expected: expected.into() });
    }

    fn required(&mut self, settings: &MappingSettings) {
        for (key, value, expected) in [
            ("company", &settings.company, "an IFS company, as \"10\""),
            ("site", &settings.site, "an IFS site, as \"S10\""),
            ("customer_no", &settings.customer_no, "the IFS customer that carries web orders"),
            ("bill_addr_no", &settings.bill_addr_no, "that customer's document address, as \"1\""),
            ("ship_addr_no", &settings.ship_addr_no, "that customer's delivery address, as \"1\""),
            ("coordinator", &settings.coordinator, "an IFS coordinator (AuthorizeCode)"),
            ("order_type", &settings.order_type, "an IFS order type that stops at Released, as \"NO\""),
            ("price_freeze_on", &settings.price_freeze_on, "the literal that freezes a price, as \"Frozen\""),
            ("fetch_tax_off", &settings.fetch_tax_off, "the literal that keeps our tax code, as \"FALSE\""),
            ("cancel_reason", &settings.cancel_reason, "an IFS cancel reason code for orders"),
        ] {
            let chosen = |rule: &gl::GlRule| match key {
                "coordinator" => rule.coordinator.is_some(),
                "order_type" => rule.order_type.is_some(),
                _ => false,
            };
            let unused = settings.gl.rules.iter().any(chosen)
                || (key == "customer_no" && settings.customer == settings::CustomerMode::MatchOrCreate);
            if value.trim().is_empty() && !unused {
                self.refuse(key, "", expected);
            }
        }
    }

    fn references(&mut self, settings: &MappingSettings) {
        let legal = "CustomerPoNo, InternalRef or ExternalRef";
        if Rules::reference_chars_max(&settings.order_key_field) == 0 {
            self.refuse("order_key_field", &settings.order_key_field, legal);
        }
        let mut taken = vec![settings.order_key_field.as_str()];
        for (key, field) in
            [("order_name_field", &settings.order_name_field), ("po_number_field", &settings.po_number_field)]
        {
            if field.is_empty() {
                continue;
            }
            if Rules::reference_chars_max(field) == 0 {
                self.refuse(key, field, format!("{legal}, or \"\" to leave it out"));
            } else if taken.contains(&field.as_str()) {
                self.refuse(key, field, "a field that carries nothing else");
            }
            taken.push(field);
        }
    }

    fn orders_from(&mut self, text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| {
            self.refuse("orders_from", text, "the go-live instant, as 2026-12-01T00:00:00Z");
            Timestamp::MIN
        })
    }

    fn time_zone(&mut self, name: &str) -> TimeZone {
        TimeZone::get(name).unwrap_or_else(|_| {
            self.refuse("time_zone", name, "a time zone of the IANA list, as \"Europe/Stockholm\"");
            TimeZone::UTC
        })
    }

    fn gap(&mut self, key: &str, text: &str) -> Decimal {
        match Decimal::from_str_exact(text) {
            Ok(gap) if !gap.is_sign_negative() && gap <= Decimal::ONE => gap,
            _ => {
                self.refuse(key, text, "an amount from \"0\" to \"1\"");
                Decimal::ZERO
            }
        }
    }

    fn updates(&mut self, settings: &MappingSettings) -> UpdateTable {
        let (table, bad) = updates::table(&settings.updates);
        for (key, found, expected) in bad {
            self.refuse(format!("updates.{key}"), found, expected);
        }
        table
    }

    fn notes(&mut self, settings: &MappingSettings) {
        for (key, template, known) in [
            ("note_template", &settings.note_template, note::PLACEHOLDERS.as_slice()),
            ("line_note_template", &settings.line_note_template, &note::LINE_PLACEHOLDERS),
        ] {
            for unknown in note::unknown_placeholders(template, known) {
                let known: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
                self.refuse(key, unknown, format!("one of {}", known.join(", ")));
            }
        }
    }

    fn bounds(&mut self, settings: &MappingSettings) {
        if settings.price_decimals > 12 {
            self.refuse("price_decimals", &settings.price_decimals.to_string(), "0 to 12");
        }
        if !(1..=6).contains(&settings.address_lines) {
            self.refuse("address_lines", &settings.address_lines.to_string(), "1 to 6");
        }
        if settings.lead_days > 365 {
            self.refuse("lead_days", &settings.lead_days.to_string(), "0 to 365");
        }
        if !(4..=1000).contains(&settings.batch_parts_max) {
            self.refuse("batch_parts_max", &settings.batch_parts_max.to_string(), "4 to 1000");
        }
        for (key, map) in [
            ("charge.shipping", &settings.charge.shipping),
            ("charge.fee", &settings.charge.fee),
            ("ship_via", &settings.ship_via),
            ("payment_terms", &settings.payment_terms),
            ("cancel_reasons", &settings.cancel_reasons),
        ] {
            for (name, code) in map {
                if code.trim().is_empty() {
                    self.refuse(format!("{key}.{name}"), "", "a code of IFS");
                }
            }
        }
    }
}
