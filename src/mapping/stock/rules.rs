//! The checked rules of a connection's stock: what the sums, plans and decisions ask. How they are written down: [`super::settings`].

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::rhythm;
use super::settings::{
    Levels, OutPolicy, OutSettings, RowSettings, SharedPart, ShopReserved, StockGroup, StockSettings,
};
use crate::mapping::rules::{Checks, RuleError};

/// Most units that a setting of units may name.
const UNITS_MAX: u32 = 1_000_000;

/// The checked rules of one connection's stock.
#[derive(Debug, Clone)]
pub struct StockRules {
    settings: StockSettings,
    revision: String,
    places: Vec<Place>,
    groups: Vec<Group>,
    channels: Vec<u64>,
}

/// A location of the shop and the stock that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Shopify's number of it.
    pub location: u64,
    /// `Contract`.
    pub site: String,
    /// Warehouses of the site; all of them where there is none.
    pub warehouses: Vec<String>,
}

impl Place {
    /// Whether it shows the stock of a warehouse of its site.
    pub fn shows(&self, warehouse: Option<&str>) -> bool {
        self.warehouses.is_empty() || warehouse.is_some_and(|name| self.warehouses.iter().any(|own| own == name))
    }
}

#[derive(Debug, Clone)]
struct Group {
    row: StockGroup,
    units: Option<Decimal>,
    locations: Option<Vec<u64>>,
}

/// What holds for one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuRule {
    /// Whether its levels follow IFS.
    pub levels: Levels,
    /// Units that are kept back at each location.
    pub safety: u32,
    /// Most units that a location shows.
    pub cap: Option<u32>,
    /// Units that may be sold before they are there.
    pub pre_order: u32,
    /// Units of the stock for one that is sold, where a group says so.
    pub units: Option<Decimal>,
    /// The only locations at which it is kept up to date, where a group says so.
    pub locations: Option<Vec<u64>>,
    /// What happens to its product when it has run out.
    pub out: OutPolicy,
    /// The groups that name it.
    pub groups: Vec<String>,
}

impl SkuRule {
    /// Whether its level at a location follows IFS.
    pub fn follows_at(&self, location: u64) -> bool {
        self.levels == Levels::Follow && self.locations.as_ref().is_none_or(|only| only.contains(&location))
    }
}

impl StockRules {
    /// Checks settings; all errors at once. `site` is the connection's own.
    ///
    /// # Errors
    /// One [`RuleError`] for each setting that cannot be meant.
    pub fn new(settings: StockSettings, site: &str) -> Result<Self, Vec<RuleError>> {
        let mut checks = Checks(Vec::new());
        let places = places(&mut checks, &settings, site);
        let groups = groups(&mut checks, &settings, &places);
        let channels = out(&mut checks, &settings);
        rows(&mut checks, &settings.rows);
        bounds(&mut checks, &settings);
        if !checks.0.is_empty() {
            return Err(checks.0);
        }
        let written = serde_json::to_vec(&settings).expect("maps with text keys always serialise");
        let revision = hex::encode(Sha256::digest(written));
        Ok(Self { settings, revision, places, groups, channels })
    }

    /// The digest of the rules: it changes when any of them does.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The settings as they were written.
    pub fn settings(&self) -> &StockSettings {
        &self.settings
    }

    /// The shop's locations that are kept up to date, in the order in which what is promised is taken from them.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places of one site, in that order.
    pub fn places_of<'r>(&'r self, site: &'r str) -> impl Iterator<Item = &'r Place> {
        self.places.iter().filter(move |place| place.site == site)
    }

    /// Every site whose stock is read, each once.
    pub fn sites(&self) -> Vec<&str> {
        let mut sites = Vec::new();
        for place in &self.places {
            if !sites.contains(&place.site.as_str()) {
                sites.push(place.site.as_str());
            }
        }
        sites
    }

    /// What happens with several SKUs of one part.
    pub fn shared_part(&self) -> SharedPart {
        self.settings.shared_part
    }

    /// What Shopify has reserved that no order has.
    pub fn reserved(&self) -> ShopReserved {
        self.settings.reserved
    }

    /// Which rows of IFS's stock count.
    pub fn rows(&self) -> &RowSettings {
        &self.settings.rows
    }

    /// What happens to products that have run out.
    pub fn out(&self) -> &OutSettings {
        &self.settings.out
    }

