//! State on disk, with the real binary: after kills, shutdowns and reconfiguration, and with a second process.

use crate::kept::{DAMAGED_FILES, Random, RecordingGateway, Setup, UP, by_source, page_of, polls, source, value};
use crate::support::{binary, lines_with, text};
use balance_exporter::standin::{Behaviour, ReceivedRequest, Reply, StandIn};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_of_200_kills_it_restores_what_was_committed() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    let sources: String = names.iter().map(|name| source(name, &stand_in, ", interval: 1s")).collect();
    let setup = Setup::new(&sources);
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let (mut before, mut due) = (BTreeMap::new(), BTreeMap::<String, Instant>::new());
    for kill in 0..200 {
        let started = Instant::now();
        let daemon = setup.start();
        let page = by_source(&daemon.metrics().await);
        for (name, lines) in &before {
            let lines: &Vec<String> = lines;
            let shown = &page[name];
            // It may have been polled already.
            if polls(shown) <= polls(lines) {
                assert_eq!(shown, lines, "after kill {kill}");
            }
        }
        if kill > 0 && before.values().all(|lines| polls(lines) > 0.0) {
            assert_eq!(daemon.get("/-/ready").await.status, 200, "after kill {kill}");
        }
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        daemon.signal(Signal::KILL);
        daemon.wait();

        let committed = setup.committed();
        for state in &committed {
            let name = state.about.name.to_string();
            if let Some(lines) = before.get(&name) {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let now = state.polls as f64;
                assert!(now >= polls(lines), "{name} lost polls at kill {kill}");
            }
        }
        for (name, due) in due {
            let polled = gateway.first_after(&name, started);
            let early = polled.map_or(Duration::ZERO, |polled| due.saturating_duration_since(polled));
            assert!(early < Duration::from_millis(5), "{name} was polled {early:?} before it was due, after kill {kill}");
        }
        due = committed.iter().filter_map(|state| Some((state.about.name.to_string(), state.phase.due()?))).collect();
        before = page_of(committed);
    }
    let counts = before.values().map(|lines| polls(lines));
    assert!(counts.sum::<f64>() > 100.0, "polls continued meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_restart_loop_sends_no_request() {
    let gateway = RecordingGateway::default();
    let (good, bad) = (gateway.start().await, StandIn::start(|_: &_| Reply::new(503, "")).await.expect("a port"));
    let setup = Setup::new(&(source("good", &good, "") + &source("bad", &bad, "")));
    let daemon = setup.start();
    let both = |metrics: &str| lines_with(metrics, "balance_up{").len() == 2;
    let first = daemon.metrics_where("both were polled", both).await;
    setup.committed_polls(1).await;
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(std::fs::metadata(setup.file()).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&setup.directory).expect("a directory").permissions().mode() & 0o777, 0o700);

    for signal in [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT, Signal::KILL] {
        let daemon = setup.start();
        assert_eq!(daemon.get("/-/ready").await.status, 200);
        let metrics = daemon.metrics().await;
        assert_eq!(by_source(&metrics), by_source(&first));
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(1.0), Some(0.0)));
        daemon.signal(signal);
        let (_, log) = daemon.wait();
        assert!(!log.iter().any(|line| line.contains("polls fail") || line.contains("first poll")), "logged again: {log:?}");
    }
    assert_eq!((gateway.count(), bad.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_poll_that_was_cut_off_is_not_repeated_at_once() {
    let stand_in = StandIn::start(|_: &_| Reply::new(200, "")).await.expect("a port");
    stand_in.always(Behaviour::Hang);
    let setup = Setup::new(&source("a", &stand_in, ", timeout: 4m"));
    for _ in 0..3 {
        let daemon = setup.start();
        asked(&stand_in).await;
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().0.code(), Some(0));
    }
    assert_eq!(stand_in.requests().len(), 1);
}

/// Waits for the first request.
async fn asked(stand_in: &StandIn) {
    let deadline = Instant::now() + crate::support::PATIENCE;
    while stand_in.requests().is_empty() {
        assert!(Instant::now() < deadline, "never polled");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_crash_loop_sends_one_request_for_each_source() {
    for act in [Behaviour::Hang, Behaviour::Reply(Reply::new(401, ""))] {
        let stand_in = StandIn::start(|_: &_| Reply::new(200, "")).await.expect("a port");
        stand_in.always(act);
        let sources: String = (0..5).map(|n| source(&format!("s{n}"), &stand_in, ", interval: 1h")).collect();
        let setup = Setup::new(&sources);
        let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20 {
            let daemon = setup.start();
            // From then on no source is due for a minute.
            asked(&stand_in).await;
            tokio::time::sleep(Duration::from_millis(random.below(150))).await;
            daemon.signal(Signal::KILL);
            daemon.wait();
        }
        let mut targets: Vec<_> = stand_in.requests().into_iter().map(|asked| asked.target).collect();
        let all = targets.len();
        targets.sort();
        targets.dedup();
        assert_eq!(all, targets.len(), "requests, and sources");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_source_that_was_not_polled_before_a_restart_is_polled_after_it() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let sources: String = (0..200).map(|n| source(&format!("s{n}"), &stand_in, "")).collect();
    let setup = Setup::new(&sources);
    let daemon = setup.start();
    asked(&stand_in).await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert!(gateway.count() < 100, "most were polled");
    let daemon = setup.start();
    let deadline = Instant::now() + crate::support::PATIENCE;
    // A few may have been cut off, some of them before their request.
    while gateway.0.lock().expect("no panic").len() < 180 {
        assert!(Instant::now() < deadline, "some were never polled");
        tokio::task::yield_now().await;
    }
    daemon.signal(Signal::KILL);
    daemon.wait();
    let polls = gateway.0.lock().expect("no panic");
    assert!(polls.values().all(|times| times.len() == 1), "a source was asked twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_graceful_shutdown_writes_everything_and_counters_continue() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ", interval: 1s"));
    let mut seen = (0.0, 0.0);
    for round in 1..=3 {
        let daemon = setup.start();
        let series = ["balance_polls_total{", "balance_withdrawn_amount_total{", "balance_deposited_amount_total{"];
        let two_more = |metrics: &str| value(metrics, series[0]).is_some_and(|polls| polls >= seen.0 + 2.0);
        let metrics = daemon.metrics_where("two more polls", two_more).await;
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().0.code(), Some(0));
        let moved = value(&metrics, series[1]).expect("a sum") + value(&metrics, series[2]).expect("a sum");
        assert!(moved > seen.1, "round {round}");
        let committed = page_of(setup.committed());
        seen = (polls(&committed["a"]), moved);
        assert!(seen.0 >= value(&metrics, series[0]).expect("a count"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_poll_starts_while_the_server_shuts_down() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ", interval: 2s"));
    let daemon = setup.start();
    // Half a request. The server waits three seconds for the rest.
    let mut stream = std::net::TcpStream::connect(&daemon.address).expect("a connection");
    std::io::Write::write_all(&mut stream, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n").expect("sent");
    let second = |metrics: &str| value(metrics, "balance_polls_total{") == Some(2.0);
    daemon.metrics_where("the second poll has just ended", second).await;
    daemon.signal(Signal::TERM);
    // A second signal changes nothing.
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().0.code(), Some(0));
    assert_eq!(gateway.count(), 2);
    assert_eq!(setup.committed().iter().map(|state| state.polls).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_process_fails_with_a_message() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ""));
    let daemon = setup.start();
    daemon.metrics_with("balance_up{").await;
    let directory = setup.directory.to_str().expect("UTF-8");
    let mut second = binary();
    second.args(["--config.file", setup.configured.path(), "--web.listen-address", "127.0.0.1:0", "--storage.path", directory]);
    let output = second.output().expect("the binary runs");
    let message = format!(
        "balance-exporter: {directory}: another process uses this directory; stop it, or name another directory with --storage.path\n"
    );
    let printed = text(&output.stderr);
    assert!(output.status.code() == Some(1) && printed.ends_with(&message), "{printed}");
    assert_eq!(value(&daemon.metrics().await, UP), Some(1.0));
    assert_eq!(gateway.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_changed_configuration_applies_after_a_restart_and_after_a_reload() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let three = source("stays", &stand_in, "") + &source("goes", &stand_in, "") + &source("changes", &stand_in, "");
    let setup = Setup::new(&three);
    let daemon = setup.start();
    daemon.metrics_where("three are up", |metrics| lines_with(metrics, "balance_up{").len() == 3).await;
    setup.committed_polls(1).await;

    // Changed while the daemon runs.
    setup.configure(&(source("stays", &stand_in, "") + &source("changes", &stand_in, "")));
    assert_eq!(daemon.ask(reqwest::Method::POST, "/-/reload", &[]).await.status, 200);
    daemon.signal(Signal::TERM);
    daemon.wait();
    setup.configure(&three);
    let names: Vec<_> = setup.committed().into_iter().map(|state| state.about.name.to_string()).collect();
    assert_eq!(names, ["stays", "changes"]);

    // Changed while it is stopped: another address is another account.
    let changed = source("changes", &stand_in, "").replace("?changes", "?other");
    setup.configure(&(source("stays", &stand_in, ", interval: 2m, low: {amount: {warning: 9}}") + &changed));
    let daemon = setup.start();
    let polls_of =
        |metrics: &str, name: &str| value(metrics, &format!("balance_polls_total{{provider=\"mysmpp\",source=\"{name}\"}}"));
    let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"changes\"} 1").await;
    assert_eq!([polls_of(&metrics, "stays"), polls_of(&metrics, "changes")], [Some(1.0), Some(1.0)]);
    assert!(metrics.contains("balance_low_amount{provider=\"mysmpp\",source=\"stays\""), "{metrics}");
    daemon.signal(Signal::KILL);
    daemon.wait();
    let polled: Vec<usize> = gateway.0.lock().expect("no panic").values().map(Vec::len).collect();
    assert_eq!(polled, [1, 1, 1, 1], "changes, goes, other, stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_token_is_another_account_wherever_it_is_stored() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let plain = source("a", &stand_in, "");
    let setup = Setup::new(&plain);
    let secret = setup.configured.directory.path().join("token");
    std::fs::write(&secret, "token of a test\n").expect("a file");
    let in_a_file = plain.replace("token: token of a test", &format!("token: {{file: \"{}\"}}", secret.display()));
    let daemon = setup.start();
    daemon.metrics_with("balance_up{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();

    // The token has moved: first while the program was stopped, then while it runs.
    setup.configure(&in_a_file);
    let daemon = setup.start();
    assert_eq!(value(&daemon.metrics().await, "balance_polls_total{"), Some(1.0));
    setup.configure(&plain);
    assert_eq!(daemon.ask(reqwest::Method::POST, "/-/reload", &[]).await.status, 200);
    assert_eq!(value(&daemon.metrics().await, "balance_polls_total{"), Some(1.0));
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(gateway.count(), 1);

    setup.configure(&plain.replace("token of a test", "another token of a test"));
    let daemon = setup.start();
    let metrics = daemon.metrics_with("balance_up{").await;
    assert_eq!(value(&metrics, "balance_polls_total{"), Some(1.0), "it starts from zero");
    let moved = ["balance_withdrawn_amount_total{", "balance_deposited_amount_total{"].map(|series| value(&metrics, series));
    assert_eq!(moved, [Some(0.0); 2], "a change of account is neither a withdrawal nor a deposit");
    assert_eq!(gateway.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_secret_reaches_the_disk() {
    let refusing = |asked: &ReceivedRequest| Reply::json(400, &serde_json::json!({"error": text(&asked.body)}));
    let stand_in = StandIn::start(refusing).await.expect("a port");
    let setup = Setup::new(&source("a", &stand_in, ""));
    let daemon = setup.start();
    daemon.metrics_with("balance_failing{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    let bytes = std::fs::read(setup.file()).expect("a file");
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"***") && !holds(b"token of a test"));
    assert_eq!(setup.committed().len(), 1);
}
