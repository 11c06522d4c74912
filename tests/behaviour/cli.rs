//! The command line: what is printed where, and the exit codes.

use crate::support::{Configured, Daemon, binary, run, text};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use rustix::process::Signal;

const NO_SOURCES: &str = "sources: []\n";

/// The one line of a command that failed with this exit code and printed nothing else.
fn failure<const N: usize>(arguments: [&str; N], code: i32) -> String {
    let output = run(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    error.trim_end().to_owned()
}

#[test]
fn version_and_help_go_to_standard_output() {
    let version = run(["--version"]);
    let (name, rest) =
        text(&version.stdout).split_once(" (revision ").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a revision");
    assert_eq!(name, concat!("balance-exporter ", env!("CARGO_PKG_VERSION")));
    assert!(rest.contains("-linux-") && rest.ends_with(")\n"), "{rest}");
    assert_eq!(text(&run(["version"]).stdout), text(&version.stdout));
    assert_eq!(text(&run(["help", "poll"]).stdout), text(&run(["poll", "--help"]).stdout));
    let help = run(["--help"]);
    for word in [
        "check",
        "poll",
        "demo",
        "--config.file",
        "--web.config.file",
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.systemd-socket",
        "healthcheck",
        "--log.level",
        "--log.format",
    ] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    assert!(version.status.success() && help.status.success());
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let cases: [(&[&str], &str); 10] = [
        (&["chek"], "unrecognized subcommand 'chek'; did you mean check?; see --help"),
        (&["--config", "x"], "unexpected argument '--config' found; did you mean --config.file?; see --help"),
        (&["poll", "--explian"], "unexpected argument '--explian' found; did you mean --explain?; see --help"),
        (&["--nonsense"], "unexpected argument '--nonsense' found"),
        (&["nonsense"], "unrecognized subcommand 'nonsense'"),
        (
            &["--log.level", "loud"],
            "invalid value 'loud' for '--log.level <LEVEL>'; [possible values: error, warn, info, debug, trace]",
        ),
        (&["--web.listen-address", "10120"], "no port; write HOST:PORT"),
        (&["--web.telemetry-path", "/-/ready"], "another page uses this path"),
        (&["poll", "--output", "xml"], "invalid value 'xml' for '--output <FORMAT>'"),
        (&["--config.file"], "a value is required for '--config.file <PATH>'"),
    ];
    for (arguments, message) in cases {
        let output = binary().args(arguments).output().expect("the binary runs");
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{arguments:?}: {error}");
        assert!(
            error.starts_with("balance-exporter: ") && error.contains(message) && error.ends_with("; see --help\n"),
            "{error}"
        );
    }
}

#[test]
fn a_bad_file_exits_with_78() {
    let missing = failure(["check", "--config.file", "no/such.yaml"], 78);
    assert_eq!(
        missing,
        "balance-exporter: no/such.yaml: cannot be read: No such file or directory (os error 2); name another with --config.file"
    );
    let configured = Configured::new("sources:\n  - name: a\n    provider: {mysmpp: {token: {env: NOT_SET}}}\n");
    for command in [&["check"][..], &[], &["poll"]] {
        let output = binary().args(["--config.file", configured.path()]).args(command).output().expect("the binary runs");
        let message = format!(
            "balance-exporter: {}: sources[0].provider.mysmpp.token: the environment variable NOT_SET is not set; set it for this process\n",
            configured.path()
        );
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(78), message), "{command:?}");
    }
}

#[test]
fn check_polls_nothing_and_says_good() {
    let configured = Configured::new("sources:\n  - {name: a, provider: {mysmpp: {url: \"http://192.0.2.1/\", token: x}}}\n");
    let output = run(["check", "--config.file", configured.path()]);
    assert_eq!(text(&output.stdout), format!("{}: good, 1 source\n", configured.path()));
    assert!(output.status.success());
    let log = text(&output.stderr);
    assert!(log.contains("WARN sources[0] (a): its credentials cross the network in the clear"), "{log}");
}

#[test]
fn a_busy_port_exits_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let configured = Configured::new(NO_SOURCES);
    let output =
        binary().args(["--config.file", configured.path(), "--web.listen-address", &address, "--log.level", "error"]).output();
    let output = output.expect("the binary runs");
    let message = format!(
        "balance-exporter: cannot listen on {address}: Address already in use (os error 98); choose another with --web.listen-address\n"
    );
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), message));
}

#[test]
fn both_signals_exit_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = Daemon::start(&Configured::new(NO_SOURCES));
        daemon.signal(signal);
        let (status, log) = daemon.wait();
        assert_eq!(status.code(), Some(0), "{log:?}");
        assert!(log.last().is_some_and(|line| line.contains("stopping")), "{log:?}");
    }
}

#[test]
fn logs_are_json_for_machines() {
    let configured = Configured::new(NO_SOURCES);
    let daemon = Daemon::start_with(configured.path(), &["--log.format", "json"], &mut binary());
    daemon.signal(Signal::TERM);
    let (_, log) = daemon.wait();
    assert!(log.len() >= 3, "{log:?}");
    for line in log {
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert!(event["level"].is_string() && event["timestamp"].is_string() && event["message"].is_string(), "{line}");
    }
}

