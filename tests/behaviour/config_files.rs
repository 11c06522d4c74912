//! Invalid configuration files: for each rule one file and its exact error line.

use crate::support::{Configured, binary, repository, run, text};
use balance_exporter::config::Config;
use balance_exporter::domain::LowMetric;
use balance_exporter::poll::assemble::{Unusable, assemble};
use balance_exporter::provider::Build;
use balance_exporter::transport::client::Clients;
use std::error::Error;
use std::path::Path;

/// A configuration with one source and this provider.
fn with_provider(provider: &str) -> String {
    format!("sources:\n  - name: a\n    provider:\n      {provider}\n")
}

/// A configuration with one valid source and these additional keys.
fn with_keys(keys: &str) -> String {
    format!("sources:\n  - name: a\n    provider: {{mysmpp: {{token: {{env: PATH}}}}}}\n    {keys}\n")
}

/// Whole files with their error lines.
fn whole_files() -> Vec<(String, &'static str)> {
    let good = with_keys("interval: 5m");
    vec![
        (String::new(), "f.yaml:1:1: sources: is missing; add it"),
        ("- a\n".to_owned(), "f.yaml:1:1: found sequence, expected a map with the key sources"),
        ("defaults: {interval: 5m}\n".to_owned(), "f.yaml:1:1: sources: is missing; add it"),
        (
            format!("source: []\n{good}"),
            "f.yaml:1:1: source: unknown key; expected one of `defaults`, `services`, `sources`; did you mean sources?",
        ),
        (format!("{good}sources: []\n"), "f.yaml:1:1: sources: appears twice; drop one"),
        (
            format!("defaults: {{intervall: 5m}}\n{good}"),
            "f.yaml:1:12: defaults.intervall: unknown key; expected one of `interval`, `timeout`, `max_age`, `proxy`, `ca_file`; did you mean interval?",
        ),
        (format!("defaults: 5m\n{good}"), "f.yaml:1:11: defaults: found string, expected a map of defaults"),
        (
            "sources:\n\t- name: a\n".to_owned(),
            "f.yaml:2:1: found character that cannot start any token; fix the YAML there: look for a wrong indentation, a tab or a missing quote",
        ),
        (
            "sources: *x\n".to_owned(),
            "f.yaml:1:10: unknown anchor; fix the YAML there: look for a wrong indentation, a tab or a missing quote",
        ),
        (
            "sources: []\n---\nsources: []\n".to_owned(),
            "f.yaml: deserializing from YAML containing more than one document is not supported; fix the YAML there: look for a wrong indentation, a tab or a missing quote",
        ),
        (good.replace("- name", "- name: b\n    name"), "f.yaml:2:5: sources[0].name: appears twice; drop one"),
        (
            good.replace("name: a", "name: a b"),
            "f.yaml:2:11: sources[0].name: not a source name; use 1 to 64 of a-z A-Z 0-9 _ . -",
        ),
        (
            good.replace("name: a", "name: ''"),
            "f.yaml:2:11: sources[0].name: not a source name; use 1 to 64 of a-z A-Z 0-9 _ . -",
        ),
        ("sources: [{name: a}]\n".to_owned(), "f.yaml:1:11: sources[0].provider: is missing; add it"),
        (
            good.clone() + &good.replace("sources:\n", ""),
            "f.yaml: sources[1].name: the name a is taken by another source; rename one",
        ),
    ]
}

