//! What IFS has of a part, from its many rows: lots, serial numbers, places. Each row counts at one location of the shop, is left out
//! by a named rule, or leaves the whole part to a person.

use jiff::ToSpan as _;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::rules::{StockRules, is_among};
use super::settings::{Frozen, ProjectStock};
use crate::domain::stock::StockRow;

/// Figures of IFS beyond this are no stock: they would not be exact any more when they are summed.
const QUANTITY_MAX: i64 = 1_000_000_000_000;
/// Most decimals of a figure.
const DECIMALS_MAX: u32 = 12;

/// What IFS has of a part for one location of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocationStock {
    /// Shopify's number of the location.
    pub location: u64,
    /// On hand, as far as it counts.
    pub on_hand: Decimal,
    /// Reserved of that.
    pub reserved: Decimal,
}

/// What a part's rows at a site come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSums {
    /// What counts, at each of the shop's locations of the site.
    pub locations: Vec<LocationStock>,
    /// Reserved at the whole site, of what does not count too.
    pub reserved: Decimal,
}

/// What a reading told of a part's stock. There is no third word: what was not read is not nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartStock {
    /// The part's rows were read to the last one, and there may be none.
    Read(PartSums),
    /// They were not.
    NotRead,
    /// They were, and hold something that no rule knows.
    Unclear(String),
}

/// Why a row does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the setting of that name")]
pub enum LeftOut {
    Warehouse,
    LocationType,
    Ownership,
    AvailabilityControl,
    Condition,
    Frozen,
    Project,
    Expired,
}

impl LeftOut {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warehouse => "warehouse",
            Self::LocationType => "location_type",
            Self::Ownership => "ownership",
            Self::AvailabilityControl => "availability_control",
            Self::Condition => "condition",
            Self::Frozen => "frozen",
            Self::Project => "project",
            Self::Expired => "expired",
        }
    }
}

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowVerdict {
    /// It counts at a location of the shop, by Shopify's number.
    Counts(u64),
    /// A rule leaves it out.
    LeftOut(LeftOut),
    /// No rule knows what it is.
    Unclear(String),
}

/// Sums a part's rows at a site, by the locations of the shop that show it. `today` is the shop's own day. Every location of the site
/// is in the answer, also one without a row.
pub fn sum(rows: &[StockRow], site: &str, rules: &StockRules, today: Date) -> PartStock {
    let nothing = |location| LocationStock { location, on_hand: Decimal::ZERO, reserved: Decimal::ZERO };
    let mut locations: Vec<LocationStock> = rules.places_of(site).map(|place| nothing(place.location)).collect();
    let mut reserved = Decimal::ZERO;
    for row in rows {
        if !is_sound(row.on_hand) || !is_sound(row.reserved) {
            return PartStock::Unclear("a row of the stock holds a figure that is no stock".to_owned());
        }
        reserved += row.reserved;
        let location = match judge(row, site, rules, today) {
            RowVerdict::Counts(location) => location,
            RowVerdict::LeftOut(_) => continue,
            RowVerdict::Unclear(what) => return PartStock::Unclear(what),
        };
        if let Some(sum) = locations.iter_mut().find(|sum| sum.location == location) {
            sum.on_hand += row.on_hand;
            sum.reserved += row.reserved;
        }
    }
    let sums = locations.iter().flat_map(|sum| [sum.on_hand, sum.reserved]);
    let odd = sums.chain([reserved]).find(|figure| !is_sound(*figure));
    match odd {
        Some(figure) => PartStock::Unclear(format!("{figure} units are no stock")),
        None => PartStock::Read(PartSums { locations, reserved }),
    }
}

/// What becomes of one row.
pub fn judge(row: &StockRow, site: &str, rules: &StockRules, today: Date) -> RowVerdict {
    let settings = rules.rows();
    let out = RowVerdict::LeftOut;
    // 1. Whether the shop shows the place at all.
    let Some(place) = rules.places_of(site).find(|place| place.shows(row.warehouse.as_deref())) else {
        return out(LeftOut::Warehouse);
    };
    // 2. What kind of place it is: one that no list names could be either.
    if !settings.location_types.is_empty() {
        match row.location_type.as_deref() {
            Some(kind) if is_among(&settings.location_types, kind) => {}
            Some(kind) if is_among(&settings.location_types_out, kind) => return out(LeftOut::LocationType),
            Some(kind) => {
                let list = "stock.rows.location_types nor location_types_out";
                return RowVerdict::Unclear(format!("location type \"{kind}\" stands neither in {list}"));
            }
            None => return RowVerdict::Unclear("a row of the stock tells no location type".to_owned()),
        }
    }
    // 3. Whose it is, and what is the matter with it.
    if !settings.ownerships.is_empty() {
        match row.ownership.as_deref() {
            Some(owner) if is_among(&settings.ownerships, owner) => {}
            Some(_) => return out(LeftOut::Ownership),
            None => return RowVerdict::Unclear("a row of the stock does not tell whose it is".to_owned()),
        }
    }
    let unnamed = |listed: &[String], found: &Option<String>| {
        found.as_deref().is_some_and(|word| !word.trim().is_empty() && !is_among(listed, word))
    };
    if unnamed(&settings.availability_controls, &row.availability_control) {
        return out(LeftOut::AvailabilityControl);
    }
    if unnamed(&settings.conditions, &row.condition) {
        return out(LeftOut::Condition);
    }
    if row.is_frozen && settings.frozen == Frozen::LeftOut {
        return out(LeftOut::Frozen);
    }
    // `*` is IFS's word for none.
    let of_project = row.project.as_deref().is_some_and(|project| !matches!(project.trim(), "" | "*"));
    if of_project && settings.project == ProjectStock::LeftOut {
        return out(LeftOut::Project);
    }
    // 4. How long it keeps.
    let needed = today.saturating_add(i64::from(settings.expires_days_min).days());
    if row.expires.is_some_and(|expires| expires < needed) {
        return out(LeftOut::Expired);
    }
    RowVerdict::Counts(place.location)
}

