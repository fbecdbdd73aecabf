//! What happens to a product that has run out, and to one that is there again. Only what we did is undone, and what a merchant
//! decided stays: a product that is a draft already, and one that was made active again while nothing is left of it.
//!
//! Each decision is made from a reading of the product and from the row that remembers it. The row is written before the call, so
//! that a death between the two is seen by the next reading; and it ends by a reading, never by an answer.

use super::rules::StockRules;
use super::settings::{BundleStock, ContinueSelling, OutPolicy};
use crate::domain::stock::{InventoryPolicy, OutAct, OutState, ProductStatus};

/// A product as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductReading {
    /// Whether it is shown.
    pub status: ProductStatus,
    /// Of the channels that the settings name and of those that the row names, those that it is published on.
    pub published: Vec<u64>,
    /// Its variants, all of them.
    pub variants: Vec<VariantReading>,
}

/// A variant as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantReading {
    /// Shopify's number of it.
    pub variant_id: u64,
    /// Whether Shopify counts it: if not, it can always be bought.
    pub is_tracked: bool,
    /// Whether it is a bundle of Shopify's, which is counted by its components.
    pub is_bundle: bool,
    /// What Shopify does when nothing is left.
    pub policy: InventoryPolicy,
    /// Units at all locations that are kept up to date, as far as they are known.
    pub left: UnitsLeft,
}

/// What is left of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitsLeft {
    /// So much: IFS said so, in a reading that was used. Of a bundle: so many can be made, Shopify says.
    Known(i64),
    /// IFS said so, and something may count twice for now: it is there again by the one, and has run out only by the other.
    Doubtful {
        /// So much for sure.
        least: i64,
        /// So much where nothing counts twice.
        most: i64,
    },
    /// Nobody said so: stock that was not read, a level that is still to be planned.
    Unknown,
    /// Nothing of it follows IFS any more, whoever keeps it; the shop shows so many. That it has run out is not for us to say; that it is
    /// there again is.
    Unfollowed(i64),
}

/// What `stock_outs` remembers of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRow {
    /// How far it has come.
    pub state: OutState,
    /// What we did, or are about to do.
    pub acts: Vec<OutAct>,
}

/// What is to be done about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutStep {
    /// Nothing.
    Nothing,
    /// Writes the row as `disabling` with all of these, then does those of them that do not stand yet ([`not_standing`]).
    Disable(Vec<OutAct>),
    /// Writes the row as `enabling` with all of these, then undoes them.
    Enable(Vec<OutAct>),
    /// The reading shows it: the row becomes this. No call.
    Become(OutState),
    /// The row ends. No call.
    Close(OutEnd),
}

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutEnd {
    /// What we did is undone.
    Enabled,
    /// The merchant had enabled it, and it is there again.
    Restocked,
    /// The merchant did something else with it: it is not ours any more.
    Overtaken,
    /// Nothing is left of it to be undone: the channels or the variants that it names are gone.
    Void,
}

impl OutEnd {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Restocked => "restocked",
            Self::Overtaken => "overtaken",
            Self::Void => "void",
        }
    }

    /// Whether a row of which a call that disables was never answered ends only in the look of a later plan than the one in which its last
    /// call went: the lost one may still come.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Enabled | Self::Restocked)
    }
}

/// Whether a product can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    Out,
    Back,
    /// Neither: it stays as it is, so that it does not flap.
    Between,
    /// Somebody would have to say more.
    Unclear,
}

/// What is to be done about a product. `policy` is that of its SKUs ([`super::rules::SkuRule::out`]); `rested`: whether the last change
/// that we made to it is long enough ago.
pub fn decide(
    product: &ProductReading,
    row: Option<&OutRow>,
    policy: OutPolicy,
    rules: &StockRules,
    rested: bool,
) -> OutStep {
    let supply = supply(product, policy, rules);
    let Some(row) = row else {
        let acts = acts(product, policy, rules);
        let disables = supply == Supply::Out && rested && !acts.is_empty();
        return if disables { OutStep::Disable(acts) } else { OutStep::Nothing };
    };
    if is_overtaken(row, product) {
        return OutStep::Close(OutEnd::Overtaken);
    }
    // What was done to a variant that is gone went with it.
    let acts: Vec<OutAct> = row.acts.iter().copied().filter(|act| can_stand(*act, product)).collect();
    if acts.is_empty() {
        return OutStep::Close(OutEnd::Void);
    }
    let standing: Vec<OutAct> = acts.iter().copied().filter(|act| stands(*act, product)).collect();
    // Switched off, what we did is undone whatever is left.
    let (is_off, is_out) = (policy == OutPolicy::Off, supply == Supply::Out);
    let comes_back = is_off || supply == Supply::Back;
    match row.state {
        OutState::Disabling if standing.len() == acts.len() => OutStep::Become(OutState::Disabled),
        // The call may have been lost: once more while nothing is left, else it is taken back, whether or not it came.
        OutState::Disabling if comes_back => OutStep::Enable(acts),
        OutState::Disabling if is_out => OutStep::Disable(acts),
        OutState::Disabling => OutStep::Nothing,
        OutState::Disabled if standing.is_empty() && comes_back => OutStep::Close(OutEnd::Restocked),
        OutState::Disabled if standing.is_empty() => OutStep::Become(OutState::Respected),
        OutState::Disabled if comes_back && (rested || is_off) => OutStep::Enable(standing),
        OutState::Disabled => OutStep::Nothing,
        OutState::Respected if comes_back => OutStep::Close(OutEnd::Restocked),
        OutState::Respected => OutStep::Nothing,
        OutState::Enabling if standing.is_empty() => OutStep::Close(OutEnd::Enabled),
        OutState::Enabling if is_out && !is_off => OutStep::Disable(acts),
        // What is undone already stays in the row: the product may run out again before the rest is undone.
        OutState::Enabling => OutStep::Enable(acts),
    }
}