/// Files with nulls, tags, merge keys and values of the wrong kind, with their error lines.
fn nulls_and_tags() -> Vec<(String, &'static str)> {
    let text = "is missing; write a text, in quotes where it is the word null";
    let key = "a key is missing; write it, in quotes where it is the word null";
    let tag = "a tag such as !name means nothing here; write the value itself, in quotes where it begins with !";
    let merge = "merge keys are not supported; write the keys out, or use defaults";
    let secret = "found nothing, expected {file: PATH}, {env: NAME}, {credential: NAME} or a text";
    let missing = "sources: is missing; add some, or write [] for none";
    let adstat = |settings: &str| with_provider(&format!("adstat: {{{settings}}}"));
    let cases: [(String, &str, &str); 35] = [
        (with_keys("").replace("name: a", "name: null"), "2:11: sources[0].name", text),
        (with_keys("").replace("name: a", "name: ~"), "2:11: sources[0].name", text),
        (with_keys("").replace("name: a", "name:"), "2:10: sources[0].name", text),
        (with_keys("").replace("name: a", "name: !!null Null"), "2:11: sources[0].name", text),
        (with_keys("").replace("name: a", "name: !env NAME"), "2:11: sources[0].name", tag),
        (with_keys("").replace("name: a", "name: [a]"), "2:11: sources[0].name", "found sequence, expected a text"),
        (adstat("login: {username: null, password: x}"), "4:34: sources[0].provider.adstat.login.username", text),
        (adstat("login: {username: x, password: ~}"), "4:47: sources[0].provider.adstat.login.password", secret),
        (adstat("token: x, accounts: [A, null]"), "4:40: sources[0].provider.adstat.accounts[1]", text),
        (adstat("token: {file: null}"), "4:30: sources[0].provider.adstat.token.file", text),
        (adstat("token: {env: ~}"), "4:29: sources[0].provider.adstat.token.env", text),
        (adstat("token: {credential: }"), "4:36: sources[0].provider.adstat.token.credential", text),
        (adstat("token: {file: ''}"), "4:23: sources[0].provider.adstat.token", "must not be empty; write the path or the name"),
        (adstat("token: {null: x}"), "4:24: sources[0].provider.adstat.token", key),
        (adstat("token: !vault x"), "4:23: sources[0].provider.adstat.token", tag),
        (adstat("token: null"), " sources[0].provider.adstat", "no credentials; add login or token"),
        (
            with_provider("mysmpp: {login: null, password: x}"),
            " sources[0].provider.mysmpp.login",
            "is missing beside password; add it",
        ),
        (with_provider("atisu: {token: x, ati_code: ~}"), "4:35: sources[0].provider.atisu.ati_code", text),
        (with_provider("atisu: {token: ~, ati_code: 1}"), "4:22: sources[0].provider.atisu.token", secret),
        (with_provider("null: {}"), "4:7: sources[0].provider", key),
        (with_provider("{}"), "4:7: sources[0].provider", "must name exactly one provider; give each its own source"),
        (
            with_provider("null"),
            "4:7: sources[0].provider",
            "found nothing, expected a map with the provider's name and its settings",
        ),
        (with_provider("!adstat {token: x}"), "4:7: sources[0].provider", tag),
        (with_provider("adstat"), "4:7: sources[0].provider", "is a name without settings; write {NAME: SETTINGS}"),
        (with_keys("low: {accounts: {~: {warning: 1}}}"), "4:22: sources[0].low.accounts", key),
        (with_keys("low: {areas: {? : {warning: 1}}}"), "4:21: sources[0].low.areas", key),
        (with_keys("low: {areas: {<<: {warning: 1}}}"), "4:19: sources[0].low.areas", merge),
        (
            with_keys("low: {areas: {[A]: {warning: 1}}}"),
            "4:19: sources[0].low.areas",
            "found sequence, expected a text as the key",
        ),
        (
            with_keys("low: {areas: {A: null}}"),
            "4:22: sources[0].low.areas.A",
            "found nothing, expected a map with warning, critical or both",
        ),
        (with_keys("low: {amount: {warning: ~}}"), " sources[0].low.amount", "names no threshold; add warning, critical or both"),
        ("defaults: {proxy: {file: null}}\nsources: []\n".to_owned(), "1:26: defaults.proxy.file", text),
        ("sources: [null]\n".to_owned(), "1:11: sources[0]", "found nothing, expected a source: a map with name and provider"),
        ("null\n".to_owned(), "1:1", "found nothing, expected a map with the key sources"),
        ("sources:\n".to_owned(), "1:1", missing),
        ("sources: null\n".to_owned(), "1:1", missing),
    ];
    let line = |place: &str, text: &str| String::leak(format!("f.yaml:{place}: {text}")) as &str;
    cases.into_iter().map(|(file, place, text)| (file, line(place, text))).collect()
}

