//! Values and answers that try to do harm.

use super::*;
use crate::provider::service::fill::check;

const URL: &str = "url: {default: https://h.example/}";
const BALANCE: &str = "readings: [{available: .balance, currency: USD}]";

/// What is wrong with a value of the parameter `id` in a call.
fn refused(call: &str, value: &str) -> Option<String> {
    let calls = format!("calls:\n  - {}\n    {BALANCE}\n", call.replace('\n', "\n    "));
    let description = description(&format!("{URL}, id: {{}}"), &calls);
    let values = given(&description, ["https://h.example/", value]);
    check(&description, &values)
        .err()
        .map(|(parameter, what)| format!("{}: {what}", parameter.map_or("-", |i| &description.parameters[i].name)))
}

#[test]
fn a_value_that_would_lead_to_another_path_is_refused() {
    let elsewhere = Some("id: makes a path that leads elsewhere; correct it".to_owned());
    for value in [".", ".."] {
        assert_eq!(refused("get: ${url}v1/${id}/x", value), elsewhere, "{value}");
    }
    assert_eq!(refused("get: ${url}v1/.${id}/x", "."), elsewhere);
    assert_eq!(refused("get: ${url}v1/${id}/x", ""), Some("id: is empty in a path; write its value".to_owned()));
    for value in ["...", "a.b", "../x", "%2e%2e", "/etc", "\\..\\"] {
        assert_eq!(refused("get: ${url}v1/${id}/x", value), None, "{value}");
    }
}

#[test]
fn a_value_never_adds_a_header_or_changes_one() {
    let what = Some("id: holds characters that cannot be sent in a header; correct it".to_owned());
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a\u{7f}", "ключ"] {
        for call in ["get: ${url}\nheaders: {X-Key: \"${id}\"}", "get: ${url}\nbearer: ${id}"] {
            assert_eq!(refused(call, value), what, "{value:?}");
        }
    }
    let colon = Some("id: must not hold a colon in basic authentication".to_owned());
    assert_eq!(refused("get: ${url}\nbasic: {username: \"${id}\", password: x}", "a:b"), colon);
}

