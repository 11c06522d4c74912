//! docs/services.md lists the functions and the catalogue, and its examples are good.

use super::*;
use crate::provider::service::expression::{Expression, functions};
use crate::provider::service::{catalogue, failing};
use std::fmt::Write;
use std::path::PathBuf;

fn file() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/services.md")
}

fn document() -> String {
    std::fs::read_to_string(file()).expect("the document")
}

/// The part of the document between two comments is this. With `UPDATE_GOLDEN` set, writes it first.
fn holds(name: &str, generated: &str) {
    let (begin, end) = (format!("<!-- {name}: written by a test -->\n"), format!("<!-- end of {name} -->"));
    let text = document();
    let (before, rest) = text.split_once(&begin).expect("the begin");
    let (part, after) = rest.split_once(&end).expect("the end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file(), format!("{before}{begin}{generated}{end}{after}")).expect("the file can be written");
        return;
    }
    assert!(
        part == generated,
        "docs/services.md is not up to date; run `UPDATE_GOLDEN=1 cargo test --lib document::` and look at git diff"
    );
}

// One test, because both parts are in one file.
#[test]
fn lists_the_functions_and_the_catalogue() {
    let mut table = "| function | example | meaning |\n|---|---|---|\n".to_owned();
    for function in functions() {
        assert!(Expression::parse(function.example).is_ok(), "{}", function.example);
        let example = function.example.replace('|', "\\|");
        let _ = writeln!(table, "| `{}` | `{example}` | {} |", function.name, function.meaning);
    }
    holds("functions", &table);
    let mut table =
        "| name | title | reads | a source states | interval, minimum | confidence |\n|---|---|---|---|---|---|\n".to_owned();
    let mut count = 0;
    for name in catalogue::names() {
        let description = catalogue::service(name).expect("listed").expect("good");
        let text = catalogue::text(name).expect("listed");
        let (_, confidence) =
            text.split_once("# Confidence: ").unwrap_or_else(|| panic!("catalogue/{name}.yaml states no confidence"));
        let confidence = confidence.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let stated = description.parameters.iter().filter(|parameter| parameter.default.is_none());
        let stated = stated.map(|parameter| format!("`{}`", parameter.name)).collect::<Vec<_>>().join(", ");
        let shown = |duration| humantime::format_duration(duration).to_string();
        let pace = description.pace.default.map_or_else(|| "5m".to_owned(), shown);
        let pace = format!("{pace}, {}", shown(description.pace.minimum));
        let (title, documentation, reads) = (&description.title, &description.documentation, description.reads());
        let file = format!("[`{name}`](../catalogue/{name}.yaml)");
        let _ = writeln!(table, "| {file} | [{title}]({documentation}) | {reads} | {stated} | {pace} | {confidence} |");
        count += 1;
    }
    let _ = writeln!(table, "\n{count} services.");
    holds("catalogue", &table);
}

#[test]
fn its_descriptions_are_good() {
    let text = document();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    let mut names = Vec::new();
    for block in blocks {
        // A block in a list is indented.
        let indent = block.len() - block.trim_start_matches(' ').len();
        let block: Vec<&str> = block.lines().map(|line| line.get(indent..).unwrap_or_default()).collect();
        let block = block.join("\n");
        let tree = Node::parse(&block).unwrap_or_else(|malformed| panic!("{malformed}\n{block}"));
        let services = tree.get("services").unwrap_or(&tree);
        for entry in services.entries().unwrap_or_default() {
            if entry.value.get("calls").is_none() || entry.value.get("title").is_none() {
                continue;
            }
            let read = read(&entry.key, &entry.value, entry.at, &entry.key);
            let description = read.description.unwrap_or_else(|| panic!("{block}\n{:?}", read.mistakes));
            assert_eq!(failing(&description, &read.examples), []);
            names.push(entry.key.clone());
        }
    }
    assert_eq!(names, ["acme", "planets"]);
}
