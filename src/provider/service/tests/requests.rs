use super::*;

const URL: &str = "url: {default: https://api.acme.example/}";
const READINGS: &str = "readings: [{available: .balance, currency: USD}]";

/// The request of a service with one call.
fn sent<const N: usize>(parameters: &str, call: &str, values: [&str; N]) -> Sent {
    let calls = format!("calls:\n  - {}\n    {READINGS}\n", call.replace('\n', "\n    "));
    let description = description(parameters, &calls);
    let script = Script::new([ok(r#"{"balance":1}"#)]);
    assert_eq!(
        shown(script.poll(&service(&description, values))),
        Ok(vec!["balance_available_amount{currency=\"USD\"} 1".to_owned()])
    );
    script.sent().remove(0)
}

#[test]
fn a_base_and_a_path_have_one_slash_between_them() {
    for base in ["https://api.acme.example/", "https://api.acme.example"] {
        assert_eq!(sent(URL, "get: ${url}v1/x", [base]).line, "GET https://api.acme.example/v1/x");
    }
    for base in ["https://api.acme.example/a/", "https://api.acme.example/a"] {
        assert_eq!(sent(URL, "get: ${url}v1?a=b", [base]).line, "GET https://api.acme.example/a/v1?a=b");
    }
    assert_eq!(sent(URL, "get: ${url}", ["https://node.example/key?x=y"]).line, "GET https://node.example/key?x=y");
    assert_eq!(sent(URL, "get: ${url}?func=x", ["https://my.example/billmgr"]).line, "GET https://my.example/billmgr?func=x");
}

#[test]
fn values_are_encoded_for_their_place() {
    let parameters = format!("{URL}, id: {{}}");
    let hostile = "a/b?c=d&e#f%2e g\"й:@";
    let path = sent(&parameters, "get: ${url}v1/${id}/x", ["https://h.example/", hostile]);
    assert_eq!(path.line, "GET https://h.example/v1/a%2Fb%3Fc=d&e%23f%252e%20g%22%D0%B9:@/x");
    let query = sent(&parameters, "get: ${url}v1\nquery: {q: \"${id}\", k: v}", ["https://h.example/", hostile]);
    assert_eq!(query.line, "GET https://h.example/v1?q=a%2Fb%3Fc%3Dd%26e%23f%252e%20g%22%D0%B9%3A%40&k=v");
    let form = sent(&parameters, "post: ${url}v1\nform: {q: \"${id}\", k: v}", ["https://h.example/", hostile]);
    assert_eq!(form.body, "q=a%2Fb%3Fc%3Dd%26e%23f%252e%20g%22%D0%B9%3A%40&k=v");
    assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded");
    let json =
        sent(&parameters, "post: ${url}v1\njson: {q: \"x ${id}\", n: 1.50, t: true, z: null}", ["https://h.example/", hostile]);
    assert_eq!(json.body, r#"{"q":"x a/b?c=d&e#f%2e g\"й:@","n":1.50,"t":true,"z":null}"#);
    assert_eq!(json.header("content-type"), "application/json");
    let text = sent(&parameters, "post: ${url}v1\ntext: \"<${id}>\"\ncontent_type: text/plain", ["https://h.example/", hostile]);
    assert_eq!(text.body, format!("<{hostile}>"));
}

#[test]
fn a_list_is_repeated_or_becomes_a_list() {
    let parameters = format!("{URL}, ids: {{list: true}}");
    let query = sent(&parameters, "get: ${url}v1\nquery: {id: \"${ids}\"}", ["https://h.example/", "a,b c"]);
    assert_eq!(query.line, "GET https://h.example/v1?id=a&id=b%20c");
    let json = sent(&parameters, "post: ${url}v1\njson: {ids: \"${ids}\"}", ["https://h.example/", "a,b"]);
    assert_eq!(json.body, r#"{"ids":["a","b"]}"#);
    let one = sent(&parameters, "post: ${url}v1\njson: {ids: \"${ids}\"}", ["https://h.example/", "a"]);
    assert_eq!(one.body, r#"{"ids":["a"]}"#);
}

#[test]
fn headers_are_set_and_can_be_overridden() {
    let parameters = format!("{URL}, token: {{secret: true}}");
    let usual = sent(&parameters, "get: ${url}\nbearer: ${token}", ["https://h.example/", "correct-horse"]);
    assert_eq!((usual.header("authorization"), usual.header("accept")), ("Bearer correct-horse", "application/json"));
    let basic = sent(&parameters, "get: ${url}\nbasic: {username: me, password: \"${token}\"}", ["https://h.example/", "x"]);
    assert_eq!(basic.header("authorization"), "Basic bWU6eA==");
    let own = sent(
        &parameters,
        "get: ${url}\nheaders: {Authorization: \"Key ${token}\", Accept: text/x, User-Agent: me}",
        ["https://h.example/", "x"],
    );
    assert_eq!(["authorization", "accept", "user-agent"].map(|name| own.header(name)), ["Key x", "text/x", "me"]);
}

#[test]
fn a_call_is_repeated_for_each_element() {
    let calls = "calls:\n  - for: ids\n    get: ${url}v1/${ids}\n    readings: [{available: .balance, currency: USD, account: \"${ids}\"}]\n";
    let description = description(&format!("{URL}, ids: {{list: true}}"), calls);
    let script = Script::new([ok(r#"{"balance":1}"#), ok(r#"{"balance":2}"#)]);
    assert_eq!(
        shown(script.poll(&service(&description, ["https://h.example/", "a,b"]))),
        Ok(vec![
            "balance_available_amount{account=\"a\",currency=\"USD\"} 1".to_owned(),
            "balance_available_amount{account=\"b\",currency=\"USD\"} 2".to_owned()
        ])
    );
    assert_eq!(script.lines(), ["GET https://h.example/v1/a", "GET https://h.example/v1/b"]);
}

#[test]
fn a_call_is_repeated_for_each_kept_text() {
    let calls = "calls:
  - get: ${url}projects
    keep: {project: \".projects[].id\"}
  - for: project
    get: ${url}projects/${project}/balance
    readings: [{available: .balance, currency: USD, account: \"${project}\"}]
";
    let description = description(URL, calls);
    let service = service(&description, ["https://h.example/"]);
    let script = Script::new([ok(r#"{"projects":[{"id":17},{"id":"b/c"}]}"#), ok(r#"{"balance":1}"#), ok(r#"{"balance":2}"#)]);
    let readings = shown(script.poll(&service)).expect("readings");
    assert_eq!(readings[1], "balance_available_amount{account=\"b/c\",currency=\"USD\"} 2");
    assert_eq!(
        script.lines()[1..],
        ["GET https://h.example/projects/17/balance", "GET https://h.example/projects/b%2Fc/balance"]
    );
    for (nothing, what) in [
        (r#"{"projects":[]}"#, "yields nothing where a text is wanted"),
        (r#"{"projects":[{"id":""}]}"#, "yields an empty text where a text is wanted"),
        (r#"{"projects":[{"id":null}]}"#, "null where a text is wanted"),
        (r#"{"projects":[{"id":[1]}]}"#, "a list where a text is wanted"),
    ] {
        let (reason, detail) = shown(Script::new([ok(nothing)]).poll(&service)).expect_err(nothing);
        assert!(reason == Reason::Decode && detail.contains(what), "{nothing}: {detail}");
    }
}

#[test]
fn a_kept_text_that_is_not_the_only_one_needs_for() {
    let calls = "calls:
  - get: ${url}a
    keep: {id: \".ids[]\"}
  - get: ${url}b/${id}
    readings: [{available: .balance, currency: USD}]
";
    let description = description(URL, calls);
    let failed = shown(Script::new([ok(r#"{"ids":[1,2]}"#)]).poll(&service(&description, ["https://h.example/"])));
    assert_eq!(failed, Err((Reason::Decode, "calls[1]: a kept text is 2 texts where one is wanted; use for".to_owned())));
}

#[test]
fn one_failing_call_leaves_no_reading() {
    let calls = "calls:
  - {get: \"${url}a\", readings: [{available: .balance, currency: USD}]}
  - {get: \"${url}b\", readings: [{available: .balance, currency: EUR}]}
";
    let description = description(URL, calls);
    let service = service(&description, ["https://h.example/"]);
    let failed = shown(Script::new([ok(r#"{"balance":1}"#), answer(500, "")]).poll(&service));
    assert_eq!(failed, Err((Reason::Server, "HTTP 500".to_owned())));
}
