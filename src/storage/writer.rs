//! The thread that opens the file and writes it: one transaction in [`PAUSE`], and after a rest two at once, for the beginning of
//! a poll and for its end.

use super::file::{Opened, Refused};
use super::place::Place;
use super::record::Record;
use super::{Changes, InUse, Kept, Noted, Shared, salted, told};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// From one transaction to the next, in the long run.
const PAUSE: Duration = Duration::from_millis(250);
/// How soon a file that cannot be used is tried again.
const RETRY: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    shared: Arc<Shared>,
    place: Place,
    /// None while it cannot be used.
    file: Option<Opened>,
    /// The process began without what the file may hold.
    late: bool,
    /// Every source as it was last seen, for a file that comes back empty or old.
    sources: BTreeMap<Arc<str>, Noted>,
    /// The names that differ from the file.
    dirty: BTreeSet<Arc<str>>,
    /// When the next transaction would be due if all stood at an even distance.
    even: Instant,
    /// When the file was last tried in vain.
    tried: Instant,
}

impl Writer {
    /// Opens the file and tells what it holds, if somebody still waits for that. None where there is nothing to be done.
    pub(super) fn open(shared: Arc<Shared>, mut place: Place, tell: &SyncSender<Result<Kept, InUse>>) -> Option<Self> {
        let health = shared.health.clone();
        let opened = health.watch(|| place.open(&health));
        let (file, kept, late) = match opened {
            Ok((file, kept)) => (Some(file), kept, false),
            Err(Refused::InUse) => {
                if tell.send(Err(InUse)).is_err() {
                    tracing::error!("{}; state is in memory", told(&Refused::InUse));
                }
                return None;
            }
            Err(refused) => {
                tracing::error!("{}; state is in memory", told(&refused));
                if matches!(refused, Refused::Newer(_)) {
                    let _ = tell.send(Ok(Kept::default()));
                    return None;
                }
                let kept = health.watch(|| place.glance());
                let late = kept.is_none();
                (None, kept.unwrap_or_default(), late)
            }
        };
        health.up.store(file.is_some(), Ordering::Relaxed);
        let late = tell.send(Ok(kept)).is_err() || late;
        // A file that was opened too late is opened once more, by whoever knows what to do with it.
        let file = file.filter(|_| !late);
        health.up.store(file.is_some(), Ordering::Relaxed);
        let (sources, dirty, now) = (BTreeMap::new(), BTreeSet::new(), Instant::now());
        Some(Self { shared, place, file, late, sources, dirty, even: now, tried: now })
    }

    pub(super) fn run(mut self) {
        while !self.step() {}
    }

    /// Waits for changes and writes them. Says whether it was the last time.
    fn step(&mut self) -> bool {
        let (changes, closing) = self.wait();
        for (name, noted) in changes {
            self.dirty.insert(name.clone());
            match noted {
                Some(noted) => drop(self.sources.insert(name, noted)),
                None => drop(self.sources.remove(&name)),
            }
        }
        if self.file.is_some() {
            self.even = self.even.max(Instant::now()) + PAUSE;
            self.write(false);
        } else if !closing {
            self.tried = Instant::now();
            self.open_again();
        }
        closing
    }

    /// Waits until there is something to do and the time for it has come, or until the end.
    fn wait(&self) -> (BTreeMap<Arc<str>, Option<Noted>>, bool) {
        let due = if self.file.is_some() { self.even.checked_sub(PAUSE) } else { self.tried.checked_add(RETRY) };
        let mut changes = self.shared.changes();
        loop {
            let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
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
        let Some(file) = &mut self.file else { return };
        let record = |name: &Arc<str>| {
            let Noted { state, at } = self.sources.get(name)?;
            postcard::to_stdvec(&Record::of(state, *at, salted(&file.salt, &state.about))).ok()
        };
        let records: Vec<_> = self.dirty.iter().map(|name| (&**name, record(name))).collect();
        if records.is_empty() && !whole {
            return;
        }
        match self.shared.health.watch(|| file.commit(&records, whole)) {
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
                self.tried = Instant::now();
            }
        }
    }

    fn open_again(&mut self) {
        let health = self.shared.health.clone();
        let (place, late) = (&mut self.place, self.late);
        let opened = health.watch(|| if late { place.open_late(&health) } else { place.open(&health).map(|(file, _)| file) });
        match opened {
            Ok(file) => {
                self.late = false;
                self.file = Some(file);
                self.dirty = self.sources.keys().cloned().collect();
                // What this process knows is newer than whatever is in the file.
                self.write(true);
            }
            Err(refused) => tracing::debug!("{}; state stays in memory", told(&refused)),
        }
    }
}
