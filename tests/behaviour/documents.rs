//! README.md matches the program.

use crate::support::{Configured, binary, repository, run, text};
use std::collections::{BTreeMap, BTreeSet};

fn readme() -> String {
    std::fs::read_to_string(repository("README.md")).expect("README.md")
}

/// The metric families of a page with their types.
fn families(page: &str) -> BTreeSet<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn the_metrics_table_matches_the_golden_page() {
    let readme = readme();
    let rows = readme.lines().filter(|line| line.starts_with("| `balance_") || line.starts_with("| `process_"));
    let table: BTreeSet<(String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect();
    let golden = std::fs::read_to_string(repository("tests/golden/metrics.txt")).expect("the golden page");
    assert_eq!(table, families(&golden));
}

#[test]
fn the_labels_in_the_table_match_the_golden_page() {
    let golden = std::fs::read_to_string(repository("tests/golden/metrics.txt")).expect("the golden page");
    for row in readme().lines().filter(|line| line.starts_with("| `balance_")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        let sample = golden.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_default();
        let labels: BTreeSet<&str> = sample.split("=\"").filter_map(|part| part.rsplit(['{', ',']).next()).collect();
        let named = |label: &&str| !["provider", "source"].contains(label) && sample.contains(&format!("{label}=\""));
        let labels: BTreeSet<&str> = labels.into_iter().filter(named).collect();
        let documented: BTreeSet<&str> = cells[3].split(", ").filter(|label| !label.is_empty()).collect();
        assert_eq!(documented, labels, "{name}");
    }
}

/// Health series scale with the number of sources; readings scale with the content of the answers.
#[test]
fn the_health_of_a_source_is_at_most_seven_series() {
    let golden = std::fs::read_to_string(repository("tests/golden/metrics.txt")).expect("the golden page");
    let mut health: BTreeMap<&str, usize> = BTreeMap::new();
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split(['{', '}']).nth(1).unwrap_or_default();
        let names: Vec<&str> = labels.split(',').filter_map(|label| label.split('=').next()).collect();
        if names == ["provider", "source"] || names == ["provider", "source", "reason"] {
            *health.entry(labels.split(",reason=").next().unwrap_or_default()).or_default() += 1;
        }
    }
    assert!(health.len() > 3, "cannot parse the golden page: {health:?}");
    assert!(health.values().all(|series| *series <= 7), "{health:?}");
}

#[test]
fn every_option_and_command_is_in_the_readme() {
    let help = text(&run(["--help"]).stdout);
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let readme = readme();
    for option in options.map(|word| word.trim_end_matches(',')) {
        assert!(readme.contains(option), "{option} is not in README.md");
    }
    for command in ["balance-exporter check", "balance-exporter poll", "cargo run --release -- demo", "tests/run"] {
        assert!(readme.contains(command), "{command} is not in README.md");
    }
}

#[test]
fn every_reason_is_in_the_readme() {
    let readme = readme();
    for reason in balance_exporter::domain::Reason::ALL {
        assert!(readme.contains(&format!("`{}`", reason.as_str())), "{} is not in README.md", reason.as_str());
    }
}

#[test]
fn the_configuration_in_the_readme_is_good() {
    let configured = Configured::new("");
    let directory = configured.directory.path();
    let secret = directory.join("sms-password");
    std::fs::write(&secret, "x").expect("a file");
    std::fs::write(directory.join("adstat-password"), "x").expect("a file");
    let readme = readme();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<&str> = blocks.filter(|block| block.contains("provider:")).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let file = ["sms-password", "openrouter"].iter().fold(block.to_owned(), |block, name| {
            block.replace(&format!("/etc/balance-exporter/{name}}}"), &format!("{}}}", secret.display()))
        });
        std::fs::write(&configured.file, file).expect("a file");
        let mut check = binary();
        check.args(["check", "--config.file", configured.path()]).env("CREDENTIALS_DIRECTORY", directory).env("ATISU_TOKEN", "x");
        let output = check.output().expect("the binary runs");
        assert!(output.status.success(), "{}\n{block}", text(&output.stderr));
    }
}
