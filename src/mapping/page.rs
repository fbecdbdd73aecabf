//! docs/mapping.md tells the truth: each of its tables that is marked `<!-- checked: … -->` is made anew from the code and
//! compared, and each setting that it names is one. Test code only.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test page` writes the tables anew; read the difference before you commit it.

use rust_decimal::Decimal;

use super::desired::{DesiredOrder, DesiredRow};
use super::fixtures::{desired_of, order, re_read, settings, settings_with};
use super::price::{exact_percent, net_price, split};
use super::rules::updates::{Change, Stage, UpdateTable};
use super::rules::{MappingSettings, Rules};
use super::scalar::Scalar;
use super::stock::StockRules;
use super::stock::prices::{IfsPrice, PricePlan, PriceRules, Standing};
use super::stock::rows::{LocationStock, PartStock, PartSums};
use super::stock::settings::{PriceSettings, PriceSource, StockSettings};
use super::stock::target::{Books, Demand, Goods, Pool, Target, plan};
use super::stock::unwritten::SkuOrders;
use super::summed::figure;
use super::tax::predicted;
use crate::domain::money::Currency;
use crate::domain::stock::{LevelKey, LevelReading, SalesPart};
use crate::ifs::wire::names;

const MARK: &str = "<!-- checked: ";

fn path() -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "docs", "mapping.md"].iter().collect()
}

fn page() -> String {
    std::fs::read_to_string(path()).expect("docs/mapping.md")
}

fn euro() -> Currency {
    Currency::from_code("EUR").expect("exists")
}

/// `1,399.97`: at least two decimals, thousands apart.
fn shown(amount: Decimal) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    let text = amount.abs().to_string();
    let (whole, rest) = text.split_once('.').expect("two decimals at least");
    let digits: Vec<char> = whole.chars().collect();
    let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
    let sign = if amount < Decimal::ZERO { "-" } else { "" };
    format!("{sign}{}.{rest}", groups.join(","))
}

fn read(cell: &str) -> Decimal {
    figure(&cell.trim().replace(',', ""))
}

/// The table under a mark: its rows below the heading, made anew. `told` are the rows that stand there, cell by cell.
fn made(mark: &str, told: &[Vec<String>]) -> Vec<Vec<String>> {
    let (kind, rest) = mark.split_once(' ').unwrap_or((mark, ""));
    match kind {
        "prices" => told.iter().map(|row| price_row(row)).collect(),
        "splits" => told.iter().map(|row| split_row(row)).collect(),
        "percents" => told.iter().map(|row| percent_row(row)).collect(),
        "taxes" => told.iter().map(|row| tax_row(row)).collect(),
        "order" => order_rows(rest),
        "changes" => change_rows(told),
        "parks" => told.iter().map(|row| park_row(row)).collect(),
        "shows" => told.iter().map(|row| level_row(row)).collect(),
        "shelves" => told.iter().map(|row| shelves_row(row)).collect(),
        "asks" => told.iter().map(|row| asked_row(row)).collect(),
        other => panic!("docs/mapping.md: no table is called {other}"),
    }
}

/// Units, worth, price in IFS, units times price, what IFS holds.
fn price_row(row: &[String]) -> Vec<String> {
    let (units, worth): (u32, _) = (row[0].parse().expect("units"), read(&row[1]));
    let price = net_price(worth, units, 2, 8).expect("a price");
    let product = price * Decimal::from(units);
    vec![row[0].clone(), shown(worth), shown(price), shown(product), shown(euro().round(product))]
}

/// Units, worth, the first row, the second row.
fn split_row(row: &[String]) -> Vec<String> {
    let (units, worth): (u32, _) = (row[0].parse().expect("units"), read(&row[1]));
    let cells = match split(worth, units, euro()) {
        Some(rows) => rows.map(|row| format!("{} x {}", row.units, shown(row.price))),
        None => [format!("{units} x {}", shown(worth / Decimal::from(units))), "-".into()],
    };
    [vec![row[0].clone(), shown(worth)], cells.to_vec()].concat()
}

