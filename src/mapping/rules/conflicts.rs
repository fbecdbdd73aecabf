//! `[connections.NAME.conflicts]`: who wins where a person in IFS and Shopify changed the same field, by group of fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::ConflictPolicy;

/// Fields that are decided about together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldGroup {
    /// Terms and codes of the header.
    Header,
    /// The order's name and the customer's own number.
    References,
    /// Notes of header and lines.
    Note,
    /// Dates and ways of delivery.
    Delivery,
    /// Prices and discounts of lines.
    Price,
    /// Quantities of lines.
    Quantity,
    /// Tax codes.
    Tax,
    /// Amounts of charges.
    Charge,
    /// The delivery address.
    Address,
}

impl FieldGroup {
    const ALL: [Self; 9] = [
        Self::Header,
        Self::References,
        Self::Note,
        Self::Delivery,
        Self::Price,
        Self::Quantity,
        Self::Tax,
        Self::Charge,
        Self::Address,
    ];
}

/// The policies that differ from `conflict_policy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConflictSettings(pub BTreeMap<FieldGroup, ConflictPolicy>);

/// Who wins in each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConflictPolicies([ConflictPolicy; 9]);

impl ConflictPolicies {
    /// One policy for all groups.
    pub const fn all(policy: ConflictPolicy) -> Self {
        Self([policy; 9])
    }

    /// `default` where the settings name no other.
    pub fn new(default: ConflictPolicy, settings: &ConflictSettings) -> Self {
        Self(FieldGroup::ALL.map(|group| settings.0.get(&group).copied().unwrap_or(default)))
    }

    /// The policy of a group.
    pub const fn of(&self, group: FieldGroup) -> ConflictPolicy {
        self.0[group as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_have_a_policy_of_its_own() {
        let settings: ConflictSettings = serde_json::from_str(r#"{"address": "ifs_wins"}"#).expect("a table");
        let policies = ConflictPolicies::new(ConflictPolicy::Park, &settings);
        assert_eq!(policies.of(FieldGroup::Address), ConflictPolicy::IfsWins);
        assert_eq!(policies.of(FieldGroup::Note), ConflictPolicy::Park);
        for (index, group) in FieldGroup::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, index);
        }
    }
}