/// Whether sums of a figure stay exact.
pub(super) fn is_sound(figure: Decimal) -> bool {
    figure.abs() <= Decimal::from(QUANTITY_MAX) && figure.normalize().scale() <= DECIMALS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::stock::settings::StockSettings;

    const TODAY: Date = jiff::civil::date(2026, 12, 1);

    fn rules(text: &str) -> StockRules {
        let settings: StockSettings = toml::from_str(text).expect("the shape is right");
        StockRules::new(settings, "S10").expect("legal")
    }

    fn row(on_hand: i64, reserved: i64) -> StockRow {
        StockRow {
            part_no: "CUP".into(),
            on_hand: on_hand.into(),
            reserved: reserved.into(),
            warehouse: Some("A".into()),
            location_type: Some("Picking".into()),
            availability_control: None,
            is_frozen: false,
            ownership: Some("CompanyOwned".into()),
            condition: None,
            project: None,
            expires: None,
        }
    }

    fn sums(rows: &[StockRow], rules: &StockRules) -> Vec<(u64, Decimal, Decimal)> {
        match sum(rows, "S10", rules, TODAY) {
            PartStock::Read(sums) => {
                sums.locations.iter().map(|sum| (sum.location, sum.on_hand, sum.reserved)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lots_and_places_are_summed_by_the_locations_that_show_them() {
        let rules = rules(
            r#"
            locations = [
                { location = "1", warehouses = ["A", "B"] },
                { location = "2", warehouses = ["C"] },
                { location = "3", site = "S20" },
            ]
            "#,
        );
        let in_house = |name: Option<&str>, on_hand| StockRow { warehouse: name.map(str::to_owned), ..row(on_hand, 1) };
        let rows = [in_house(Some("A"), 5), in_house(Some("B"), 7), in_house(Some("C"), 2), in_house(Some("D"), 90)];
        let figure = Decimal::from;
        assert_eq!(sums(&rows, &rules), [(1, figure(12), figure(2)), (2, figure(2), figure(1))]);
        let nothing = [(1, figure(0), figure(0)), (2, figure(0), figure(0))];
        assert_eq!(sums(&[], &rules), nothing, "read to the end, and nothing there");
        let PartStock::Read(all) = sum(&rows, "S10", &rules, TODAY) else { panic!("read") };
        assert_eq!(all.reserved, figure(4), "of what does not count too");
        assert_eq!(judge(&in_house(None, 1), "S10", &rules, TODAY), RowVerdict::LeftOut(LeftOut::Warehouse));
    }

    #[test]
    fn each_rule_leaves_out_what_it_names() {
        let rules = rules(
            r#"
            locations = [{ location = "1" }]
            rows = { frozen = "left_out", expires_days_min = 10, availability_controls = ["WEB"], conditions = ["NEW"] }
            "#,
        );
        type Change = fn(&mut StockRow);
        let with = |change: Change| {
            let mut row = row(1, 0);
            change(&mut row);
            judge(&row, "S10", &rules, TODAY)
        };
        assert_eq!(with(|_| ()), RowVerdict::Counts(1));
        assert_eq!(with(|row| row.availability_control = Some("web".into())), RowVerdict::Counts(1));
        assert_eq!(with(|row| row.project = Some("*".into())), RowVerdict::Counts(1));
        assert_eq!(with(|row| row.expires = Some(jiff::civil::date(2026, 12, 11))), RowVerdict::Counts(1));
        let cases: [(Change, LeftOut); 7] = [
            (|row| row.location_type = Some("ARRIVAL".into()), LeftOut::LocationType),
            (|row| row.ownership = Some("CUSTOMER OWNED".into()), LeftOut::Ownership),
            (|row| row.availability_control = Some("QA".into()), LeftOut::AvailabilityControl),
            (|row| row.condition = Some("USED".into()), LeftOut::Condition),
            (|row| row.is_frozen = true, LeftOut::Frozen),
            (|row| row.project = Some("P1".into()), LeftOut::Project),
            (|row| row.expires = Some(jiff::civil::date(2026, 12, 10)), LeftOut::Expired),
        ];
        for (change, why) in cases {
            assert_eq!(with(change), RowVerdict::LeftOut(why), "{}", why.as_str());
        }
    }

    #[test]
    fn what_no_rule_knows_leaves_the_whole_part_to_a_person() {
        let rules = rules(r#"locations = [{ location = "1" }]"#);
        let cases: [fn(&mut StockRow); 4] = [
            |row| row.location_type = Some("ROBOT".into()),
            |row| row.location_type = None,
            |row| row.ownership = None,
            |row| row.on_hand = Decimal::MAX,
        ];
        for change in cases {
            let mut odd = row(1, 0);
            change(&mut odd);
            let told = sum(&[row(5, 0), odd], "S10", &rules, TODAY);
            assert!(matches!(told, PartStock::Unclear(_)), "{told:?}");
        }
    }
}