/// Units, list price, discount, worth, the percent in IFS, else the price.
fn percent_row(row: &[String]) -> Vec<String> {
    let (units, list, off): (u32, _, _) = (row[0].parse().expect("units"), read(&row[1]), read(&row[2]));
    let gross = list * Decimal::from(units);
    let worth = gross - off;
    let sent = match exact_percent(gross, worth, euro()) {
        Some(percent) => format!("{} less {} %", shown(list), percent.normalize()),
        None => shown(net_price(worth, units, 2, 8).expect("a price")),
    };
    vec![row[0].clone(), shown(list), shown(off), shown(worth), sent]
}

/// Amount, whether with or without tax, rates, the tax.
fn tax_row(row: &[String]) -> Vec<String> {
    let rates: Vec<Decimal> =
        row[2].split('+').map(|rate| read(rate.trim().trim_end_matches('%')) / Decimal::ONE_HUNDRED).collect();
    let included = match row[1].as_str() {
        "with tax" => true,
        "without tax" => false,
        other => panic!("docs/mapping.md: \"with tax\" or \"without tax\", not {other}"),
    };
    let amount = read(&row[0]);
    let tax = predicted(amount, &rates, included, euro());
    vec![shown(amount), row[1].clone(), row[2].clone(), shown(tax)]
}

/// `NAME`, or `NAME; key = "value"; …`: a fixture's rows in IFS.
fn order_rows(of: &str) -> Vec<Vec<String>> {
    let (name, keys) = of.split_once(';').unwrap_or((of, ""));
    let settings = settings_with(&keys.replace(';', "\n")).unwrap_or_else(|error| panic!("{of}: {error}"));
    let rules = Rules::new(settings).unwrap_or_else(|errors| panic!("{of}: {errors:?}"));
    let told = order(name);
    let asked = told.not_whole().is_some() || told.lacks_facts(rules.needs());
    let told = if asked { re_read(name) } else { told };
    let desired = desired_of(&told, &rules);
    let mut rows: Vec<Vec<String>> = desired.lines.iter().map(|row| ifs_row("line", row)).collect();
    rows.extend(desired.charges.iter().map(|row| ifs_row("charge", row)));
    rows.push(whole(&desired));
    rows
}

fn ifs_row(kind: &str, row: &DesiredRow) -> Vec<String> {
    let text = |field: &str| row.fields.get(field).map_or_else(String::new, ToString::to_string);
    let number = |field: &str| match row.fields.get(field) {
        Some(Scalar::Decimal(number)) => Some(*number),
        _ => None,
    };
    let one_of = |fields: &[&str]| fields.iter().find_map(|field| number(field));
    let price = one_of(&[
        names::SALE_UNIT_PRICE,
        names::UNIT_PRICE_INCL_TAX,
        names::CHARGE_AMOUNT,
        names::CHARGE_AMOUNT_INCL_TAX,
    ]);
    let price = shown(price.expect("one price field"));
    let price = match number(names::DISCOUNT).filter(|percent| !percent.is_zero()) {
        Some(percent) => format!("{price} less {percent} %"),
        None => price,
    };
    let units = one_of(&[names::BUY_QTY_DUE, names::CHARGED_QTY]).expect("units").to_string();
    let what = format!("{kind} {}{}", text(names::CATALOG_NO), text(names::CHARGE_TYPE));
    let tax = format!("{}{}", text(names::TAX_CODE), text(names::TAX_CALC_STRUCTURE_ID));
    let tax = if tax.is_empty() { "-".to_owned() } else { tax };
    vec![what, units, price, tax, shown(row.expect.amount), shown(row.expect.tax)]
}

fn whole(desired: &DesiredOrder) -> Vec<String> {
    let expected = &desired.expected;
    let basis = if expected.tax_included { "prices with tax" } else { "prices without tax" };
    let total = format!("{} {}", shown(expected.total), expected.currency);
    vec![format!("whole order, {basis}"), String::new(), String::new(), String::new(), total, shown(expected.tax)]
}

/// A change and what is done about it in each state; the first cell is the page's own words after the code's.
fn change_rows(told: &[Vec<String>]) -> Vec<Vec<String>> {
    let table = UpdateTable::default();
    let row = |change: Change| {
        let words = format!("`{}`", change.as_str());
        let heading = told.iter().map(|row| row[0].clone()).find(|cell| cell.starts_with(&words)).unwrap_or(words);
        let cells = Stage::ALL.map(|stage| table.cell(change, stage).as_str().to_owned());
        [vec![heading], cells.to_vec()].concat()
    };
    Change::ALL.map(row).to_vec()
}

