//! Rules about the tree of files: length, first line, names, what no file says, and twins that must not drift apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source::{Source, files, has_word, relative, root, sources};

/// One idea fits into this many lines; past it, a file holds two.
const LINES_MAX: usize = 450;

/// Names that say nothing. What has no better name has no home yet.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "data", "info", "misc"];

/// Places that exist on one machine only, and hosts that an install tool knows by itself.
/// Each is written in two halves, so that this file does not say what it forbids.
const FORBIDDEN: &[(&str, &str)] = &[
    ("..", "/shared"),
    ("/work", "/main"),
    ("/work", "/shared"),
    ("/root", "/"),
    ("/tmp", "/dev-"),
    ("/tmp", "/target"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("deb.", "debian.org"),
];

fn rust_files() -> Vec<Source> {
    ["src", "tests", "benches"].iter().flat_map(|folder| sources(folder)).collect()
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let long: Vec<_> = rust_files()
        .iter()
        // diesel prints it from the database; nobody reads it from top to bottom.
        .filter(|source| source.path != "src/store/schema.rs")
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines, {LINES_MAX} at most"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_first_what_it_holds() {
    let silent: Vec<_> =
        rust_files().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "these do not begin with `//! …`:\n{}", silent.join("\n"));
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let empty: Vec<_> = rust_files()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.split('/').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"))))
        .collect();
    assert!(empty.is_empty(), "{}", empty.join("\n"));
}

#[test]
fn nothing_is_unfinished_unwrapped_or_silenced() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let needles = [".unwrap()", ".unwrap_err()", "todo!(", "unimplemented!(", "dbg!("];
        for needle in needles.iter().filter(|needle| source.code.contains(**needle)) {
            wrong.push(format!("{}: {needle}", source.path));
        }
    }
    for source in rust_files().iter().filter(|source| !source.path.starts_with("tests/tidy")) {
        for attribute in ["#[ignore", "#[allow(", "#![allow("] {
            let generated = source.path == "src/store/schema.rs" && attribute != "#[ignore";
            if source.text.contains(attribute) && !generated {
                wrong.push(format!("{}: {attribute} (a lint is answered by #[expect(…, reason = …)])", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_names_one_machine_or_a_registry_host() {
    let mut wrong = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue }; // not text
        for (head, tail) in FORBIDDEN {
            let needle = format!("{head}{tail}");
            if text.contains(&needle) {
                wrong.push(format!("{}: {needle}", relative(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let of = |database: &str| -> BTreeMap<String, BTreeSet<String>> {
        let folder = root().join("migrations").join(database);
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in files(&folder) {
            let below = path.strip_prefix(&folder).expect("a file below its folder").to_path_buf();
            let mut parts = below.iter().map(|part| part.to_string_lossy().into_owned());
            if let (Some(name), Some(file)) = (parts.next(), parts.next()) {
                found.entry(name).or_default().insert(file);
            }
        }
        found
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    assert!(!sqlite.is_empty(), "no migration under migrations/sqlite");
    assert_eq!(
        sqlite.keys().collect::<Vec<_>>(),
        postgres.keys().collect::<Vec<_>>(),
        "a migration exists for one database only"
    );
    for (name, found) in sqlite.iter().chain(&postgres) {
        for file in ["up.sql", "down.sql"] {
            assert!(found.contains(file), "{name} lacks {file} for one database");
        }
    }
}

#[test]
fn every_setting_is_explained_where_its_default_stands() {
    let path = "src/config/default.toml";
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let unexplained = unexplained_keys(&text);
    assert!(unexplained.is_empty(), "{path}: no comment above {unexplained:?}");
    assert!(text.lines().filter(|line| is_key(line)).count() > 20, "{path} holds hardly a setting");
}

/// The keys of a TOML text without a line of comment directly above. A key whose default is "not set" stands as `#key = …`.
fn unexplained_keys(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    (0..lines.len())
        .filter(|at| is_key(lines[*at]))
        .filter(|at| *at == 0 || !lines[at - 1].starts_with("# "))
        .map(|at| lines[at])
        .collect()
}

/// Whether `line` sets a key, or shows one that is not set (`#key = …`, without a space, where prose has one).
fn is_key(line: &str) -> bool {
    let line = line.strip_prefix('#').unwrap_or(line);
    let name = line.split('=').next().unwrap_or_default().trim_end();
    line.contains('=')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.\"<>-".contains(c))
}

#[test]
fn a_key_without_a_comment_is_seen() {
    let text = "# Why.\nport = 1\n#limit = 2\n\n# Prose = not a key, it has a space.\n# Why.\n#token_file = \"x\"\n";
    assert_eq!(unexplained_keys(text), ["#limit = 2"]);
}

#[test]
fn a_word_is_found_in_the_rules_own_sources() {
    // The scanner sees files at all: an empty list would let every rule above pass.
    assert!(rust_files().iter().any(|source| has_word(&source.text, "LINES_MAX")));
}