    /// The channels that a product leaves when it has run out, by Shopify's numbers of their publications.
    pub fn channels(&self) -> &[u64] {
        &self.channels
    }

    /// What holds for a SKU.
    pub fn of_sku(&self, sku: &str) -> SkuRule {
        let named: Vec<&Group> = self.groups.iter().filter(|group| names(&group.row, sku)).collect();
        SkuRule {
            levels: named.iter().find_map(|group| group.row.levels).unwrap_or(Levels::Follow),
            safety: named.iter().find_map(|group| group.row.safety).unwrap_or(self.settings.safety),
            cap: named.iter().find_map(|group| group.row.cap).or(self.settings.cap),
            pre_order: named.iter().find_map(|group| group.row.pre_order).unwrap_or(0),
            units: named.iter().find_map(|group| group.units),
            locations: named.iter().find_map(|group| group.locations.clone()),
            out: named.iter().find_map(|group| group.row.out).unwrap_or(self.settings.out.policy),
            groups: named.iter().map(|group| group.row.name.clone()).collect(),
        }
    }
}

/// Whether a group names a SKU.
pub(super) fn names(group: &StockGroup, sku: &str) -> bool {
    group.sku.iter().any(|named| match named.strip_suffix('*') {
        Some(beginning) => sku.starts_with(beginning),
        None => sku == named,
    })
}

fn places(checks: &mut Checks, settings: &StockSettings, own_site: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (index, row) in settings.locations.iter().enumerate() {
        let key = |key: &str| format!("stock.locations[{index}].{key}");
        let Some(location) = number(&row.location) else {
            checks.refuse(key("location"), &row.location, "Shopify's number of a location, as \"65712345\"");
            continue;
        };
        let site = row.site.as_deref().unwrap_or(own_site);
        if site.trim().is_empty() {
            checks.refuse(key("site"), site, "an IFS site, as \"S10\"");
        }
        if row.warehouses.iter().any(|name| name.trim().is_empty()) {
            checks.refuse(key("warehouses"), " ", "warehouses of IFS, none of them empty");
        }
        if places.iter().any(|other| other.location == location) {
            checks.refuse(key("location"), &row.location, "a location that stands here once");
        }
        // Stock that two locations show would be sold twice.
        let overlaps = |other: &&Place| {
            let both = row.warehouses.iter().any(|name| other.shows(Some(name)));
            other.site == site && (row.warehouses.is_empty() || other.warehouses.is_empty() || both)
        };
        if let Some(other) = places.iter().find(overlaps) {
            let expected = format!("warehouses that location {} does not show", other.location);
            checks.refuse(key("warehouses"), &row.warehouses.join(", "), expected);
        }
        places.push(Place { location, site: site.to_owned(), warehouses: row.warehouses.clone() });
    }
    if settings.is_on() && settings.locations.is_empty() {
        checks.refuse("stock.locations", "", "a location of the shop at least, as [{ location = \"65712345\" }]");
    }
    places
}

fn groups(checks: &mut Checks, settings: &StockSettings, places: &[Place]) -> Vec<Group> {
    let mut groups = Vec::new();
    for (index, row) in settings.groups.iter().enumerate() {
        let key = |key: &str| format!("stock.groups[{index}].{key}");
        if row.name.trim().is_empty() || settings.groups[..index].iter().any(|other| other.name == row.name) {
            checks.refuse(key("name"), &row.name, "a name that no other group has");
        }
        let is_sku = |text: &str| {
            let beginning = text.strip_suffix('*').unwrap_or(text);
            text == "*" || (!beginning.trim().is_empty() && !beginning.contains('*'))
        };
        if row.sku.is_empty() || !row.sku.iter().all(|text| is_sku(text)) {
            let expected = "SKUs, or the beginning of one and *, as [\"BOX-*\"]; [\"*\"] names them all";
            checks.refuse(key("sku"), &row.sku.join(", "), expected);
        }
        units_in_bounds(checks, row.safety, key("safety"));
        units_in_bounds(checks, row.pre_order, key("pre_order"));
        cap_in_bounds(checks, row.cap, key("cap"));
        let units = row.units.as_deref().and_then(|text| {
            let units = Decimal::from_str_exact(text).ok().filter(|units| is_conversion(*units));
            if units.is_none() {
                checks.refuse(key("units"), text, "how many units of the stock one takes, as \"12\"");
            }
            units
        });
        let locations = row.locations.as_ref().map(|named| {
            let known = |text: &String| {
                let number = text.parse::<u64>().ok()?;
                places.iter().any(|place| place.location == number).then_some(number)
            };
            if named.is_empty() || named.iter().any(|text| known(text).is_none()) {
                checks.refuse(key("locations"), &named.join(", "), "locations that stand in stock.locations");
            }
            named.iter().filter_map(known).collect()
        });
        groups.push(Group { row: row.clone(), units, locations });
    }
    groups
}

