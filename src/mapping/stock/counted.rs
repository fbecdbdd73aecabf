//! Which group of the settings gave which figures of a SKU, for whoever asks how its levels came about.

use super::rules::names;
use super::settings::{StockGroup, StockSettings};

/// The groups that count for a SKU, each with the keys of the figures that it gives: for each figure the first that has it.
pub fn counted<'s>(settings: &'s StockSettings, sku: &str) -> Vec<(&'s str, Vec<&'static str>)> {
    let mut given: Vec<&'static str> = Vec::new();
    let mut counted = Vec::new();
    for group in settings.groups.iter().filter(|group| names(group, sku)) {
        let own = figures_of(group).into_iter().filter(|(key, has)| *has && !given.contains(key));
        let own: Vec<&'static str> = own.map(|(key, _)| key).collect();
        given.extend(&own);
        if !own.is_empty() {
            counted.push((group.name.as_str(), own));
        }
    }
    counted
}

/// The keys of a group's figures, and whether it has them.
fn figures_of(group: &StockGroup) -> [(&'static str, bool); 7] {
    [
        ("levels", group.levels.is_some()),
        ("safety", group.safety.is_some()),
        ("cap", group.cap.is_some()),
        ("pre_order", group.pre_order.is_some()),
        ("units", group.units.is_some()),
        ("locations", group.locations.is_some()),
        ("out", group.out.is_some()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_the_first_groups_that_has_it() {
        let settings: StockSettings = toml::from_str(
            r#"groups = [
                { name = "boxes", sku = ["BOX-*"], units = "12", safety = 0 },
                { name = "others", sku = ["TEA"], cap = 1 },
                { name = "web", sku = ["BOX-1"], safety = 5, cap = 9, locations = ["2"] },
                { name = "late", sku = ["BOX-1"], cap = 8 },
            ]"#,
        )
        .expect("the shape is right");
        let wanted = [("boxes", vec!["safety", "units"]), ("web", vec!["cap", "locations"])];
        assert_eq!(counted(&settings, "BOX-1"), wanted);
        assert!(counted(&settings, "CUP").is_empty());
    }
}
