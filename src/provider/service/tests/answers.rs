use super::*;

const BALANCE: &str = "readings: [{available: .balance, currency: USD}]";

fn with_error(error: &str, answered: CannedAnswer) -> Result<Vec<String>, (Reason, String)> {
    poll_once(&format!("error: {error}\n{BALANCE}"), answered)
}

#[test]
fn a_described_error_comes_before_everything_else() {
    let rule = "{when: .code != 0, code: .code, message: .text, reasons: {\"7\": auth, \"8\": rate_limited}}";
    for status in [200, 401, 500] {
        assert_eq!(reason(with_error(rule, answer(status, r#"{"code":7,"balance":1}"#))), Some(Reason::Auth), "{status}");
    }
    assert_eq!(
        with_error(rule, ok(r#"{"code":"8","text":" slow down "}"#)),
        Err((Reason::RateLimited, "slow down (code 8)".to_owned()))
    );
    assert_eq!(with_error(rule, ok(r#"{"code":9}"#)), Err((Reason::Rejected, "code 9".to_owned())));
    assert_eq!(with_error(rule, answer(503, r#"{"code":9}"#)), Err((Reason::Server, "HTTP 503: code 9".to_owned())));
    assert_eq!(
        with_error(rule, ok(r#"{"code":0,"balance":1}"#)),
        Ok(vec!["balance_available_amount{currency=\"USD\"} 1".to_owned()])
    );
    let any = "{when: .ok != true, code: (.why), reasons: {\"*\": blocked, x: not_found, y: status}}";
    assert_eq!(reason(with_error(any, ok("{}"))), Some(Reason::Blocked));
    assert_eq!(reason(with_error(any, ok(r#"{"why":"x"}"#))), Some(Reason::NotFound));
    assert_eq!(reason(with_error(any, answer(402, r#"{"why":"y"}"#))), Some(Reason::PaymentRequired));
    let of_status = "{when: ($status == 406), code: ($status), reasons: {\"406\": auth}}";
    assert_eq!(reason(with_error(of_status, answer(406, "{}"))), Some(Reason::Auth));
}

#[test]
fn a_condition_that_fails_leaves_the_reason_to_the_status() {
    let rule = "{when: '.list[0].code > 0', code: .x}";
    assert_eq!(reason(with_error(rule, answer(401, r#"{"list":7}"#))), Some(Reason::Auth));
    assert_eq!(reason(with_error(rule, answer(503, "<html>"))), Some(Reason::Server));
    let (reason, detail) = with_error(rule, ok(r#"{"list":7,"balance":1}"#)).expect_err("no condition");
    assert!(reason == Reason::Decode && detail.starts_with("error.when `.list[0].code > 0` "), "{detail}");
    let text = with_error("{when: .code, code: .code}", ok(r#"{"code":"x","balance":1}"#));
    assert_eq!(text, Err((Reason::Decode, "error.when `.code` yields a text where true or false is wanted".to_owned())));
}

#[test]
fn an_error_at_the_root_counts_unless_the_description_says_otherwise() {
    let stated = r#"{"balance":1,"Error":"down"}"#;
    assert_eq!(poll_once(BALANCE, ok(stated)), Err((Reason::Rejected, "down".to_owned())));
    assert_eq!(reason(with_error("{when: .code == 1}", ok(stated))), Some(Reason::Rejected));
    assert!(with_error("none", ok(stated)).is_ok());
    assert!(poll_once(BALANCE, ok(r#"{"balance":1,"error":0,"errors":[]}"#)).is_ok());
}

#[test]
fn only_accepted_statuses_are_read() {
    let accepting = |keys: &str, status| poll_once(&format!("{keys}\n{BALANCE}"), answer(status, r#"{"balance":1}"#));
    assert!(accepting("accept: [404]", 404).is_ok());
    assert_eq!(accepting("accept: [404]", 200), Err((Reason::Decode, "HTTP 200".to_owned())));
    for (status, wanted) in [(302, Reason::Redirect), (401, Reason::Auth), (418, Reason::Rejected), (500, Reason::Server)] {
        assert_eq!(reason(accepting("answer: json", status)), Some(wanted), "{status}");
    }
}

#[test]
fn a_figure_is_one_number_or_the_poll_fails() {
    for (body, detail) in [
        ("{}", "yields null where a number is wanted"),
        (r#"{"balanse":5}"#, "yields null where a number is wanted; the answer has .balanse"),
        (r#"{"balance":null}"#, "yields null where a number is wanted"),
        (r#"{"balance":""}"#, "yields an empty text where a number is wanted"),
        (
            r#"{"balance":"hunter2"}"#,
            "yields a text where a number is wanted; `number` describes numbers with units, groups or a comma",
        ),
        (r#"{"balance":true}"#, "yields true or false where a number is wanted"),
        (r#"{"balance":[5]}"#, "yields a list where a number is wanted"),
        (r#"{"balance":{"x":5}}"#, "yields an object where a number is wanted"),
    ] {
        let failed = poll_once(BALANCE, ok(body)).expect_err(body);
        assert_eq!(failed, (Reason::Decode, format!("readings[0].available `.balance` {detail}")), "{body}");
    }
    let two = poll_once("readings: [{available: \".a[]\", currency: USD}]", ok(r#"{"a":[1,2]}"#));
    assert_eq!(
        two,
        Err((Reason::Decode, "readings[0].available `.a[]` yields two values or more where one is wanted".to_owned()))
    );
    let none = poll_once("readings: [{available: \".a[]\", currency: USD}]", ok(r#"{"a":[]}"#));
    assert_eq!(none, Err((Reason::Decode, "readings[0].available `.a[]` yields nothing where one value is wanted".to_owned())));
}

#[test]
fn labels_are_read_whole_or_the_poll_fails() {
    let read = |body| poll_once("readings: [{available: .b, currency: .c, account: .a, name: .n}]", ok(body));
    assert_eq!(
        read(r#"{"b":1,"c":" rur ","a":17,"n":" Shop "}"#),
        Ok(vec![
            "balance_available_amount{account=\"17\",currency=\"RUB\"} 1".to_owned(),
            "balance_account_info{account=\"17\",name=\"Shop\"} 1".to_owned()
        ])
    );
    for body in [
        r#"{"b":1,"a":"x","n":"y"}"#,
        r#"{"b":1,"c":null,"a":"x","n":"y"}"#,
        r#"{"b":1,"c":"USD","a":[],"n":"y"}"#,
        r#"{"b":1,"c":"USD","a":1.5,"n":"y"}"#,
    ] {
        assert_eq!(reason(read(body)), Some(Reason::Decode), "{body}");
    }
    let long = "ж".repeat(300);
    let cut = read(&format!(r#"{{"b":1,"c":"USD","a":"{long}","n":"y"}}"#)).expect("readings");
    assert!(cut[0].contains(&format!("\"{}\"", "ж".repeat(200))), "{}", cut[0]);
}

#[test]
fn every_kind_of_figure_is_a_reading_of_its_own() {
    let keys = "readings:
  - {available: .a, active: .b, total: .c, credit_limit: .d, currency: USD, expires: .e, resets_in: .r, forbidden: .f}
  - {units: .u, unit: requests, unlimited: [-1, never, null]}
  - {sms: .s, area: .area}
";
    let body = r#"{"a":1,"b":"2","c":3.5,"d":4,"e":"2026-02-03","f":true,"r":59,"u":-1,"s":"5","area":"X "}"#;
    assert_eq!(
        poll_once(keys, ok(body)).expect("readings"),
        [
            "balance_available_amount{currency=\"USD\"} 1",
            "balance_active_amount{currency=\"USD\"} 2",
            "balance_total_amount{currency=\"USD\"} 3.5",
            "balance_sms_available{sms_type=\"sms\",area=\"X\"} 5",
            "balance_operations_forbidden 1",
            "balance_credit_limit_amount{currency=\"USD\"} 4",
            "balance_units_available{unit=\"requests\"} +Inf",
            "balance_expiry_timestamp_seconds 1770076800",
            "balance_reset_timestamp_seconds 1767225660",
        ]
    );
    let unlimited = |value: &str| {
        poll_once("readings: [{units: .u, unit: requests, unlimited: [-1, never, null]}]", ok(&format!("{{\"u\":{value}}}")))
    };
    for value in ["-1", "\" NEVER \"", "null"] {
        assert_eq!(unlimited(value), Ok(vec!["balance_units_available{unit=\"requests\"} +Inf".to_owned()]), "{value}");
    }
    assert_eq!(unlimited("-2"), Ok(vec!["balance_units_available{unit=\"requests\"} -2".to_owned()]));
    assert_eq!(reason(unlimited("\"ever\"")), Some(Reason::Decode));
}

#[test]
fn what_is_missing_counts_only_as_the_description_says() {
    let read = |missing: &str| {
        poll_once(&format!("readings: [{{available: .a, total: .b, currency: USD, missing: {missing}}}]"), ok(r#"{"b":1}"#))
    };
    assert_eq!(reason(read("fail")), Some(Reason::Decode));
    assert_eq!(read("skip"), Ok(vec!["balance_total_amount{currency=\"USD\"} 1".to_owned()]));
    assert_eq!(
        read("0"),
        Ok(vec![
            "balance_available_amount{currency=\"USD\"} 0".to_owned(),
            "balance_total_amount{currency=\"USD\"} 1".to_owned()
        ])
    );
    let there = poll_once("readings: [{available: .a, currency: USD, missing: 0}]", ok(r#"{"a":"none"}"#));
    assert_eq!(reason(there), Some(Reason::Decode), "what is there and is no number always fails");
}

#[test]
fn a_scale_is_exact_and_can_depend_on_the_element() {
    let keys = "readings: [{each: \".l[]\", available: .a, currency: .c, scale: \"({JPY: 1}[.c] // 0.01)\"}]";
    assert_eq!(
        poll_once(keys, ok(r#"{"l":[{"a":666670,"c":"USD"},{"a":"5000","c":"JPY"}]}"#)),
        Ok(vec![
            "balance_available_amount{currency=\"JPY\"} 5000".to_owned(),
            "balance_available_amount{currency=\"USD\"} 6666.7".to_owned()
        ])
    );
    let wei =
        poll_once("readings: [{available: .a, currency: ETH, base: 16, scale: 1e-18}]", ok(r#"{"a":"0x1bc16d674ec80000"}"#));
    assert_eq!(wei, Ok(vec!["balance_available_amount{currency=\"ETH\"} 2".to_owned()]));
    let zero = poll_once("readings: [{available: .a, currency: USD, scale: (.s)}]", ok(r#"{"a":5,"s":0}"#));
    assert_eq!(reason(zero), Some(Reason::Decode));
}

#[test]
fn an_empty_list_fails_unless_that_is_allowed() {
    let keys = "readings: [{each: \".l[]\", available: .a, currency: .c}]";
    assert_eq!(reason(poll_once(keys, ok(r#"{"l":[]}"#))), Some(Reason::Decode));
    assert_eq!(reason(poll_once(keys, ok(r#"{"m":[]}"#))), Some(Reason::Decode));
    let calls = format!("empty: allowed\ncalls:\n  - get: ${{url}}\n    {keys}\n");
    let description = description("url: {default: https://h.example/}", &calls);
    let poll = |body| shown(Script::new([ok(body)]).poll(&service(&description, ["https://h.example/"])));
    assert_eq!(poll(r#"{"l":[]}"#), Ok(Vec::new()));
    assert_eq!(reason(poll(r#"{"m":[]}"#)), Some(Reason::Decode), "a list that is not there is never empty");
    assert_eq!(reason(poll(r#"{"l":[null]}"#)), Some(Reason::Decode));
}

#[test]
fn two_readings_are_never_one_series() {
    let keys = "readings: [{each: \".l[]\", available: .a, currency: .c}]";
    let twice = poll_once(keys, ok(r#"{"l":[{"a":1,"c":"USD"},{"a":1,"c":" usd"}]}"#));
    let detail = "two readings are one series of balance_available_amount; a label must tell them apart";
    assert_eq!(twice, Err((Reason::Decode, detail.to_owned())));
    let named = "readings: [{each: \".l[]\", available: .a, currency: .c, name: .n}]";
    assert!(poll_once(named, ok(r#"{"l":[{"a":1,"c":"USD","n":"x"},{"a":1,"c":"EUR","n":"x"}]}"#)).is_ok());
    let differing = poll_once(named, ok(r#"{"l":[{"a":1,"c":"USD","n":"x"},{"a":1,"c":"EUR","n":"y"}]}"#));
    assert_eq!(reason(differing), Some(Reason::Decode));
}

#[test]
fn xml_text_and_headers_are_answers_too() {
    let xml = "answer: xml\nreadings: [{available: '.R.B[\"@a\"]', currency: '.R.B[\"@c\"]'}]";
    assert_eq!(
        poll_once(xml, ok(r#"<?xml version="1.0"?><R xmlns="urn:x"><B a="4932.96" c="USD"/></R>"#)),
        Ok(vec!["balance_available_amount{currency=\"USD\"} 4932.96".to_owned()])
    );
    let text = "answer: text\nerror: {when: 'startswith(\"BALANCE:\") | not', code: ., reasons: {BAD_KEY: auth}}\nreadings: [{available: '(ltrimstr(\"BALANCE:\"))', currency: USD}]";
    assert_eq!(poll_once(text, ok("BALANCE:540.21\n")), Ok(vec!["balance_available_amount{currency=\"USD\"} 540.21".to_owned()]));
    assert_eq!(reason(poll_once(text, ok("BAD_KEY"))), Some(Reason::Auth));
    let headers = "answer: none\nreadings: [{units: '$headers[\"ratelimit-remaining\"] | split(\";\")[0]', unit: pulls}]";
    let answered = |headers: &[(&str, &str)]| CannedAnswer {
        status: 200,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: b"ignored".to_vec(),
    };
    assert_eq!(
        poll_once(headers, answered(&[("RateLimit-Remaining", "76;w=21600")])),
        Ok(vec!["balance_units_available{unit=\"pulls\"} 76".to_owned()])
    );
    assert_eq!(reason(poll_once(headers, answered(&[]))), Some(Reason::Decode));
}