/// Defaults with their error lines, for a source that inherits all of them.
fn defaults() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "timeout: 5m",
            "f.yaml: defaults.timeout: 5m is not shorter than the interval of a, 5m; shorten it, or give sources[0] its own",
        ),
        (
            "max_age: 1s",
            "f.yaml: defaults.max_age: 1s is shorter than the interval of a, 5m; lengthen it, or give sources[0] its own",
        ),
        ("proxy: nonsense", "f.yaml: defaults.proxy: not the address of a proxy; write http://HOST:PORT"),
        (
            "ca_file: no/such.pem",
            "f.yaml: defaults.ca_file: cannot read certificates from no/such.pem: No such file or directory (os error 2); name a PEM file",
        ),
        ("interval: 0s", "f.yaml:1:22: defaults.interval: too short; write 1s or more"),
    ]
}

/// Keys of a source with their error lines.
fn keys() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "intervall: 5m",
            "f.yaml:4:5: sources[0].intervall: unknown key; expected one of `name`, `interval`, `timeout`, `max_age`, `proxy`, `ca_file`, `provider`, `low`; did you mean interval?",
        ),
        ("interval: 5", "f.yaml:4:15: sources[0].interval: a bare number has no unit; write 30s, 5m or 1h"),
        ("interval: 0.5", "f.yaml:4:15: sources[0].interval: a bare number has no unit; write 30s, 5m or 1h"),
        ("interval: 999ms", "f.yaml:4:15: sources[0].interval: too short; write 1s or more"),
        ("interval: 0s", "f.yaml:4:15: sources[0].interval: too short; write 1s or more"),
        ("interval: 1M", "f.yaml:4:15: sources[0].interval: months and years are not accepted; write minutes as 5m, days as 30d"),
        ("interval: 9000d", "f.yaml:4:15: sources[0].interval: too long; write 366d or less"),
        ("interval: soon", "f.yaml:4:15: sources[0].interval: not a duration; write 30s, 5m or 1h 30m"),
        ("interval: [5m]", "f.yaml:4:15: sources[0].interval: found sequence, expected a text"),
        ("timeout: 0s", "f.yaml:4:14: sources[0].timeout: too short; write 1ms or more"),
        ("timeout: 5m", "f.yaml: sources[0].timeout: 5m is not shorter than the interval of a, 5m; shorten it"),
        ("max_age: 4m", "f.yaml: sources[0].max_age: 4m is shorter than the interval of a, 5m; lengthen it"),
        ("proxy: 127.0.0.1:3128", "f.yaml: sources[0].proxy: not the address of a proxy; write http://HOST:PORT"),
        ("proxy: socks5://127.0.0.1", "f.yaml: sources[0].proxy: not the address of a proxy; write http://HOST:PORT"),
        (
            "ca_file: no/such.pem",
            "f.yaml: sources[0].ca_file: cannot read certificates from no/such.pem: No such file or directory (os error 2); name a PEM file",
        ),
        (
            "ca_file: /dev/null",
            "f.yaml: sources[0].ca_file: /dev/null holds no usable certificate; name a PEM file of root certificates",
        ),
        (
            "low: {sums: {warning: 1}}",
            "f.yaml:4:11: sources[0].low.sums: unknown key; expected one of `amount`, `accounts`, `sms`, `areas`, `units`; did you mean sms?",
        ),
        ("low: {amount: 5}", "f.yaml:4:19: sources[0].low.amount: found integer, expected a map with warning, critical or both"),
        ("low: {amount: {warn: 5}}", "f.yaml:4:20: sources[0].low.amount.warn: unknown key; expected `warning` or `critical`"),
        (
            "low: {amount: {warning: \"5\"}}",
            "f.yaml:4:29: sources[0].low.amount.warning: found string, expected a number without quotes",
        ),
        (
            "low: {amount: {warning: .inf}}",
            "f.yaml:4:29: sources[0].low.amount.warning: a threshold must be finite; write a number",
        ),
        ("low: {amount: {}}", "f.yaml: sources[0].low.amount: names no threshold; add warning, critical or both"),
        (
            "low: {sms: {warning: 1, critical: 2}}",
            "f.yaml: sources[0].low.sms: critical 2 is above warning 1; a critical balance is the lower one",
        ),
        (
            "low: {amount: {warning: 500}, accounts: {A: {critical: 600}}}",
            "f.yaml: sources[0].low.accounts.A: critical 600 is above warning 500; a critical balance is the lower one",
        ),
        ("low: {areas: {A: {warning: 1}, A: {warning: 2}}}", "f.yaml:4:18: sources[0].low.areas.A: appears twice; drop one"),
        (
            "low: {accounts: {A: {warning: 1}, \"A \": {warning: 2}}}",
            "f.yaml: sources[0].low.accounts.A : appears twice if white space is ignored; drop one",
        ),
        (
            "low: {accounts: {A: {warning: 1, warning: 1}}}",
            "f.yaml:4:25: sources[0].low.accounts.A.warning: appears twice; drop one",
        ),
    ]
}

