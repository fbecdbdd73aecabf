//! Reading Rust source just closely enough to judge it: comments and test modules cut away, `crate::` paths collected.
//! Not a parser: strings are kept, so a rule's needle must not be something a string would honestly contain.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A Rust file of `src`, with its code outside comments and test modules.
pub struct Source {
    /// Path below the repository's root, with `/`.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The file without comments and without what follows `#[cfg(test)] mod …`.
    pub code: String,
}

impl Source {
    /// The top-level module this file belongs to: `store` for `src/store/rows.rs`, `clock` for `src/clock.rs`.
    pub fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// How many modules deep the file's code stands below the crate root: 1 for `src/store/mod.rs`, 2 for
    /// `src/store/rows.rs`, and one more where the file holds a module inline.
    pub fn depth(&self) -> usize {
        let path = self.path.trim_start_matches("src/").trim_end_matches("/mod.rs");
        let inline = |line: &str| has_word(line, "mod") && line.trim_end().ends_with('{') && !line.contains('(');
        path.split('/').count() + usize::from(self.code.lines().any(inline))
    }
}

/// Every Rust file below `folder`, sorted by path. A file that only a test build compiles has no code to judge.
pub fn sources(folder: &str) -> Vec<Source> {
    let mut found = read(folder);
    let test_only: Vec<String> = found.iter().flat_map(|source| test_modules(&source.path, &source.text)).collect();
    for source in &mut found {
        let path = source.path.trim_end_matches(".rs");
        if test_only.iter().any(|test| {
            path.strip_prefix(test.as_str()).is_some_and(|rest| matches!(rest.chars().next(), None | Some('/')))
        }) {
            source.code.clear();
        }
    }
    found
}

/// The paths, without `.rs`, of the modules that the file at `path` declares by `#[cfg(test)] mod name;`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => path.trim_end_matches(".rs"),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with(';'))
        .filter_map(|pair| Some(pair[1].split_once("mod ")?.1.trim_end_matches(';')))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

fn read(folder: &str) -> Vec<Source> {
    files(&root().join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            Source { path: relative(&path), code: code_of(&text), text }
        })
        .collect()
}

/// Every file below `folder`, sorted; build output, the git folder and installed packages left out.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            // A linked folder is somebody's tool, not the repository's.
            let Ok(kind) = entry.file_type() else { continue };
            // In a work tree of its own `.git` is a file.
            if ["target", ".git", "node_modules"].iter().any(|skip| name == *skip) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `path` below the repository's root, with `/`.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The code of `text`: line comments cut, and everything from the first `#[cfg(test)]` in front of a module on.
pub fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let starts_tests = trimmed.starts_with("#[cfg(test)]")
            && lines.peek().is_some_and(|next| {
                let next = next.trim_start();
                next.starts_with("mod ") && next.trim_end().ends_with('{')
            });
        if starts_tests {
            break;
        }
        if !trimmed.starts_with("//") {
            // A `//` inside a string is nearly always an address, which has no space before it.
            code.push_str(line.split(" //").next().unwrap_or(line));
        }
        code.push('\n');
    }
    code
}

/// The top-level modules that `code` names by `crate::…`, groups (`crate::{a::X, b}`) included.
pub fn crate_imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(first_name(rest)),
        }
    }
    found
}

/// The first name of each entry of a `{…}` group whose opening brace has been read.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0usize;
    let mut entry = String::new();
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => heads.extend(first_name(&std::mem::take(&mut entry))),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => entry.push(c),
            _ => {}
        }
    }
    heads.extend(first_name(&entry));
    heads
}

/// The name that `text` begins with, if it begins with one. A macro exported at the root (`crate::name!`) is not a module.
fn first_name(text: &str) -> Option<String> {
    let text = text.trim_start();
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let is_macro = text[name.len()..].starts_with('!');
    (!name.is_empty() && !is_macro).then_some(name)
}

/// How many `super::` stand in a row at the longest chain of `code`.
pub fn longest_super_chain(code: &str) -> usize {
    let mut longest = 0;
    let mut rest = code;
    while let Some(at) = rest.find("super::") {
        let mut length = 0;
        rest = &rest[at..];
        while let Some(next) = rest.strip_prefix("super::") {
            length += 1;
            rest = next;
        }
        longest = longest.max(length);
    }
    longest
}

/// Whether `word` stands in `code` as a word of its own.
pub fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

#[test]
fn imports_are_found_in_paths_and_in_groups() {
    let code = code_of(
        "use crate::{store::{Db, Row}, flow};\nlet x = crate::ifs::Client::new();\n// crate::app\nmycrate::http::x();",
    );
    let found: Vec<_> = crate_imports(&code).into_iter().collect();
    assert_eq!(found, ["flow", "ifs", "store"]);
}

#[test]
fn what_a_test_module_says_is_not_judged() {
    let code = code_of("fn a() {}\n#[cfg(test)]\nmod tests {\n  use crate::app::App;\n}\n");
    assert!(crate_imports(&code).is_empty());
    let kept = code_of("#[cfg(test)]\nuse crate::app::App;\nfn a() {}\n");
    assert_eq!(crate_imports(&kept).len(), 1);
}

#[test]
fn a_module_of_a_test_build_is_told_by_its_declaration() {
    let declared = "mod rules;\n#[cfg(test)]\nmod fixtures;\n#[cfg(test)]\nuse std::fs;\n";
    assert_eq!(test_modules("src/mapping/mod.rs", declared), ["src/mapping/fixtures"]);
    assert_eq!(test_modules("src/clock.rs", "#[cfg(test)]\nmod tests;"), ["src/clock/tests"]);
}

#[test]
fn words_and_chains_are_told_from_their_neighbours() {
    assert!(has_word("x: f64,", "f64") && !has_word("xf64_y", "f64"));
    assert_eq!(longest_super_chain("use super::a; use super::super::b;"), 2);
}
