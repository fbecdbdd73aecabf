//! The account of a reconciliation: three columns of sums by currency and component, counts by reason, and the differences, so many
//! of them as were asked for. It grows with the currencies, the reasons and the listed differences, never with the orders.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::domain::ids::DocumentId;
use crate::mapping::components::{Component, Components};

/// How a difference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nobody here can say why: somebody has to find out.
    Unexplained,
    /// The reason is known, and it is not settled yet.
    Open,
    /// The reason is known, and it is as it should be.
    Explained,
}

impl Standing {
    /// The standing of a word; none of an unknown one.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Unexplained, Self::Open, Self::Explained].into_iter().find(|standing| standing.as_str() == word)
    }

    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::Open => "open",
            Self::Explained => "explained",
        }
    }
}

/// One component in which the three books differ; none where a book does not hold the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which one.
    pub component: Component,
    /// What Shopify says.
    pub shopify: Option<Decimal>,
    /// What our document says.
    pub ours: Option<Decimal>,
    /// What IFS holds.
    pub ifs: Option<Decimal>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Shopify's id; none of a record in IFS whose key is no order's.
    pub order_id: Option<u64>,
    /// Shopify's name of the order.
    pub order_name: Option<String>,
    /// The numbers in IFS.
    pub order_nos: Vec<String>,
    /// Our document.
    pub document: Option<DocumentId>,
    /// A stable word: what it is, or the reason of the document.
    pub code: String,
    /// How it stands.
    pub standing: Standing,
    /// One sentence. No person's data.
    pub text: String,
    /// ISO 4217, where there are gaps.
    pub currency: Option<String>,
    /// What differs.
    pub gaps: Vec<Gap>,
}

/// One order as the three books have it.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// ISO 4217; none where no book says.
    pub currency: Option<String>,
    /// Shopify's; none where Shopify does not hold it, or its own figures contradict each other.
    pub shopify: Option<Components>,
    /// Our document's.
    pub ours: Option<Components>,
    /// That of the live records in IFS which are linked.
    pub ifs: Option<Components>,
    /// Why the books differ, or why the order is in none of the sums.
    pub difference: Option<Difference>,
    /// Whether a rule keeps the order out: then it is counted under its reason alone.
    pub kept_out: bool,
}

/// The three columns of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns {
    /// Shopify's orders.
    pub shopify: Components,
    /// Our documents.
    pub ours: Components,
    /// IFS's orders.
    pub ifs: Components,
}

/// How many orders stand in each book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// In Shopify.
    pub shopify: u64,
    /// With us.
    pub ours: u64,
    /// Live in IFS and linked.
    pub ifs: u64,
}

/// All differences of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// How they stand.
    pub standing: Standing,
    /// How many orders.
    pub orders: u64,
    /// Totals by currency: Shopify, ours, IFS.
    pub totals: BTreeMap<String, [Decimal; 3]>,
}

/// A sum with more digits than an exact decimal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum has more digits than an exact decimal holds: choose a shorter time")]
pub struct TooManyDigits;

/// The account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// How many orders stand in each book, those that a rule keeps out left out.
    pub counts: Counts,
    /// The three columns by currency.
    pub sums: BTreeMap<String, Columns>,
    /// The reasons by code.
    pub reasons: BTreeMap<(Standing, String), Reason>,
    /// The differences that are listed: unexplained ones before open ones before explained ones, in the order in which they were found.
    pub differences: Vec<Difference>,
    /// Differences that are counted and not listed.
    pub more: u64,
    /// Most differences that are listed.
    pub(super) differences_max: usize,
}

impl Account {
    /// An empty one that lists at most so many differences.
    pub fn listing(differences_max: usize) -> Self {
        Self { differences_max, ..Self::default() }
    }

    /// How many differences stand so.
    pub fn count(&self, standing: Standing) -> u64 {
        self.reasons.iter().filter(|((of, _), _)| *of == standing).map(|(_, reason)| reason.orders).sum()
    }

    /// Whether nothing is unexplained.
    pub fn is_clean(&self) -> bool {
        self.count(Standing::Unexplained) == 0
    }

