//! MySMPP and ATI.SU as descriptions: the answers that the built-in providers read give the same readings and reasons.
//!
//! What a description cannot say: whose wallet it is (`wallet_info`), texts that differ in the case of Cyrillic letters, that the first of two
//! equal rows counts, that both `num_sms` and `sms` are read where both are there, and explanations beside an error. So the built-in
//! providers stay.

use super::super::service::{Canned, CannedAnswer, EXAMPLE_TIME, Given, Service, Values, read};
use super::Bodies;
use crate::domain::{Measure, Reading, Reason};
use crate::secret::Secret;
use crate::yaml::{Node, Position};

const MYSMPP: &str = r#"
title: MySMPP
documentation: https://webcom.mobi/
parameters:
  token: {secret: true}
  url: {default: "http://lk.mysmpp.ru/json/balance.php"}
calls:
  - post: ${url}
    headers: {Content-Type: "text/json; charset=utf-8"}
    json: {token: "${token}"}
    error:
      when: ([.error, .Error, .errors] | any(. != null and . != "" and . != false and . != 0 and . != [] and . != {}))
      code: |-
        ([.error, .Error, .errors] | flatten | map(values | tostring | trim | rtrimstr(".") | select(. != "")) | first) as $text
        | if ["Ваш аккаунт заблокирован", "Неправильный логин или пароль", "Неправильный формат JSON документа", "POST данные отсутствуют"]
            | any(. == $text) then $text
          elif $status == 429 or $status >= 500 then "by status" else $text end
      message: ([.error, .Error, .errors] | flatten | map(values | tostring) | join("; "))
      reasons: {Ваш аккаунт заблокирован: blocked, Неправильный логин или пароль: auth, by status: status, "*": rejected}
    readings:
      - {available: .money, currency: (.currency // "")}
      - each: '.information | if . == null or . == false or (type == "string" and trim == "") then empty else .[] end'
        sms: (if .num_sms == null then .sms else .num_sms end)
        unlimited: [Безлимит, Unlim, Unlimited]
        area: (.area // "")
        sms_type: (.type_sms // "")
"#;

const ATISU: &str = r#"
title: ATI.SU
documentation: https://ati.su/developers/api/
parameters:
  token: {secret: true}
  ati_code: {}
  url: {default: "https://api.ati.su/v1.0/balance"}
calls:
  - get: ${url}
    bearer: ${token}
    headers: {User-Agent: "ati_integrator_${ati_code}"}
    readings:
      - {available: .balance, currency: ATIS, account: (.walletId // "")}
      - {forbidden: .operationsForbidden, missing: skip, account: (.walletId // "")}
"#;

type Outcome = Result<Vec<Reading>, Reason>;

fn described(text: &str, values: &[&str], status: u16, body: &str) -> Outcome {
    let tree = Node::parse(text).expect("YAML");
    let read = read("described", &tree, Position { line: 1, column: 1 }, "described");
    let description = read.description.unwrap_or_else(|| panic!("{:?}", read.mistakes));
    let given = values.iter().map(|value| Given::One(Secret::new((*value).to_owned())));
    let answer = CannedAnswer { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
    let http = Canned::new(vec![answer], EXAMPLE_TIME, false);
    let polled = http.poll(&Service::new(description, Values(given.collect())));
    polled.map(|answer| answer.readings).map_err(|failure| failure.reason)
}

fn built_in(settings: &str, path: &str, status: u16, body: &str) -> Outcome {
    let bodies: Bodies = vec![(path.to_owned().leak(), body.as_bytes().to_vec())];
    let polled = super::poll(settings, status, &bodies);
    let told = |reading: &Reading| reading.measure() != Measure::WalletInfo;
    polled.map(|answer| answer.readings.into_iter().filter(told).collect()).map_err(|failure| failure.reason)
}

#[test]
fn mysmpp_as_a_description_reads_the_same() {
    let row = |count: &str| format!(r#"{{"money":"1","information":[{{"type_sms":"sms","area":"A","num_sms":{count}}}]}}"#);
    let mut bodies = vec![
        r#"{"money":"19023.9","currency":"RUR","information":[{"type_sms":"sms","area":"Tele2","num_sms":"72029"},{"type_sms":"sms","area":"Россия","num_sms":"Безлимит"}]}"#.to_owned(),
        "\u{feff}{\"money\":5,\"information\":[{\"type_sms\":\"sms\",\"area\":\"A\",\"sms\":1.5},{\"type_sms\":\"sms\",\"area\":\"B\",\"num_sms\":null,\"sms\":\" UNLIM \"},{\"type_sms\":\"sms\",\"area\":\"C \",\"num_sms\":\"unlimited\"}]}".to_owned(),
        r#"{"money":1,"currency":643,"information":[{"type_sms":null,"num_sms":2}]}"#.to_owned(),
        r#"{"money":"0","currency":null,"information":null,"error":0}"#.to_owned(),
        r#"{"money":"1","information":{"1":{"type_sms":"sms","area":"A","num_sms":"5"},"x":{"type_sms":"sms","area":"B","sms":6}}}"#.to_owned(),
    ];
    bodies.extend(
        ["[]", "{}", "\"\"", "\" \"", "false", "null", "true", "0", "\"none\"", "[null]", "[false]"]
            .map(|list| format!(r#"{{"money":"1","information":{list}}}"#)),
    );
    bodies.extend(["\"много\"", "null", "true", "\"\"", "\"inf\""].map(row));
    bodies.extend(
        [
            "<html>502</html>",
            "",
            "null",
            "[]",
            "{}",
            r#"{"money":null}"#,
            r#"{"money":""}"#,
            r#"{"money":"NaN"}"#,
            r#"{"Money":"1"}"#,
            r#"{"money":"Безлимит"}"#,
            r#"{"money":"1","#,
            r#"{"money":"1","money":"2"}"#,
            r#"{"money":"1","currency":1.0}"#,
            r#"[402,"error",[]]"#,
            r#"{"money":["1"]}"#,
            r#"{"error":"down","x":1e400,"money":"0"}"#,
            r#"{"money":"0"}{"error":"down"}"#,
        ]
        .map(str::to_owned),
    );
    for text in [
        "Неправильный формат JSON документа",
        "Ваш аккаунт заблокирован",
        " Неправильный логин или пароль. ",
        "POST данные отсутствуют",
        "что-то ещё",
    ] {
        for key in ["error", "Error", "errors"] {
            bodies.push(serde_json::json!({key: text, "money": "1"}).to_string());
            bodies.push(serde_json::json!({key: ["", text], "money": "1"}).to_string());
        }
    }
    let mut compared = 0;
    for body in &bodies {
        for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
            let expected = built_in("mysmpp: {token: x}", "/json/balance.php", status, body);
            let found = described(MYSMPP, &["x", "http://lk.mysmpp.ru/json/balance.php"], status, body);
            assert_eq!(found, expected, "{status} {body}");
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn atisu_as_a_description_reads_the_same() {
    let bodies = [
        r#"{"balance":0.5,"contactId":1,"departmentId":2,"firmId":3,"isPersonalWallet":true,"operationsForbidden":false,"walletId":4}"#,
        r#"{"balance":"-7","walletId":null}"#,
        r#"{"balance":1,"walletId":123456789012345678901}"#,
        r#"{"balance":1,"operationsForbidden":true,"walletId":"w"}"#,
        r#"{"balance":1,"operationsForbidden":0}"#,
        r#"{"balance":1,"walletId":1.5}"#,
        r#"{"balance":1,"walletId":{}}"#,
        r#"{"balance":0,"error":"down"}"#,
        r#"{"Error":"down","balance":0}"#,
        r#"{"balance":0,"errors":["down"]}"#,
        r#"{"balance":1,"error":null,"Error":"","Reason":"all is well"}"#,
        r#"{"error":"unauthorized","reason":"bad token"}"#,
        r#"{"balance":null}"#,
        r#"{"balance":[1]}"#,
        r#"{"balance":1"#,
        "[0.5,0,0]",
        "null",
        "<html>",
        "",
    ];
    for body in bodies {
        for status in [200, 302, 400, 401, 402, 403, 404, 429, 500, 504] {
            let expected = built_in("atisu: {token: x, ati_code: 1}", "/v1.0/balance", status, body);
            let found = described(ATISU, &["x", "1", "https://api.ati.su/v1.0/balance"], status, body);
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}
