//! Which sales part of IFS a line becomes. Rows that name something beat the SKU as it stands, and that beats parts that stand
//! for many things.

use super::packages::package_of;
use super::park::ParkReason;
use super::rules::Rules;
use super::rules::gl::{Because, Choice};
use crate::domain::order::{Line, LineKind, Order};

/// IFS's `CatalogDesc` holds this much (characters).
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Says that a text went on.
const CUT_MARK: &str = " […]";

/// The sales part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// `CatalogNo`.
    pub(super) catalog_no: String,
    /// `CatalogDesc`, for parts that stand for many things.
    pub(super) description: Option<String>,
    /// What chose it.
    pub(super) because: String,
}

/// Chooses the part: a GL rule, then `sku_map`, `variant_map`, `barcode_map`, a gift card's own part, the SKU as it stands,
/// `title_map`, `custom_part` for what was typed in, `default_part`.
///
/// # Errors
/// Parks a line that no rule has a part for.
pub(super) fn part_for(line: &Line, order: &Order, rules: &Rules) -> Result<Part, ParkReason> {
    let settings = rules.settings();
    let sku = line.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty());
    // 1. What somebody wrote down for exactly this.
    if let Some(picked) = rules.choose(Choice::Part, order, Some(line)) {
        return Ok(part(picked.value, &picked.because));
    }
    let variant = line.variant_id.map(|id| id.to_string());
    if let Some(part) = written_down(sku, variant.as_deref(), line.barcode.as_deref(), rules) {
        return Ok(part);
    }
    // 2. A bundle is a part of its own or none: a part that stands for many things would lose its components.
    if let Some(group) = package_of(line) {
        let because = "the bundle's SKU".to_owned();
        let named = sku.map(|sku| Part { catalog_no: rules.catalog_no(sku), description: None, because });
        return named.ok_or_else(|| {
            let add =
                variant.map_or_else(String::new, |id| format!(": add variant_map.\"{id}\" with IFS's package part"));
            let text = format!("bundle {} (\"{}\") has no SKU{add}; or enter the order by hand", group.id, group.title);
            ParkReason::mapping("bundle_without_sku", text)
        });
    }
    // 3. A gift card is a liability, whatever its SKU.
    if line.kind == LineKind::GiftCard {
        let named = settings.gift_card_part.as_deref();
        let what = "sells a gift card, and gift_card_part is not set: name a non-inventory sales part there";
        return named
            .map(|named| standing_for(line, named, "gift_card_part"))
            .ok_or_else(|| none(line, "gift_card", what));
    }
    // 4. The SKU as it stands; also of products that were deleted since.
    if let Some(sku) = sku {
        let because = "the line's SKU".to_owned();
        return Ok(Part { catalog_no: rules.catalog_no(sku), description: None, because });
    }
    // 5. Without a SKU.
    if let Some(catalog_no) = settings.title_map.get(&line.title) {
        return Ok(part(catalog_no, &Because::Setting("title_map".into())));
    }
    let typed_in = variant.is_none() && line.product_id.is_none();
    if let Some(named) = settings.custom_part.as_deref().filter(|_| typed_in) {
        return Ok(standing_for(line, named, "custom_part"));
    }
    if let Some(named) = settings.default_part.as_deref() {
        return Ok(standing_for(line, named, "default_part"));
    }
    let what = match variant {
        Some(id) => format!("has no SKU: add variant_map.\"{id}\" with IFS's CatalogNo, or set default_part"),
        None => "was typed in and has no SKU, and neither custom_part nor default_part is set: name a non-inventory sales part there".to_owned(),
    };
    Err(none(line, "line_without_sku", &what))
}

/// The part of a row of `sku_map`, `variant_map` or `barcode_map`.
pub(super) fn written_down(
    sku: Option<&str>,
    variant: Option<&str>,
    barcode: Option<&str>,
    rules: &Rules,
) -> Option<Part> {
    let settings = rules.settings();
    let maps = [
        ("sku_map", &settings.sku_map, sku),
        ("variant_map", &settings.variant_map, variant),
        ("barcode_map", &settings.barcode_map, barcode),
    ];
    maps.into_iter().find_map(|(key, map, name)| {
        let (name, catalog_no) = map.get_key_value(name?)?;
        Some(part(catalog_no, &Because::Setting(format!("{key}.{name}"))))
    })
}