/// Settings of AdStat with their error lines.
fn adstat() -> Vec<(&'static str, &'static str)> {
    vec![
        ("adstat:", "f.yaml: sources[0].provider.adstat: no credentials; add login or token"),
        (
            "adstat: {login: me}",
            "f.yaml:4:23: sources[0].provider.adstat.login: found string, expected a map with username and password",
        ),
        ("adstat: {login: {username: me}}", "f.yaml:4:23: sources[0].provider.adstat.login.password: is missing; add it"),
        (
            "adstat: {login: {username: ' ', password: x}}",
            "f.yaml: sources[0].provider.adstat.login.username: must not be empty; write the value or drop the key",
        ),
        (
            "adstat: {login: {username: me, password: x}, token: y}",
            "f.yaml: sources[0].provider.adstat.token: is given with login; keep one of the two",
        ),
        (
            "adstat: {token: x, accounts: []}",
            "f.yaml: sources[0].provider.adstat.accounts: names no account; list some, or drop the key to watch all",
        ),
        (
            "adstat: {token: x, accounts: [A, A]}",
            "f.yaml: sources[0].provider.adstat.accounts[1]: the account A is listed twice; drop one",
        ),
        (
            "adstat: {token: x, accounts: [A, ' A']}",
            "f.yaml: sources[0].provider.adstat.accounts[1]: the account A is listed twice; drop one",
        ),
        (
            "adstat: {token: x, accounts: [A, .]}",
            "f.yaml: sources[0].provider.adstat.accounts[1]: not an account; write its identifier, such as ACC0001",
        ),
        (
            "adstat: {token: x, accounts: [\" ..\\t\"]}",
            "f.yaml: sources[0].provider.adstat.accounts[0]: not an account; write its identifier, such as ACC0001",
        ),
        (
            "adstat: {token: \"a\\nb\"}",
            "f.yaml: sources[0].provider.adstat.token: the token holds characters that cannot be sent in a header; correct it",
        ),
    ]
}

