use super::*;
use std::fmt::Write;

/// A good description, of which the tests change one line.
const GOOD: &str = "title: Acme
documentation: https://docs.acme.example/
interval: {default: 10m, minimum: 1m}
parameters:
  token: {secret: true}
  ids: {list: true}
  url: {default: https://api.acme.example/}
session:
  calls:
    - post: ${url}login
      form: {token: \"${token}\"}
  token: .access_token
  lifetime: .expires_in
calls:
  - get: ${url}projects
    bearer: ${session}
    keep: {project: \".projects[].id\"}
  - for: ids
    get: ${url}v1/${ids}
    query: {all: \"1\"}
    headers: {X-Key: \"k ${session}\"}
    error: {when: .ok != true, code: .code, message: .text, reasons: {\"1\": auth, \"*\": status}}
    readings:
      - each: .list[]
        account: .id
        available: .money
        currency: .currency
        scale: 0.01
      - {units: .left, unit: requests, unlimited: [-1, null], missing: skip, account: \"${ids}\"}
  - for: project
    get: ${url}v1/projects/${project}
    readings: [{expires: .until, timezone: Europe/Moscow, account: \"${project}\"}]
";

fn read_text(text: &str) -> Read {
    let tree = Node::parse(text).unwrap_or_else(|malformed| panic!("{malformed}\n{text}"));
    read("acme", &tree, Position { line: 1, column: 1 }, "acme")
}

fn mistakes(text: &str) -> String {
    let mut lines = String::new();
    for Mistake { at, place, text } in read_text(text).mistakes {
        let _ = writeln!(lines, "{}:{}: {place}: {text}", at.line, at.column);
    }
    lines.trim_end().to_owned()
}

#[test]
fn the_good_description_is_good() {
    let read = read_text(GOOD);
    assert_eq!(read.mistakes, []);
    let description = read.description.expect("a description");
    assert_eq!((description.calls.len(), description.calls[0].keep.len(), description.max_series), (3, 1, 1000));
    assert_eq!(description.reads(), "available, units (requests), expires");
}

/// What is replaced in the good description, by what, and what is said.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("title: Acme\n", "", "1:1: acme: lacks title; add it"),
    ("title: Acme", "title: ''", "1:1: acme.title: is empty; write it"),
    (
        "title: Acme",
        "titel: Acme",
        "1:1: acme.titel: is not a key of this place; did you mean title?\n1:1: acme: lacks title; add it",
    ),
    (
        "documentation: https://docs.acme.example/",
        "documentation: docs",
        "2:1: acme.documentation: is the URL of the documentation, with http:// or https://",
    ),
    ("default: 10m", "default: 10", "3:12: acme.interval.default: write a duration with its unit, from 1s to 1year, such as 5m"),
    ("default: 10m", "default: 10s", "3:12: acme.interval.default: the default is shorter than the minimum; lengthen it"),
    (
        "  url: {default: https://api.acme.example/}\n",
        "",
        "4:1: acme.parameters: lacks url; add it, such as url: {default: https://api.example.com/}",
    ),
    (
        "default: https://api",
        "default: ftp://api",
        "7:3: acme.parameters.url: only http and https are spoken; write https://HOST/PATH",
    ),
    (
        "  token: {secret: true}",
        "  token: {secret: true, default: x}",
        "5:3: acme.parameters.token: a secret has no default; drop one",
    ),
    (
        "  ids: {list: true}",
        "  ids: {list: true}\n  spare: {}",
        "7:3: acme.parameters.spare: is never used; use it in a call, or drop it",
    ),
    (
        "  ids: {list: true}",
        "  Ids: {list: true}",
        "6:3: acme.parameters.Ids: the name of a parameter has up to 32 of a-z, 0-9 and _, begins with a letter, and is not session\n18:5: acme.calls[1].for: ids is not a list: name a list parameter, or what an earlier call keeps",
    ),
    (
        "form: {token: \"${token}\"}",
        "form: {token: \"${tokn}\"}",
        "11:21: acme.session.calls[0].form.token: there is no ${tokn}; did you mean token?",
    ),
    (
        "form: {token: \"${token}\"}",
        "form: {token: \"${session}\"}",
        "11:21: acme.session.calls[0].form.token: there is no ${session}; the names here are token, ids, url",
    ),
    ("  token: .access_token\n", "", "8:1: acme.session: lacks token, the expression that finds it in the last answer; add it"),
    (
        "    - post: ${url}login",
        "    - get: ${url}login",
        "11:7: acme.session.calls[0].form: only a post has a body; write post, or drop it",
    ),
    (
        "    - post: ${url}login",
        "    - post: ${url}login\n      readings: [{available: .x}]",
        "11:7: acme.session.calls[0].readings: is not a key of this place; the keys here are get, post, head, for, query, headers, json, form, text, content_type, bearer, basic, answer, accept, error, keep, private",
    ),
    (
        "    bearer: ${session}\n",
        "    bearer: ${session}\n    basic: {username: a, password: b}\n",
        "17:5: acme.calls[0].basic: a call has one of bearer, basic and the header Authorization; keep one",
    ),
    ("X-Key: \"k", "Host: \"k", "21:15: acme.calls[1].headers.Host: is set by the program; drop it"),
    ("X-Key: \"k", "\"X Key\": \"k", "21:15: acme.calls[1].headers.X Key: is not the name of a header"),
    (
        "    get: ${url}v1/${ids}",
        "    get: ${url}v1/${ids}#x",
        "19:10: acme.calls[1].get: a fragment is never sent; drop the # and what follows it",
    ),
    (
        "    get: ${url}v1/${ids}",
        "    get: v1/${ids}",
        "19:10: acme.calls[1].get: must begin with a parameter such as ${url}, or with https://HOST/",
    ),
    (
        "    get: ${url}v1/${ids}",
        "    get: https://x${ids}.example/",
        "19:10: acme.calls[1].get: must begin with a parameter such as ${url}, or with https://HOST/",
    ),
    (
        "  - for: ids\n    get",
        "  - get",
        "18:10: acme.calls[1].get: ${ids} is a list; repeat the call for its elements with for: ids\n28:87: acme.calls[1].readings[1].account: ${ids} is a list; repeat the call for its elements with for: ids",
    ),
    (
        "  - for: ids\n",
        "  - for: token\n",
        "18:5: acme.calls[1].for: the parameter token is one text; declare it with list: true, or drop for\n19:10: acme.calls[1].get: ${ids} is a list; repeat the call for its elements with for: ids\n29:87: acme.calls[1].readings[1].account: ${ids} is a list; repeat the call for its elements with for: ids",
    ),
    (
        "    get: ${url}v1/${ids}",
        "    get: ${url}v1/${ids}\n    post: ${url}",
        "20:5: acme.calls[1].post: a call has one of get, post and head; drop one",
    ),
    (
        "keep: {project:",
        "keep: {token:",
        "17:12: acme.calls[0].keep.token: the name token is taken; rename it\n30:5: acme.calls[2].for: project is not a list: name a list parameter, or what an earlier call keeps",
    ),
    ("when: .ok != true", "when: .ok !! true", "22:19: acme.calls[1].error.when: `.ok ▸!! true`"),
    ("{when: .ok != true, code", "{code", "22:5: acme.calls[1].error: lacks when, the condition of an error; add it"),
    (
        "\"1\": auth",
        "\"1\": internal",
        "22:71: acme.calls[1].error.reasons.1: is one of dns, connect, tls, timeout, auth, forbidden, blocked, payment_required, not_found, rate_limited, rejected, server, redirect, too_large, decode, status",
    ),
    (
        "\"1\": auth",
        "\"1\": auht",
        "22:71: acme.calls[1].error.reasons.1: is one of dns, connect, tls, timeout, auth, forbidden, blocked, payment_required, not_found, rate_limited, rejected, server, redirect, too_large, decode, status; did you mean auth?",
    ),
    (
        "      - each: .list[]",
        "      - each: .list[]?",
        "24:15: acme.calls[1].readings[0].each: `.list[]?`: ? and try would hide a list that is not there; drop them",
    ),
    (
        "        account: .id\n        available: .money\n        currency: .currency",
        "        available: .money\n        currency: USD",
        "24:9: acme.calls[1].readings[0].each: no label tells its elements apart; add account, currency, unit or area with an expression",
    ),
    (
        "available: .money",
        "available: .money // 0",
        "26:20: acme.calls[1].readings[0].available: `.money // 0`: a figure comes from the answer; where a missing one has a documented meaning, say missing: 0",
    ),
    (
        "available: .money",
        "available: .money | selct(. > 1)",
        "26:20: acme.calls[1].readings[0].available: `.money | ▸selct(. > 1)`: there is no function selct; did you mean select?",
    ),
    (
        "available: .money",
        "available: .money${ids}",
        "26:20: acme.calls[1].readings[0].available: ${…} cannot stand in an expression; write $parameters.NAME, which holds what is not secret",
    ),
    (
        "available: .money",
        "available: .money * ($parameters.token | tonumber)",
        "26:20: acme.calls[1].readings[0].available: $parameters.token is secret, and no expression sees a secret",
    ),
    (
        "        currency: .currency",
        "        currency: currency.code",
        "27:19: acme.calls[1].readings[0].currency: \"currency.code\" is no currency code; an expression begins with a dot: .currency.code?",
    ),
    (
        "scale: 0.01",
        "scale: 0",
        "28:9: acme.calls[1].readings[0].scale: write a number that is not zero, such as 0.01, or an expression",
    ),
    (
        "unit: requests",
        "unit: Requests",
        "29:30: acme.calls[1].readings[1].unit: \"Requests\" is no unit; an expression begins with a dot: .Requests?",
    ),
    (
        "{units: .left, unit: requests,",
        "{units: .left,",
        "29:10: acme.calls[1].readings[1].units: lacks its unit; add unit, such as requests or credits",
    ),
    ("missing: skip", "missing: maybe", "29:63: acme.calls[1].readings[1].missing: is fail, skip or a number"),
    (
        "timezone: Europe/Moscow",
        "timezone: Moscow",
        "32:34: acme.calls[2].readings[0].timezone: is not a time zone of the IANA database, such as Europe/Moscow",
    ),
    (
        "expires: .until,",
        "expires: .until, currency: USD,",
        "32:34: acme.calls[2].readings[0].currency: belongs to amounts; drop it",
    ),
    (
        "expires: .until,",
        "expires: .until, unlimited: [-1],",
        "32:34: acme.calls[2].readings[0].unlimited: only units and sms can be unlimited; drop it",
    ),
    (
        "expires: .until,",
        "expires: .until, missing: 0,",
        "32:34: acme.calls[2].readings[0].missing: a number is for amounts, units and sms; write skip or fail",
    ),
    (
        "expires: .until,",
        "expires: .until, expires_in: .ttl,",
        "32:34: acme.calls[2].readings[0].expires_in: says what expires says; drop one",
    ),
    (
        "{expires: .until, timezone: Europe/Moscow,",
        "{",
        "32:16: acme.calls[2].readings[0]: has no figure; add one of available, active, total, credit_limit, units, sms, expires, expires_in, resets, resets_in, forbidden",
    ),
];

#[test]
fn every_mistake_has_its_place_and_its_fix() {
    let mut wrong = String::new();
    for (from, to, expected) in MISTAKES {
        assert_eq!(GOOD.matches(from).count(), 1, "{from} must stand once");
        let told = mistakes(&GOOD.replacen(from, to, 1));
        let same = told == *expected || (expected.ends_with('`') && told.starts_with(*expected));
        if !same {
            let _ = writeln!(wrong, "{from} → {to}\n  expected {expected}\n  got      {told}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_body_is_one_of_three_kinds() {
    let call = |keys: &str| {
        mistakes(&format!(
            "title: A\ndocumentation: https://a.example/\nparameters: {{url: {{}}}}\ncalls:\n  - post: ${{url}}\n{keys}    readings: [{{available: .a, currency: USD}}]\n"
        ))
    };
    assert_eq!(call("    text: x\n    content_type: text/plain\n"), "");
    assert_eq!(call("    json: {a: [1, true, null, \"${url}\"]}\n"), "");
    assert_eq!(call("    text: x\n"), "6:5: acme.calls[0].text: lacks its kind; add content_type, such as text/plain");
    assert_eq!(call("    content_type: text/plain\n"), "6:5: acme.calls[0].content_type: belongs to text; drop it, or add text");
    for kind in ["application/json", "text/xml", "application/vnd.api+JSON"] {
        let expected = "7:5: acme.calls[0].content_type: a value could change the shape of such a text; write json: instead";
        assert_eq!(call(&format!("    text: x\n    content_type: {kind}\n")), expected);
    }
    assert_eq!(call("    json: {}\n    form: {}\n"), "7:5: acme.calls[0].form: a call has one of json, form and text; drop one");
}

#[test]
fn a_dollar_before_a_slot_is_a_plain_one() {
    let text = GOOD.replace("query: {all: \"1\"}", "query: {all: \"$${ids} ${ids}\"}");
    let description = read_text(&text).description.expect("good");
    let pieces = format!("{:?}", description.calls[1].query[0].1);
    assert_eq!(pieces, "Template([Text(\"${ids} \"), Slot(Element)])");
}

#[test]
fn a_number_format_is_checked() {
    let format = |number: &str| mistakes(&GOOD.replace("scale: 0.01", &format!("number: {number}")));
    assert_eq!(format("{decimal: \",\", group: \" \", unit: ₽}"), "");
    for wrong in ["{decimal: \",\", group: \",\"}", "{decimal: \",,\"}", "{decimal: \"1\"}", "{group: \"-\"}", "{unit: \"1\"}"] {
        assert!(format(wrong).starts_with("28:"), "{wrong}: {}", format(wrong));
    }
    assert!(format("{decimals: 2}").contains("did you mean decimal?"));
}

#[test]
fn examples_are_read_whole() {
    let with = |examples: &str| mistakes(&format!("{GOOD}examples:\n  - {examples}\n"));
    assert_eq!(with("{answers: [{body: {a: 1}}], expect: [{available: 1, currency: USD, account: x}]}"), "");
    assert_eq!(with("{answers: [{status: 401}], reason: auth}"), "");
    for (example, expected) in [
        ("{expect: []}", "34:5: acme.examples[0]: lacks answers; add one for each request"),
        ("{answers: []}", "34:5: acme.examples[0]: has no outcome; add expect or reason"),
        ("{answers: [], reason: auht}", "34:19: acme.examples[0].reason: is one of"),
        (
            "{answers: [{status: 7}], reason: auth}",
            "34:17: acme.examples[0].answers[0].status: write a whole number from 100 to 599",
        ),
        ("{answers: [], expect: [{available: many}]}", "34:29: acme.examples[0].expect[0].available: is a number"),
        ("{answers: [], expect: [{balance: 1}]}", "34:29: acme.examples[0].expect[0].balance: is not a key of this place"),
    ] {
        assert!(with(example).starts_with(expected), "{example}: {}", with(example));
    }
}

#[test]
fn any_shape_in_any_place_is_a_mistake_and_no_panic() {
    // Every value of the description is replaced by each of these in turn.
    let shapes = ["7", "~", "''", "[]", "{}", "[x]", "{x: y}", "'${'", "${x}", ".a", "\"\u{7f}\""];
    for (i, line) in GOOD.lines().enumerate() {
        let Some((key, _)) = line.split_once(": ") else { continue };
        for shape in shapes {
            let replaced: Vec<String> = GOOD
                .lines()
                .enumerate()
                .map(|(n, other)| if n == i { format!("{key}: {shape}") } else { other.to_owned() })
                .collect();
            if let Ok(tree) = Node::parse(&replaced.join("\n")) {
                let read = read("acme", &tree, Position { line: 1, column: 1 }, "acme");
                assert!(read.description.is_some() == read.mistakes.is_empty(), "{key}: {shape}");
            }
        }
    }
}
