//! The layer table: a module imports only from lower ranks. Beside it the walls round single crates: diesel stays in `store`,
//! HTTP clients in the modules that speak to a remote, actix above the flows.

use crate::source::{Source, crate_imports, has_word, longest_super_chain, sources};

/// What may import what: a module sees only modules of a lower rank. Drawn in docs/ARCHITECTURE.md.
const RANKS: &[(&str, u8)] = &[
    ("domain", 0),
    ("clock", 0),
    ("failpoint", 0),
    ("planted", 0),
    ("supervision", 0),
    ("telemetry", 0),
    ("vault", 0),
    ("remote", 0),
    ("shopify", 1),
    ("ifs", 1),
    ("store", 1),
    ("mapping", 2),
    ("flow", 3),
    ("actors", 4),
    ("http", 5),
    ("config", 6),
    ("app", 7),
    ("cli", 8),
    ("chaos", 9),
    ("main", 10),
    ("lib", 10),
    ("bin", 10),
];

/// The few edges inside rank 0: `clock`, `failpoint` and `telemetry` are the ground the others of that rank stand on.
const WITHIN_RANK_0: &[(&str, &[&str])] = &[
    ("telemetry", &[]),
    ("supervision", &["clock", "telemetry"]),
    ("vault", &["telemetry"]),
    ("remote", &["clock", "failpoint", "planted", "telemetry"]),
];

/// What these modules may import at all, where that is less than their rank allows.
const ONLY: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("sandbox", &[]),
    // Pure: the shapes of both remotes and the domain, no clock, no logs, no IO.
    ("mapping", &["domain", "shopify", "ifs"]),
];

/// A crate, and the only modules whose code may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("diesel", &["store"]),
    ("diesel_migrations", &["store"]),
    ("reqwest", &["ifs", "shopify", "remote", "sandbox", "app", "cli"]),
    ("actix", &["supervision", "actors", "http", "app", "cli"]),
    ("actix_web", &["http", "app", "cli"]),
    ("actix_rt", &["supervision", "actors", "http", "app", "cli", "chaos", "main"]),
    ("backoff", &["remote"]),
    ("governor", &["remote", "ifs", "shopify"]),
    ("chacha20poly1305", &["vault"]),
    ("figment", &["config"]),
    ("clap", &["cli", "chaos", "main"]),
    ("anyhow", &["app", "cli", "main"]),
];

/// What the pure modules may not name: neither IO, nor the clock, nor a serialisation framework's derive in `domain`.
const IMPURE: &[(&str, &[&str])] = &[
    ("domain", &["serde", "serde_json", "actix", "tokio", "reqwest", "diesel", "tracing", "metrics", "rand"]),
    ("mapping", &["actix", "tokio", "reqwest", "diesel", "tracing", "metrics", "rand"]),
];

/// Calls that read the clock, start IO or bring a float into money: absent from the pure modules.
const IMPURE_CALLS: &[&str] =
    &["SystemTime", "Instant", "Timestamp::now", "Zoned::now", "std::fs", "std::net", "std::env", "std::thread"];

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// Why `from` may not import `to`, if it may not.
fn trespass(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    if let Some((_, allowed)) = ONLY.iter().find(|(name, _)| *name == from) {
        return (!allowed.contains(&to)).then(|| format!("`{from}` may import only {allowed:?}, not `{to}`"));
    }
    if to == "sandbox" {
        return (!["cli", "chaos", "lib"].contains(&from))
            .then(|| format!("only `cli` and `chaos` start the sandbox, not `{from}`"));
    }
    let (Some(mine), Some(theirs)) = (rank(from), rank(to)) else {
        // A name that is no module: a re-export or an item of the crate root, which the root is not meant to hold.
        return Some(format!("`{to}` has no rank in the layer table (named by `{from}`)"));
    };
    let ground = WITHIN_RANK_0.iter().any(|(name, seen)| *name == from && seen.contains(&to));
    (theirs >= mine && !ground).then(|| format!("`{from}` (rank {mine}) may not import `{to}` (rank {theirs})"))
}