/// Other providers with their error lines.
fn providers() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "megafon: {}",
            "f.yaml:4:7: sources[0].provider: there is no provider megafon; `balance-exporter services` lists those that there are, or describe it under services",
        ),
        ("mysmp: {}", "f.yaml:4:7: sources[0].provider: there is no provider mysmp; did you mean mysmpp?"),
        (
            "mysmpp: {token: x}\n      atisu: {}",
            "f.yaml:4:7: sources[0].provider: must name exactly one provider; give each its own source",
        ),
        (
            "mysmpp: {url: lk.mysmpp.ru, token: x}",
            "f.yaml:4:21: sources[0].provider.mysmpp.url: not an absolute URL; write http://HOST/PATH or https://HOST/PATH",
        ),
        (
            "mysmpp: {url: \"ftp://host/\", token: x}",
            "f.yaml:4:21: sources[0].provider.mysmpp.url: only http and https are spoken; write https://HOST/PATH",
        ),
        (
            "mysmpp: {url: \"http://me:pw@host/\", token: x}",
            "f.yaml:4:21: sources[0].provider.mysmpp.url: a URL must not contain credentials; use the provider's own keys",
        ),
        (
            "mysmpp: {url: \"http://host/#x\", token: x}",
            "f.yaml:4:21: sources[0].provider.mysmpp.url: a fragment is never sent; drop the # and what follows it",
        ),
        ("mysmpp: {}", "f.yaml: sources[0].provider.mysmpp: no credentials; add login and password, or token"),
        ("mysmpp: {login: a}", "f.yaml: sources[0].provider.mysmpp.password: is missing beside login; add it"),
        ("mysmpp: {password: a}", "f.yaml: sources[0].provider.mysmpp.login: is missing beside password; add it"),
        (
            "mysmpp: {login: a, token: a}",
            "f.yaml: sources[0].provider.mysmpp.token: is given with login or password; keep either the token or those two",
        ),
        (
            "mysmpp: {token: 123456}",
            "f.yaml:4:23: sources[0].provider.mysmpp.token: a secret that looks like a number or a flag must stand in quotes",
        ),
        (
            "mysmpp: {token: {path: x}}",
            "f.yaml:4:23: sources[0].provider.mysmpp.token: a secret is {file: PATH}, {env: NAME}, {credential: NAME} or a text",
        ),
        ("mysmpp: {token: ''}", "f.yaml: sources[0].provider.mysmpp.token: the secret is empty; put the credential there"),
        (
            "mysmpp: {token: {file: no/such}}",
            "f.yaml: sources[0].provider.mysmpp.token: cannot read the secret file no/such: No such file or directory (os error 2); create it or correct the path",
        ),
        (
            "mysmpp: {token: {file: /dev/zero}}",
            "f.yaml: sources[0].provider.mysmpp.token: the secret file /dev/zero is over 64 KiB; name the right file",
        ),
        (
            "mysmpp: {token: {file: /dev/null}}",
            "f.yaml: sources[0].provider.mysmpp.token: the secret is empty; put the credential there",
        ),
        (
            "mysmpp: {token: {env: NOT_SET_ANYWHERE}}",
            "f.yaml: sources[0].provider.mysmpp.token: the environment variable NOT_SET_ANYWHERE is not set; set it for this process",
        ),
        (
            "mysmpp: {token: {credential: ../x}}",
            "f.yaml: sources[0].provider.mysmpp.token: a credential is named by a plain file name; name it as LoadCredential= does",
        ),
        (
            "mysmpp: {token: {credential: x}}",
            "f.yaml: sources[0].provider.mysmpp.token: $CREDENTIALS_DIRECTORY is not set and /etc/balance-exporter/credentials/x cannot be read: No such file or directory (os error 2); start the service with LoadCredential=x:PATH, put the secret there, or use file: PATH",
        ),
        ("atisu: {token: x}", "f.yaml:4:14: sources[0].provider.atisu.ati_code: is missing; add it"),
        (
            "atisu: {token: x, ati_code: 'a b'}",
            "f.yaml: sources[0].provider.atisu.ati_code: not an ATI code; write its digits, such as \"64357\"",
        ),
    ]
}

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
