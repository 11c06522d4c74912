//! Invalid configurations, each with the error line that it must get.

/// A configuration with one source and this provider.
pub(super) fn with_provider(provider: &str) -> String {
    format!("sources:\n  - name: a\n    provider:\n      {provider}\n")
}

/// A configuration with one valid source and these additional keys.
pub(super) fn with_keys(keys: &str) -> String {
    format!("sources:\n  - name: a\n    provider: {{mysmpp: {{token: {{env: PATH}}}}}}\n    {keys}\n")
}

/// Whole files with their error lines.
pub(super) fn whole_files() -> Vec<(String, &'static str)> {
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
pub(super) fn nulls_and_tags() -> Vec<(String, &'static str)> {
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
pub(super) fn defaults() -> Vec<(&'static str, &'static str)> {
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
pub(super) fn keys() -> Vec<(&'static str, &'static str)> {
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
pub(super) fn adstat() -> Vec<(&'static str, &'static str)> {
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
pub(super) fn providers() -> Vec<(&'static str, &'static str)> {
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