/// Those of some acts that the reading does not show.
pub fn not_standing(acts: &[OutAct], product: &ProductReading) -> Vec<OutAct> {
    acts.iter().copied().filter(|act| !stands(*act, product)).collect()
}

/// Whether there still is what an act is about. Whether a channel is, only Shopify's refusal tells.
fn can_stand(act: OutAct, product: &ProductReading) -> bool {
    match act {
        OutAct::Draft | OutAct::Unpublish(_) => true,
        OutAct::Deny(id) => product.variants.iter().any(|variant| variant.variant_id == id),
    }
}

/// Whether the reading shows what an act does.
fn stands(act: OutAct, product: &ProductReading) -> bool {
    match act {
        OutAct::Draft => product.status == ProductStatus::Draft,
        OutAct::Unpublish(channel) => !product.published.contains(&channel),
        OutAct::Deny(id) => {
            product.variants.iter().any(|variant| variant.variant_id == id && variant.policy == InventoryPolicy::Deny)
        }
    }
}

/// Whether a merchant took a product in hand that we had made a draft: put away, it is not for us to bring back.
fn is_overtaken(row: &OutRow, product: &ProductReading) -> bool {
    row.acts.contains(&OutAct::Draft) && !matches!(product.status, ProductStatus::Active | ProductStatus::Draft)
}

/// What there is to do to a product that has run out. Nothing to one that is not shown: that is somebody's decision.
fn acts(product: &ProductReading, policy: OutPolicy, rules: &StockRules) -> Vec<OutAct> {
    if product.status != ProductStatus::Active {
        return Vec::new();
    }
    match policy {
        OutPolicy::Off => Vec::new(),
        OutPolicy::Draft => vec![OutAct::Draft],
        OutPolicy::Unpublish => {
            let on = rules.channels().iter().copied().filter(|channel| product.published.contains(channel));
            on.map(OutAct::Unpublish).collect()
        }
        OutPolicy::Deny => {
            let beyond = product.variants.iter().filter(|variant| variant.policy == InventoryPolicy::Continue);
            beyond.map(|variant| OutAct::Deny(variant.variant_id)).collect()
        }
    }
}

/// Whether a product can be bought: where one variant can, the product can; where nobody knows of one, it has not run out.
fn supply(product: &ProductReading, policy: OutPolicy, rules: &StockRules) -> Supply {
    let out = rules.out();
    let of_variant = |variant: &VariantReading| {
        let sells_on = match variant.policy {
            // Whether it is sold on is what the policy `deny` changes: there its stock counts.
            InventoryPolicy::Continue => out.continue_selling == ContinueSelling::Sells && policy != OutPolicy::Deny,
            InventoryPolicy::Deny => false,
            InventoryPolicy::Unknown(_) => return Supply::Unclear,
        };
        let is_back = |left: i64| left >= i64::from(out.back_at);
        // A bundle is counted by its components, whatever its own item says of being counted.
        if variant.is_bundle && out.bundle == BundleStock::Leave {
            return match variant.left {
                UnitsLeft::Known(left) | UnitsLeft::Unfollowed(left) if is_back(left) => Supply::Back,
                UnitsLeft::Known(_) | UnitsLeft::Doubtful { .. } | UnitsLeft::Unfollowed(_) | UnitsLeft::Unknown => {
                    Supply::Unclear
                }
            };
        }
        if sells_on || !(variant.is_tracked || variant.is_bundle) {
            return Supply::Back;
        }
        match variant.left {
            UnitsLeft::Unknown => Supply::Unclear,
            UnitsLeft::Known(left) | UnitsLeft::Unfollowed(left) | UnitsLeft::Doubtful { least: left, .. }
                if is_back(left) =>
            {
                Supply::Back
            }
            UnitsLeft::Unfollowed(_) => Supply::Unclear,
            UnitsLeft::Known(left) | UnitsLeft::Doubtful { most: left, .. } if left <= i64::from(out.out_at) => {
                Supply::Out
            }
            UnitsLeft::Known(_) | UnitsLeft::Doubtful { .. } => Supply::Between,
        }
    };
    let supplies: Vec<Supply> = product.variants.iter().map(of_variant).collect();
    let any = |wanted| supplies.contains(&wanted);
    if any(Supply::Back) {
        Supply::Back
    } else if any(Supply::Unclear) || supplies.is_empty() {
        Supply::Unclear
    } else if any(Supply::Between) {
        Supply::Between
    } else {
        Supply::Out
    }
}
