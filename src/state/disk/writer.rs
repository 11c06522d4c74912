//! The thread that opens the file and writes it: one transaction in [`PAUSE`], and after a rest two at once, for the beginning of
//! a poll and for its end.

use super::database::{Opened, Refused};
use super::directory::Place;
use super::record::{Record, failures_to_bytes};
use super::{Changes, InUse, Kept, Noted, Shared, salted, text};
use crate::state::Failures;
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
    /// How many polls have failed.
    failures: Failures,
    /// The names that differ from the file.
    dirty: BTreeSet<Arc<str>>,
    /// When the next transaction would be due if all stood at an even distance.
    even: Instant,
    /// When the file was last tried.
    tried: Instant,
    /// What the log knows of why the file cannot be opened.
    told: String,
}

impl Writer {
    /// Opens the file and tells what it holds and whether it is kept, if somebody still waits for that. None where there is nothing
    /// to be done.
    pub(super) fn open(shared: Arc<Shared>, mut place: Place, tell: &SyncSender<Result<(Kept, bool), InUse>>) -> Option<Self> {
        let health = shared.health.clone();
        let mut told = String::new();
        let (file, kept, late) = match health.watch(|| place.open(&health)).0 {
            Ok((file, kept)) => (Some(file), kept, false),
            Err(Refused::InUse) => {
                if tell.send(Err(InUse)).is_err() {
                    tracing::error!(directory = %place.shown(), "{}; state is in memory", text(&Refused::InUse));
                }
                return None;
            }
            Err(refused) => {
                told = text(&refused);
                tracing::error!(directory = %place.shown(), "{told}; state is in memory");
                if matches!(refused, Refused::Newer(_)) {
                    let _ = tell.send(Ok((Kept::default(), false)));
                    return None;
                }
                let kept = health.watch(|| place.glance()).0;
                let late = kept.is_none();
                (None, kept.unwrap_or_default(), late)
            }
        };
        let late = tell.send(Ok((kept, file.is_some()))).is_err() || late;
        // What was opened too late is closed again, and opened as [`Place::open_late`] does.
        let (closing, file) = if late { (file, None) } else { (None, file) };
        health.watch(|| drop(closing));
        let (sources, dirty, now) = (BTreeMap::new(), BTreeSet::new(), Instant::now());
        Some(Self { shared, place, file, late, sources, failures: Failures::default(), dirty, even: now, tried: now, told })
    }

    pub(super) fn run(mut self) {
        while !self.step() {}
    }

    /// Waits for changes and writes them. Says whether it was the last time.
    fn step(&mut self) -> bool {
        let Changes { sources, failures, noted, closing } = self.wait();
        if let Some(failures) = failures {
            self.failures = failures;
        }
        for (name, noted) in sources {
            self.dirty.insert(name.clone());
            match noted {
                Some(noted) => drop(self.sources.insert(name, noted)),
                None => drop(self.sources.remove(&name)),
            }
        }
        let due = self.file.is_none() || closing;
        if self.file.is_some() {
            self.even = self.even.max(Instant::now()) + PAUSE;
            if closing && self.dirty.is_empty() { self.look() } else { self.write(false) }
        }
        // A process that knows of no source yet has nothing to put in the place of what is there.
        if self.file.is_none() && due && !self.sources.is_empty() {
            self.open_again();
        }
        if closing && self.file.is_none() && !self.dirty.is_empty() {
            tracing::error!(directory = %self.place.shown(), "the storage cannot be written at the end; the last changes are lost");
        }
        self.tried = Instant::now();
        self.shared.progress.send_modify(|progress| progress.done = noted);
        closing
    }

    /// Waits until there is something to do and the time for it has come, or until the end.
    fn wait(&self) -> Changes {
        let due = if self.file.is_some() { self.even.checked_sub(PAUSE) } else { self.tried.checked_add(RETRY) };
        let mut changes = self.shared.changes();
        loop {
            let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
            let work = !changes.sources.is_empty() || self.file.is_none();
            if changes.closing || (work && left.is_zero()) {
                let Changes { sources, failures, noted, closing } = &mut *changes;
                let (sources, failures) = (std::mem::take(sources), failures.take());
                return Changes { sources, failures, noted: *noted, closing: *closing };
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
        let record = |name: &Arc<str>| match self.sources.get(name) {
            Some(Noted { state, at }) => postcard::to_stdvec(&Record::of(state, *at, salted(&file.salt, &state.about))).map(Some),
            None => Ok(None),
        };
        let encode = || -> Result<_, postcard::Error> {
            let records =
                self.dirty.iter().map(|name| Ok((&**name, record(name)?))).collect::<Result<Vec<_>, postcard::Error>>()?;
            Ok((records, failures_to_bytes(&self.failures)?))
        };
        let encoded = encode().map_err(|error| error.to_string());
        let health = &self.shared.health;
        let (written, quick) = health.watch(|| encoded.and_then(|(records, failures)| file.commit(&records, &failures, whole)));
        match written {
            Ok(()) => {
                self.dirty.clear();
                self.told.clear();
                if !health.up.swap(true, Ordering::Relaxed) {
                    tracing::info!("the storage is written again");
                }
                if quick && health.slow.swap(false, Ordering::Relaxed) {
                    tracing::info!("the storage answers in time again");
                }
            }
            Err(error) => self.lose(&error),
        }
    }

    /// Sees to it that the file is still there, when there is nothing to write.
    fn look(&mut self) {
        if let Some(Err(error)) = self.file.as_ref().map(Opened::look) {
            self.lose(&error);
        }
    }

    fn lose(&mut self, error: &str) {
        if self.shared.health.up.swap(false, Ordering::Relaxed) {
            tracing::error!(error, directory = %self.place.shown(), "the storage cannot be written; state is in memory until it can");
        }
        // After an error the database must be opened anew.
        let file = self.file.take();
        self.shared.health.watch(|| drop(file));
    }

    fn open_again(&mut self) {
        let health = self.shared.health.clone();
        let (place, late) = (&mut self.place, self.late);
        let open = || if late { place.open_late(&health) } else { place.open(&health).map(|(file, _)| file) };
        match health.watch(open).0 {
            Ok(file) => {
                self.late = false;
                self.file = Some(file);
                self.dirty = self.sources.keys().cloned().collect();
                // What this process knows is newer than whatever is in the file.
                self.write(true);
            }
            Err(refused) => {
                let text = text(&refused);
                if text == self.told {
                    tracing::debug!("{text}; state stays in memory");
                } else {
                    tracing::error!(directory = %self.place.shown(), "{text}; state stays in memory");
                    self.told = text;
                }
            }
        }
    }
}
