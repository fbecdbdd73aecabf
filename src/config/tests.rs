//! Each refusal once, and that `default.toml` tells the truth: its defaults load, its examples load, and it knows every key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::{ConfigErrors, Mode, Settings, Sources};
use crate::mapping::rules::MappingSettings;
use crate::mapping::stock::{PriceSettings, StockSettings};

const GOOD: &str = r#"
[ifs.main]
base_url = "https://erp.example.com"
realm = "prod"

[connections.acme]
shop = "acme.myshopify.com"
ifs = "main"
company = "10"
site = "S10"
orders_from = 2026-12-01T00:00:00Z
time_zone = "Europe/Stockholm"
customer_no = "WEB-DEFAULT"
coordinator = "WEB"
order_type = "NO"
cancel_reason = "WEB"
"#;

struct Written {
    _folder: tempfile::TempDir,
    sources: Sources,
}

fn written(text: &str) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ml-connector.toml");
    std::fs::write(&file, text).expect("a file");
    Written { _folder: folder, sources: Sources { file: Some(file), environment: BTreeMap::new() } }
}

fn load(text: &str) -> Result<Settings, ConfigErrors> {
    Settings::load(&written(text).sources)
}

/// The lines of what is wrong with `text`, without the file's name.
fn errors(text: &str) -> Vec<String> {
    let written = written(text);
    let file = written.sources.file.as_ref().expect("a file").display().to_string();
    let errors = Settings::load(&written.sources).expect_err("something is wrong");
    errors.to_string().lines().map(|line| line.replace(&file, "F")).collect()
}

/// The one thing that is wrong with the good settings when `from` is replaced by `to`.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the good settings");
    let found = errors(&GOOD.replace(from, to));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().expect("one")
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let mut written = written(text);
    written.sources.environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Settings::load(&written.sources)
}

#[test]
fn little_is_needed_and_the_rest_has_a_default() {
    let settings = load(GOOD).expect("good settings");
    let (name, connection) = settings.connections.iter().next().expect("a connection");
    let (tenant, ifs) = settings.tenants.iter().next().expect("a tenant");
    assert_eq!((name.as_str(), tenant.as_str()), ("acme", "main"));
    assert_eq!(connection.link.ifs, *tenant);
    assert_eq!(connection.rules.orders_from().to_string(), "2026-12-01T00:00:00Z");
    assert_eq!(connection.rules.settings().time_zone, "Europe/Stockholm");
    assert_eq!(connection.rules.settings().batch_parts_max, 100);
    assert_eq!(connection.link.mode, Mode::Observe);
    assert_eq!((ifs.request_timeout_secs, ifs.statement_limit_secs, ifs.wait_honoured), (120, 900, false));
    assert_eq!(ifs.actions.cancel, "CustomerOrder_SetCancelled");
    assert_eq!(settings.server.webhook_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database.url.expose_secret(), "sqlite:ml-connector.db");
}

#[test]
fn a_public_address_is_one_that_shopify_can_reach_and_webhooks_lead_below_it() {
    let at = |url: &str| format!("[server]\npublic_url = \"{url}\"\n{GOOD}");
    for (url, leads) in [
        ("https://hooks.example.com", "https://hooks.example.com/webhooks/acme"),
        ("https://example.com:8443/erp/", "https://example.com:8443/erp/webhooks/acme"),
    ] {
        let settings = load(&at(url)).expect(url);
        let name = settings.connections.keys().next().expect("a connection");
        assert_eq!(settings.webhook_address(name).as_deref(), Some(leads));
    }
    for url in [
        "http://hooks.example.com",
        "https://localhost",
        "https://127.0.0.1",
        "https://10.0.0.7",
        "https://me:secret@hooks.example.com",
        "https://hooks.example.com/?a=b",
    ] {
        let found = errors(&at(url));
        assert!(found.len() == 1 && found[0].contains("public_url"), "{url}: {found:#?}");
        assert!(!found[0].contains("me:secret"), "{found:#?}");
    }
    let settings = load(GOOD).expect("good");
    let name = settings.connections.keys().next().expect("a connection");
    assert_eq!(settings.webhook_address(name), None);
}

