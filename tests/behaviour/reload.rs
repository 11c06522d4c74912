//! Reloads by signal and over HTTP are atomic and do not disturb unchanged sources.

use crate::support::{Configured, Daemon, binary, lines_with};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use reqwest::Method;
use rustix::process::Signal;
use std::collections::BTreeSet;

const LIFECYCLE: [&str; 1] = ["--web.enable-lifecycle"];

async fn gateway(token: &str) -> (Gateway, StandIn) {
    let gateway = Gateway::with_token(token);
    gateway.set(Account { money: "5".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
    (gateway.clone(), StandIn::start(gateway).await.expect("a port"))
}

fn source(name: &str, stand_in: &StandIn, more: &str) -> String {
    let url = stand_in.url("/json/balance.php");
    format!("  - {{name: {name}, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}{more}}}\n")
}

async fn reload(daemon: &Daemon) -> (u16, String) {
    let page = daemon.ask(Method::POST, "/-/reload", &[]).await;
    (page.status, page.text())
}

/// The names of the sources on the page.
fn sources(metrics: &str) -> BTreeSet<String> {
    let lines = lines_with(metrics, "balance_polls_total{");
    lines.iter().filter_map(|line| Some(line.split("source=\"").nth(1)?.split('"').next()?.to_owned())).collect()
}

fn value<'a>(metrics: &'a str, series: &str) -> &'a str {
    lines_with(metrics, series).first().and_then(|line| line.rsplit_once(' ')).map_or("absent", |(_, value)| value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_signal_and_a_request_both_reload_the_configuration() {
    let (_, stand_in) = gateway("token of a test").await;
    let configured = Configured::new(&format!("sources:\n{}", source("a", &stand_in, "") + &source("b", &stand_in, "")));
    let mut daemon = Daemon::start_with(configured.path(), &LIFECYCLE, &mut binary());
    daemon.metrics_where("both are up", |metrics| lines_with(metrics, "balance_up{").len() == 2).await;

    std::fs::write(&configured.file, format!("sources:\n{}", source("b", &stand_in, "") + &source("c", &stand_in, "")))
        .expect("a file");
    assert_eq!(reload(&daemon).await, (200, "reloaded\n".to_owned()));
    let metrics = daemon.metrics().await;
    assert_eq!(sources(&metrics), ["b", "c"].map(str::to_owned).into(), "the removed source disappears at once");
    assert_eq!(
        value(&metrics, "balance_polls_total{provider=\"mysmpp\",source=\"b\"}"),
        "1",
        "the unchanged source keeps its count"
    );
    daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"c\"} 1").await;

    std::fs::write(&configured.file, format!("sources:\n{}", source("c", &stand_in, ", low: {amount: {warning: 9}}")))
        .expect("a file");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log(&["configuration reloaded", "sources=1"]);
    let metrics = daemon.metrics().await;
    assert_eq!(sources(&metrics), ["c"].map(str::to_owned).into());
    let threshold = "balance_low_amount{provider=\"mysmpp\",source=\"c\",account=\"\",currency=\"RUB\",severity=\"warning\"}";
    assert_eq!(value(&metrics, threshold), "9", "a source with a changed threshold keeps its readings");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_bad_file_changes_nothing_and_is_reported() {
    let (_, stand_in) = gateway("token of a test").await;
    let good = format!("sources:\n{}", source("a", &stand_in, ""));
    let configured = Configured::new(&good);
    let mut daemon = Daemon::start_with(configured.path(), &LIFECYCLE, &mut binary());
    let before = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
    let timestamp = "balance_exporter_config_last_reload_success_timestamp_seconds";
    assert_eq!(value(&before, "balance_exporter_config_last_reload_successful"), "1");

    std::fs::write(&configured.file, format!("{good}  - {{name: b, provider: {{mysmpp: {{token: {{env: NOT_SET}}}}}}}}\n"))
        .expect("a file");
    let message = format!(
        "{}: sources[1].provider.mysmpp.token: the environment variable NOT_SET is not set; set it for this process\n",
        configured.path()
    );
    assert_eq!(reload(&daemon).await, (500, message));
    daemon.wait_for_log(&["ERROR configuration not reloaded; the old one stays", "NOT_SET"]);
    let after = daemon.metrics().await;
    assert_eq!(value(&after, "balance_exporter_config_last_reload_successful"), "0");
    assert_eq!(value(&after, timestamp), value(&before, timestamp));
    let balances = |metrics: &str| {
        lines_with(metrics, "balance_")
            .iter()
            .filter(|l| !l.starts_with("balance_exporter"))
            .map(|&l| l.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(balances(&after), balances(&before));

    std::fs::write(&configured.file, good).expect("a file");
    assert_eq!(reload(&daemon).await.0, 200);
    let fixed = daemon.metrics().await;
    assert_eq!(value(&fixed, "balance_exporter_config_last_reload_successful"), "1");
    assert_ne!(value(&fixed, timestamp), value(&before, timestamp));
    assert_eq!(stand_in.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_secret_in_a_file_is_read_again() {
    let (_, stand_in) = gateway("the new token").await;
    let configured = Configured::new("");
    let secret = configured.directory.path().join("token");
    std::fs::write(&secret, "the old token\n").expect("a file");
    let url = stand_in.url("/json/balance.php");
    let file =
        format!("sources: [{{name: a, provider: {{mysmpp: {{url: \"{url}\", token: {{file: \"{}\"}}}}}}}}]\n", secret.display());
    std::fs::write(&configured.file, file).expect("a file");
    let daemon = Daemon::start_with(configured.path(), &LIFECYCLE, &mut binary());
    daemon.metrics_with("balance_failing{provider=\"mysmpp\",source=\"a\",reason=\"auth\"} 1").await;
    std::fs::write(&secret, "the new token\n").expect("a file");
    assert_eq!(reload(&daemon).await.0, 200);
    daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_the_option_a_request_to_reload_is_forbidden() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let (status, message) = reload(&daemon).await;
    assert_eq!((status, message.contains("--web.enable-lifecycle")), (403, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_repeats_no_log_lines_about_a_source() {
    let (_, stand_in) = gateway("token of a test").await;
    let file = |more: &str| format!("sources:\n{}", source("a", &stand_in, &format!("{more}, low: {{sms: {{critical: 1}}}}")));
    let configured = Configured::new(&file(""));
    let daemon = Daemon::start_with(configured.path(), &["--web.enable-lifecycle", "--log.level", "debug"], &mut binary());
    let polls = |count: u32| format!("balance_polls_total{{provider=\"mysmpp\",source=\"a\"}} {count}");
    daemon.metrics_with(&polls(1)).await;
    // Each change makes the daemon poll the source again: before an outage, during it, at its end and after it.
    let changes = [", interval: 6m", ", max_age: 2h", ", interval: 7m", ", timeout: 9s", ", interval: 8m", ", interval: 9m"];
    for (polled, more) in (1..).zip(changes) {
        match polled {
            3 => stand_in.always(Behaviour::Reply(Reply::new(503, ""))),
            5 => stand_in.always(Behaviour::Reply(Reply::new(200, "{\"money\":\"5\",\"currency\":\"RUB\",\"information\":[]}"))),
            _ => {}
        }
        std::fs::write(&configured.file, file(more)).expect("a file");
        assert_eq!(reload(&daemon).await.0, 200);
        daemon.metrics_with(&polls(polled + 1)).await;
    }
    daemon.signal(Signal::TERM);
    let log = daemon.wait().1;
    let before = log.iter().filter_map(|line| line.split_once("source=").map(|(before, _)| before));
    let logged: Vec<&str> = before.filter_map(|before| before.split_once("Z ").map(|(_, line)| line.trim())).collect();
    let expected = [
        "INFO first poll succeeded",
        "WARN a threshold applies to nothing in the answer; is it misspelt?",
        "DEBUG poll succeeded",
        "DEBUG poll succeeded",
        "WARN polls fail",
        "DEBUG poll failed again",
        "INFO polls succeed again",
        "DEBUG poll succeeded",
    ];
    assert_eq!(logged, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_cause_no_gap_and_no_leak() {
    let (_, steady) = gateway("token of a test").await;
    let (_, changing) = gateway("token of a test").await;
    let hanging = StandIn::start(|_: &_| Reply::new(200, "")).await.expect("a port");
    hanging.always(Behaviour::Hang);
    let file = |n: usize| {
        let steady = source("steady", &steady, ", interval: 1s") + &source("hanging", &hanging, ", timeout: 4m");
        // Its interval changes each time, and every tenth time the source is missing.
        let changing =
            if n % 10 == 9 { String::new() } else { source("changing", &changing, &format!(", interval: {}s", 10 + n % 7)) };
        format!("sources:\n{steady}{changing}")
    };
    let configured = Configured::new(&file(0));
    let daemon = Daemon::start_with(configured.path(), &LIFECYCLE, &mut binary());
    let polled = |metrics: &str| lines_with(metrics, "balance_up{").len() == 2;
    let first = daemon.metrics_where("two sources are up", polled).await;
    let descriptors = |metrics: &str| value(metrics, "process_open_fds").parse::<u32>().expect("a number");
    let threads = |metrics: &str| value(metrics, "process_threads").parse::<u32>().expect("a number");

    let series = "balance_available_amount{provider=\"mysmpp\",source=\"steady\",account=\"\",currency=\"RUB\"} 5";
    let mut polls = 0;
    for n in 1..=1000 {
        std::fs::write(&configured.file, file(n)).expect("a file");
        assert_eq!(reload(&daemon).await, (200, "reloaded\n".to_owned()), "reload {n}");
        let metrics = daemon.metrics().await;
        assert!(metrics.contains(series), "a gap after reload {n}");
        let now: u32 = value(&metrics, "balance_polls_total{provider=\"mysmpp\",source=\"steady\"}").parse().expect("a count");
        assert!(now >= polls, "a count fell at reload {n}");
        polls = now;
        assert_eq!(value(&metrics, "balance_polls_total{provider=\"mysmpp\",source=\"hanging\"}"), "0");
    }
    let last = daemon.metrics().await;
    // A poll may be under way, with its connection and its look-up.
    assert!(descriptors(&last) <= descriptors(&first) + 8, "{} descriptors, {} before", descriptors(&last), descriptors(&first));
    assert!(threads(&last) <= threads(&first) + 4, "{} threads, {} before", threads(&last), threads(&first));
    assert_eq!(hanging.requests().len(), 1, "the hanging poll of an unchanged source continues");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_changed_file_is_noticed_without_a_signal() {
    let (_, stand_in) = gateway("token of a test").await;
    let configured = Configured::new("");
    let token = configured.directory.path().join("token");
    std::fs::write(&token, "wrong token").expect("a file");
    let url = stand_in.url("/json/balance.php");
    let source = |name: &str| {
        format!(
            "sources: [{{name: {name}, interval: 1h, provider: {{mysmpp: {{url: \"{url}\", token: {{file: {}}}}}}}}}]\n",
            token.display()
        )
    };
    std::fs::write(&configured.file, source("a")).expect("a file");
    let daemon = Daemon::start_with(configured.path(), &["--config.auto-reload-interval", "1s"], &mut binary());
    daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 0").await;
    // A secret file that the configuration names.
    std::fs::write(&token, "token of a test").expect("a file");
    daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
    // The configuration itself, first with a mistake.
    std::fs::write(&configured.file, "sources: [").expect("a file");
    daemon.metrics_with("balance_exporter_config_last_reload_successful 0").await;
    std::fs::write(&configured.file, source("b")).expect("a file");
    let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"b\"} 1").await;
    assert_eq!(sources(&metrics), ["b".to_owned()].into());
    assert!(metrics.contains("balance_exporter_config_last_reload_successful 1"), "{metrics}");
}