    /// Adds an order.
    ///
    /// # Errors
    /// [`TooManyDigits`].
    pub fn add(&mut self, entry: Entry) -> Result<(), TooManyDigits> {
        let Entry { currency, shopify, ours, ifs, difference, kept_out } = entry;
        if !kept_out {
            let count = |book: &Option<Components>| u64::from(book.is_some());
            self.counts.shopify += count(&shopify);
            self.counts.ours += count(&ours);
            self.counts.ifs += count(&ifs);
            if let Some(currency) = &currency {
                let columns = self.sums.entry(currency.clone()).or_default();
                for (sum, book) in
                    [(&mut columns.shopify, &shopify), (&mut columns.ours, &ours), (&mut columns.ifs, &ifs)]
                {
                    *sum = book.as_ref().map_or(Some(*sum), |book| sum.plus(book)).ok_or(TooManyDigits)?;
                }
            }
        }
        let Some(difference) = difference else { return Ok(()) };
        let key = (difference.standing, difference.code.clone());
        let reason = self.reasons.entry(key).or_insert_with(|| Reason {
            standing: difference.standing,
            orders: 0,
            totals: BTreeMap::new(),
        });
        reason.orders += 1;
        if let Some(currency) = currency {
            let totals = reason.totals.entry(currency).or_default();
            for (total, book) in totals.iter_mut().zip([shopify, ours, ifs]) {
                let more = book.map(|book| book.get(Component::Total)).unwrap_or_default();
                *total = total.checked_add(more).ok_or(TooManyDigits)?;
            }
        }
        self.list(difference);
        Ok(())
    }

    /// Lists a difference, if need be in the place of a less urgent one.
    fn list(&mut self, difference: Difference) {
        let place = self.differences.partition_point(|listed| listed.standing <= difference.standing);
        if place >= self.differences_max {
            self.more += 1;
            return;
        }
        self.differences.insert(place, difference);
        if self.differences.len() > self.differences_max {
            self.differences.pop();
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::account_kept::KeptAccount;
    use super::*;

    fn entry(standing: Standing, code: &str) -> Entry {
        let difference = Difference {
            order_id: Some(1),
            order_name: None,
            order_nos: Vec::new(),
            document: None,
            code: code.to_owned(),
            standing,
            text: String::new(),
            currency: None,
            gaps: Vec::new(),
        };
        Entry {
            difference: Some(difference),
            currency: Some("EUR".into()),
            ours: Some(Components::default()),
            ..Entry::default()
        }
    }

    #[test]
    fn a_full_list_keeps_the_unexplained_and_counts_the_rest() {
        let mut account = Account::listing(2);
        for (standing, code) in [
            (Standing::Explained, "resolved"),
            (Standing::Open, "refused_by_ifs"),
            (Standing::Unexplained, "never_came"),
            (Standing::Explained, "resolved"),
            (Standing::Unexplained, "gone_from_ifs"),
        ] {
            account.add(entry(standing, code)).expect("few digits");
        }
        let listed: Vec<&str> = account.differences.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(listed, ["never_came", "gone_from_ifs"]);
        assert_eq!((account.more, account.counts.ours), (3, 5));
        assert_eq!([Standing::Unexplained, Standing::Open, Standing::Explained].map(|of| account.count(of)), [2, 1, 2]);
        assert!(!account.is_clean());
    }

    #[test]
    fn an_account_that_was_kept_goes_on_as_it_was() {
        let mut account = Account::listing(2);
        for code in ["never_came", "gone_from_ifs", "live_in_ifs"] {
            account.add(entry(Standing::Unexplained, code)).expect("few digits");
        }
        let amounts = std::array::from_fn(|place| Decimal::new(i64::try_from(place).expect("ten") - 5, 2));
        let ifs = Some(Components::of_amounts(amounts));
        let mut told = entry(Standing::Explained, "resolved");
        if let Some(difference) = &mut told.difference {
            difference.document = Some(DocumentId::new(7));
            difference.gaps =
                vec![Gap { component: Component::Total, shopify: None, ours: Some(Decimal::ONE), ifs: None }];
        }
        account.differences_max = 3;
        account.add(Entry { ifs, ..told }).expect("few digits");
        let text = serde_json::to_string(&KeptAccount::of(&account)).expect("JSON");
        let kept: KeptAccount = serde_json::from_str(&text).expect("JSON");
        assert_eq!(kept.into_account(), Some(account));
    }

    #[test]
    fn what_a_rule_keeps_out_is_in_no_column() {
        let mut account = Account::listing(9);
        account.add(Entry { kept_out: true, ..entry(Standing::Explained, "test_order") }).expect("few digits");
        assert_eq!(account.counts, Counts::default());
        assert!(account.sums.is_empty() && account.is_clean());
    }
}
