//! `--shard`: several processes share the sources of one configuration.

use crate::support::{Configured, Daemon, binary, run, text};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use std::collections::BTreeMap;
use std::fmt::Write;

const SOURCES: usize = 300;

/// Starts a shard with a state directory of its own.
fn start(configured: &Configured, index: usize, count: usize) -> Daemon {
    let state = configured.directory.path().join(format!("state-{index}"));
    let shard = format!("{index}/{count}");
    let arguments = ["--storage.path", state.to_str().expect("UTF-8"), "--shard", &shard];
    Daemon::start_with(configured.path(), &arguments, &mut binary())
}

/// Waits until a shard is ready, and returns its sources with the polls of each.
async fn sources(daemon: &Daemon) -> BTreeMap<String, f64> {
    let polled = |metrics: &str| {
        let of = |metric: &str| metrics.lines().filter(|line| line.starts_with(metric)).count();
        of("balance_poll_interval_seconds{") > 0 && of("balance_up{") == of("balance_poll_interval_seconds{")
    };
    let metrics = daemon.metrics_where("every source of the shard was polled", polled).await;
    let polls = metrics.lines().filter_map(|line| line.strip_prefix("balance_polls_total{"));
    polls
        .map(|line| {
            let name = line.split("source=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a source");
            (name.to_owned(), line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count"))
        })
        .collect()
}

/// The sources of all shards together; each must be in one alone.
async fn all(daemons: &[Daemon]) -> BTreeMap<String, (usize, f64)> {
    let mut found = BTreeMap::new();
    for (i, daemon) in daemons.iter().enumerate() {
        for (name, polls) in sources(daemon).await {
            assert!(found.insert(name.clone(), (i, polls)).is_none(), "{name} is polled by two processes");
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_is_polled_by_exactly_one_of_three_and_then_of_four() {
    let stand_in =
        StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":1,"currency":"RUB"}"#)).await.expect("a port");
    let mut text = String::from("defaults: {interval: 1h}\nsources:\n");
    for n in 0..SOURCES {
        let url = stand_in.url("/");
        writeln!(text, "  - {{name: source-{n}, provider: {{mysmpp: {{token: x, url: \"{url}\"}}}}}}").expect("a text");
    }
    let configured = Configured::new(&text);
    let mut three: Vec<Daemon> = (0..3).map(|index| start(&configured, index, 3)).collect();
    let before = all(&three).await;
    assert_eq!(before.len(), SOURCES);
    assert_eq!(stand_in.requests().len(), SOURCES, "each was polled once");
    // One is killed, and comes back with its state: nothing is polled again before it is due.
    three[1].signal(rustix::process::Signal::KILL);
    three.remove(1).wait();
    three.insert(1, start(&configured, 1, 3));
    assert_eq!(all(&three).await.len(), SOURCES);
    let after_kill = stand_in.requests().len();
    for daemon in three {
        daemon.signal(rustix::process::Signal::TERM);
        assert!(daemon.wait().0.success());
    }
    let four: Vec<Daemon> = (0..4).map(|index| start(&configured, index, 4)).collect();
    let after = all(&four).await;
    assert_eq!(after.len(), SOURCES);
    let moved: Vec<_> = after.iter().filter(|(name, (shard, _))| before[*name].0 != *shard).collect();
    assert!(moved.iter().all(|(_, (shard, _))| *shard == 3), "only the new shard takes sources: {moved:?}");
    assert!((SOURCES / 8..SOURCES * 3 / 8).contains(&moved.len()), "about a quarter moves: {}", moved.len());
    // What moved starts afresh and is polled once; the rest keeps its counters and its due times.
    assert!(moved.iter().all(|(_, (_, polls))| (*polls - 1.0).abs() < f64::EPSILON), "{moved:?}");
    assert_eq!(stand_in.requests().len() - after_kill, moved.len());
}

#[test]
fn a_shard_that_does_not_exist_is_refused() {
    for (shard, message) in [
        ("3/3", "INDEX begins at 0 and is below COUNT"),
        ("1", "write INDEX/COUNT, such as 0/3, 1/3 and 2/3 for three processes"),
        ("0/0", "COUNT is 1 to 1000"),
    ] {
        let output = run(["--shard", shard]);
        assert_eq!(output.status.code(), Some(2), "{shard}");
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}
