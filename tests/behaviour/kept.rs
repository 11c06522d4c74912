//! A daemon with a storage, the content of its file, and a gateway that records requests.

use crate::support::{Configured, Daemon, binary, lines_with, text};
use balance_exporter::config::Config;
use balance_exporter::exposition::Exposition;
use balance_exporter::poll::assemble::assemble;
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use balance_exporter::state::clock::Moment;
use balance_exporter::state::disk::{DAMAGED, FILE_NAME, Storage};
use balance_exporter::state::{SourceState, Store};
use balance_exporter::transport::client::Clients;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::time::Instant;

pub(crate) const UP: &str = "balance_exporter_storage_up";
pub(crate) const DAMAGED_FILES: &str = "balance_exporter_storage_damaged_files";

/// A gateway for many sources, each with its own query. It records when each is polled, and its balance differs each time.
#[derive(Clone, Default)]
pub(crate) struct RecordingGateway(pub(crate) Arc<Mutex<BTreeMap<String, Vec<Instant>>>>);

impl RecordingGateway {
    pub(crate) async fn start(&self) -> StandIn {
        let Self(polls) = self.clone();
        let answer = move |asked: &ReceivedRequest| {
            let mut polls = polls.lock().expect("no panic");
            let times = polls.entry(asked.target.clone()).or_default();
            times.push(Instant::now());
            let cents = times.len() * 37 % 100;
            Reply::new(200, format!("{{\"money\":\"7.{cents:02}\",\"currency\":\"EUR\",\"information\":[]}}"))
        };
        StandIn::start(answer).await.expect("a port")
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().expect("no panic").values().map(Vec::len).sum()
    }

    /// When a source was first polled at or after a time.
    pub(crate) fn first_after(&self, source: &str, time: Instant) -> Option<Instant> {
        let polls = self.0.lock().expect("no panic");
        polls.get(&format!("/?{source}"))?.iter().copied().find(|at| *at >= time)
    }
}

pub(crate) fn source(name: &str, stand_in: &StandIn, more: &str) -> String {
    let url = stand_in.url(&format!("/?{name}"));
    format!("  - {{name: {name}, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}{more}}}\n")
}

/// A configuration, and a storage directory that does not exist yet.
pub(crate) struct Setup {
    pub(crate) configured: Configured,
    pub(crate) directory: PathBuf,
}

impl Setup {
    pub(crate) fn new(sources: &str) -> Self {
        let configured = Configured::new(&format!("sources:\n{sources}"));
        let directory = configured.directory.path().join("state");
        Self { configured, directory }
    }

    pub(crate) fn configure(&self, sources: &str) {
        std::fs::write(&self.configured.file, format!("sources:\n{sources}")).expect("a file");
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_by(&mut binary())
    }

    pub(crate) fn start_by(&self, command: &mut Command) -> Daemon {
        let directory = self.directory.to_str().expect("UTF-8");
        let arguments = ["--storage.path", directory, "--web.enable-lifecycle", "--log.level", "debug"];
        Daemon::start_with(self.configured.path(), &arguments, command)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    pub(crate) fn damaged(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{DAMAGED}{number}"))
    }

    /// The states in the file. They are read from a copy, because opening a file repairs it.
    pub(crate) fn committed(&self) -> Vec<SourceState> {
        let copy = tempfile::tempdir().expect("a directory");
        std::fs::copy(self.file(), copy.path().join(FILE_NAME)).expect("a copy");
        let (storage, mut saved) = Storage::open(copy.path(), Arc::new(Moment::now)).expect("not in use");
        assert!(storage.health().is_up());
        let config = Config::load(&self.configured.file, &[]).expect("a good file");
        let sources = assemble(config, &mut Clients::default()).expect("good sources").sources;
        sources.iter().filter_map(|source| saved.take(&source.about, Moment::now())).collect()
    }

    /// Waits until the file holds this many polls of each source.
    pub(crate) async fn committed_polls(&self, polls: u64) {
        let deadline = Instant::now() + crate::support::PATIENCE;
        while !(self.file().exists() && self.committed().iter().all(|state| state.polls >= polls)) {
            assert!(Instant::now() < deadline, "never written");
            tokio::task::yield_now().await;
        }
    }
}

/// The metrics of these states, by source.
pub(crate) fn page_of(states: Vec<SourceState>) -> BTreeMap<String, Vec<String>> {
    let exposition = Arc::new(Exposition::new(SystemTime::now()).expect("metrics"));
    let store = Store::new(exposition.clone());
    for state in states {
        store.insert(state);
    }
    by_source(&text(&exposition.plain(Moment::now().instant).balances))
}

pub(crate) fn by_source(metrics: &str) -> BTreeMap<String, Vec<String>> {
    let mut sources = BTreeMap::<String, Vec<String>>::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.split("source=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            sources.entry(name.to_owned()).or_default().push(line.to_owned());
        }
    }
    sources
}

pub(crate) fn value(metrics: &str, series: &str) -> Option<f64> {
    lines_with(metrics, series).first().and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

pub(crate) fn polls(lines: &[String]) -> f64 {
    value(&lines.join("\n"), "balance_polls_total").expect("a count")
}

/// A fixed sequence of pseudo-random numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
