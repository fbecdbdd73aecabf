//! The sets of taxes that have a structure in IFS, and which of them a row's taxes are.

use rust_decimal::Decimal;

use super::Rules;

/// A checked row of `tax_sets`.
#[derive(Debug, Clone)]
pub(super) struct TaxSet {
    pub(super) structure: String,
    pub(super) country: Option<String>,
    pub(super) region: Option<String>,
    pub(super) taxes: Vec<(Option<String>, Decimal)>,
}

impl TaxSet {
    /// Whether the set is one of a place.
    pub(super) fn is_of(&self, country: &str, region: Option<&str>) -> bool {
        self.country.as_deref().is_none_or(|known| known == country)
            && (self.region.is_none() || self.region.as_deref() == region)
    }

    /// Whether these taxes, as titles and rates, are the set's: each of ours met by one of theirs, named ones first.
    pub(super) fn is(&self, taxes: &[(&str, Decimal)]) -> bool {
        let mut left: Vec<&(&str, Decimal)> = taxes.iter().collect();
        let (named, unnamed): (Vec<_>, Vec<_>) = self.taxes.iter().partition(|(title, _)| title.is_some());
        self.taxes.len() == taxes.len()
            && named.into_iter().chain(unnamed).all(|(title, rate)| {
                let fits =
                    |tax: &&(&str, Decimal)| tax.1 == *rate && title.as_deref().is_none_or(|title| title == tax.0);
                left.iter().position(fits).map(|at| left.remove(at)).is_some()
            })
    }
}

impl Rules {
    /// IFS's structure for several taxes on one row, given by title and rate: the most particular row of `tax_sets` wins.
    pub fn tax_structure(&self, country: &str, region: Option<&str>, taxes: &[(&str, Decimal)]) -> Option<&str> {
        let named = |set: &TaxSet| set.taxes.iter().filter(|(title, _)| title.is_some()).count();
        self.tax_sets
            .iter()
            .filter(|set| set.is_of(country, region) && set.is(taxes))
            .max_by_key(|set| (set.country.is_some(), set.region.is_some(), named(set)))
            .map(|set| set.structure.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_takes_its_taxes_in_any_sequence_and_no_other() {
        let rate = |text| Decimal::from_str_exact(text).expect("a rate");
        let set = TaxSet {
            structure: "GSTQST".into(),
            country: None,
            region: None,
            taxes: vec![(None, rate("0.05")), (Some("QST".into()), rate("0.09975"))],
        };
        assert!(set.is(&[("QST", rate("0.09975")), ("GST", rate("0.05"))]));
        assert!(!set.is(&[("PST", rate("0.09975")), ("GST", rate("0.05"))]));
        assert!(!set.is(&[("GST", rate("0.05"))]));
        assert!(!set.is(&[("GST", rate("0.05"))]));
        assert!(!set.is(&[("GST", rate("0.05")), ("GST", rate("0.05"))]));
    }
}
