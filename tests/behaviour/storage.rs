//! State on disk, with the real binary: killed at any moment, damaged, full of another version, shared, unwritable.

use crate::support::{Configured, Daemon, binary, lines_with, text};
use balance_exporter::assemble::assemble;
use balance_exporter::config::Config;
use balance_exporter::exposition::Exposition;
use balance_exporter::http::client::Clients;
use balance_exporter::standin::{Act, Asked, Reply, StandIn};
use balance_exporter::storage::{DAMAGED, FILE_NAME, Storage};
use balance_exporter::store::{Moment, SourceState, Store};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

const UP: &str = "balance_exporter_storage_up";
const DAMAGED_FILES: &str = "balance_exporter_storage_damaged_files";

/// A gateway for many sources, told apart by a query, that notes when each is polled and has another balance each time.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<BTreeMap<String, Vec<Instant>>>>);

impl Noting {
    async fn start(&self) -> StandIn {
        let Self(polls) = self.clone();
        let answer = move |asked: &Asked| {
            let mut polls = polls.lock().expect("no panic");
            let times = polls.entry(asked.target.clone()).or_default();
            times.push(Instant::now());
            let cents = times.len() * 37 % 100;
            Reply::new(200, format!("{{\"money\":\"7.{cents:02}\",\"currency\":\"EUR\",\"information\":[]}}"))
        };
        StandIn::start(answer).await.expect("a port")
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").values().map(Vec::len).sum()
    }

    /// When a source was first polled at or after a time.
    fn first_after(&self, source: &str, time: Instant) -> Option<Instant> {
        let polls = self.0.lock().expect("no panic");
        polls.get(&format!("/?{source}"))?.iter().copied().find(|at| *at >= time)
    }
}

fn source(name: &str, stand_in: &StandIn, more: &str) -> String {
    let url = stand_in.url(&format!("/?{name}"));
    format!("  - {{name: {name}, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}{more}}}\n")
}

/// A configuration with a directory for the storage, which does not exist yet.
struct Place {
    configured: Configured,
    directory: PathBuf,
}

impl Place {
    fn new(sources: &str) -> Self {
        let configured = Configured::new(&format!("sources:\n{sources}"));
        let directory = configured.directory.path().join("state");
        Self { configured, directory }
    }

    fn configure(&self, sources: &str) {
        std::fs::write(&self.configured.file, format!("sources:\n{sources}")).expect("a file");
    }

    fn start(&self) -> Daemon {
        self.start_by(&mut binary())
    }

    fn start_by(&self, command: &mut Command) -> Daemon {
        let directory = self.directory.to_str().expect("UTF-8");
        let arguments = ["--storage.path", directory, "--web.enable-lifecycle", "--log.level", "debug"];
        Daemon::start_with(self.configured.path(), &arguments, command)
    }

    fn file(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    fn damaged(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{DAMAGED}{number}"))
    }

    /// What the file holds, read from a copy, because opening it would repair it.
    fn committed(&self) -> Vec<SourceState> {
        let copy = tempfile::tempdir().expect("a directory");
        std::fs::copy(self.file(), copy.path().join(FILE_NAME)).expect("a copy");
        let (storage, mut kept) = Storage::open(copy.path(), Arc::new(Moment::now)).expect("nobody else is there");
        assert!(storage.health().is_up());
        let config = Config::load(&self.configured.file, &[]).expect("a good file");
        let sources = assemble(config, &mut Clients::default()).expect("good sources");
        sources.iter().filter_map(|source| kept.take(&source.about, Moment::now())).collect()
    }

    /// Waits until the file holds as many polls of each source as this.
    async fn committed_polls(&self, polls: u64) {
        let deadline = Instant::now() + crate::support::PATIENCE;
        while !(self.file().exists() && self.committed().iter().all(|state| state.polls >= polls)) {
            assert!(Instant::now() < deadline, "never written");
            tokio::task::yield_now().await;
        }
    }
}

/// A page of these states and no others, by source.
fn page_of(states: Vec<SourceState>) -> BTreeMap<String, Vec<String>> {
    let exposition = Arc::new(Exposition::new(SystemTime::now()).expect("metrics"));
    let store = Store::new(exposition.clone());
    for state in states {
        store.restore(state);
    }
    by_source(&text(&exposition.plain(Moment::now().instant).balances))
}

fn by_source(metrics: &str) -> BTreeMap<String, Vec<String>> {
    let mut sources = BTreeMap::<String, Vec<String>>::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.split("source=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            sources.entry(name.to_owned()).or_default().push(line.to_owned());
        }
    }
    sources
}