#[test]
fn how_a_token_is_had_and_who_watches_subscriptions_is_one_of_a_few_words() {
    let with = |line: &str| error("ifs = \"main\"", &format!("ifs = \"main\"\n{line}"));
    assert!(with("shopify_auth = \"oauth\"").contains("expiring_token"));
    assert!(with("webhook_watch = \"always\"").contains("report"));
    assert!(with("webhook_watch_secs = 5").contains("60 to 604800"));
}

#[test]
fn the_examples_of_every_key_load_together() {
    // `#key = …` shows a key without a default: taken as written, all of them must be accepted.
    let shown: String = super::DEFAULT_TOML
        .lines()
        .map(|line| if line.starts_with('#') && !line.starts_with("# ") { &line[1..] } else { line })
        .filter(|line| !line.starts_with("operator_token_file") && !line.starts_with("url"))
        .map(|line| format!("{}\n", line.replace("NAME", "main")))
        .collect();
    let settings = load(&shown.replace("allow = []", "allow = [\"127.0.0.1\"]")).expect("the examples");
    assert_eq!(settings.connections.len(), 1);
}

/// The keys of `section` as `default.toml` has them, tables inside it by their name.
fn documented(section: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut at = "";
    for line in super::DEFAULT_TOML.lines() {
        let key = line.strip_prefix('#').unwrap_or(line).split(" = ").next().unwrap_or_default();
        if let Some(header) = line.strip_prefix('[') {
            at = header.trim_end_matches(']');
            let inside = at.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
            keys.extend(
                inside.filter(|inside| !inside.starts_with(super::NAME) && !inside.contains('.')).map(str::to_owned),
            );
        } else if at == section && key != line && !key.is_empty() && !key.contains(' ') {
            keys.insert(key.to_owned());
        }
    }
    keys
}

#[test]
fn default_toml_has_every_key_that_is_read_and_no_other() {
    for section in
        ["server", "database", "vault", "telemetry", "egress", "standing_query", "ifs.NAME", "connections.NAME"]
    {
        let wrong = format!("[{}]\nzzzzzzzzzzzzzzzzzzzzzzzz = 1\n", section.replace(super::NAME, "x"));
        let found = errors(&wrong);
        let known = found.iter().find_map(|line| line.split_once("known here: ")).expect("a list of keys").1;
        // The mapping is told `batch_parts_max`, but it is written in [ifs.NAME].
        let elsewhere = |key: &&str| section == "connections.NAME" && *key == "batch_parts_max";
        let known: BTreeSet<String> = known.split(", ").filter(|key| !elsewhere(key)).map(str::to_owned).collect();
        assert_eq!(known, documented(section), "[{section}]");
    }
}

#[test]
fn every_setting_is_explained_and_has_a_default_or_an_example() {
    let all = super::explained_settings();
    assert!(all.len() > 100, "{} settings", all.len());
    for setting in &all {
        assert!(!setting.text.is_empty(), "{} has no sentence", setting.key);
        assert!(setting.example.is_some(), "{} has no value", setting.key);
    }
    let one = |key: &str| all.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key} is not there"));
    assert!(one("connections.NAME.bundle").default.is_some());
    assert!(one("connections.NAME.site").default.is_none() && one("connections.NAME.site").example.is_some());
}

