//! Services of the configuration and the sources that use them: for each rule one change of a good file and its exact error line.

use balance_exporter::config::Config;
use balance_exporter::poll::assemble::{Unusable, assemble};
use balance_exporter::transport::client::Clients;
use std::path::Path;

const GOOD: &str = "services:
  acme:
    title: Acme
    documentation: https://docs.acme.example/
    interval: {default: 5m, minimum: 1m}
    parameters: {token: {secret: true}, group: {default: main}, ids: {list: true}, url: {default: https://api.acme.example/}}
    calls:
      - get: ${url}v1/${group}/${ids}
        for: ids
        headers: {X-Token: \"${token}\"}
        readings: [{available: .balance, currency: USD, account: \"${ids}\"}]
sources:
  - {name: s, interval: 5m, provider: {acme: {token: x, ids: [a]}}}
";

/// The error line of a file, which counts further mistakes; `None` if the file is valid.
fn problem(file: &str) -> Option<String> {
    let assembled = Config::from_text(Path::new("f.yaml"), file)
        .map_err(Unusable::from)
        .and_then(|config| assemble(config, &mut Clients::default()));
    assembled.err().map(|error| error.to_string())
}

/// The good file with each of these texts replaced. Panics where there is nothing to replace.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |file, (from, to)| {
        assert!(file.contains(from), "nothing to replace: {from}");
        file.replace(from, to)
    })
}

const SERVICES: &[(&[(&str, &str)], &str)] = &[
    (
        &[("  acme:\n", "  openrouter:\n"), ("{acme: ", "{openrouter: ")],
        "f.yaml:2:3: services.openrouter: the catalogue has a service openrouter; choose another name, or say replaces: built-in",
    ),
    (
        &[("    title", "    replaces: built-in\n    title")],
        "f.yaml:2:3: services.acme: the catalogue has no service acme to replace; drop replaces",
    ),
    (
        &[("  acme:\n", "  mysmpp:\n"), ("{acme: {token: x, ids: [a]}", "{mysmpp: {token: x}")],
        "f.yaml:2:3: services.mysmpp: mysmpp is a provider that is built in and cannot be replaced; choose another name",
    ),
    (
        &[("  acme:\n", "  Acme_:\n"), ("{acme: ", "{Acme_: ")],
        "f.yaml:2:3: services.Acme_: the name of a service has up to 32 of a-z, 0-9 and -, and does not begin with -",
    ),
    (
        &[("minimum: 1m", "minimum: 10m")],
        "f.yaml:5:16: services.acme.interval.default: the default is shorter than the minimum; lengthen it",
    ),
    (
        &[("    calls:", "    max_series: 0\n    calls:")],
        "f.yaml:7:5: services.acme.max_series: write a whole number from 1 to 10000",
    ),
    (
        &[("    calls:", "    max_series: 10001\n    calls:")],
        "f.yaml:7:5: services.acme.max_series: write a whole number from 1 to 10000",
    ),
    (
        &[("        for: ids\n", "        for: ids\n        accept: []\n")],
        "f.yaml:10:9: services.acme.calls[0].accept: accepts no status; list some, or drop it",
    ),
    (
        &[("/${ids}\n", "/${ids}/${later}\n"), ("        readings", "        keep: {later: .next}\n        readings")],
        "f.yaml:8:14: services.acme.calls[0].get: there is no ${later}; the names here are token, group, ids, url",
    ),
];

const SOURCES: &[(&str, &str, &str)] = &[
    ("interval: 5m, ", "interval: 30s, ", "f.yaml: sources[0].interval: 30s is below the minimum of acme, 1m; lengthen it"),
    (
        "{token: x",
        "{tokn: x",
        "f.yaml:13:40: sources[0].provider.acme.token: is missing; add it (and 1 more; `check` lists them)",
    ),
    (
        "{token: x",
        "{token: {env: HOME, file: x}",
        "f.yaml:13:54: sources[0].provider.acme.token: a secret is {file: PATH}, {env: NAME}, {credential: NAME} or a text",
    ),
    ("{token: x", "{group: {a: b}, token: x", "f.yaml:13:54: sources[0].provider.acme.group: is a map; write a text"),
    ("ids: [a]", "ids: []", "f.yaml:13:62: sources[0].provider.acme.ids: lists 1 to 100 texts"),
    ("ids: [a]", "ids: a", "f.yaml:13:62: sources[0].provider.acme.ids: is a list; write [FIRST, SECOND]"),
    ("ids: [a]", "ids: [a, a]", "f.yaml:13:62: sources[0].provider.acme.ids: lists a text twice; drop one"),
    (
        "ids: [a]",
        "ids: [a], url: 'https://u:p@h/'",
        "f.yaml: sources[0].provider.acme.url: a URL must not contain credentials; use the provider's own keys",
    ),
    (
        "ids: [a]",
        "ids: [a], url: 'https://h/#f'",
        "f.yaml: sources[0].provider.acme.url: a fragment is never sent; drop the # and what follows it",
    ),
];

#[test]
fn each_rule_has_its_error_line() {
    assert_eq!(problem(GOOD), None);
    let services = SERVICES.iter().map(|(changes, lines)| (changed(changes), *lines));
    let sources = SOURCES.iter().map(|(from, to, lines)| (changed(&[(from, to)]), *lines));
    let wrong: Vec<String> = services
        .chain(sources)
        .filter_map(|(file, expected)| {
            let got = problem(&file).unwrap_or_else(|| "accepted".to_owned());
            (got != expected).then(|| format!("{file}\n  expected {expected}\n  got      {got}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_header_that_the_program_sets_is_refused() {
    for header in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "accept-encoding"] {
        let line = format!("f.yaml:10:19: services.acme.calls[0].headers.{header}: is set by the program; drop it");
        assert_eq!(problem(&changed(&[("{X-Token", &format!("{{{header}: a, X-Token"))])), Some(line));
    }
}

#[test]
fn limits_are_accepted_at_their_edge() {
    let calls = |count: usize| {
        let call = "      - get: ${url}v1/${group}/${ids}\n        for: ids\n        headers: {X-Token: \"${token}\"}\n        readings: [{available: .balance, currency: USD, account: \"N ${ids}\"}]\n";
        let calls: String = (0..count).map(|n| call.replace('N', &n.to_string())).collect();
        let (before, after) = GOOD.split_once("      - get").expect("a call");
        let (_, sources) = after.split_once("sources:").expect("sources");
        format!("{before}{calls}sources:{sources}")
    };
    let expression = |bytes: usize| changed(&[("available: .balance", &format!("available: .{}", "b".repeat(bytes - 1)))]);
    let ids = |count: usize| {
        let ids: Vec<_> = (0..count).map(|n| format!("i{n}")).collect();
        changed(&[("ids: [a]", &format!("ids: [{}]", ids.join(", ")))])
    };
    assert_eq!(problem(&expression(1000)), None);
    let line = problem(&expression(1001)).expect("too long");
    assert!(line.ends_with("an expression has 1000 bytes at most; this one has 1001"), "{line}");
    assert_eq!(problem(&ids(100)), None);
    assert_eq!(problem(&ids(101)).as_deref(), Some("f.yaml:13:62: sources[0].provider.acme.ids: lists 1 to 100 texts"));
    assert_eq!(problem(&changed(&[("interval: 5m,", "interval: 1m,")])), None);
    assert_eq!(problem(&calls(20)), None);
    assert_eq!(problem(&calls(21)).as_deref(), Some("f.yaml:7:5: services.acme.calls: has 1 to 20 calls"));
    assert_eq!(
        problem(&calls(0).replace("calls:\n", "calls: []\n")).as_deref(),
        Some("f.yaml:7:5: services.acme.calls: has 1 to 20 calls")
    );
}