fn value(metrics: &str, series: &str) -> Option<f64> {
    lines_with(metrics, series).first().and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

fn polls(lines: &[String]) -> f64 {
    value(&lines.join("\n"), "balance_polls_total").expect("a count")
}

/// Random numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_200_moments_it_goes_on_from_what_was_committed() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    let sources: String = names.iter().map(|name| source(name, &stand_in, ", interval: 1s")).collect();
    let place = Place::new(&sources);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut before, mut due) = (BTreeMap::new(), BTreeMap::<String, Instant>::new());
    for kill in 0..200 {
        let started = Instant::now();
        let daemon = place.start();
        let page = by_source(&daemon.metrics().await);
        for (name, lines) in &before {
            let lines: &Vec<String> = lines;
            let shown = &page[name];
            // It may have been due at once.
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

        let committed = place.committed();
        for state in &committed {
            let name = state.about.name.to_string();
            if let Some(lines) = before.get(&name) {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let now = state.polls as f64;
                assert!(now >= polls(lines), "{name} lost polls at kill {kill}");
            }
        }
        for (name, due) in due {
            let polled = noting.first_after(&name, started);
            let early = polled.map_or(Duration::ZERO, |polled| due.saturating_duration_since(polled));
            assert!(early < Duration::from_millis(5), "{name} was polled {early:?} before it was due, after kill {kill}");
        }
        due = committed.iter().filter_map(|state| Some((state.about.name.to_string(), state.next?))).collect();
        before = page_of(committed);
    }
    let counts = before.values().map(|lines| polls(lines));
    assert!(counts.sum::<f64>() > 100.0, "polls went on under all this");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn restarting_in_a_loop_costs_a_provider_nothing() {
    let noting = Noting::default();
    let (good, bad) = (noting.start().await, StandIn::start(|_: &_| Reply::new(503, "")).await.expect("a port"));
    let place = Place::new(&(source("good", &good, "") + &source("bad", &bad, "")));
    let daemon = place.start();
    let both = |metrics: &str| lines_with(metrics, "balance_up{").len() == 2;
    let first = daemon.metrics_where("both were polled", both).await;
    place.committed_polls(1).await;
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(std::fs::metadata(place.file()).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&place.directory).expect("a directory").permissions().mode() & 0o777, 0o700);

    for signal in [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT, Signal::KILL] {
        let daemon = place.start();
        assert_eq!(daemon.get("/-/ready").await.status, 200);
        let metrics = daemon.metrics().await;
        assert_eq!(by_source(&metrics), by_source(&first));
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(1.0), Some(0.0)));
        daemon.signal(signal);
        let (_, log) = daemon.wait();
        assert!(!log.iter().any(|line| line.contains("polls fail") || line.contains("first poll")), "old news: {log:?}");
    }
    assert_eq!((noting.count(), bad.asked().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_poll_that_was_cut_off_is_not_repeated_at_once() {
    let stand_in = StandIn::start(|_: &_| Reply::new(200, "")).await.expect("a port");
    stand_in.always(Act::Hang);
    let place = Place::new(&source("a", &stand_in, ", timeout: 4m"));
    for _ in 0..3 {
        let daemon = place.start();
        let deadline = Instant::now() + crate::support::PATIENCE;
        while stand_in.asked().is_empty() {
            assert!(Instant::now() < deadline, "never polled");
            tokio::task::yield_now().await;
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().0.code(), Some(0));
    }
    assert_eq!(stand_in.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_end_writes_everything_and_counters_go_on() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = Place::new(&source("a", &stand_in, ", interval: 1s"));
    let mut seen = (0.0, 0.0);
    for round in 1..=3 {
        let daemon = place.start();
        let series = ["balance_polls_total{", "balance_withdrawn_amount_total{", "balance_deposited_amount_total{"];
        let two_more = |metrics: &str| value(metrics, series[0]).is_some_and(|polls| polls >= seen.0 + 2.0);
        let metrics = daemon.metrics_where("two more polls", two_more).await;
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().0.code(), Some(0));
        let moved = value(&metrics, series[1]).expect("a sum") + value(&metrics, series[2]).expect("a sum");
        assert!(moved > seen.1, "round {round}");
        let committed = page_of(place.committed());
        seen = (polls(&committed["a"]), moved);
        assert!(seen.0 >= value(&metrics, series[0]).expect("a count"));
    }
}

/// Lets a place fill its file with one polled source.
async fn filled(stand_in: &StandIn) -> Place {
    let place = Place::new(&source("a", stand_in, ""));
    let daemon = place.start();
    daemon.metrics_with("balance_up{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_files_are_set_aside_one_by_one_and_the_daemon_begins_anew() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let whole = std::fs::read(place.file()).expect("a file");
    let truncated = |length: usize| whole[..length].to_vec();
    let damages = [truncated(0), truncated(100), truncated(5000), truncated(whole.len() / 2), vec![b'x'; 9000]];
    for (number, bytes) in (1..).zip(&damages) {
        std::fs::write(place.file(), bytes).expect("a file");
        let daemon = place.start();
        daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        let metrics = daemon.metrics().await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(1.0), Some(f64::from(number))));
        assert_eq!(value(&metrics, "balance_polls_total{"), Some(1.0), "it begins anew");
        daemon.signal(Signal::TERM);
        let (status, log) = daemon.wait();
        assert_eq!(status.code(), Some(0));
        let told = |line: &String| line.contains("the storage is damaged: it was set aside") && line.contains("ERROR");
        assert_eq!(log.iter().filter(|line| told(line)).count(), 1, "{log:?}");
        assert_eq!(&std::fs::read(place.damaged(number)).expect("a file"), bytes, "it is kept as it was");
        daemon_restores(&place).await;
    }
}

async fn daemon_restores(place: &Place) {
    let daemon = place.start();
    assert_eq!(daemon.get("/-/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flipped_bit_is_found_or_harmless() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let whole = std::fs::read(place.file()).expect("a file");
    let good = page_of(place.committed());
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut found = 0;
    for _ in 0..120 {
        let at = used[usize::try_from(random.below(used.len() as u64)).expect("small")];
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.below(8);
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(FILE_NAME), &bytes).expect("a file");
        let (storage, mut kept) = Storage::open(directory.path(), Arc::new(Moment::now)).expect("nobody else is there");
        let config = Config::load(&place.configured.file, &[]).expect("a good file");
        let sources = assemble(config, &mut Clients::default()).expect("good sources");
        let states: Vec<_> = sources.iter().filter_map(|source| kept.take(&source.about, Moment::now())).collect();
        storage.close();
        if storage.health().damaged() > 0 {
            found += 1;
            assert!(states.is_empty());
            let aside = directory.path().join(format!("{DAMAGED}1"));
            assert_eq!(std::fs::metadata(aside).expect("a file").len(), bytes.len() as u64);
        } else if let Some(state) = states.into_iter().find(|state| state.polls > 0) {
            assert_eq!(page_of(vec![state]), good, "byte {at}: a damage that is not found must change nothing");
        }
    }
    assert!(found > 5, "only {found} of 120 found");
}

/// The records in a file, as they are.
fn sources_in(file: &Path) -> Vec<(String, Vec<u8>)> {
    use redb::{ReadableDatabase, ReadableTable};
    let database = redb::Database::open(file).expect("a good file");
    let table = redb::TableDefinition::<&str, &[u8]>::new("sources");
    let table = database.begin_read().expect("a transaction").open_table(table).expect("a table");
    let rows = table.iter().expect("rows").map(|row| row.expect("a row"));
    rows.map(|(name, record)| (name.value().to_owned(), record.value().to_vec())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_of_a_newer_version_is_left_alone() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(place.file()).expect("a file");
    let writing = database.begin_write().expect("a transaction");
    writing.open_table(meta).expect("a table").insert("format", 99_u32.to_le_bytes().as_slice()).expect("a row");
    writing.commit().expect("a commit");
    database.close().expect("an end");
    let before = sources_in(&place.file());
    let mut daemon = place.start();
    let metrics = daemon.metrics_with("balance_up{").await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    let line = daemon.wait_for_log(&["stopping"]);
    assert!(daemon.log.iter().any(|line| line.contains("from a newer version (format 99")), "{line}");
    daemon.wait();
    assert!(!place.damaged(1).exists());
    // Its bookkeeping may change with each opening, its content not.
    assert_eq!(sources_in(&place.file()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_place_that_cannot_be_used_costs_the_memory_of_a_restart_and_nothing_else() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    // Root may write where nobody else may, but not below a file.
    let place = Place::new(&source("a", &stand_in, ""));
    std::fs::write(&place.directory, "not a directory").expect("a file");
    let mut daemon = place.start();
    let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    daemon.wait_for_log(&["stopping"]);
    assert!(daemon.log.iter().any(|line| line.contains("ERROR the storage cannot be used")), "{:?}", daemon.log);
    assert_eq!(daemon.wait().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_process_says_so_and_ends() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = Place::new(&source("a", &stand_in, ""));
    let daemon = place.start();
    daemon.metrics_with("balance_up{").await;
    let directory = place.directory.to_str().expect("UTF-8");
    let mut second = binary();
    second.args(["--config.file", place.configured.path(), "--web.listen-address", "127.0.0.1:0", "--storage.path", directory]);
    let output = second.output().expect("the binary runs");
    let told = format!(
        "balance-exporter: {directory}: another process keeps its state there; stop it, or name another directory with --storage.path\n"
    );
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.ends_with(&told), "{said}");
    assert_eq!(value(&daemon.metrics().await, UP), Some(1.0));
    assert_eq!(noting.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_changed_configuration_is_honoured_after_a_restart_and_a_reload() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let three = source("stays", &stand_in, "") + &source("goes", &stand_in, "") + &source("changes", &stand_in, "");
    let place = Place::new(&three);
    let daemon = place.start();
    daemon.metrics_where("three are up", |metrics| lines_with(metrics, "balance_up{").len() == 3).await;
    place.committed_polls(1).await;

    // While it runs.
    place.configure(&(source("stays", &stand_in, "") + &source("changes", &stand_in, "")));
    assert_eq!(daemon.ask(reqwest::Method::POST, "/-/reload", &[]).await.status, 200);
    daemon.signal(Signal::TERM);
    daemon.wait();
    place.configure(&three);
    let names: Vec<_> = place.committed().into_iter().map(|state| state.about.name.to_string()).collect();
    assert_eq!(names, ["stays", "changes"]);

    // While it does not: another address is another account.
    let changed = source("changes", &stand_in, "").replace("?changes", "?other");
    place.configure(&(source("stays", &stand_in, ", interval: 2m, low: {amount: {warning: 9}}") + &changed));
    let daemon = place.start();
    let polls_of =
        |metrics: &str, name: &str| value(metrics, &format!("balance_polls_total{{provider=\"mysmpp\",source=\"{name}\"}}"));
    let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"changes\"} 1").await;
    assert_eq!([polls_of(&metrics, "stays"), polls_of(&metrics, "changes")], [Some(1.0), Some(1.0)]);
    assert!(metrics.contains("balance_low_amount{provider=\"mysmpp\",source=\"stays\""), "{metrics}");
    daemon.signal(Signal::KILL);
    daemon.wait();
    let polled: Vec<usize> = noting.0.lock().expect("no panic").values().map(Vec::len).collect();
    assert_eq!(polled, [1, 1, 1, 1], "changes, goes, other, stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_secret_reaches_the_disk() {
    let refusing = |asked: &Asked| Reply::json(400, &serde_json::json!({"error": text(&asked.body)}));
    let stand_in = StandIn::start(refusing).await.expect("a port");
    let place = Place::new(&source("a", &stand_in, ""));
    let daemon = place.start();
    daemon.metrics_with("balance_failing{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    let bytes = std::fs::read(place.file()).expect("a file");
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"***") && !holds(b"token of a test"));
    assert_eq!(place.committed().len(), 1);
}