#[test]
fn the_examples_of_the_readme_and_of_the_deployment_load() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).expect("a file of the repository");
    let readme = read("README.md");
    let shown = readme.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0;
    load(shown).expect("the README's example");

    // Its secrets are on the pod, not here; everything else must be right.
    let found = errors(&read("deploy/base/ml-connector.toml"));
    let others: Vec<_> = found.iter().filter(|line| !line.contains("_file: names /run/secrets/")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_mapping_and_default_toml_agree_on_every_default() {
    let handbook = super::Handbook::new();
    let mut values = super::named_defaults(&handbook, "connections");
    values.retain(|key, _| !super::LinkSettings::KEYS.contains(&key.as_str()));
    let values = super::Value::from(values);
    assert_eq!(values.deserialize::<MappingSettings>().expect("the defaults"), MappingSettings::default());
}

#[test]
fn stock_and_prices_and_default_toml_agree_on_every_default() {
    let settings = load(GOOD).expect("good settings");
    let link = &settings.connections.values().next().expect("a connection").link;
    assert_eq!(link.stock, StockSettings::default());
    assert_eq!(link.prices, PriceSettings::default());
    let found = error("company = \"10\"", "company = \"10\"\nstock = { every_secs = 3600 }");
    assert!(found.starts_with("F: [connections.acme] stock.locations: is missing; write locations ="), "{found}");
}

#[test]
fn prices_follow_where_no_level_does_as_their_refusal_advises() {
    let prices = "company = \"10\"\nprices = { source = \"sales_part\", currency = \"EUR\" }";
    let found = error("company = \"10\"", prices);
    assert!(found.contains("wants the stock's readings of its site"), "{found}");
    assert!(
        found.contains("a group with sku = [\"*\"] and levels = \"leave\" leaves the stock itself alone"),
        "{found}"
    );
    let advised = format!(
        "{prices}\nstock = {{ every_secs = 3600, locations = [{{ location = \"65712345\" }}], \
         groups = [{{ name = \"all\", sku = [\"*\"], levels = \"leave\" }}] }}"
    );
    let settings = load(&GOOD.replace("company = \"10\"", &advised)).expect("as it was advised");
    let connection = settings.connections.values().next().expect("a connection");
    assert!(!connection.stock.of_sku("CUP").follows_at(65_712_345));
}

#[test]
fn what_is_missing_is_named_with_its_connection_and_what_to_write() {
    let found = error("company = \"10\"\n", "");
    assert!(
        found.starts_with("F: [connections.acme] company: is missing; write company = \"10\" (The IFS company"),
        "{found}"
    );
    let found = error("orders_from = 2026-12-01T00:00:00Z\n", "");
    assert!(found.starts_with("F: [connections.acme] orders_from: is missing; write orders_from = 2026-"), "{found}");
    let found = error("realm = \"prod\"\n", "");
    assert!(found.starts_with("F: [ifs.main] realm: is missing; write realm ="), "{found}");
}

#[test]
fn all_errors_are_told_at_once() {
    let text =
        GOOD.replace("company = \"10\"\n", "").replace("realm = \"prod\"\n", "relm = \"prod\"\nwait_secs = \"x\"\n");
    let found = errors(&format!("[server]\nqueue_max = 0\n[vualt]\n{text}"));
    let keys = ["[vualt]", "queue_max", "relm", "realm", "wait_secs", "company"];
    for key in keys {
        assert!(found.iter().any(|line| line.contains(key)), "{key} is not in {found:#?}");
    }
    assert_eq!(found.len(), keys.len(), "{found:#?}");
}

#[test]
fn an_unknown_key_is_refused_with_the_key_that_was_meant() {
    let found = error("company = \"10\"", "company = \"10\"\nordersfrom = 1");
    assert_eq!(found, "F: [connections.acme] ordersfrom: is not a setting; was `orders_from` meant?");
    let found = error("[ifs.main]", "[server]\ncolour = 1\n[ifs.main]");
    assert!(found.starts_with("F: [server] colour: is not a setting; known here: body_bytes_max, "), "{found}");
    let found = error("realm = \"prod\"", "realm = \"prod\"\n[ifs.main.actions]\ncancle = \"X\"");
    assert_eq!(found, "F: [ifs.main] actions.cancle: is not a setting; was `cancel` meant?");
}

#[test]
fn a_value_of_another_type_is_shown_with_what_to_write() {
    let found = error("company = \"10\"", "company = 10");
    assert!(
        found.starts_with("F: [connections.acme] company: found the number 10, expected a string; write company"),
        "{found}"
    );
    let found = error("orders_from = 2026-12-01T00:00:00Z", "orders_from = \"2026-12-01\"");
    assert!(found.contains("orders_from: found \"2026-12-01\", expected the go-live instant"), "{found}");
    let found = error("Europe/Stockholm", "Europe/Stokholm");
    assert!(found.contains("time_zone: found \"Europe/Stokholm\""), "{found}");
    let found = error("company = \"10\"", "company = \"10\"\nmode = \"dry\"");
    assert!(found.contains("mode: found \"dry\", expected one of live, observe"), "{found}");
}

#[test]
fn an_instant_may_stand_in_quotes_and_with_an_offset() {
    let settings = load(&GOOD.replace("2026-12-01T00:00:00Z", "\"2026-12-01T02:00:00+02:00\"")).expect("good settings");
    let connection = settings.connections.values().next().expect("a connection");
    assert_eq!(connection.rules.orders_from().to_string(), "2026-12-01T00:00:00Z");
}

#[test]
fn the_environment_wins_and_is_named_when_it_is_wrong() {
    let good = [
        ("ML_CONNECTOR__CONNECTIONS__ACME__COMPANY", "0010"),
        ("ML_CONNECTOR__IFS__MAIN__WAIT_SECS", "7"),
        ("ML_CONNECTOR__IFS__MAIN__WAIT_HONOURED", "true"),
        ("ML_CONNECTOR_FAILPOINT", "not a setting"),
    ];
    let settings = with_environment(GOOD, &good).expect("good settings");
    let connection = settings.connections.values().next().expect("a connection");
    let tenant = settings.tenants.values().next().expect("a tenant");
    assert_eq!(connection.rules.settings().company, "0010");
    assert_eq!((tenant.wait_secs, tenant.wait_honoured), (7, true));

    let bad = [("ML_CONNECTOR__IFS__MAIN__WAIT_SECS", "soon"), ("ML_CONNECTOR__SERVER__QUEUE", "1")];
    let found = with_environment(GOOD, &bad).expect_err("wrong variables").to_string();
    assert!(
        found.contains("ML_CONNECTOR__IFS__MAIN__WAIT_SECS: [ifs.main] wait_secs: found the text \"soon\""),
        "{found}"
    );
    assert!(
        found.contains("ML_CONNECTOR__SERVER__QUEUE: [server] queue: is not a setting; was `queue_max` meant?"),
        "{found}"
    );
}

#[test]
fn what_the_mapping_refuses_stands_at_its_key() {
    let row = "tax_codes = [{ country = \"SE\", rate = \"25\", code = \"V25\" }]\n";
    let found = errors(&format!("{GOOD}{row}bill_addr_no = \"\"\nbatch_parts_max = 5\n"));
    assert_eq!(found.len(), 3, "{found:#?}");
    for wanted in [
        "F: [connections.acme] tax_codes.0.rate: found \"25\", expected a share below 1 as text",
        "F: [connections.acme] bill_addr_no: is missing; write bill_addr_no = \"1\"",
        "F: [connections.acme] batch_parts_max: is not a setting here; write it in [ifs.NAME]",
    ] {
        assert!(found.iter().any(|line| line.starts_with(wanted)), "{wanted} is not in {found:#?}");
    }
}

#[test]
fn a_shop_stands_in_one_connection_only() {
    let second = GOOD.split_once("[connections.acme]").expect("a connection").1;
    let found = errors(&format!("{GOOD}[connections.acme-2]{second}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("F: [connections.acme-2] shop: is the shop of [connections.acme] too"), "{found:#?}");
}

#[test]
fn a_connection_names_a_tenant_that_exists() {
    let found = error("ifs = \"main\"", "ifs = \"other\"");
    assert!(
        found.contains("[connections.acme] ifs: names a tenant without a section; write a section [ifs.other]"),
        "{found}"
    );
}

#[test]
fn a_name_outside_the_pattern_is_refused() {
    let found = error("[connections.acme]", "[connections.Acme_1]");
    assert!(found.starts_with("F: [connections.Acme_1] a name of 1 to 32 characters"), "{found}");
}

#[test]
fn plain_http_and_private_addresses_need_the_allow_list() {
    let found = error("https://erp.example.com", "http://erp.example.com");
    assert!(
        found.contains("[ifs.main] base_url: plain http to erp.example.com needs that host in the allow list; write https and a public host, or name \"erp.example.com\" in egress.allow"),
        "{found}"
    );
    for inside in ["https://127.0.0.1:9000", "https://10.0.0.1", "https://[::1]"] {
        let found = error("https://erp.example.com", inside);
        assert!(found.contains("is not a public address"), "{found}");
    }
    let allowed = format!("[egress]\nallow = [\"127.0.0.0/8\", \"erp.internal\"]\n{GOOD}");
    for address in ["http://127.0.0.1:9000", "http://erp.internal"] {
        load(&allowed.replace("https://erp.example.com", address)).expect("allowed");
    }
    let found = errors(&format!("[egress]\nallow = [\"a b\"]\n{GOOD}"));
    assert!(found[0].contains("\"a b\" in the allow list is neither a host name"), "{found:#?}");
}

#[test]
fn an_address_is_scheme_host_and_port() {
    let found = error("https://erp.example.com", "https://erp.example.com/main/");
    assert!(found.contains("base_url: holds more than scheme, host and port"), "{found}");
    let found = error("https://erp.example.com", "https://u:hunter2@erp.example.com");
    assert!(found.contains("holds a name or a password") && !found.contains("hunter2"), "{found}");
    let found = error("\"https://erp.example.com\"", "\"erp hunter2\"");
    assert!(found.contains("base_url: does not read") && !found.contains("hunter2"), "{found}");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    std::fs::write(&file, "postgres://u:hunter2@db/x\n").expect("a file");
    let text = format!("[database]\nurl_file = {file:?}\n{GOOD}");
    let settings = load(&text).expect("good settings");
    assert_eq!(settings.database.url.expose_secret(), "postgres://u:hunter2@db/x");
    assert!(!format!("{settings:?}").contains("hunter2"));

    std::fs::write(&file, "mysql://u:hunter2@db/x\n").expect("a file");
    let found = errors(&text);
    assert!(
        found[0].contains("url_file: is neither sqlite:FILE nor postgres://") && !found[0].contains("hunter2"),
        "{found:#?}"
    );
    std::fs::write(&file, " \n").expect("a file");
    assert!(errors(&text)[0].contains("which is empty"));
    let found = errors(&text.replace("url_file", "url = \"sqlite:x.db\"\nurl_file"));
    assert!(found[0].contains("url_file: stands beside url"), "{found:#?}");
    let found = errors(&format!("[server]\noperator_token_file = \"/nowhere/token\"\n{GOOD}"));
    assert!(found[0].contains("operator_token_file: names /nowhere/token, which cannot be read"), "{found:#?}");
}

#[test]
fn a_value_out_of_bounds_is_refused_with_the_bounds() {
    let found = error("realm = \"prod\"", "realm = \"prod\"\nconcurrency_max = 101");
    assert!(
        found.contains("[ifs.main] concurrency_max: is 101, outside of 1 to 100; write concurrency_max = 4"),
        "{found}"
    );
    let found = error("acme.myshopify.com", "shop.acme.com");
    assert!(found.contains("[connections.acme] shop: is not a shop's own domain"), "{found}");
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_named() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/x.toml")), environment: BTreeMap::new() };
    let found = Settings::load(&sources).expect_err("no file").to_string();
    assert!(found.starts_with("/nowhere/x.toml: cannot be read"), "{found}");
    let found = errors("[server\nqueue_max = 1");
    assert!(found.len() == 1 && found[0].starts_with("F: is not TOML:") && found[0].contains("line 1"), "{found:#?}");
    let found = Settings::load(&Sources::default()).expect_err("nothing").to_string();
    assert!(found.contains("there are none; write ./ml-connector.toml"), "{found}");
}

#[test]
fn a_watch_that_nobody_can_keep_is_noted() {
    let unwatched = |text: &str| {
        let notes = load(text).expect("good settings").notes();
        notes.into_iter().filter(|(_, note)| note.starts_with("webhook_watch wants server.public_url")).count()
    };
    assert_eq!(unwatched(GOOD), 1);
    assert_eq!(unwatched(&format!("[server]\npublic_url = \"https://hooks.example.com\"\n{GOOD}")), 0);
    assert_eq!(unwatched(&format!("{GOOD}webhook_watch = \"off\"\n")), 0);
}
