//! The thread that opens the file and writes it.

use super::database::{Batch, OpenFile, Scope};
use super::directory::Directory;
use super::error::{OpenError, WriteError};
use super::limiter::RateLimiter;
use super::record::{Record, failures_to_bytes};
use super::{Changes, InUse, SavedState, Shared, Snapshot, salted};
use crate::state::Failures;
use ring::hmac;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// How soon an unavailable file is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What the first opening found.
pub(super) struct Found {
    pub(super) saved: SavedState,
    /// Whether changes are written.
    pub(super) writable: bool,
}

/// Where [`Found`] is sent. Sending fails once the start of the program has stopped waiting for it.
pub(super) type FoundSender = SyncSender<Result<Found, InUse>>;

enum File {
    Open(Box<OpenFile>),
    Unavailable { last_attempt: Instant },
}

impl File {
    fn unavailable_now() -> Self {
        Self::Unavailable { last_attempt: Instant::now() }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: Directory,
    file: File,
    /// The process started without the content of the file.
    started_without_content: bool,
    /// The newest state of every source, for a file that comes back empty or outdated.
    sources: BTreeMap<Arc<str>, Snapshot>,
    /// The newest count of failures.
    failures: Failures,
    /// The names of sources that differ from the file.
    dirty: BTreeSet<Arc<str>>,
    limiter: RateLimiter,
    /// Why the file could not be opened, as last logged at error level.
    logged: String,
}

impl Writer {
    /// Opens the file and sends what it holds. None where nothing can be written as long as the process runs.
    pub(super) fn open(shared: Arc<Shared>, directory: Directory, found: &FoundSender) -> Option<Self> {
        let mut writer = Self {
            shared,
            directory,
            file: File::unavailable_now(),
            started_without_content: false,
            sources: BTreeMap::new(),
            failures: Failures::default(),
            dirty: BTreeSet::new(),
            limiter: RateLimiter::new(Instant::now()),
            logged: String::new(),
        };
        let health = writer.shared.health.clone();
        match health.timed(|| writer.directory.open(&health)).result {
            Ok((file, saved)) => writer.start_with(file, saved, found),
            Err(OpenError::InUse) => {
                if found.send(Err(InUse)).is_err() {
                    writer.log_unopened(&OpenError::InUse);
                }
                return None;
            }
            Err(error @ OpenError::Newer(_)) => {
                writer.log_unopened(&error);
                let _ = found.send(Ok(Found { saved: SavedState::default(), writable: false }));
                return None;
            }
            Err(error @ (OpenError::Damaged(_) | OpenError::Unusable(_))) => {
                writer.log_unopened(&error);
                writer.start_without_file(found);
            }
        }
        Some(writer)
    }

    fn start_with(&mut self, file: OpenFile, saved: SavedState, found: &FoundSender) {
        if found.send(Ok(Found { saved, writable: true })).is_ok() {
            self.file = File::Open(Box::new(file));
        } else {
            // Opened again by [`Directory::open_late`].
            self.shared.health.timed(|| drop(file));
            self.file = File::unavailable_now();
            self.started_without_content = true;
        }
    }

    fn start_without_file(&mut self, found: &FoundSender) {
        let saved = self.shared.health.timed(|| self.directory.read_copy()).result;
        let readable = saved.is_some();
        let sent = found.send(Ok(Found { saved: saved.unwrap_or_default(), writable: false }));
        self.started_without_content = !readable || sent.is_err();
        self.file = File::unavailable_now();
    }

    fn log_unopened(&mut self, error: &OpenError) {
        let text = error.to_string();
        tracing::error!(directory = %self.directory.display(), "{text}; state is in memory only");
        self.logged = text;
    }

    /// Writes changes until the storage is closed.
    pub(super) fn run(mut self) {
        loop {
            let changes = self.wait_for_changes();
            let count = changes.count;
            let closing = changes.closing;
            self.merge(changes);
            self.save(closing);
            self.shared.progress.send_modify(|progress| progress.processed = count);
            if closing {
                return;
            }
        }
    }

    /// Waits until a commit or a new attempt to open the file is due, or the storage is closed.
    fn wait_for_changes(&self) -> Changes {
        let mut changes = self.shared.changes();
        loop {
            if changes.closing {
                return changes.take();
            }
            let wait = match &self.file {
                File::Open(_) if changes.sources.is_empty() => None,
                File::Open(_) => Some(remaining(self.limiter.ready())),
                File::Unavailable { last_attempt } => Some(remaining(last_attempt.checked_add(RETRY))),
            };
            match wait {
                Some(Duration::ZERO) => return changes.take(),
                wait => changes = self.shared.wait(changes, wait),
            }
        }
    }

