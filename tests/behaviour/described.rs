//! Services by description, through the real binary: the daemon, `poll`, `services`, `try` and `check`.

use crate::support::{Configured, Daemon, binary, run, text};
use balance_exporter::standin::{Behaviour, ReceivedRequest, Reply, StandIn};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

/// A service with a login, a list of wallets and a stock of requests.
const ACME: &str = "services:
  acme:
    title: Acme, wallets and requests
    documentation: https://docs.acme.example/balance
    parameters:
      user: {}
      password: {secret: true}
      url: {default: https://api.acme.example/}
    session:
      calls:
        - post: ${url}token
          basic: {username: \"${user}\", password: \"${password}\"}
          form: {grant_type: client_credentials}
      token: .access_token
      lifetime: .expires_in
    calls:
      - get: ${url}wallets
        bearer: ${session}
        readings:
          - each: .wallets[]
            account: .id
            name: .title
            available: .kopecks
            credit_limit: .limit
            scale: 0.01
            currency: $answer.currency
      - get: ${url}quota
        bearer: ${session}
        readings:
          - {units: .left, unit: requests, unlimited: [-1], resets: .reset_at, expires: .valid_until}
    examples:
      - answers:
          - {body: {access_token: a-token, expires_in: 3600}}
          - {body: {currency: rur, wallets: [{id: w1, title: Main, kopecks: 123456, limit: 0}]}}
          - {body: {left: -1, reset_at: 1767312000, valid_until: \"2027-01-01\"}}
        expect:
          - {available: 1234.56, credit_limit: 0, account: w1, currency: RUB, name: Main}
          - {units: unlimited, unit: requests, resets: \"2026-01-02T00:00:00Z\", expires: \"2027-01-01T00:00:00Z\"}
";

fn acme(asked: &ReceivedRequest) -> Reply {
    match (asked.target.as_str(), asked.header("authorization")) {
        // me:correct-horse
        ("/token", "Basic bWU6Y29ycmVjdC1ob3JzZQ==") => {
            Reply::json(200, &serde_json::json!({"access_token": "access-token-1", "expires_in": 3600}))
        }
        ("/wallets", "Bearer access-token-1") => Reply::json(
            200,
            &serde_json::json!({"currency": "rur", "apiKey": "a-key-that-nobody-knew", "wallets": [
                {"id": "w1", "title": "Main", "kopecks": 1_234_567, "limit": 100_000},
                {"id": "w2", "title": "Reserve", "kopecks": "-5000", "limit": 500_000}]}),
        ),
        ("/quota", "Bearer access-token-1") => {
            Reply::json(200, &serde_json::json!({"left": 76, "reset_at": 4_070_908_800_u64, "valid_until": "2099-01-02"}))
        }
        _ => Reply::json(401, &serde_json::json!({"error": "no", "sent": asked.header("authorization")})),
    }
}

fn configuration(services: &str, source: &str) -> Configured {
    Configured::new(&format!("{services}sources:\n{source}"))
}

fn source(stand_in: &StandIn, password: &str) -> String {
    format!(
        "  - name: prepaid\n    interval: 1s\n    provider: {{acme: {{user: me, password: {password}, url: \"{}\"}}}}\n    low: {{amount: {{warning: 100}}, units: {{requests: {{warning: 100, critical: 10}}}}}}\n",
        stand_in.url("/")
    )
}

async fn poll(configured: &Configured, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(["--config.file", configured.path(), "poll"]).args(arguments);
    tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await.expect("no panic")
}

const PAGE: [&str; 13] = [
    "balance_available_amount{provider=\"acme\",source=\"prepaid\",account=\"w1\",currency=\"RUB\"} 12345.67",
    "balance_available_amount{provider=\"acme\",source=\"prepaid\",account=\"w2\",currency=\"RUB\"} -50",
    "balance_account_info{provider=\"acme\",source=\"prepaid\",account=\"w1\",name=\"Main\"} 1",
    "balance_account_info{provider=\"acme\",source=\"prepaid\",account=\"w2\",name=\"Reserve\"} 1",
    "balance_credit_limit_amount{provider=\"acme\",source=\"prepaid\",account=\"w1\",currency=\"RUB\"} 1000",
    "balance_credit_limit_amount{provider=\"acme\",source=\"prepaid\",account=\"w2\",currency=\"RUB\"} 5000",
    "balance_units_available{provider=\"acme\",source=\"prepaid\",account=\"\",unit=\"requests\"} 76",
    "balance_expiry_timestamp_seconds{provider=\"acme\",source=\"prepaid\",account=\"\"} 4070995200",
    "balance_reset_timestamp_seconds{provider=\"acme\",source=\"prepaid\",account=\"\"} 4070908800",
    "balance_low_amount{provider=\"acme\",source=\"prepaid\",account=\"w2\",currency=\"RUB\",severity=\"warning\"} 100",
    "balance_units_low{provider=\"acme\",source=\"prepaid\",account=\"\",unit=\"requests\",severity=\"warning\"} 100",
    "balance_units_low{provider=\"acme\",source=\"prepaid\",account=\"\",unit=\"requests\",severity=\"critical\"} 10",
    "balance_up{provider=\"acme\",source=\"prepaid\"} 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_serves_a_described_service() {
    let stand_in = StandIn::start(acme).await.expect("a port");
    let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
    let daemon = Daemon::start(&configured);
    let metrics = daemon.metrics_with("balance_up{").await;
    for line in PAGE {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let logins = || stand_in.requests().iter().filter(|asked| asked.target == "/token").count();
    let polls = || stand_in.requests().iter().filter(|asked| asked.target == "/quota").count();
    daemon.metrics_where("a second poll", |_| polls() >= 2).await;
    assert_eq!(logins(), 1, "the session is kept");
    let page = daemon.get("/").await.text();
    for words in ["acme", "Reserve", "requests", "76", "credit limit"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_a_described_service_never_looks_like_a_number() {
    let stand_in = StandIn::start(acme).await.expect("a port");
    let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
    let daemon = Daemon::start(&configured);
    daemon.metrics_with("balance_up{provider=\"acme\",source=\"prepaid\"} 1").await;
    // The whole poll fails, and the readings stay.
    stand_in.always(Behaviour::Reply(Reply::new(200, r#"{"wallets":[],"left":0}"#)));
    let metrics = daemon.metrics_with("balance_up{provider=\"acme\",source=\"prepaid\"} 0").await;
    assert!(metrics.contains("balance_failing{provider=\"acme\",source=\"prepaid\",reason=\"decode\"} 1"), "{metrics}");
    for line in &PAGE[..12] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_explains_how_each_figure_comes_about() {
    let stand_in = StandIn::start(acme).await.expect("a port");
    let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
    let output = poll(&configured, &["prepaid", "--explain"]).await;
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    for words in [
        "POST ",
        "  > authorization: Basic ***",
        "  session   .access_token",
        "GET ",
        " 200 in ",
        "  > authorization: Bearer ***",
        "  error     none",
        "  each      .wallets[]                               2 outputs",
        "  [0]",
        "            account    .id                           \"w1\"",
        "            currency   $answer.currency              \"rur\" → RUB",
        "            available  .kopecks                      1234567  × 0.01 = 12345.67",
        "            units      .left                         76",
        "readings: balance_available_amount{account=\"w1\",currency=\"RUB\"} 12345.67",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    for secret in ["correct-horse", "bWU6Y29ycmVjdC1ob3JzZQ", "access-token-1", "a-key-that-nobody-knew"] {
        assert!(!shown.contains(secret), "{secret}\n{shown}");
    }
    let refused = configuration(ACME, &source(&stand_in, "wrong-password"));
    let output = poll(&refused, &["--explain", "--full"]).await;
    let (shown, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    assert!(shown.contains("failed: auth: HTTP 401: no"), "{shown}");
    for secret in ["wrong-password", "bWU6d3JvbmctcGFzc3dvcmQ"] {
        assert!(!shown.contains(secret) && !error.contains(secret), "{secret}\n{shown}{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_answers_end_within_a_second_and_no_scrape_waits() {
    let deep = "[".repeat(500_000) + &"]".repeat(500_000);
    let long = format!(
        "{{\"wallets\":[{{\"id\":\"{}\",\"title\":\"x\",\"kopecks\":1,\"limit\":1}}],\"currency\":\"USD\"}}",
        "x".repeat(1_000_000)
    );
    let digits = format!(
        "{{\"currency\":\"USD\",\"wallets\":[{{\"id\":\"1\",\"title\":\"x\",\"limit\":1,\"kopecks\":{}}}]}}",
        "9".repeat(1_000_000)
    );
    let objects = format!("[{}{{}}]", "{\"a\":{}},".repeat(110_000));
    let keys: Vec<String> = (0..70_000).map(|i| format!("\"k{i}\":{i}")).collect();
    let keys = format!("{{{},\"wallets\":7}}", keys.join(","));
    for (what, body) in [("depth", deep), ("a long label", long), ("digits", digits), ("objects", objects), ("keys", keys)] {
        let lying = move |asked: &ReceivedRequest| {
            if asked.target == "/wallets" { Reply::new(200, body.clone()) } else { acme(asked) }
        };
        let stand_in = StandIn::start(lying).await.expect("a port");
        let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
        let daemon = Daemon::start(&configured);
        let begun = Instant::now();
        daemon.metrics_with("balance_up{").await;
        // Far above what it takes, because tests share the machine; the time itself is measured elsewhere.
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
    }
}

#[test]
fn the_examples_of_a_description_are_checked() {
    let source = "  - {name: a, provider: {acme: {user: me, password: x}}}\n";
    let good = configuration(ACME, source);
    let output = run(["check", "--config.file", good.path()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let broken = configuration(&ACME.replace("available: .kopecks", "available: .kopek"), source);
    let output = run(["check", "--config.file", broken.path()]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    let expected = format!(
        "balance-exporter: {}:32:9: services.acme.examples[0]: calls[0].readings[0].available `.kopek` yields null where a number is wanted; the answer has .kopecks\n",
        broken.path()
    );
    assert_eq!(error, expected);
}

#[test]
fn all_mistakes_of_a_file_are_told_in_one_run() {
    let services = ACME
        .replace("available: .kopecks", "available: .kopecks | selct(. > 1)")
        .replace("currency: $answer.currency", "currency: answer.currency")
        .replace(
            "bearer: ${session}\n        readings:\n          - {units",
            "bearer: ${sesion}\n        readings:\n          - {units",
        );
    let wrong = configuration(
        &services,
        "  - {name: a, provider: {acme: {user: me}}}\n  - {name: b, provider: {opnrouter: {token: x}}}\n",
    );
    let output = run(["check", "--config.file", wrong.path()]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    let file = wrong.path();
    let expected = format!(
        "balance-exporter: {file}:23:24: services.acme.calls[0].readings[0].available: `.kopecks | ▸selct(. > 1)`: there is no function selct; did you mean select?
balance-exporter: {file}:26:23: services.acme.calls[0].readings[0].currency: \"answer.currency\" is no currency code; an expression begins with a dot: .answer.currency?
balance-exporter: {file}:28:17: services.acme.calls[1].bearer: there is no ${{sesion}}; did you mean session?
balance-exporter: {file}:41:26: sources[1].provider: there is no provider opnrouter; did you mean openrouter?
"
    );
    assert_eq!(error, expected);
}

/// Runs `try` over a description and answers on standard input.
fn try_over(description: &str, answer: &str) -> Output {
    let configured = Configured::new(description);
    let mut command = binary();
    command.args(["try", configured.path(), "--answer", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), answer.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

const SMALL: &str = "acme:
  title: Acme
  documentation: https://docs.acme.example/
  parameters: {token: {secret: true}, url: {default: https://api.acme.example/}}
  calls:
    - get: ${url}v1/balance
      bearer: ${token}
      readings: [{available: .data.balance, currency: USD}]
";

#[test]
fn try_needs_no_network_and_no_credentials() {
    let good = try_over(SMALL, r#"{"data":{"balance":"12.50"}}"#);
    let shown = text(&good.stdout);
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(shown.contains("GET https://api.acme.example/v1/balance"), "{shown}");
    assert!(shown.ends_with("readings: balance_available_amount{currency=\"USD\"} 12.5\n"), "{shown}");
    let cases = [
        (
            r#"{"data":{"balanse":1}}"#,
            "failed: decode: readings[0].available `.data.balance` yields null where a number is wanted; the answer has .data.balanse",
        ),
        (
            r#"{"data":{"balance":{}}}"#,
            "failed: decode: readings[0].available `.data.balance` yields an object where a number is wanted",
        ),
        (
            r#"{"data":{"balance":null}}"#,
            "failed: decode: readings[0].available `.data.balance` yields null where a number is wanted",
        ),
        ("<!DOCTYPE html><title>x</title>", "failed: decode: an HTML page where JSON was expected; is the URL right?"),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\":\"bad token\"}", "failed: auth: HTTP 401: bad token"),
        ("", "failed: decode: the answer is empty"),
    ];
    for (answer, message) in cases {
        let output = try_over(SMALL, answer);
        let shown = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{answer}");
        assert!(shown.trim_end().ends_with(message), "{answer}\n{shown}");
    }
    let two = try_over(&SMALL.replace(".data.balance", "\".data[]\""), r#"{"data":[1,2]}"#);
    assert!(text(&two.stdout).contains("`.data[]` yields two values or more where one is wanted"), "{}", text(&two.stdout));
}

#[test]
fn try_tells_mistakes_with_their_place() {
    let output = try_over(&SMALL.replace(".data.balance", ".data.balance | tonumbr"), "{}");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains(":8:30: acme.calls[0].readings[0].available: `.data.balance | ▸tonumbr`: there is no function tonumbr; did you mean tonumber?"), "{error}");
    let other = try_over("sources: []\n", "{}");
    assert_eq!(other.status.code(), Some(78));
    assert!(text(&other.stderr).contains("is no description"), "{}", text(&other.stderr));
}

#[test]
fn services_lists_and_prints_what_there_is() {
    let configured = configuration(ACME, "  - {name: a, provider: {acme: {user: me, password: x}}}\n");
    let list = text(&run(["services", "--config.file", configured.path()]).stdout);
    let row = |name: &str| list.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default().to_owned();
    assert!(row("adstat").ends_with("built in") && row("openrouter").ends_with("catalogue"), "{list}");
    let acme = row("acme");
    assert!(acme.contains("Acme, wallets and requests") && acme.contains("units (requests)") && acme.ends_with(":2"), "{acme}");
    let one = text(&run(["services", "openrouter", "--config.file", configured.path()]).stdout);
    assert!(
        one.contains("  title: OpenRouter") && one.contains("        token: {file: /etc/balance-exporter/openrouter-token}"),
        "{one}"
    );
    let own = text(&run(["services", "acme", "--config.file", configured.path()]).stdout);
    assert!(own.contains("        user: USER\n") && own.contains("        # url: https://api.acme.example/\n"), "{own}");
    let unknown = run(["services", "opnrouter", "--config.file", configured.path()]);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(text(&unknown.stderr), "balance-exporter: there is no service opnrouter; did you mean openrouter?\n");
}

#[test]
fn a_printed_source_is_a_good_configuration() {
    let printed = text(&run(["services", "openrouter", "--config.file", "/nonexistent"]).stdout);
    let (_, source) = printed.split_once("# A source to copy:\n").expect("a source");
    let configured = Configured::new(&source.replace("{file: /etc/balance-exporter/openrouter-token}", "x"));
    let output = run(["check", "--config.file", configured.path()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_measure_survives_a_restart() {
    let stand_in = StandIn::start(acme).await.expect("a port");
    let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
    let state = configured.directory.path().join("state");
    let storage = ["--storage.path", state.to_str().expect("UTF-8")];
    let daemon = Daemon::start_with(configured.path(), &storage, &mut binary());
    daemon.metrics_with("balance_up{provider=\"acme\",source=\"prepaid\"} 1").await;
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().0.success());
    stand_in.always(Behaviour::Hang);
    let daemon = Daemon::start_with(configured.path(), &storage, &mut binary());
    let metrics = daemon.metrics().await;
    for line in &PAGE[..12] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_prints_every_measure_as_a_table_and_as_json() {
    let stand_in = StandIn::start(acme).await.expect("a port");
    let configured = configuration(ACME, &source(&stand_in, "correct-horse"));
    let table = text(&poll(&configured, &[]).await.stdout);
    for words in [
        ["credit limit", "1,000", "RUB"],
        ["units", "76", "requests"],
        ["expires", "2099-01-02 00:00:00 UTC", ""],
        ["resets", "2099-01-01 00:00:00 UTC", ""],
    ] {
        assert!(table.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}\n{table}");
    }
    let json = text(&poll(&configured, &["--output", "json"]).await.stdout);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let readings = json["sources"][0]["readings"].as_array().expect("readings");
    let expected = [
        serde_json::json!({"reading": "units_available", "account": "", "unit": "requests", "count": 76.0, "unlimited": false}),
        serde_json::json!({"reading": "expiry_timestamp_seconds", "account": "", "timestamp_seconds": 4_070_995_200.0}),
    ];
    for reading in expected {
        assert!(readings.contains(&reading), "{reading}\n{readings:?}");
    }
}
