//! The thread that writes: at most one transaction in [`PAUSE`], the first change after a rest at once.

use super::file::Opened;
use super::record::Record;
use super::{Changes, Noted, Place, Shared, salted, told};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From the beginning of one transaction to that of the next.
const PAUSE: Duration = Duration::from_millis(250);
/// How soon a file that cannot be used is tried again.
const RETRY: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    shared: Arc<Shared>,
    place: Place,
    /// None while it cannot be used.
    file: Option<Opened>,
    /// Every source as it was last seen, for a file that comes back empty or old.
    sources: BTreeMap<Arc<str>, Noted>,
    /// The names that differ from the file.
    dirty: BTreeSet<Arc<str>>,
    /// When the last transaction or attempt began.
    last: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, place: Place, file: Option<Opened>) -> Self {
        let last = file.is_none().then(Instant::now);
        Self { shared, place, file, sources: BTreeMap::new(), dirty: BTreeSet::new(), last }
    }

    pub(super) fn start(mut self) -> Option<JoinHandle<()>> {
        let shared = self.shared.clone();
        let started = std::thread::Builder::new().name("storage".to_owned()).spawn(move || while !self.step() {});
        if let Err(error) = &started {
            tracing::error!(%error, "no thread for the storage; state is in memory");
            shared.health.up.store(false, Ordering::Relaxed);
        }
        started.ok()
    }

    /// Waits for changes and writes them. Says whether it was the last time.
    fn step(&mut self) -> bool {
        let pause = if self.file.is_some() { PAUSE } else { RETRY };
        let (changes, closing) = self.wait(pause);
        for (name, noted) in changes {
            if noted.as_ref().is_none_or(|noted| !noted.stored) {
                self.dirty.insert(name.clone());
            }
            match noted {
                Some(noted) => drop(self.sources.insert(name, noted)),
                None => drop(self.sources.remove(&name)),
            }
        }
        if self.file.is_none() || !self.dirty.is_empty() {
            self.last = Some(Instant::now());
        }
        match &self.file {
            Some(_) => self.write(false),
            None if !closing => self.open_again(),
            None => {}
        }
        closing
    }

    /// Waits until there is something to write and the pause is over, or until the end.
    fn wait(&self, pause: Duration) -> (BTreeMap<Arc<str>, Option<Noted>>, bool) {
        let mut changes = self.shared.changes();
        loop {
            let left = self.last.map_or(Duration::ZERO, |last| pause.saturating_sub(last.elapsed()));
            let work = !changes.sources.is_empty() || self.file.is_none();
            if changes.closing || (work && left.is_zero()) {
                let Changes { sources, closing } = &mut *changes;
                return (std::mem::take(sources), *closing);
            }
            let woken = if work {
                self.shared.wake.wait_timeout(changes, left).map(|(changes, _)| changes).map_err(|error| error.into_inner().0)
            } else {
                self.shared.wake.wait(changes).map_err(PoisonError::into_inner)
            };
            changes = woken.unwrap_or_else(|changes| changes);
        }
    }

    fn write(&mut self, whole: bool) {
        let Some(file) = &self.file else { return };
        let record = |name: &Arc<str>| {
            let Noted { state, at, .. } = self.sources.get(name)?;
            postcard::to_stdvec(&Record::of(state, *at, salted(&file.salt, &state.about))).ok()
        };
        let records: Vec<_> = self.dirty.iter().map(|name| (&**name, record(name))).collect();
        if records.is_empty() && !whole {
            return;
        }
        match file.commit(&records, whole) {
            Ok(()) => {
                self.dirty.clear();
                if !self.shared.health.up.swap(true, Ordering::Relaxed) {
                    tracing::info!("the storage is written again");
                }
            }
            Err(error) => {
                if self.shared.health.up.swap(false, Ordering::Relaxed) {
                    tracing::error!(error, "the storage cannot be written; state is in memory until it can");
                }
                // After an error the database must be opened anew.
                self.file = None;
            }
        }
    }

    fn open_again(&mut self) {
        match self.place.open(&self.shared.health) {
            Ok((file, _)) => {
                self.file = Some(file);
                self.dirty = self.sources.keys().cloned().collect();
                // What this process knows is newer than whatever is in the file.
                self.write(true);
            }
            Err(refused) => tracing::debug!("{}; state stays in memory", told(&refused)),
        }
    }
}
