//! One order in the three books: what Shopify says of it, what our document says, what IFS holds, and why they differ where they do.
//! Pure: the reading is `reconcile`'s.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::account::{Difference, Entry, Gap, Standing, TooManyDigits};
use super::deletion::DELETED;
use super::wish::Wish;
use crate::domain::document::State;
use crate::domain::order::Order;
use crate::mapping::components::{Basis, Component, Components};
use crate::mapping::judge::{Judgement, screen};
use crate::mapping::late::split;
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::{ForeignRows, Rules};
use crate::mapping::written::WrittenOrder;
use crate::store::{DocumentRow, KnownOrder, NOTED};

/// What happened in Shopify so lately may still be on its way: the webhook's own retries and the sweep's overlap.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(20);

/// Without the scope `read_all_orders` Shopify shows orders of the last 60 days (documented). A day less, for clocks.
pub const VISIBLE: SignedDuration = SignedDuration::from_hours(59 * 24);

/// A person cancelled it in IFS, and Shopify still sells it.
pub const CANCELLED_IN_IFS: &str = "cancelled_in_ifs";

/// Everything that is known of one order.
pub struct Case<'a> {
    /// Shopify's id.
    pub order_id: u64,
    /// What Shopify says now, with its digest; none where Shopify does not know the order.
    pub fresh: Option<(&'a Order, &'a str)>,
    /// What we know.
    pub known: &'a KnownOrder,
    /// What IFS holds of the linked records, by number; none for one that is gone.
    pub held: &'a BTreeMap<String, Option<ReadOrder>>,
    /// The rules of the connection.
    pub rules: &'a Rules,
    /// Now.
    pub now: Timestamp,
}

/// A reason in the making.
struct Why {
    standing: Standing,
    code: String,
    text: String,
}

impl Why {
    fn new(standing: Standing, code: &str, text: impl Into<String>) -> Self {
        Self { standing, code: code.to_owned(), text: text.into() }
    }

    fn unexplained(code: &str, text: impl Into<String>) -> Option<Self> {
        Some(Self::new(Standing::Unexplained, code, text))
    }

    fn open(code: &str, text: impl Into<String>) -> Option<Self> {
        Some(Self::new(Standing::Open, code, text))
    }

    fn explained(code: &str, text: impl Into<String>) -> Option<Self> {
        Some(Self::new(Standing::Explained, code, text))
    }
}

