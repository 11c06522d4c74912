use super::*;

const LOGIN: &str = r#"{"access_token":"tok-1","expires_in":1000}"#;

fn with_session(session: &str) -> Arc<Description> {
    let rest = format!(
        "session:
  calls:
    - post: ${{url}}token
      form: {{secret: \"${{secret}}\"}}
  token: .access_token
  {}
calls:
  - get: ${{url}}balance
    bearer: ${{session}}
    readings: [{{available: .balance, currency: USD}}]
",
        session.replace('\n', "\n  ")
    );
    description("url: {default: https://h.example/}, secret: {secret: true}", &rest)
}

fn source(description: &Arc<Description>) -> Service {
    service(description, ["https://h.example/", "long-secret"])
}

const LOG_IN: &str = "POST https://h.example/token";
const BALANCE: &str = "GET https://h.example/balance";

#[test]
fn a_token_is_kept_until_nine_tenths_of_its_lifetime() {
    let description = with_session("lifetime: .expires_in");
    let service = source(&description);
    let script = Script::new([ok(LOGIN), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    let sent = script.sent();
    assert_eq!((sent[0].line.as_str(), sent[0].body.as_str()), (LOG_IN, "secret=long-secret"));
    assert_eq!((sent[1].line.as_str(), sent[1].header("authorization")), (BALANCE, "Bearer tok-1"));
    script.pass(Duration::from_secs(899));
    script.then([ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    assert_eq!(script.lines(), [BALANCE]);
    script.pass(Duration::from_secs(1));
    script.then([ok(LOGIN), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    assert_eq!(script.lines(), [LOG_IN, BALANCE]);
}

#[test]
fn a_refused_token_is_replaced_once() {
    let description = with_session("refused: [auth, forbidden]");
    let service = source(&description);
    let script = Script::new([ok(LOGIN), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    script.sent();
    script.then([answer(403, ""), ok(r#"{"access_token":"tok-2"}"#), ok(r#"{"balance":2}"#)]);
    assert!(script.poll(&service).is_ok());
    let sent = script.sent();
    assert_eq!(sent.iter().map(|sent| sent.line.as_str()).collect::<Vec<_>>(), [BALANCE, LOG_IN, BALANCE]);
    assert_eq!(sent[2].header("authorization"), "Bearer tok-2");
    script.then([answer(401, ""), ok(LOGIN), answer(401, "")]);
    assert_eq!(reason(shown(script.poll(&service))), Some(Reason::Auth));
    assert_eq!(script.lines(), [BALANCE, LOG_IN, BALANCE]);
    // The refused token is not used again.
    script.then([ok(LOGIN), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    assert_eq!(script.lines(), [LOG_IN, BALANCE]);
}

#[test]
fn a_refusal_of_a_new_token_is_that_of_the_poll() {
    let description = with_session("refused: [auth]");
    let script = Script::new([ok(LOGIN), answer(401, "")]);
    assert_eq!(reason(shown(script.poll(&source(&description)))), Some(Reason::Auth));
    assert_eq!(script.lines(), [LOG_IN, BALANCE]);
}

#[test]
fn a_reason_that_is_not_listed_keeps_the_token() {
    let description = with_session("refused: [auth]");
    let service = source(&description);
    let script = Script::new([ok(LOGIN), answer(403, ""), ok(r#"{"balance":1}"#)]);
    assert_eq!(reason(shown(script.poll(&service))), Some(Reason::Forbidden));
    assert!(script.poll(&service).is_ok());
    assert_eq!(script.lines(), [LOG_IN, BALANCE, BALANCE]);
}

#[test]
fn a_login_without_a_token_or_lifetime_fails() {
    let description = with_session("lifetime: .expires_in");
    for (login, detail) in [
        ("{}", "session.token `.access_token` yields null where a token is wanted"),
        (r#"{"access_token":""}"#, "session.token `.access_token` yields an empty text where a token is wanted"),
        (r#"{"access_token":["x"]}"#, "session.token `.access_token` yields a list where a token is wanted"),
        (r#"{"access_token":"x"}"#, "session.lifetime `.expires_in` yields null where seconds or a date are wanted"),
        (
            r#"{"access_token":"x","expires_in":-5}"#,
            "session.lifetime `.expires_in` yields a number where seconds or a date are wanted",
        ),
    ] {
        let failed = shown(Script::new([ok(login)]).poll(&source(&description)));
        assert_eq!(failed, Err((Reason::Decode, detail.to_owned())), "{login}");
    }
    assert_eq!(reason(shown(Script::new([answer(401, "")]).poll(&source(&description)))), Some(Reason::Auth));
}

#[test]
fn a_lifetime_can_be_a_date() {
    let description = with_session("lifetime: .expires_at");
    let service = source(&description);
    let script = Script::new([ok(r#"{"access_token":"tok-1","expires_at":"2026-01-01T00:16:40Z"}"#), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    script.pass(Duration::from_secs(900));
    script.then([ok(r#"{"access_token":"tok-1","expires_at":"2026-01-01T00:16:40Z"}"#), ok(r#"{"balance":1}"#)]);
    assert!(script.poll(&service).is_ok());
    assert_eq!(script.lines(), [LOG_IN, BALANCE, LOG_IN, BALANCE]);
}

#[test]
fn tokens_are_secrets_even_after_they_were_replaced() {
    let description = with_session("refused: [auth]");
    let service = source(&description);
    let script = Script::new([
        ok(LOGIN),
        ok(r#"{"balance":1}"#),
        answer(401, ""),
        ok(r#"{"access_token":"tok-2"}"#),
        ok(r#"{"balance":1}"#),
    ]);
    assert!(script.poll(&service).is_ok() && script.poll(&service).is_ok());
    let secrets: Vec<String> = service.session_secrets().iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(secrets, ["tok-2", "tok-1"]);
}

#[test]
fn a_login_can_be_a_chain_of_calls() {
    let rest = "session:
  calls:
    - get: ${url}form
      keep: {csrf: .csrf}
    - post: ${url}login
      form: {csrf: \"${csrf}\", secret: \"${secret}\"}
  token: $headers[\"x-token\"]
calls:
  - get: ${url}balance
    headers: {X-Token: \"${session}\"}
    readings: [{available: .balance, currency: USD, account: .echo}]
";
    let description = description("url: {default: https://h.example/}, secret: {secret: true}", rest);
    let service = source(&description);
    assert_eq!(
        crate::provider::service::fill::check(&description, &given(&description, ["https://h.example/", "long-secret"])),
        Ok(())
    );
    let login = CannedAnswer { headers: vec![("X-Token".to_owned(), "tok-9".to_owned())], ..ok("{}") };
    let script = Script::new([ok(r#"{"csrf":"csrf-text"}"#), login, ok(r#"{"balance":1,"echo":"csrf-text"}"#)]);
    let readings = shown(script.poll(&service)).expect("readings");
    assert_eq!(readings, ["balance_available_amount{account=\"***\",currency=\"USD\"} 1"]);
    let sent = script.sent();
    assert_eq!((sent[1].body.as_str(), sent[2].header("x-token")), ("csrf=csrf-text&secret=long-secret", "tok-9"));
}