#[test]
fn a_module_imports_only_from_lower_ranks() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for import in crate_imports(&source.code) {
            wrong.extend(trespass(source.module(), &import).map(|why| format!("{}: {why}", source.path)));
        }
        if longest_super_chain(&source.code) >= source.depth() && source.module() != "lib" {
            wrong.push(format!("{}: `super::` climbs to the crate root; name the module by `crate::`", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_top_level_module_has_a_rank() {
    let wrong: Vec<_> = sources("src")
        .iter()
        .map(Source::module)
        .filter(|module| *module != "sandbox" && rank(module).is_none())
        .map(|module| format!("`{module}`: give it a rank in tests/tidy/layers.rs and in docs/ARCHITECTURE.md"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crate_stays_behind_its_module() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (name, allowed) in CRATES {
            if names_crate(&source.code, name) && !allowed.contains(&source.module()) {
                wrong.push(format!("{}: `{name}` belongs to {allowed:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_modules_know_no_io_no_clock_and_no_float() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some((_, crates)) = IMPURE.iter().find(|(module, _)| *module == source.module()) else {
            continue;
        };
        let named = crates.iter().filter(|name| names_crate(&source.code, name));
        let called = IMPURE_CALLS.iter().filter(|call| has_word(&source.code, call));
        let floats = ["f32", "f64"].iter().filter(|float| has_word(&source.code, float)).collect::<Vec<_>>();
        wrong.extend(named.chain(called).chain(floats).map(|what| format!("{}: {what}", source.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_time_comes_from_the_clock_that_a_test_can_move() {
    // What a command took is measured in `cli`; nothing depends on it.
    let wall = (&["Timestamp::now", "SystemTime::now", "Zoned::now"], &["clock", "sandbox", "cli", "chaos"][..]);
    // How long a call took, and waits for a permit, a restart or a signal, go by the machine's own time, whatever a test
    // makes of the clock. What a step decides does not.
    let free = ["clock", "sandbox", "cli", "chaos", "app", "supervision", "remote", "http", "ifs", "shopify"];
    let monotonic = (&["Instant::now"], &free[..]);
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (calls, free) in [(&wall.0[..], wall.1), (&monotonic.0[..], monotonic.1)] {
            let named = calls.iter().filter(|call| !free.contains(&source.module()) && has_word(&source.code, call));
            wrong.extend(named.map(|call| format!("{}: {call}; ask `clock::Clock`", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_sandbox_does_not_know_the_service() {
    let wrong: Vec<_> = sources("src")
        .into_iter()
        .filter(|source| source.module() == "sandbox" && has_word(&source.code, "ml_connector"))
        .map(|source| source.path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Whether `code` names the crate: `name::…`, `use name;`, or an attribute such as `#[diesel(…)]`.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let starts = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(&path).any(|(at, _)| starts(at))
        || code.contains(&format!("use {name};"))
        || code.contains(&format!("#[{name}("))
}

#[test]
fn the_layer_table_refuses_what_it_should() {
    assert!(trespass("flow", "actors").is_some());
    assert!(trespass("ifs", "store").is_some());
    assert!(trespass("mapping", "store").is_some());
    assert!(trespass("sandbox", "domain").is_some());
    assert!(trespass("http", "sandbox").is_some());
    assert!(trespass("flow", "store").is_none());
    assert!(trespass("remote", "clock").is_none());
    assert!(trespass("clock", "remote").is_some());
    assert!(trespass("cli", "nowhere").is_some());
}

#[test]
fn a_crate_is_told_from_a_name_that_ends_like_it() {
    assert!(names_crate("use diesel::prelude::*;", "diesel"));
    assert!(names_crate("#[diesel(table_name = inbox)]", "diesel"));
    assert!(!names_crate("biodiesel::x()", "diesel"));
    assert!(!names_crate("crate::actix::x", "actix"));
}