/// Whether a sales unit can be so many units of the stock.
pub(super) fn is_conversion(units: Decimal) -> bool {
    units > Decimal::ZERO && units <= Decimal::from(1_000_000) && units.normalize().scale() <= 9
}

fn out(checks: &mut Checks, settings: &StockSettings) -> Vec<u64> {
    let out = &settings.out;
    let mut channels = Vec::new();
    for channel in &out.channels {
        match number(channel) {
            Some(channel) => channels.push(channel),
            None => checks.refuse("stock.out.channels", channel, "Shopify's number of a publication"),
        }
    }
    let unpublishes = out.policy == OutPolicy::Unpublish
        || settings.groups.iter().any(|group| group.out == Some(OutPolicy::Unpublish));
    if unpublishes && out.channels.is_empty() {
        checks.refuse("stock.out.channels", "", "the channels that a product leaves");
    }
    if out.back_at <= out.out_at {
        checks.refuse("stock.out.back_at", &out.back_at.to_string(), "more than stock.out.out_at");
    }
    if out.rest_secs > 7 * 86_400 {
        checks.refuse("stock.out.rest_secs", &out.rest_secs.to_string(), "0 to 604800 (a week)");
    }
    channels
}

fn rows(checks: &mut Checks, rows: &RowSettings) {
    for (key, words) in [
        ("location_types", &rows.location_types),
        ("location_types_out", &rows.location_types_out),
        ("ownerships", &rows.ownerships),
        ("availability_controls", &rows.availability_controls),
        ("conditions", &rows.conditions),
    ] {
        if words.iter().any(|word| bare(word).next().is_none()) {
            checks.refuse(format!("stock.rows.{key}"), " ", "words of IFS, none of them empty");
        }
    }
    for word in rows.location_types_out.iter().filter(|word| is_among(&rows.location_types, word)) {
        checks.refuse("stock.rows.location_types_out", word, "a type that does not count");
    }
    if rows.expires_days_min > 3_650 {
        checks.refuse("stock.rows.expires_days_min", &rows.expires_days_min.to_string(), "0 to 3650");
    }
}

fn bounds(checks: &mut Checks, settings: &StockSettings) {
    rhythm::check(checks, settings);
    if !(1..=100).contains(&settings.fewer_percent_max) {
        checks.refuse("stock.fewer_percent_max", &settings.fewer_percent_max.to_string(), "1 to 100");
    }
    if settings.fewer_parts_min == 0 {
        checks.refuse("stock.fewer_parts_min", "0", "1 at least");
    }
    units_in_bounds(checks, Some(settings.safety), "stock.safety".to_owned());
    cap_in_bounds(checks, settings.cap, "stock.cap".to_owned());
}

fn units_in_bounds(checks: &mut Checks, units: Option<u32>, key: String) {
    if let Some(units) = units.filter(|units| *units > UNITS_MAX) {
        checks.refuse(key, &units.to_string(), format!("0 to {UNITS_MAX}"));
    }
}

/// Nothing would be shown under a cap of 0, of all SKUs where it is the connection's: nobody means that by a bound.
fn cap_in_bounds(checks: &mut Checks, cap: Option<u32>, key: String) {
    if let Some(cap) = cap.filter(|cap| !(1..=UNITS_MAX).contains(cap)) {
        let advice =
            "to leave levels alone set levels = \"leave\" in a group, to show nothing a safety of all there may be";
        checks.refuse(key, &cap.to_string(), format!("1 to {UNITS_MAX}; {advice}"));
    }
}

/// One of Shopify's numbers, which are above 0.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| *number > 0)
}

