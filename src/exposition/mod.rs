//! The page that Prometheus reads. Each source's lines are rendered when a poll ends; a scrape only copies them.
//!
//! It depends on the states of the sources and on the domain, and knows no provider.

mod family;
mod gzip;
mod program;
mod render;

use crate::state::health::Health;
use crate::state::{Failures, Observer, SourceState};
use bytes::Bytes;
use family::Family;
use program::ProgramMetrics;
use render::Rendered;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;
use tokio::time::Instant;

pub use program::REVISION;

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in two parts, to be sent one after the other.
#[derive(Debug, Clone)]
pub struct Page {
    /// The metrics of the sources, shared by all scrapes until one of them changes.
    pub balances: Bytes,
    /// The program's own metrics. Those of the process are at most a second old.
    pub program: Bytes,
}

/// The rendered lines of all sources and the page assembled from them.
pub struct Exposition {
    cache: Mutex<Cache>,
    program: ProgramMetrics,
}

#[derive(Default)]
struct Cache {
    sources: BTreeMap<Arc<str>, Arc<Rendered>>,
    /// Incremented with each change.
    version: u64,
    page: Option<Arc<Balances>>,
}

/// The metrics of all sources, ready to send.
struct Balances {
    version: u64,
    /// When the first of its readings expire.
    valid_until: Option<Instant>,
    plain: Bytes,
    gzip: OnceLock<gzip::Opening>,
}

impl Exposition {
    /// An empty page. `loaded` is when the running configuration was read.
    ///
    /// # Errors
    /// When the program's own metrics conflict in name or labels.
    pub fn new(loaded: SystemTime) -> Result<Self, prometheus::Error> {
        Ok(Self { cache: Mutex::default(), program: ProgramMetrics::new(loaded)? })
    }

    /// The page as text.
    #[must_use]
    pub fn plain(&self, now: Instant) -> Page {
        Page { balances: self.balances(now).plain.clone(), program: self.program.gathered(now).plain.clone() }
    }

    /// The page as one gzip stream.
    #[must_use]
    pub fn gzip(&self, now: Instant) -> Page {
        let balances = self.balances(now);
        let opening = balances.gzip.get_or_init(|| gzip::Opening::new(&balances.plain));
        Page { balances: opening.bytes.clone(), program: opening.close(self.program.gathered(now).gzip()) }
    }

    /// Records a reload of the configuration; none where it was refused and the running one stays.
    pub fn reloaded(&self, loaded: Option<SystemTime>) {
        self.program.reloaded(loaded);
    }

    /// Adds the metrics of the storage.
    ///
    /// # Errors
    /// When the program's own metrics conflict in name or labels.
    pub fn watch_storage(&self, health: Arc<Health>) -> Result<(), prometheus::Error> {
        self.program.watch_storage(health)
    }

    fn balances(&self, now: Instant) -> Arc<Balances> {
        let (sources, version) = {
            let cache = self.lock();
            if let Some(page) = cache.page.as_ref().filter(|page| page.is_current(cache.version, now)) {
                return page.clone();
            }
            (cache.sources.values().cloned().collect::<Vec<_>>(), cache.version)
        };
        // Assembled outside the lock, so that polls that end meanwhile do not wait.
        let page = Arc::new(Balances::copy(&sources, version, now));
        self.lock().page = Some(page.clone());
        page
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Exposition {
    fn changed(&self, state: &SourceState) {
        let rendered = Arc::new(render::render(state, Instant::now()));
        let mut cache = self.lock();
        cache.sources.insert(state.about.name.clone(), rendered);
        cache.version += 1;
        self.program.set_sources(cache.sources.len());
    }

    fn failed(&self, failures: &Failures) {
        self.program.set_failures(failures);
    }

    fn removed(&self, name: &str) {
        let mut cache = self.lock();
        cache.sources.remove(name);
        cache.version += 1;
        self.program.set_sources(cache.sources.len());
    }
}

impl Balances {
    fn is_current(&self, version: u64, now: Instant) -> bool {
        self.version == version && self.valid_until.is_none_or(|until| now < until)
    }

    fn copy(sources: &[Arc<Rendered>], version: u64, now: Instant) -> Self {
        let mut plain = Vec::new();
        for family in Family::all() {
            let lines = || sources.iter().map(|source| source.lines(family, now));
            let length: usize = lines().map(<[u8]>::len).sum();
            // A family without series gets no header.
            if length > 0 {
                let header = family.header();
                plain.reserve(header.len() + length);
                plain.extend_from_slice(header.as_bytes());
                lines().for_each(|lines| plain.extend_from_slice(lines));
            }
        }
        let valid_until = sources.iter().filter_map(|source| source.expires).filter(|at| now < *at).min();
        Self { version, valid_until, plain: plain.into(), gzip: OnceLock::new() }
    }
}
