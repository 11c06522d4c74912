//! A secret has one entrance and no exit. Every provider here tries to leak one.

use crate::support::{Configured, Daemon, binary, text};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use rustix::process::Signal;

/// Secrets that must not appear anywhere. The second contains characters that JSON and URLs escape.
const SECRETS: [&str; 6] =
    ["canary-password-1", "canary \"pass\\word\" +2", "canary-token-3", "canary-proxy-5", "canary-access-6", "canary-refresh-7"];

/// Parts of the secrets that every escaped form contains.
const TRACES: [&str; 6] = ["canary-password-1", "canary", "CANARY", "canary-proxy-5", "canary-access-6", "canary-refresh-7"];

/// Repeats everything it was sent: in errors, names, areas and redirects.
fn parrot(asked: &ReceivedRequest) -> Reply {
    let headers: Vec<String> = asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let said = format!("{body} {} {}", headers.join(" "), SECRETS.join(" "));
    let tokens = serde_json::json!({"access_token": "canary-access-6", "refresh_token": "canary-refresh-7"});
    match asked.target.as_str() {
        "/api/v2/login" => Reply::json(200, &tokens),
        "/api/dashboard/balances" => {
            let sum = serde_json::json!({"amount": 1, "currency": SECRETS[0]});
            Reply::json(200, &serde_json::json!({"active": sum, "available": sum, "total": sum}))
        }
        "/api/accounts/telegram/names" => {
            Reply::json(200, &serde_json::json!([{"account_uid": said, "name": said, "balance": 1}]))
        }
        "/labels" => {
            let row = |area: &str| serde_json::json!({"type_sms": said, "area": area, "num_sms": 1});
            Reply::json(200, &serde_json::json!({"money": 1, "currency": said, "information": [row(&said), row(&said)]}))
        }
        "/error" => Reply::json(400, &serde_json::json!({"error": said})),
        "/elsewhere" => Reply::new(302, said.clone()).header("location", format!("http://127.0.0.1:1/?{}", SECRETS[2])),
        "/header" => Reply::new(500, serde_json::json!({"error": {"nested": said}, "reason": [said]}).to_string()),
        "/count" => {
            Reply::json(200, &serde_json::json!({"money": 1, "information": [{"type_sms": "sms", "area": "A", "num_sms": said}]}))
        }
        _ => Reply::new(200, format!("{{\"balance\": \"{said}\"}}")),
    }
}