#[test]
fn a_base_with_a_query_keeps_its_host() {
    let calls = format!("calls:\n  - get: ${{url}}v1/${{id}}\n    {BALANCE}\n");
    let description = description(&format!("{URL}, id: {{}}"), &calls);
    for id in ["@evil.example/", "//evil.example", "\\\\evil.example", "x?y#z", ":80@evil"] {
        let script = Script::new([ok(r#"{"balance":1}"#)]);
        assert!(script.poll(&service(&description, ["https://h.example", id])).is_ok());
        let line = script.lines().remove(0);
        assert!(line.starts_with("GET https://h.example/v1/") && !line.contains('?') && !line.contains('#'), "{line}");
    }
}

#[test]
fn a_poll_sends_at_most_200_requests() {
    let calls = "calls:
  - for: ids
    get: ${url}a/${ids}
    keep: {sub: \".subs[]\"}
  - for: sub
    get: ${url}b/${sub}
    readings: [{available: .balance, currency: USD, account: \"${sub}\"}]
";
    let description = description(&format!("{URL}, ids: {{list: true}}"), calls);
    let subs: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let script = Script::new([ok(&format!("{{\"subs\":[{}]}}", subs.join(",")))]);
    for _ in 0..199 {
        script.then([ok(r#"{"balance":1}"#)]);
    }
    let failed = shown(script.poll(&service(&description, ["https://h.example/", "x"])));
    assert_eq!(reason(failed), Some(Reason::TooLarge));
    assert_eq!(script.lines().len(), 200);
}

#[test]
fn more_readings_than_max_series_fail_the_poll() {
    let calls = "max_series: 3\ncalls:\n  - get: ${url}\n    readings: [{each: \".l[]\", available: ., currency: USD, account: (tostring)}]\n";
    let description = description(URL, calls);
    let poll = |body| shown(Script::new([ok(body)]).poll(&service(&description, ["https://h.example/"])));
    assert_eq!(poll(r#"{"l":[1,2,3]}"#).map(|readings| readings.len()), Ok(3));
    assert_eq!(reason(poll(r#"{"l":[1,2,3,4]}"#)), Some(Reason::Decode));
}

#[test]
fn messages_never_quote_a_value() {
    let secret = "correct-horse";
    let bodies = [
        format!(r#"{{"balance":"{secret}"}}"#),
        format!(r#"{{"balance":["{secret}"]}}"#),
        format!(r#"{{"balance":{{"{secret}":1}}}}"#),
        format!(r#"{{"balance":1,"list":"{secret}"}}"#),
        format!("\"{secret}\""),
        secret.to_owned(),
    ];
    let rules = [
        "available: .balance, currency: USD",
        "available: .balance.x.y, currency: USD",
        "available: .balance + 1, currency: USD",
        "available: '.balance[0] * 2', currency: USD",
        "each: \".list[]\", available: .x, currency: .y",
        "available: .balance | tonumber, currency: USD",
        "expires: .balance",
        "forbidden: .balance",
        "units: '.balance | length | tostring | . + {}', unit: requests",
    ];
    for body in &bodies {
        for rule in rules {
            if let Err((_, detail)) = poll_once(&format!("readings: [{{{rule}}}]"), ok(body)) {
                assert!(!detail.contains("horse"), "{rule} over {body}: {detail}");
            }
        }
    }
}

#[test]
fn basic_authentication_is_masked_in_its_encoding() {
    let calls = format!("calls:\n  - get: ${{url}}\n    basic: {{username: me, password: \"${{id}}\"}}\n    {BALANCE}\n");
    let description = description(&format!("{URL}, id: {{secret: true}}"), &calls);
    let values = given(&description, ["https://h.example/", "correct-horse"]);
    let encoded: Vec<String> =
        Service::encoded_secrets(&description, &values).iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(encoded, ["bWU6Y29ycmVjdC1ob3JzZQ=="]);
}

#[test]
fn what_an_answer_calls_private_is_masked_in_labels() {
    let keys = "private: [.token]\nreadings: [{available: .balance, currency: USD, account: .token}]";
    let readings = poll_once(keys, ok(r#"{"balance":1,"token":"correct-horse"}"#)).expect("readings");
    assert_eq!(readings, ["balance_available_amount{account=\"***\",currency=\"USD\"} 1"]);
}

#[test]
fn a_kept_credential_is_masked_in_labels_and_an_identifier_is_not() {
    let calls = |use_of_kept: &str| {
        format!(
            "calls:
  - get: ${{url}}a
    keep: {{kept: .kept}}
  - {use_of_kept}
    readings: [{{available: .balance, currency: USD, account: .echo}}]
"
        )
    };
    let poll = |use_of_kept: &str| {
        let description = description(URL, &calls(use_of_kept));
        let script = Script::new([ok(r#"{"kept":"correct-horse"}"#), ok(r#"{"balance":1,"echo":"correct-horse"}"#)]);
        shown(script.poll(&service(&description, ["https://h.example/"]))).expect("readings").remove(0)
    };
    let with_account = |account: &str| format!("balance_available_amount{{account=\"{account}\",currency=\"USD\"}} 1");
    assert_eq!(poll("get: ${url}b\n    bearer: ${kept}"), with_account("***"));
    assert_eq!(poll("post: ${url}b\n    json: {t: [\"x ${kept}\"]}"), with_account("***"));
    assert_eq!(poll("get: ${url}b/${kept}"), with_account("correct-horse"));
}

#[test]
fn what_answers_make_a_poll_keep_is_bounded() {
    let calls = "calls:
  - for: ids
    get: ${url}a/${ids}
    keep: {kept: .kept}
    private: [\".private[]\"]
    readings: [{available: .balance, currency: USD, account: \"${ids}\"}]
  - for: kept
    get: ${url}b/${kept}
";
    let description = description(&format!("{URL}, ids: {{list: true}}"), calls);
    let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
    let service = service(&description, ["https://h.example/", &ids.join(",")]);
    let long = ok(&format!(r#"{{"kept":"{}","private":[],"balance":1}}"#, "x".repeat(16_000)));
    let many = ok(&format!(
        r#"{{"kept":"x","private":[{}],"balance":1}}"#,
        (0..101).map(|n| format!("\"p{n}\"")).collect::<Vec<_>>().join(",")
    ));
    for (answer, most) in [(long, 66), (many, 1)] {
        let script = Script::new([]);
        for _ in 0..100 {
            script.then([answer.clone()]);
        }
        assert_eq!(reason(shown(script.poll(&service))), Some(Reason::TooLarge));
        assert_eq!(script.lines().len(), most);
    }
}