impl Case<'_> {
    /// The order in the three books.
    ///
    /// 1. What each book holds.
    /// 2. Why they differ: the state of our document says most of it.
    /// 3. The components that differ.
    ///
    /// # Errors
    /// [`TooManyDigits`].
    pub fn entry(&self) -> Result<Entry, TooManyDigits> {
        // 1.
        let shopify = self.fresh.map(|(order, _)| {
            let stated = |_| Components::of_contradiction(order, self.rules);
            Components::of_order(order, self.rules).unwrap_or_else(stated)
        });
        let desired = self.first().and_then(|document| Wish::parse(&document.desired).ok());
        let ours = match &desired {
            Some(Wish::Write { order }) => Some(Components::of_desired(order)),
            Some(Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | None => None,
        };
        let ifs = self.in_ifs(desired.as_ref())?;
        // 2.
        let why = self.why(shopify.as_ref(), ours.as_ref(), ifs.as_ref());
        // 3.
        let kept_out = why.as_ref().is_some_and(|why| why.standing == Standing::Explained && self.is_kept_out());
        let currency = self.currency(desired.as_ref());
        // What a rule keeps out differs in everything: its total stands with the reason.
        let compared = if kept_out { [None; 3] } else { [shopify, ours, ifs] };
        let difference = why.map(|why| self.told(why, compared, currency.clone()));
        Ok(Entry { currency, shopify, ours, ifs, difference, kept_out })
    }

    /// The document of the order itself.
    fn first(&self) -> Option<&DocumentRow> {
        let key = self.order_id.to_string();
        self.known.documents.iter().find(|document| document.business_key == key)
    }

    /// The documents with a record of ours in IFS.
    fn linked(&self) -> impl Iterator<Item = (&DocumentRow, &str)> {
        let ours = self.known.documents.iter().filter(|document| document.origin.as_deref() != Some(NOTED));
        ours.filter_map(|document| Some((document, document.order_no.as_deref()?)))
    }

    fn currency(&self, desired: Option<&Wish>) -> Option<String> {
        match (desired, self.fresh) {
            (Some(Wish::Write { order }), _) => Some(order.expected.currency.clone()),
            (_, Some((order, _))) => Some(order.currency_on(self.rules.side()).code().to_owned()),
            (_, None) => None,
        }
    }

    /// What the live linked records come to together; none where there is none.
    fn in_ifs(&self, desired: Option<&Wish>) -> Result<Option<Components>, TooManyDigits> {
        let basis = match desired {
            Some(Wish::Write { order }) => Basis::of_desired(order),
            // Nothing is wanted of it: the basis only decides how a rest is shown.
            Some(Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | None => {
                Basis::WithoutTax
            }
        };
        let mut sum: Option<Components> = None;
        for (document, order_no) in self.linked() {
            let Some(Some(read)) = self.held.get(order_no) else { continue };
            if read.state().is_cancelled() {
                continue;
            }
            let base = document.written.as_deref().and_then(|text| serde_json::from_str::<WrittenOrder>(text).ok());
            let one = Components::of_read(read, base.as_ref(), basis);
            sum = Some(sum.unwrap_or_default().plus(&one).ok_or(TooManyDigits)?);
        }
        Ok(sum)
    }

    /// Whether a rule of the settings keeps it out of IFS.
    fn is_kept_out(&self) -> bool {
        match self.first() {
            Some(document) => document.state == State::Skipped,
            None => self.fresh.is_some_and(|(order, _)| !order.is_cancelled()),
        }
    }

    fn why(&self, shopify: Option<&Components>, ours: Option<&Components>, ifs: Option<&Components>) -> Option<Why> {
        let Some(first) = self.first() else { return self.unknown_to_us() };
        if self.fresh.is_some() && matches!(first.state, State::Skipped | State::Parked) && self.is_deleted(first) {
            return Why::unexplained(
                "deleted_and_back",
                "it is kept out or parked since Shopify deleted it, and Shopify holds it: have it told again (`orders sync --id`, or change its note there)",
            );
        }
        // The least settled of two documents speaks; what is settled of the second hides nothing of the first.
        let mut told: Vec<Why> = self.known.documents.iter().filter_map(|document| self.by_state(document)).collect();
        told.sort_by_key(|why| why.standing);
        let first_speaks = self.by_state(first).is_some();
        if let Some(why) = told.into_iter().next().filter(|why| first_speaks || why.standing != Standing::Explained) {
            return Some(why);
        }
        // From here on the first is written, or superseded.
        let Some((order, digest)) = self.fresh else {
            if self.known.placed_at.is_none_or(|at| self.now.duration_since(at) >= VISIBLE) {
                let text = "Shopify shows no order of this age without the scope read_all_orders: whether it still stands there is not known";
                return Why::open("not_visible", text);
            }
            return match ifs {
                Some(_) => Why::unexplained(
                    "not_in_shopify",
                    "Shopify does not know the order any more, and it is live in IFS",
                ),
                None => Why::explained(
                    "gone_from_shopify",
                    "Shopify does not know the order any more, and IFS holds nothing of it",
                ),
            };
        };
        if let Some(why) = self.newer(order, digest) {
            return Some(why);
        }
        for (_, order_no) in self.linked() {
            match self.held.get(order_no) {
                Some(None) => {
                    let text = format!("IFS order {order_no} is linked and gone from IFS");
                    return Why::unexplained("gone_from_ifs", text);
                }
                Some(Some(read)) if read.state().is_cancelled() && !order.is_cancelled() && ours.is_some() => {
                    let text = format!("IFS order {order_no} is cancelled in IFS and live in Shopify");
                    return Why::unexplained(CANCELLED_IN_IFS, text);
                }
                Some(Some(_)) | None => {}
            }
        }
        if order.is_cancelled() {
            let live = ifs.map(|_| "it is cancelled in Shopify and live in IFS");
            return live.and_then(|text| Why::unexplained("live_in_ifs", text));
        }
        if first.state == State::Superseded {
            return Why::unexplained("not_written", "nothing of it was written, and it is live in Shopify");
        }
        if Components::of_order(order, self.rules).is_err() {
            return Why::unexplained(
                "money_contradicts_itself",
                "Shopify's own figures do not add up, and it is written",
            );
        }
        match self.known.documents.iter().find(|document| document.state == State::Resolved) {
            Some(second) => self.by_own_part(second),
            None => self.by_sums(shopify, ours, ifs),
        }
    }

    /// The first order alone, whose second one is a person's: its own part of what is wanted against its own record.
    fn by_own_part(&self, second: &DocumentRow) -> Option<Why> {
        let first = self.first()?;
        let settled = || {
            Why::explained("resolved", format!("a person settled its second order: see `documents show {}`", second.id))
        };
        let base = first.written.as_deref().and_then(|text| serde_json::from_str::<WrittenOrder>(text).ok())?;
        let Ok(Wish::Write { order }) = Wish::parse(&first.desired) else { return settled() };
        let Some(part) = base.kept.as_ref().and_then(|kept| split(&order, kept).ok()).map(|parts| parts.first) else {
            return settled();
        };
        let order_no = first.order_no.as_deref()?;
        let Some(Some(read)) = self.held.get(order_no) else { return settled() };
        let basis = Basis::of_desired(&order);
        let (ours, ifs) = (Components::of_desired(&part), Components::of_read(read, Some(&base), basis));
        let gaps = ours.differing(&ifs, self.rules.tax_gap_order());
        if gaps.is_empty() {
            return settled();
        }
        Why::unexplained(
            "differs_in_ifs",
            format!("IFS order {order_no} differs from what was written in: {}", names(&gaps)),
        )
    }

    fn is_deleted(&self, document: &DocumentRow) -> bool {
        document.reason.as_ref().is_some_and(|reason| reason.code == DELETED)
    }

    /// An order without a document.
    fn unknown_to_us(&self) -> Option<Why> {
        let (order, _) = self.fresh?;
        if let Some(Judgement::Skip(rule)) = screen(order, self.rules) {
            return Why::explained(rule.code(), "a rule keeps it out of IFS");
        }
        if self.known.waits || self.is_late(order.created_at) {
            return Why::open("on_its_way", "it was placed or delivered a moment ago and is not mapped yet");
        }
        if self.known.quarantined {
            return Why::open("quarantined", "its delivery could not be read: see `documents list --quarantined`");
        }
        if order.is_cancelled() {
            return Why::explained(
                "cancelled_unheard",
                "it never came to us, and is cancelled in Shopify: IFS lacks nothing",
            );
        }
        Why::unexplained("never_came", "Shopify sold it, and it never came to us")
    }

    fn is_late(&self, at: Timestamp) -> bool {
        self.now.duration_since(at) < ON_ITS_WAY
    }

    /// What the state of a document explains.
    fn by_state(&self, document: &DocumentRow) -> Option<Why> {
        let reason = document.reason.as_ref();
        let code = |other: &str| reason.map_or_else(|| other.to_owned(), |reason| reason.code.clone());
        let text = reason.map(|reason| reason.text.clone()).unwrap_or_default();
        match document.state {
            State::Skipped => Why::explained(&code("skipped"), text),
            State::Resolved => Why::explained("resolved", "a person settled it: see `documents show`"),
            State::Parked => Why::open(&code("parked"), text),
            State::Held => Why::open(&code("held"), text),
            State::Planned | State::Writing | State::Retry | State::Unknown => {
                Why::open("under_way", format!("its document is {}: it is being written", document.state))
            }
            State::Written | State::Superseded => None,
        }
    }

    /// A version in Shopify that we do not know.
    fn newer(&self, order: &Order, digest: &str) -> Option<Why> {
        let known = self.known.snapshot.as_ref()?;
        if known.digest == digest || known.reread_digests.iter().any(|settled| settled == digest) {
            return None;
        }
        if self.known.waits || self.is_late(order.updated_at) || known.updated_at > order.updated_at {
            return Why::open("on_its_way", "it changed in Shopify a moment ago and that is not mapped yet");
        }
        let text =
            format!("Shopify changed it at {}, and we know the version of {}", order.updated_at, known.updated_at);
        Why::unexplained("newer_in_shopify", text)
    }

    fn by_sums(
        &self,
        shopify: Option<&Components>,
        ours: Option<&Components>,
        ifs: Option<&Components>,
    ) -> Option<Why> {
        let (ours, ifs) = (ours?, ifs.copied().unwrap_or_default());
        let numbers: Vec<&str> = self.linked().map(|(_, order_no)| order_no).collect();
        let gaps = ours.differing(&ifs, self.rules.tax_gap_order());
        if !gaps.is_empty() {
            let is_left_alone = self.rules.settings().foreign_rows == ForeignRows::Ignore
                && gaps.iter().all(|gap| matches!(gap, Component::Foreign | Component::Total))
                && ifs.get(Component::Total) - ours.get(Component::Total) == ifs.get(Component::Foreign);
            let named = names(&gaps);
            if is_left_alone {
                return Why::explained(
                    "foreign_rows",
                    format!("IFS order {} has rows of a person's, which are left alone", numbers.join(", ")),
                );
            }
            return Why::unexplained(
                "differs_in_ifs",
                format!("IFS order {} differs from what was written in: {named}", numbers.join(", ")),
            );
        }
        let gaps = shopify?.differing(ours, self.rules.tax_gap_order());
        if gaps.is_empty() {
            return None;
        }
        Why::unexplained(
            "mapped_otherwise",
            format!("what was written differs from Shopify's order in: {}", names(&gaps)),
        )
    }

    fn told(&self, why: Why, books: [Option<Components>; 3], currency: Option<String>) -> Difference {
        let [shopify, ours, ifs] = books;
        let differs = |component: &Component| {
            let of = |book: &Option<Components>| book.map(|book| book.get(*component)).unwrap_or_default();
            component.is_compared() && !(of(&shopify) == of(&ours) && of(&ours) == of(&ifs))
        };
        let gap = |component: Component| {
            let of = |book: &Option<Components>| book.map(|book| book.get(component));
            Gap { component, shopify: of(&shopify), ours: of(&ours), ifs: of(&ifs) }
        };
        Difference {
            order_id: Some(self.order_id),
            order_name: self.name(),
            order_nos: self.known.documents.iter().filter_map(|document| document.order_no.clone()).collect(),
            document: self.first().map(|document| document.id),
            code: why.code,
            standing: why.standing,
            text: why.text,
            currency,
            gaps: Component::ALL.into_iter().filter(differs).map(gap).collect(),
        }
    }

    fn name(&self) -> Option<String> {
        let fresh = self.fresh.map(|(order, _)| order.name.clone());
        fresh.or_else(|| self.first().and_then(|document| document.order_name.clone()))
    }
}

fn names(components: &[Component]) -> String {
    components.iter().map(|component| component.as_str()).collect::<Vec<_>>().join(", ")
}
