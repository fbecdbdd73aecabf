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

    /// Whether these taxes, as titles and rates, are the set's.
    pub(super) fn is(&self, taxes: &[(&str, Decimal)]) -> bool {
        self.missing(taxes).is_some_and(|missing| missing.is_empty())
    }

    /// The rates of the set that these taxes lack, where all of them are the set's: each met by one of ours, named ones first.
    pub(super) fn missing(&self, taxes: &[(&str, Decimal)]) -> Option<Vec<Decimal>> {
        let mut left: Vec<&(&str, Decimal)> = taxes.iter().collect();
        let (named, unnamed): (Vec<_>, Vec<_>) = self.taxes.iter().partition(|(title, _)| title.is_some());
        let mut missing = Vec::new();
        for (title, rate) in named.into_iter().chain(unnamed) {
            let fits = |tax: &&(&str, Decimal)| tax.1 == *rate && title.as_deref().is_none_or(|title| title == tax.0);
            match left.iter().position(fits) {
                Some(at) => {
                    left.remove(at);
                }
                None => missing.push(*rate),
            }
        }
        left.is_empty().then_some(missing)
    }

    /// Its rates, the smallest first.
    pub(super) fn rates(&self) -> Vec<Decimal> {
        let mut rates: Vec<Decimal> = self.taxes.iter().map(|(_, rate)| *rate).collect();
        rates.sort_unstable();
        rates
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

    /// The structure for taxes of which Shopify left out some, and the rates of all: that of the one set that has the taxes that are
    /// told, and beside them only such as round away, by a rate and all rates of the set. Where two sets fit, none.
    pub fn tax_structure_of_part(
        &self,
        country: &str,
        region: Option<&str>,
        taxes: &[(&str, Decimal)],
        rounds_away: impl Fn(Decimal, &[Decimal]) -> bool,
    ) -> Option<(&str, Vec<Decimal>)> {
        let fits = |set: &&TaxSet| {
            let rates = set.rates();
            set.missing(taxes).is_some_and(|missing| missing.iter().all(|rate| rounds_away(*rate, &rates)))
        };
        let mut fitting = self.tax_sets.iter().filter(|set| set.is_of(country, region)).filter(fits);
        let first = fitting.next()?;
        let alike = |other: &TaxSet| other.structure == first.structure && other.rates() == first.rates();
        fitting.all(alike).then(|| (first.structure.as_str(), first.rates()))
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
        assert_eq!(set.missing(&[("QST", rate("0.09975"))]), Some(vec![rate("0.05")]));
        assert_eq!(set.missing(&[("PST", rate("0.09975"))]), None);
        assert!(!set.is(&[("GST", rate("0.05")), ("GST", rate("0.05"))]));
    }
}