/// Whether a word of IFS stands in a list, in whatever writing: `CompanyOwned` is `COMPANY OWNED`.
pub(super) fn is_among(words: &[String], found: &str) -> bool {
    words.iter().any(|word| bare(word).eq(bare(found)))
}

/// Letters and figures alone, in capitals.
fn bare(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StockRules, Vec<String>> {
        let settings: StockSettings = toml::from_str(text).expect("the shape is right");
        StockRules::new(settings, "S10").map_err(|errors| errors.into_iter().map(|error| error.key).collect())
    }

    #[test]
    fn the_first_group_that_has_a_figure_gives_it() {
        let rules = read(
            r#"
            safety = 2
            locations = [{ location = "1" }, { location = "2", site = "S20" }]
            groups = [
                { name = "boxes", sku = ["BOX-*"], units = "12", safety = 0 },
                { name = "web", sku = ["BOX-1", "TEA"], safety = 5, cap = 9, locations = ["2"] },
            ]
            "#,
        )
        .expect("legal");
        let boxed = rules.of_sku("BOX-1");
        assert_eq!((boxed.safety, boxed.cap, boxed.units), (0, Some(9), Some(Decimal::from(12))));
        assert!(boxed.follows_at(2) && !boxed.follows_at(1));
        assert_eq!(boxed.groups, ["boxes", "web"]);
        let other = rules.of_sku("TEA-2");
        assert_eq!((other.safety, other.cap, other.units), (2, None, None));
        assert!(other.follows_at(1));
        assert_eq!(rules.sites(), ["S10", "S20"]);
    }

    #[test]
    fn stock_that_two_locations_would_show_is_refused() {
        let beside =
            |second: &str| read(&format!(r#"locations = [{{ location = "1", warehouses = ["A"] }}, {second}]"#));
        assert!(beside(r#"{ location = "2", warehouses = ["B"] }"#).is_ok());
        for second in [r#"{ location = "2" }"#, r#"{ location = "2", warehouses = ["B", "A"] }"#] {
            assert_eq!(beside(second).expect_err("twice"), ["stock.locations[1].warehouses"]);
        }
        assert_eq!(
            read(r#"locations = [{ location = "1" }, { location = "1", site = "S20" }]"#).expect_err("twice"),
            ["stock.locations[1].location"]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_all_at_once() {
        let keys = read(
            r#"
            every_secs = 5
            locations = [{ location = "Stockholm" }, { location = "0" }]
            safety = 1000001
            cap = 0
            fewer_percent_max = 0
            groups = [
                { name = "a", sku = ["BOX-*-1"], units = "0", locations = ["9"], out = "unpublish" },
                { name = "b", sku = ["BOX"], safety = 4000000000, cap = 0, pre_order = 1000001 },
            ]
            rows = { location_types = ["QA"], ownerships = [" "] }
            out = { out_at = 1, back_at = 1 }
            "#,
        )
        .expect_err("wrong");
        for key in [
            "stock.every_secs",
            "stock.locations[0].location",
            "stock.locations[1].location",
            "stock.safety",
            "stock.cap",
            "stock.fewer_percent_max",
            "stock.groups[0].sku",
            "stock.groups[1].safety",
            "stock.groups[1].cap",
            "stock.groups[1].pre_order",
            "stock.groups[0].units",
            "stock.groups[0].locations",
            "stock.rows.location_types_out",
            "stock.rows.ownerships",
            "stock.out.channels",
            "stock.out.back_at",
        ] {
            assert!(keys.iter().any(|found| found == key), "{key} is not among {keys:?}");
        }
    }

    #[test]
    fn a_group_of_all_skus_leaves_their_levels_alone() {
        let rules = read(
            r#"
            locations = [{ location = "1" }]
            groups = [{ name = "one", sku = ["TEA"], levels = "follow" }, { name = "all", sku = ["*"], levels = "leave" }]
            "#,
        )
        .expect("legal");
        assert!(rules.of_sku("TEA").follows_at(1));
        assert!(!rules.of_sku("CUP").follows_at(1) && !rules.of_sku("").follows_at(1));
    }

    #[test]
    fn the_defaults_are_legal_and_do_nothing() {
        let rules = StockRules::new(StockSettings::default(), "S10").expect("legal");
        assert_eq!((rules.settings().every_secs, rules.places().len()), (0, 0));
        assert_eq!(rules.of_sku("A").out, OutPolicy::Off);
    }
}
