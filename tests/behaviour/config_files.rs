//! Invalid configuration files: for each rule one file and its exact error line.

mod cases;

use crate::support::{Configured, binary, repository, run, text};
use balance_exporter::config::Config;
use balance_exporter::domain::LowMetric;
use balance_exporter::poll::assemble::{Unusable, assemble};
use balance_exporter::provider::Build;
use balance_exporter::transport::client::Clients;
use cases::{adstat, defaults, keys, nulls_and_tags, providers, whole_files, with_keys, with_provider};
use std::error::Error;
use std::path::Path;

/// The error line that `check` prints for a file; `None` if the file is valid.
fn problem(file: &str) -> Option<String> {
    let assembled = Config::from_text(Path::new("f.yaml"), file)
        .map_err(Unusable::from)
        .and_then(|config| assemble(config, &mut Clients::default()));
    assembled.err().map(|error| error.to_string())
}

#[test]
fn problems_of_the_text_come_before_those_of_this_machine() {
    let file = "defaults: {ca_file: no/such.pem}
sources:
  - {name: a, provider: {mysmpp: {token: {file: no/such}}}}
  - {name: b, provider: {mysmpp: {login: me}}}
";
    let wanted = "f.yaml: sources[1].provider.mysmpp.password: is missing beside login; add it";
    assert_eq!(Config::from_text(Path::new("f.yaml"), file).err().map(|error| error.to_string()).as_deref(), Some(wanted));
    let corrected = file.replace("login: me", "token: x");
    let config = Config::from_text(Path::new("f.yaml"), &corrected).expect("a text without a problem");
    assert_eq!(config.sources.len(), 2, "nothing of the machine was looked at");
    let wanted = "f.yaml: defaults.ca_file: cannot read certificates from no/such.pem: No such file or directory (os error 2); name a PEM file";
    assert_eq!(problem(&corrected).as_deref(), Some(wanted));
}

#[test]
fn errors_carry_their_source() {
    let file = with_provider("mysmpp: {token: {file: no/such}}");
    let config = Config::from_text(Path::new("f.yaml"), &file).expect("a text without a problem");
    let error = assemble(config, &mut Clients::default()).err().expect("no such file");
    let mut sources = Vec::new();
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(error) = next {
        sources.push(error.to_string());
        next = error.source();
    }
    let cause = "No such file or directory (os error 2)";
    let secret = format!("cannot read the secret file no/such: {cause}; create it or correct the path");
    let line = format!("f.yaml: sources[0].provider.mysmpp.token: {secret}");
    assert_eq!(sources, [line, secret, cause.to_owned()]);
}