fn part(catalog_no: &str, because: &Because<'_>) -> Part {
    Part { catalog_no: catalog_no.to_owned(), description: None, because: because.to_string() }
}

/// The non-inventory part that stands for everything of its kind, with the line's own words.
fn standing_for(line: &Line, catalog_no: &str, key: &str) -> Part {
    let because = Because::Setting(key.into());
    let description = Some(fitting(&line.title)).filter(|title| !title.is_empty());
    Part { description, ..part(catalog_no, &because) }
}

fn none(line: &Line, code: &'static str, what: &str) -> ParkReason {
    let text = format!("line {} {what}; or enter the order by hand", line.id);
    ParkReason::mapping(code, text)
}

/// The title, cut with a visible mark where it is too long.
fn fitting(title: &str) -> String {
    if title.chars().count() <= DESCRIPTION_CHARS_MAX {
        return title.to_owned();
    }
    let keep = DESCRIPTION_CHARS_MAX - CUT_MARK.chars().count();
    title.chars().take(keep).chain(CUT_MARK.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;
    use crate::mapping::rules::MappingSettings;
    use crate::mapping::rules::settings::SkuCase;

    fn chosen(change: fn(&mut MappingSettings), of: fn(&mut Line)) -> Result<(String, String), ParkReason> {
        let mut settings = fixtures::settings();
        change(&mut settings);
        let rules = Rules::new(settings).expect("legal");
        let order = fixtures::order("plain-eur");
        let mut line = order.lines[0].clone();
        (line.sku, line.variant_id, line.barcode) = (Some("web-ab".into()), Some(5), Some("4006381333931".into()));
        line.title = "Cup".into();
        of(&mut line);
        part_for(&line, &order, &rules).map(|part| (part.catalog_no, part.because))
    }

    fn maps(settings: &mut MappingSettings) {
        settings.sku_prefix_strip = "web-".into();
        settings.sku_case = SkuCase::Upper;
        settings.sku_map.insert("web-1".into(), "ONE".into());
        settings.variant_map.insert("6".into(), "SIX".into());
        settings.barcode_map.insert("400".into(), "BAR".into());
        settings.title_map.insert("Mug".into(), "MUG".into());
    }

    #[test]
    fn rows_beat_the_sku_and_the_sku_beats_parts_for_many_things() {
        let of = |of: fn(&mut Line)| chosen(maps, of).map(|(part, _)| part);
        assert_eq!(of(|_| ()).as_deref(), Ok("AB"));
        assert_eq!(of(|line| line.sku = Some("web-1".into())).as_deref(), Ok("ONE"));
        assert_eq!(of(|line| line.variant_id = Some(6)).as_deref(), Ok("SIX"));
        assert_eq!(of(|line| line.barcode = Some("400".into())).as_deref(), Ok("BAR"));
        assert_eq!(of(|line| line.title = "Mug".into()).as_deref(), Ok("AB"), "a title is the weakest name");
        assert_eq!(of(|line| (line.sku, line.title) = (Some(" ".into()), "Mug".into())).as_deref(), Ok("MUG"));
        assert_eq!(of(|line| line.kind = LineKind::GiftCard).as_deref(), Ok("GIFTCARD"));
        assert_eq!(of(|line| (line.product_id, line.variant_id) = (None, None)).as_deref(), Ok("AB"), "deleted since");
        let typed_in: fn(&mut Line) = |line| (line.sku, line.product_id, line.variant_id) = (None, None, None);
        assert_eq!(of(typed_in).as_deref(), Ok("CUSTOM"));
    }

    #[test]
    fn a_line_without_a_part_parks_and_names_the_row_to_add() {
        let parked = chosen(maps, |line| line.sku = None).expect_err("no SKU");
        assert_eq!(parked.code, "line_without_sku");
        assert!(parked.text.contains("add variant_map.\"5\""), "{}", parked.text);
        let default: fn(&mut MappingSettings) = |settings| settings.default_part = Some("DEFAULT-PART".into());
        let (part, because) = chosen(default, |line| line.sku = None).expect("the default part");
        assert_eq!((part.as_str(), because.as_str()), ("DEFAULT-PART", "setting default_part"));
    }
}