/// A code of a park and what to do: the code must be one of the mapping's.
fn park_row(row: &[String]) -> Vec<String> {
    let code = format!("\"{}\"", row[0].trim_matches('`'));
    let sources = [
        include_str!("address.rs"),
        include_str!("gate.rs"),
        include_str!("header.rs"),
        include_str!("judge.rs"),
        include_str!("packages.rs"),
        include_str!("sku.rs"),
        include_str!("tax.rs"),
        include_str!("rows/charges.rs"),
        include_str!("rows/closing.rs"),
        include_str!("rows/goodwill.rs"),
        include_str!("rows/lines.rs"),
        include_str!("rows/mod.rs"),
        include_str!("rows/worth.rs"),
    ];
    assert!(sources.iter().any(|source| source.contains(&code)), "docs/mapping.md: nothing parks by {code}");
    row.to_vec()
}

/// On hand, reserved, open lines, orders' units that IFS does not hold, what the shop has reserved, settings; then what is left, whole
/// units, what is shown.
fn level_row(row: &[String]) -> Vec<String> {
    let count = |cell: &str| cell.parse::<i64>().expect("a count");
    let setting = |text: &str| {
        let (name, value) = text.trim_start_matches('`').split_once("` ").expect("a name and a figure");
        let quote = if name == "units" { "\"" } else { "" };
        format!(", {name} = {quote}{value}{quote}")
    };
    // One setting is the connection's, the others are a group's.
    let (own, of_group): (Vec<&str>, Vec<&str>) =
        row[5].split(", ").filter(|text| *text != "-").partition(|text| text.starts_with("`reserved`"));
    let own = if own.is_empty() { "" } else { "reserved = \"ignore\"" };
    let settings: String = of_group.into_iter().map(setting).collect();
    let group = format!("groups = [{{ name = \"all\", sku = [\"*\"]{settings} }}]");
    let rules = format!("{own}\nlocations = [{{ location = \"1\" }}]\n{group}");
    let shelf = (count(&row[0]), count(&row[1]));
    let targets = levels(&rules, &[shelf], count(&row[2]), (count(&row[3]), count(&row[4])));
    let terms = &targets[0].terms;
    let left: Decimal = terms.steps().iter().map(|(_, units)| *units).sum();
    let figures = [left.normalize().to_string(), terms.whole.to_string(), targets[0].wanted.to_string()];
    [row[..6].to_vec(), figures.to_vec()].concat()
}

/// On hand and reserved at each of two locations, open lines; then what each shows.
fn shelves_row(row: &[String]) -> Vec<String> {
    let count = |index: usize| row[index].parse::<i64>().expect("a count");
    let rules = r#"locations = [{ location = "1", warehouses = ["A"] }, { location = "2", warehouses = ["B"] }]"#;
    let targets = levels(rules, &[(count(0), count(1)), (count(2), count(3))], count(4), (0, 0));
    [row[..5].to_vec(), targets.iter().map(|target| target.wanted.to_string()).collect()].concat()
}