    fn merge(&mut self, changes: Changes) {
        if let Some(failures) = changes.failures {
            self.failures = failures;
        }
        for (name, snapshot) in changes.sources {
            match snapshot {
                Some(snapshot) => drop(self.sources.insert(name.clone(), snapshot)),
                None => drop(self.sources.remove(&name)),
            }
            self.dirty.insert(name);
        }
    }

    /// Brings the file up to date as far as possible now.
    fn save(&mut self, closing: bool) {
        match &self.file {
            File::Open(_) => {
                self.limiter.count(Instant::now());
                self.write_or_check(closing);
                // A file that was lost just now is tried again after [`RETRY`], or at once where there is no later.
                if closing {
                    self.reopen();
                }
            }
            File::Unavailable { .. } => self.reopen(),
        }
        if let File::Unavailable { last_attempt } = &mut self.file {
            *last_attempt = Instant::now();
            if closing && !self.dirty.is_empty() {
                let directory = self.directory.display();
                tracing::error!(%directory, "the storage cannot be written on shutdown; the last changes are lost");
            }
        }
    }

    fn write_or_check(&mut self, closing: bool) {
        if closing && self.dirty.is_empty() {
            self.check_in_place();
        } else {
            self.write(Scope::Changes);
        }
    }

    fn write(&mut self, scope: Scope) {
        let File::Open(file) = &mut self.file else { return };
        let health = &self.shared.health;
        let written = match encode(&self.sources, &self.dirty, &self.failures, &file.salt) {
            Ok((records, failures)) => {
                let timed = health.timed(|| file.commit(&Batch { scope, records, failures }));
                timed.result.map(|()| timed.in_time)
            }
            Err(error) => Err(error.into()),
        };
        match written {
            Ok(in_time) => {
                self.dirty.clear();
                self.logged.clear();
                health.written(in_time);
            }
            Err(error) => self.close_after(&error),
        }
    }

    /// Detects a file that was removed or replaced when there is nothing to write.
    fn check_in_place(&mut self) {
        if let File::Open(file) = &self.file
            && let Err(error) = file.check_in_place()
        {
            self.close_after(&error);
        }
    }

    /// Closes the file after an error: the database must be reopened.
    fn close_after(&mut self, error: &WriteError) {
        if self.shared.health.up.swap(false, Ordering::Relaxed) {
            let directory = self.directory.display();
            tracing::error!(%error, %directory, "the storage cannot be written; state is in memory only until it can");
        }
        let file = std::mem::replace(&mut self.file, File::unavailable_now());
        self.shared.health.timed(|| drop(file));
    }

    /// Opens an unavailable file and writes everything that this process knows.
    fn reopen(&mut self) {
        // A process that has no sources yet would replace the content of the file by nothing.
        if matches!(self.file, File::Open(_)) || self.sources.is_empty() {
            return;
        }
        let health = self.shared.health.clone();
        let opened = health.timed(|| {
            if self.started_without_content {
                self.directory.open_late(&health)
            } else {
                self.directory.open(&health).map(|(file, _)| file)
            }
        });
        match opened.result {
            Ok(file) => {
                self.started_without_content = false;
                self.file = File::Open(Box::new(file));
                self.dirty = self.sources.keys().cloned().collect();
                self.write(Scope::Everything);
            }
            Err(error) if error.to_string() == self.logged => tracing::debug!("{error}; state stays in memory"),
            Err(error) => self.log_unopened(&error),
        }
    }
}

fn remaining(until: Option<Instant>) -> Duration {
    until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
}

type Records = Vec<(Arc<str>, Option<Vec<u8>>)>;

/// The records of the dirty sources and the failures as bytes.
fn encode(
    sources: &BTreeMap<Arc<str>, Snapshot>,
    dirty: &BTreeSet<Arc<str>>,
    failures: &Failures,
    salt: &hmac::Key,
) -> Result<(Records, Vec<u8>), postcard::Error> {
    let record = |name: &Arc<str>| {
        let record = sources.get(name).map(|Snapshot { state, at }| Record::of(state, *at, salted(salt, &state.about)));
        Ok((name.clone(), record.as_ref().map(postcard::to_stdvec).transpose()?))
    };
    let records = dirty.iter().map(record).collect::<Result<_, postcard::Error>>()?;
    Ok((records, failures_to_bytes(failures)?))
}
