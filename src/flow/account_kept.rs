//! An account in the form in which it is kept between two runs of one reconciliation: texts and counts, every figure exact.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::account::{Account, Columns, Counts, Difference, Gap, Reason, Standing};
use crate::domain::ids::DocumentId;
use crate::mapping::components::{Component, Components};

/// An account as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptAccount {
    counts: [u64; 3],
    sums: BTreeMap<String, [Vec<String>; 3]>,
    reasons: Vec<KeptReason>,
    differences: Vec<KeptDifference>,
    more: u64,
    differences_max: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptReason {
    standing: String,
    code: String,
    orders: u64,
    totals: BTreeMap<String, [String; 3]>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptDifference {
    order_id: Option<u64>,
    order_name: Option<String>,
    order_nos: Vec<String>,
    document: Option<i64>,
    code: String,
    standing: String,
    text: String,
    currency: Option<String>,
    gaps: Vec<(String, [Option<String>; 3])>,
}

impl KeptAccount {
    /// That of an account.
    pub(super) fn of(account: &Account) -> Self {
        let Counts { shopify, ours, ifs } = account.counts;
        let amounts = |book: &Components| book.amounts().iter().map(Decimal::to_string).collect();
        let columns = |columns: &Columns| [&columns.shopify, &columns.ours, &columns.ifs].map(amounts);
        let reason = |((standing, code), reason): (&(Standing, String), &Reason)| KeptReason {
            standing: standing.as_str().to_owned(),
            code: code.clone(),
            orders: reason.orders,
            totals: reason.totals.iter().map(|(key, totals)| (key.clone(), totals.map(|of| of.to_string()))).collect(),
        };
        Self {
            counts: [shopify, ours, ifs],
            sums: account.sums.iter().map(|(currency, sums)| (currency.clone(), columns(sums))).collect(),
            reasons: account.reasons.iter().map(reason).collect(),
            differences: account.differences.iter().map(KeptDifference::of).collect(),
            more: account.more,
            differences_max: account.differences_max,
        }
    }

    /// The account; none where this code cannot read it.
    pub(super) fn into_account(self) -> Option<Account> {
        let [shopify, ours, ifs] = self.counts;
        let sums = self.sums.into_iter().map(|(currency, kept)| Some((currency, columns(&kept)?)));
        let reasons = self.reasons.into_iter().map(|kept| {
            let standing = Standing::parse(&kept.standing)?;
            let totals = kept.totals.into_iter().map(|(currency, kept)| Some((currency, figures(&kept)?)));
            let reason = Reason { standing, orders: kept.orders, totals: totals.collect::<Option<_>>()? };
            Some(((standing, kept.code), reason))
        });
        Some(Account {
            counts: Counts { shopify, ours, ifs },
            sums: sums.collect::<Option<_>>()?,
            reasons: reasons.collect::<Option<_>>()?,
            differences: self.differences.into_iter().map(KeptDifference::difference).collect::<Option<_>>()?,
            more: self.more,
            differences_max: self.differences_max,
        })
    }
}

impl KeptDifference {
    fn of(one: &Difference) -> Self {
        let gap = |gap: &Gap| {
            let books = [gap.shopify, gap.ours, gap.ifs].map(|figure| figure.map(|figure| figure.to_string()));
            (gap.component.as_str().to_owned(), books)
        };
        Self {
            order_id: one.order_id,
            order_name: one.order_name.clone(),
            order_nos: one.order_nos.clone(),
            document: one.document.map(DocumentId::get),
            code: one.code.clone(),
            standing: one.standing.as_str().to_owned(),
            text: one.text.clone(),
            currency: one.currency.clone(),
            gaps: one.gaps.iter().map(gap).collect(),
        }
    }

    fn difference(self) -> Option<Difference> {
        let gaps = self.gaps.iter().map(|(component, [shopify, ours, ifs])| {
            let maybe = |text: &Option<String>| match text {
                Some(text) => figure(text).map(Some),
                None => Some(None),
            };
            let (shopify, ours, ifs) = (maybe(shopify)?, maybe(ours)?, maybe(ifs)?);
            Some(Gap { component: Component::parse(component)?, shopify, ours, ifs })
        });
        Some(Difference {
            gaps: gaps.collect::<Option<_>>()?,
            order_id: self.order_id,
            order_name: self.order_name,
            order_nos: self.order_nos,
            document: self.document.map(DocumentId::new),
            code: self.code,
            standing: Standing::parse(&self.standing)?,
            text: self.text,
            currency: self.currency,
        })
    }
}

fn figure(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok()
}

fn figures<const N: usize>(texts: &[String]) -> Option<[Decimal; N]> {
    let figures: Vec<Decimal> = texts.iter().map(|text| figure(text)).collect::<Option<_>>()?;
    figures.try_into().ok()
}

fn columns(kept: &[Vec<String>; 3]) -> Option<Columns> {
    let [shopify, ours, ifs] = kept;
    let book = |texts: &[String]| figures(texts).map(Components::of_amounts);
    Some(Columns { shopify: book(shopify)?, ours: book(ours)?, ifs: book(ifs)? })
}