/// The levels of one SKU, of which a shelf has so many on hand and reserved at each location. Of the shop's figures: what orders take that
/// IFS does not hold, and what is reserved for what is no order yet.
fn levels(rules: &str, shelves: &[(i64, i64)], demand: i64, (unwritten, shop_reserved): (i64, i64)) -> Vec<Target> {
    let settings: StockSettings = toml::from_str(rules).unwrap_or_else(|error| panic!("{rules}: {error}"));
    let rules = StockRules::new(settings, "S10").unwrap_or_else(|errors| panic!("{rules}: {errors:?}"));
    let stock = |(location, &(on_hand, reserved)): (u64, &(i64, i64))| LocationStock {
        location,
        on_hand: on_hand.into(),
        reserved: reserved.into(),
    };
    let locations: Vec<LocationStock> = (1..).zip(shelves).map(stock).collect();
    let reserved: Decimal = locations.iter().map(|shelf| shelf.reserved).sum();
    let level = |shelf: &LocationStock| LevelReading {
        key: LevelKey { item: 7, location: shelf.location },
        available: 0,
        committed: 0,
        reserved: if shelf.location == 1 { shop_reserved } else { 0 },
        pending: None,
    };
    let goods = Goods {
        catalog_no: "CUP".into(),
        conversion: Decimal::ONE,
        rule: rules.of_sku("CUP"),
        orders: SkuOrders { unwritten_here: unwritten, reserved: shop_reserved, ..SkuOrders::default() },
        levels: locations.iter().map(level).collect(),
    };
    let demand = Decimal::from(demand);
    let pool = Pool {
        stock: PartStock::Read(PartSums { locations, reserved }),
        demand: Demand { unreserved_before: demand, unreserved_after: demand, open_after: demand + reserved },
        goods: vec![goods],
        books: Books::Current,
    };
    plan(&pool, &rules).unwrap_or_else(|left| panic!("{}", left.text("CUP")))
}

/// IFS's price with tax, how many units of it one sale has, what the list shows, what the shop itself does; then what becomes of it.
fn asked_row(row: &[String]) -> Vec<String> {
    let amount = |cell: &str| (cell != "-").then(|| read(cell));
    let settings = PriceSettings {
        source: PriceSource::SalesPart,
        currency: "EUR".into(),
        list_currency: "EUR".into(),
        ..PriceSettings::default()
    };
    let rules = PriceRules::new(settings).unwrap_or_else(|errors| panic!("{errors:?}"));
    let part = SalesPart {
        catalog_no: "CUP".into(),
        part_no: None,
        conversion: Decimal::ONE,
        price_conversion: read(&row[1]),
        is_active: true,
        list_price: None,
        list_price_incl_tax: amount(&row[0]),
        currency: None,
    };
    let price: IfsPrice = rules.of_part(&part);
    let standing = Standing { currency: euro(), shown: amount(&row[2]), own: amount(&row[3]) };
    let becomes = match rules.plan("CUP", standing, &price, None) {
        PricePlan::Keep => "stays".to_owned(),
        PricePlan::Change(money) => shown(money.amount()),
        PricePlan::Park(reason) => format!("waits: `{}`", reason.code),
    };
    [row[..4].to_vec(), vec![becomes]].concat()
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The page with every marked table made anew.
fn made_anew(page: &str) -> String {
    let mut lines = page.lines().peekable();
    let mut anew = String::new();
    while let Some(line) = lines.next() {
        anew.push_str(line);
        anew.push('\n');
        let Some(mark) = line.strip_prefix(MARK) else { continue };
        let mark = mark.strip_suffix(" -->").unwrap_or_else(|| panic!("{line}: one line, ending in -->"));
        for _ in 0..2 {
            let heading = lines.next().filter(|line| line.starts_with('|'));
            anew.push_str(heading.unwrap_or_else(|| panic!("{mark}: a table with a heading was expected")));
            anew.push('\n');
        }
        let mut told = Vec::new();
        while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
            told.push(cells(row));
        }
        for row in made(mark, &told) {
            anew.push_str(&format!("| {} |\n", row.join(" | ")));
        }
    }
    anew
}

#[test]
fn every_table_of_the_page_is_what_the_code_does() {
    let told = page();
    let anew = made_anew(&told);
    assert!(told.matches(MARK).count() >= 20, "the marks are gone");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path(), &anew).expect("docs/mapping.md can be written");
        return;
    }
    let others: Vec<_> = told.lines().zip(anew.lines()).filter(|(told, anew)| told != anew).collect();
    assert!(told == anew, "the page says, the code does (UPDATE_SNAPSHOTS=1 takes it over): {others:#?}");
}

#[test]
fn every_setting_that_the_page_names_is_one() {
    let page = page();
    let mut seen = 0;
    for code in page.split('`').skip(1).step_by(2).filter(|code| code.contains(" = ")) {
        seen += 1;
        let settings = settings_with(code).unwrap_or_else(|error| panic!("{code}: {error}"));
        assert_ne!(settings, MappingSettings { site: String::new(), ..self::settings() }, "{code}");
    }
    assert!(seen > 10, "the page names its settings");
}
