//! The fuzz targets' bodies over their corpus and the fixtures, on the usual build, so that neither rots.

#[path = "../../fuzz/bodies.rs"]
pub mod bodies;

use std::path::{Path, PathBuf};

use bodies::End;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("it can be read"));
    paths.into_iter().map(read).collect()
}

/// These files of all fixtures, as far as each has them, with their paths.
pub fn fixtures(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    let folders = std::fs::read_dir(root().join("tests/fixtures/orders")).expect("the fixtures");
    let mut paths: Vec<PathBuf> = folders
        .flat_map(|folder| names.iter().map(move |name| folder.as_ref().expect("listed").path().join(name)))
        .collect();
    paths.sort();
    paths.retain(|path| path.exists());
    paths.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).expect("it can be read"))).collect()
}

/// What a target does with its bytes.
type Target = fn(&[u8]);

/// Every target with its body.
const TARGETS: [(&str, Target); 6] = [
    ("webhook", bodies::webhook),
    ("graphql", bodies::graphql),
    ("ifs_answer", bodies::ifs_answer),
    ("headers", bodies::headers),
    ("signature", bodies::signature),
    ("rules", bodies::rules),
];

#[test]
fn every_target_bears_its_corpus_and_the_corpus_is_not_all_nonsense() {
    for (name, body) in TARGETS {
        let corpus = files_of(&root().join("fuzz/corpus").join(name));
        assert!(corpus.len() >= 2, "{name} has a corpus");
        assert!(root().join(format!("fuzz/targets/{name}.rs")).exists());
        corpus.iter().for_each(|(_, bytes)| body(bytes));
    }
    let ends = |name: &str, ends_of: fn(&[u8]) -> End| -> Vec<End> {
        files_of(&root().join("fuzz/corpus").join(name)).iter().map(|(_, bytes)| ends_of(bytes)).collect()
    };
    let webhooks = ends("webhook", bodies::webhook_ends);
    assert!(webhooks.iter().filter(|end| **end == End::Written).count() >= 5, "{webhooks:?}");
    assert!(webhooks.contains(&End::Undecoded) && webhooks.contains(&End::Parked), "{webhooks:?}");
    let orders = ends("graphql", bodies::graphql_ends);
    assert!(orders.iter().all(|end| *end == End::Written), "{orders:?}");
}

#[test]
fn every_fixture_is_borne_by_the_target_of_its_road() {
    let written = |names: &[&str], ends_of: fn(&[u8]) -> End| {
        fixtures(names).iter().filter(|(_, bytes)| ends_of(bytes) == End::Written).count()
    };
    assert!(written(&["webhook.json"], bodies::webhook_ends) > 40);
    assert!(written(&["graphql.json"], bodies::graphql_ends) > 20);
}