/// A gateway whose answer never changes, and a configuration with it as `good` beside a `bad` one.
async fn two_sources() -> (StandIn, StandIn, Configured) {
    let gateway = Gateway::with_token("token of a test");
    gateway.set(Account {
        money: "1234.5".to_owned(),
        currency: "RUB".to_owned(),
        information: vec![("sms".to_owned(), "Россия".to_owned(), "Безлимит".to_owned())],
        error: None,
    });
    let good = StandIn::start(gateway).await.expect("a port");
    let bad = StandIn::start(|_: &_| Reply::new(500, "{}")).await.expect("a port");
    let configured = Configured::new(&format!(
        "sources:
  - {{name: good, provider: {{mysmpp: {{url: \"{}\", token: token of a test}}}}, low: {{amount: {{warning: 5000}}}}}}
  - {{name: bad, provider: {{atisu: {{url: \"{}\", token: x, ati_code: 1}}}}}}
",
        good.url("/json/balance.php"),
        bad.url("/"),
    ));
    (good, bad, configured)
}

async fn poll(configured: &Configured, arguments: &'static [&'static str]) -> (Option<i32>, String, String) {
    let mut command = binary();
    command.args(["poll", "--config.file", configured.path()]).args(arguments);
    if !arguments.contains(&"--log.level") {
        command.args(["--log.level", "error"]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary runs");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn poll_prints_a_table_for_people() {
    let (_good, _bad, configured) = two_sources().await;
    let table = "\
SOURCE  PROVIDER  READING    OF        FIGURE  UNIT
good    mysmpp    available          1,234.50  RUB   low
good    mysmpp    messages   Россия         ∞  sms
";
    assert_eq!(poll(&configured, &["good"]).await, (Some(0), table.to_owned(), String::new()));
    let both = format!("{table}bad (atisu) failed: server: HTTP 500\n");
    assert_eq!(poll(&configured, &[]).await, (Some(1), both, "balance-exporter: failed: bad\n".to_owned()));
    let unknown = "balance-exporter: no source is named ugly; the configuration has good, bad\n".to_owned();
    assert_eq!(poll(&configured, &["ugly"]).await, (Some(2), String::new(), unknown));
    let two_lines = poll(&configured, &["ug\nly"]).await.2;
    assert_eq!(two_lines.lines().count(), 1, "{two_lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn poll_prints_json_for_programs() {
    let (_good, _bad, configured) = two_sources().await;
    let (code, printed, _) = poll(&configured, &["--output", "json"]).await;
    let mut document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    for source in document["sources"].as_array_mut().expect("a list") {
        let duration = source.as_object_mut().and_then(|source| source.remove("duration_seconds"));
        assert!(duration.is_some_and(|duration| duration.is_number()));
    }
    let expected = serde_json::json!({"sources": [
        {"source": "good", "provider": "mysmpp", "up": true, "failure": null, "readings": [
            {"reading": "available_amount", "account": "", "currency": "RUB", "amount": 1234.5},
            {"reading": "sms_available", "sms_type": "sms", "area": "Россия", "count": null, "unlimited": true},
        ]},
        {"source": "bad", "provider": "atisu", "up": false, "failure": {"reason": "server", "detail": "HTTP 500"}, "readings": []},
    ]});
    assert_eq!((code, document), (Some(1), expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn poll_prints_metrics_and_only_what_it_polled() {
    let (good, bad, configured) = two_sources().await;
    let (code, printed, _) = poll(&configured, &["good", "--output", "metrics"]).await;
    assert_eq!(code, Some(0));
    assert!(
        printed.contains("\nbalance_sms_available{provider=\"mysmpp\",source=\"good\",sms_type=\"sms\",area=\"Россия\"} +Inf\n"),
        "{printed}"
    );
    assert!(printed.contains("\nbalance_up{provider=\"mysmpp\",source=\"good\"} 1\n") && !printed.contains("bad"), "{printed}");
    assert_eq!((good.requests().len(), bad.requests().len()), (1, 0));
    bad.then([Behaviour::HangUp]);
    assert_eq!(
        poll(&configured, &["bad"]).await.1,
        "bad (atisu) failed: server: HTTP 500\n",
        "one more try on a broken connection"
    );
    assert_eq!(bad.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn poll_needs_only_the_secrets_of_what_it_polls_and_warns_of_typos() {
    let (good, _bad, _) = two_sources().await;
    let configured = Configured::new(&format!(
        "sources:
  - {{name: good, provider: {{mysmpp: {{url: \"{}\", token: token of a test}}}}, low: {{areas: {{Typo: {{warning: 1}}}}}}}}
  - {{name: elsewhere, provider: {{mysmpp: {{token: {{env: NOT_SET}}}}}}}}
",
        good.url("/json/balance.php"),
    ));
    assert_eq!(poll(&configured, &[]).await.0, Some(78));
    let (code, _, log) = poll(&configured, &["good", "--log.level", "warn"]).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("a threshold applies to nothing in the answer; is it misspelt? source=\"good\" key=\"low.areas.Typo\""),
        "{log}"
    );
}
