//! Data flows one way: each module imports only the modules that it may.

use crate::support::repository;
use std::collections::BTreeSet;
use std::path::Path;

/// The modules of the crate from the lowest layer up, each with the modules that it may import: only lower ones.
const MAY_IMPORT: [(&str, &[&str]); 17] = [
    ("domain", &[]),
    ("nearest", &[]),
    ("yaml", &[]),
    ("problem", &[]),
    ("system", &[]),
    ("standin", &[]),
    ("format", &["domain"]),
    ("secret", &["domain", "problem", "system"]),
    ("transport", &["domain", "secret", "system"]),
    ("provider", &["domain", "nearest", "problem", "secret", "system", "transport", "yaml"]),
    ("config", &["domain", "nearest", "problem", "provider", "secret", "system", "yaml"]),
    ("state", &["domain", "system"]),
    ("poll", &["config", "domain", "problem", "provider", "secret", "state", "transport"]),
    ("exposition", &["domain", "state", "system"]),
    ("server", &["config", "domain", "exposition", "format", "problem", "secret", "state", "system"]),
    ("daemon", &["exposition", "poll", "server", "state", "system"]),
    (
        "commands",
        &[
            "config",
            "daemon",
            "domain",
            "exposition",
            "format",
            "nearest",
            "poll",
            "problem",
            "provider",
            "secret",
            "server",
            "standin",
            "state",
            "system",
            "transport",
            "yaml",
        ],
    ),
];

/// Crates and types that a module, or a file in it, must not use.
const MUST_NOT_USE: [(&str, &[&str]); 7] = [
    ("domain", &["serde", "tokio", "reqwest", "prometheus", "tracing", "url"]),
    ("provider", &["prometheus", "tracing", "tokio::time", "std::time::SystemTime", "hyper"]),
    ("poll/schedule", &["tracing", "prometheus", "reqwest"]),
    ("exposition", &["reqwest", "hyper", "redb", "serde"]),
    ("state/mod", &["redb", "serde", "prometheus"]),
    ("state/source", &["redb", "serde", "prometheus"]),
    ("state/counters", &["redb", "serde", "prometheus"]),
];

/// The source of a module without its unit tests: one file, or all files below a folder.
fn module(name: &str) -> String {
    let file = repository(&format!("src/{name}.rs"));
    let mut text = String::new();
    if file.exists() {
        text.push_str(&without_tests(&file));
    }
    let mut folders = vec![repository(&format!("src/{name}"))];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // A folder of unit tests.
                if !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                text.push_str(&without_tests(&path));
            }
        }
    }
    assert!(!text.is_empty(), "no module {name}");
    text
}

fn without_tests(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("a source file");
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The modules of the crate that a source names, in imports and elsewhere in code.
fn imports(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = code.flat_map(|line| line.split("crate::").skip(1));
    named
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn modules_import_only_lower_layers() {
    for (layer, (name, allowed)) in MAY_IMPORT.into_iter().enumerate() {
        let below: Vec<_> = MAY_IMPORT[..layer].iter().map(|(name, _)| *name).collect();
        let above: Vec<_> = allowed.iter().filter(|import| !below.contains(import)).collect();
        assert!(above.is_empty(), "{name} is in a lower layer than {above:?}");
        let text = module(name);
        let imported = imports(&text);
        assert!(!text.contains("use crate::{"), "{name}: one line for each module, so that this test can read them");
        let wrong: Vec<_> = imported.into_iter().filter(|import| *import != name && !allowed.contains(import)).collect();
        assert!(wrong.is_empty(), "{name} must not import {wrong:?}");
    }
}

#[test]
fn modules_use_no_forbidden_crate() {
    for (name, crates) in MUST_NOT_USE {
        let text = module(name);
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let wrong: Vec<_> = crates.iter().filter(|known| code.iter().any(|line| line.contains(&format!("{known}::")))).collect();
        assert!(wrong.is_empty(), "{name} must not use {wrong:?}");
    }
}

/// A provider may compare the times in responses, so that a test can set the time.
#[test]
fn a_provider_reads_no_clock() {
    let text = module("provider");
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let reads = |line: &&str| ["Instant::", "SystemTime", "::now(", ".elapsed("].iter().any(|clock| line.contains(clock));
    assert_eq!(code.filter(reads).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_module_is_in_the_table() {
    let lib = std::fs::read_to_string(repository("src/lib.rs")).expect("lib.rs");
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")));
    let modules: BTreeSet<&str> = modules.map(|line| line.trim_end_matches(';')).collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).chain(["properties"]).collect();
    assert_eq!(modules, listed);
}