fn configuration(parrot: &StandIn, file: &str) -> String {
    let yaml = |secret: &str| serde_json::Value::from(secret).to_string();
    let url = |path: &str| parrot.url(path);
    format!(
        "defaults: {{interval: 1s}}
sources:
  - {{name: ads, provider: {{adstat: {{url: \"{ads}\", login: {{username: me, password: {password}}}}}}}}}
  - {{name: labels, provider: {{mysmpp: {{url: \"{labels}\", login: me, password: {quoted}}}}}, low: {{amount: {{warning: 5}}}}}}
  - {{name: error, provider: {{mysmpp: {{url: \"{error}\", token: {{file: {file}}}}}}}}}
  - {{name: elsewhere, provider: {{atisu: {{url: \"{elsewhere}\", token: {{env: CANARY_TOKEN}}, ati_code: 1}}}}}}
  - {{name: header, provider: {{atisu: {{url: \"{header}\", token: {token}, ati_code: 1}}}}}}
  - {{name: count, provider: {{mysmpp: {{url: \"{count}\", token: {token}}}}}}}
  - {{name: query, provider: {{atisu: {{url: \"http://127.0.0.1:1/?key={token_bare}\", token: {token}, ati_code: 1}}}}}}
  - {{name: proxied, proxy: \"http://user:canary-proxy-5@127.0.0.1:1\", provider: {{mysmpp: {{url: \"{error}\", token: {token}}}}}}}
",
        ads = url("/api/"),
        labels = url("/labels"),
        error = url("/error"),
        elsewhere = url("/elsewhere"),
        header = url("/header"),
        count = url("/count"),
        password = yaml(SECRETS[0]),
        quoted = yaml(SECRETS[1]),
        token = yaml(SECRETS[2]),
        token_bare = SECRETS[2],
    )
}

/// The secrets that a line must not contain. The parrot sends the secrets of all sources to each source, so only a source's own count.
fn own_secrets(line: &str) -> Vec<&'static str> {
    let of = |source: &str| line.contains(&format!("source=\"{source}\"")) || line.contains(&format!("\"source\":\"{source}\""));
    if of("ads") {
        vec![TRACES[0], "canary-access-6", "canary-refresh-7"]
    } else if of("labels") {
        vec!["canary \"pass", "canary \\\"pass", "canary+%22pass", "canary &quot;pass"]
    } else if of("proxied") {
        vec!["canary-proxy-5", "canary-token-3"]
    } else {
        vec!["canary-token-3"]
    }
}

fn check(what: &str, shown: &str) {
    for line in shown.lines() {
        for secret in own_secrets(line) {
            assert!(!line.to_lowercase().contains(secret), "{what} shows {secret}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_log_metric_page_or_error_shows_a_secret() {
    let stand_in = StandIn::start(parrot).await.expect("a port");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{}\n", SECRETS[2])).expect("a file");
    let configured = Configured::new(&configuration(&stand_in, file.to_str().expect("UTF-8")));
    for format in ["text", "json"] {
        let arguments = ["--log.level", "trace", "--log.format", format];
        let daemon = Daemon::start_with(configured.path(), &arguments, binary().env("CANARY_TOKEN", SECRETS[2]));
        let metrics =
            daemon.metrics_where("every source was polled", |metrics| metrics.matches("\nbalance_up{").count() == 8).await;
        check("the metrics", &metrics);
        let page = daemon.get("/").await.text();
        // Lines of the page do not name their source, so add the source of the section.
        for section in page.split("<section").skip(1) {
            let name = section.split("<h2>").nth(1).and_then(|rest| rest.split("</h2>").next()).expect("a name");
            check(
                "the status page",
                &section.lines().map(|line| format!("{line} source=\"{name}\"\n")).collect::<Vec<_>>().concat(),
            );
        }
        daemon.signal(Signal::TERM);
        let (_, log) = daemon.wait();
        assert!(log.len() > 10, "{log:?}");
        check("the log", &log.join("\n"));
        assert!(log.iter().any(|line| line.contains("***")), "the parrot's answers are logged with a mask: {log:?}");
    }
    assert_eq!(stand_in.requests().iter().filter(|asked| asked.target == "/labels").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_command_prints_a_secret() {
    let stand_in = StandIn::start(parrot).await.expect("a port");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, SECRETS[2]).expect("a file");
    let configured = Configured::new(&configuration(&stand_in, file.to_str().expect("UTF-8")));
    let commands: [&[&str]; 4] = [&["check"], &["poll"], &["poll", "--output", "json"], &["poll", "--output", "metrics"]];
    for arguments in commands {
        let mut command = binary();
        command
            .args(arguments)
            .args(["--log.level", "trace", "--config.file", configured.path()])
            .env("CANARY_TOKEN", SECRETS[2]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary runs");
        let (printed, logged) = (text(&output.stdout), text(&output.stderr));
        let lines: Vec<String> = if arguments.contains(&"json") {
            let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
            document["sources"].as_array().expect("a list").iter().map(ToString::to_string).collect()
        } else {
            // Each line of the table starts with the source.
            printed
                .lines()
                .map(|line| format!("{line} source=\"{}\"", line.split_whitespace().next().unwrap_or_default()))
                .collect()
        };
        check(&format!("{arguments:?}"), &lines.join("\n"));
        check(&format!("{arguments:?}"), &logged);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_quoted() {
    let places = [
        "sources: CANARY",
        "sources: [{name: a, provider: CANARY}]",
        "sources: [{name: a, provider: {adstat: {login: CANARY}}}]",
        "sources: [{name: a, provider: {adstat: {token: [CANARY]}}}]",
        "sources: [{name: a, provider: {adstat: {token: {CANARY: x}}}}]",
        "sources: [{name: a, provider: {adstat: {login: {username: me, password CANARY}}}}]",
        "sources: [{name: a, provider: {mysmpp: {login: me, password:CANARY}}}]",
        "sources: [{name: a, provider: {mysmpp: {url: CANARY, token: x}}}]",
        "sources: [{name: a, provider: {mysmpp: {url: \"http://CANARY@host/\", token: x}}}]",
        "sources: [{name: a, interval: CANARY, provider: {mysmpp: {token: x}}}]",
        "sources: [{name: a, proxy: \"http://user:CANARY@\", provider: {mysmpp: {token: x}}}]",
        "sources: [{name: \"CANARY CANARY\", provider: {mysmpp: {token: x}}}]",
        "sources: [{name: a, provider: {atisu: {token: x, ati_code: \"CANARY CANARY\"}}}]",
        "sources: [{name: a, low: {amount: {warning: CANARY}}, provider: {mysmpp: {token: x}}}]",
        "sources: [{name: a, provider: {mysmpp: {token: \"CANARY\\n\\n\\u0000\", login: x}}}]",
        "sources: [{name: a, provider: {atisu: {token: \"CANARY\\n x\", ati_code: 1}}}]",
    ];
    for file in places {
        let configured = Configured::new(file);
        let output = crate::support::run(["check", "--log.level", "trace", "--config.file", configured.path()]);
        let logged = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(78), "{file}: {logged}");
        assert!(!logged.contains("CANARY"), "{logged}");
    }
}

#[test]
fn there_is_no_core_file() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"]);
}