#[test]
fn each_rule_has_its_error_line() {
    let keys = keys().into_iter().map(|(keys, line)| (with_keys(keys), line));
    let providers = adstat().into_iter().chain(providers()).map(|(provider, line)| (with_provider(provider), line));
    let defaults =
        defaults().into_iter().map(|(defaults, line)| (format!("defaults: {{{defaults}}}\n{}", with_keys("low: {}")), line));
    let files: Vec<_> = whole_files().into_iter().chain(nulls_and_tags()).chain(defaults).chain(keys).chain(providers).collect();
    assert!(files.len() >= 30);
    let wrong: Vec<String> = files
        .into_iter()
        .filter_map(|(file, expected)| {
            let error = problem(&file).unwrap_or_else(|| "accepted".to_owned());
            (error != expected).then(|| format!("{file}\n  expected {expected}\n  got      {error}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_text_keeps_its_spelling() {
    for name in ["007", "1.10", "0x1F", "1e3", "yes", "true", "\"null\"", "!!str null", "'~'"] {
        let file = format!("sources: [{{name: a, provider: {{adstat: {{token: x, accounts: [{name}]}}}}}}]\n");
        let written = name.trim_start_matches("!!str ").trim_matches(['"', '\'']);
        let config = Config::from_text(Path::new("f.yaml"), &file).expect("a good file");
        let mut build = Build::default();
        config.sources[0].provider.build(&mut build).expect("a provider");
        let account = build.account.iter().find(|(key, _)| **key == *"accounts").map(|(_, account)| account.expose());
        assert_eq!(account, Some(written));
    }
    let thresholds = with_keys("low: {amount: {warning: 99999999999999999999, critical: -99999999999999999999}}");
    let config = Config::from_text(Path::new("f.yaml"), &thresholds).expect("a good file");
    let amount = config.sources[0].low.limits(LowMetric::Amount).all;
    assert_eq!((amount.warning, amount.critical), (Some(1e20), Some(-1e20)));
}

#[test]
fn aliases_are_bounded_and_so_is_depth() {
    let error_of = |file: &str| Config::from_text(Path::new("f.yaml"), file).err().map(|error| error.to_string());
    let laughs =
        ('b'..='k').zip('a'..).map(|(this, before)| format!("{this}: &{this} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    let laughs = laughs.collect::<Vec<_>>().concat();
    let laughs = error_of(&format!("a: &a [ha, ha]\n{laughs}sources: []\n"));
    assert_eq!(laughs.as_deref(), Some("f.yaml: the aliases expand to too much; use fewer aliases"));
    let long = format!("sources:\n- name: &long {}\n  accounts: [{}]\n", "x".repeat(1024 * 1024), vec!["*long"; 1024].join(", "));
    let long = error_of(&long).expect("refused");
    assert!(long.ends_with(": the aliases expand to more than 32 MiB; use fewer aliases"), "{long}");
    let itself = error_of("a: &a [*a]\nsources: []\n").expect("refused");
    assert!(itself.ends_with("]: is nested too deeply; flatten it"), "{itself}");

    // With the stack size of a lane's thread. A debug build needs more stack than a release build.
    let deep = move || error_of(&format!("sources: {}{}\n", "[".repeat(1000), "]".repeat(1000)));
    let deep = std::thread::Builder::new().stack_size(256 * 1024).spawn(deep).expect("a thread").join().expect("no panic");
    assert!(deep.is_some_and(|line| line.ends_with("]: is nested too deeply; flatten it")));

    let brackets = error_of(&format!("sources: {}\n", "[".repeat(1_000_000)));
    assert_eq!(brackets.as_deref(), Some("f.yaml: is nested too deeply; flatten it"), "before the parser sees it");

    let alias = "x: &p {mysmpp: {token: x}}\nsources: [{name: a, provider: *p}]\n";
    assert_eq!(error_of(alias).as_deref(), Some("f.yaml:1:1: x: unknown key; expected one of `defaults`, `services`, `sources`"));
    let good = "sources: [{name: a, provider: &p {mysmpp: {token: x}}}, {name: b, provider: *p}]\n";
    assert_eq!(error_of(good), None);
}

#[test]
fn defaults_are_inherited_and_overridden() {
    let file = "defaults: {interval: 10m, timeout: 7s}
sources:
  - {name: inherits, provider: {mysmpp: {token: x}}}
  - {name: overrides, interval: 4s, timeout: 1s, max_age: 9s, provider: {mysmpp: {token: x}}}
";
    let config = Config::from_text(Path::new("f.yaml"), file).expect("a good file");
    let timings = config
        .sources
        .iter()
        .map(|source| [source.interval, source.timeout, source.max_age].map(|duration| duration.as_secs_f64()));
    assert_eq!(timings.collect::<Vec<_>>(), [[600.0, 7.0, 3600.0], [4.0, 1.0, 9.0]]);

    let computed = "sources:
  - {name: plain, provider: {mysmpp: {token: x}}}
  - {name: short, interval: 4s, provider: {mysmpp: {token: x}}}
  - {name: long, interval: 2h, provider: {mysmpp: {token: x}}}
";
    let config = Config::from_text(Path::new("f.yaml"), computed).expect("a good file");
    let timings = config
        .sources
        .iter()
        .map(|source| [source.interval, source.timeout, source.max_age].map(|duration| duration.as_secs_f64()));
    assert_eq!(timings.collect::<Vec<_>>(), [[300.0, 10.0, 3600.0], [4.0, 2.0, 3600.0], [7200.0, 10.0, 21600.0]]);
}

#[test]
fn a_secret_that_others_can_read_draws_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let configured = Configured::new("sources: [{name: a, provider: {adstat: {login: {username: me, password: readable}}}}]\n");
    let warned = |mode: u32| {
        std::fs::set_permissions(&configured.file, std::fs::Permissions::from_mode(mode)).expect("permissions");
        text(&run(["check", "--config.file", configured.path()]).stderr)
    };
    assert_eq!(warned(0o640), "");
    let warning = warned(0o644);
    assert!(
        warning.contains("others can read this file and the secrets in it (sources[0].provider.adstat.login.password)"),
        "{warning}"
    );
    assert!(!warning.contains("readable}"), "{warning}");
}

#[test]
fn the_shipped_configuration_is_valid() {
    let shipped = std::fs::read_to_string(repository("exporter.yaml")).expect("a file");
    let configured = Configured::new("");
    let directory = configured.directory.path();
    let secret = directory.join("sms-password");
    std::fs::write(&secret, "x").expect("a file");
    std::fs::write(directory.join("adstat-password"), "x").expect("a file");
    std::fs::write(&configured.file, shipped.replace("/etc/balance-exporter/sms-password", secret.to_str().expect("UTF-8")))
        .expect("a file");
    let mut check = binary();
    check.args(["check", "--config.file", configured.path()]).env("CREDENTIALS_DIRECTORY", directory);
    check.env("ATISU_TOKEN", "x").env("OPENROUTER_TOKEN", "x");
    let output = check.output().expect("the binary runs");
    let printed = (text(&output.stdout), text(&output.stderr));
    assert_eq!(printed, (format!("{}: good, 4 sources\n", configured.path()), String::new()));
}
