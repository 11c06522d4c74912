//! State on disk: persists what the store reports in a file, and restores it in the next process.
//!
//! It observes the store without delaying it: changes are collected, and a thread of its own writes all pending ones in one
//! transaction. When the file fails, the program continues in memory, and [`Health`] says so.

mod database;
mod directory;
mod error;
mod limiter;
mod reading;
mod record;
mod writer;

use crate::domain::About;
use crate::state::clock::{Clock, Moment};
use crate::state::health::{Health, SLOW_AFTER};
use crate::state::{Failures, Observer, SourceState};
use database::Content;
use directory::Directory;
use error::Damage;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use record::{Record, failures_from_bytes};
use ring::hmac;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use writer::{Found, FoundSender, Writer};

pub use database::{DAMAGED, FILE_NAME};

/// How long polls wait for their start to be persisted.
const PERSIST_TIMEOUT: Duration = Duration::from_secs(1);

/// Another process uses the directory.
#[derive(Debug, thiserror::Error)]
#[error("another process uses the directory")]
pub struct InUse;

/// The storage of a running daemon.
pub struct Storage {
    shared: Arc<Shared>,
    clock: Clock,
}

/// What observers and the writer share.
struct Shared {
    changes: Mutex<Changes>,
    /// Wakes the writer, which waits on a thread of its own.
    wake: Condvar,
    /// For tasks that wait for the writer: they block no thread.
    progress: watch::Sender<Progress>,
    health: Arc<Health>,
}

/// How far the writer is.
#[derive(Default)]
struct Progress {
    /// How many changes it has processed, written or not.
    processed: u64,
    /// Its thread has ended and has closed the file.
    ended: bool,
}

/// What the writer has not taken yet.
#[derive(Default)]
struct Changes {
    /// The newest state of each source; none where it was removed.
    sources: BTreeMap<Arc<str>, Option<Snapshot>>,
    /// The newest count of failures of all sources. It is written with the next change of a source.
    failures: Option<Failures>,
    /// How many changes there have been since the start.
    count: u64,
    /// The storage is being closed.
    closing: bool,
}

/// A state and the time at which it was current.
struct Snapshot {
    state: SourceState,
    at: Moment,
}

/// What the previous process has saved. Each source takes its own state out.
#[derive(Default)]
pub struct SavedState {
    records: BTreeMap<String, Record>,
    failures: Failures,
    /// None where there was no file to read.
    salt: Option<hmac::Key>,
}

impl Storage {
    /// Opens the storage in a directory and starts the writer. It blocks, for [`SLOW_AFTER`] at most.
    ///
    /// # Errors
    /// When another process uses the directory. Any other error is logged, and the program continues in memory.
    pub fn open(directory: &Path, clock: Clock) -> Result<(Arc<Self>, SavedState), InUse> {
        let shared = Arc::new(Shared {
            changes: Mutex::default(),
            wake: Condvar::new(),
            progress: watch::Sender::default(),
            health: Arc::default(),
        });
        // A rendezvous channel: sending fails once this thread has stopped waiting.
        let (sender, found) = sync_channel(0);
        shared.clone().spawn_writer(Directory::new(directory), sender);
        let saved = match found.recv_timeout(SLOW_AFTER) {
            Ok(found) => {
                let Found { saved, writable } = found?;
                shared.health.up.store(writable, Ordering::Relaxed);
                saved
            }
            Err(RecvTimeoutError::Timeout) => {
                shared.health.log_slow();
                SavedState::default()
            }
            // The thread has logged why it is not there.
            Err(RecvTimeoutError::Disconnected) => SavedState::default(),
        };
        Ok((Arc::new(Self { shared, clock }), saved))
    }

    /// The health of the storage.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.shared.health.clone()
    }

    /// Writes pending changes and closes the file. It takes as long as the disk does; the caller sets a limit.
    pub async fn close(&self) {
        self.shared.changes().closing = true;
        self.shared.wake.notify_one();
        self.shared.reaches(|progress| progress.ended).await;
    }

    fn submit(&self, name: &Arc<str>, snapshot: Option<Snapshot>) {
        self.shared.health.is_slow();
        let mut changes = self.shared.changes();
        changes.sources.insert(name.clone(), snapshot);
        changes.count += 1;
        drop(changes);
        self.shared.wake.notify_one();
    }
}

impl Observer for Storage {
    fn changed(&self, state: &SourceState) {
        self.submit(&state.about.name, Some(Snapshot { state: state.clone(), at: (self.clock)() }));
    }

    fn poll_started(&self, state: &SourceState) {
        self.changed(state);
    }

    fn failed(&self, failures: &Failures) {
        self.shared.changes().failures = Some(failures.clone());
    }

    fn removed(&self, name: &str) {
        self.submit(&name.into(), None);
    }

    /// Waits until the writer has processed all changes so far, for [`PERSIST_TIMEOUT`] at most and not at all while the file is
    /// unavailable.
    fn persisted(&self) -> BoxFuture<'static, ()> {
        if !self.shared.health.is_up() {
            return ready(()).boxed();
        }
        let count = self.shared.changes().count;
        let processed = self.shared.reaches(move |progress| progress.ended || progress.processed >= count);
        timeout(PERSIST_TIMEOUT, processed).map(drop).boxed()
    }
}

impl Shared {
    fn spawn_writer(self: Arc<Self>, directory: Directory, found: FoundSender) {
        let shared = self.clone();
        let work = move || {
            let write = || Writer::open(shared.clone(), directory, &found).map(Writer::run);
            // The panic hook logs the panic itself.
            if catch_unwind(AssertUnwindSafe(write)).is_err() {
                shared.health.up.store(false, Ordering::Relaxed);
                tracing::error!("the storage's thread has panicked; state is in memory only");
            }
            shared.progress.send_modify(|progress| progress.ended = true);
        };
        if let Err(error) = std::thread::Builder::new().name("storage".to_owned()).spawn(work) {
            tracing::error!(%error, "cannot start a thread for the storage; state is in memory only");
            self.progress.send_modify(|progress| progress.ended = true);
        }
    }

    /// Completes when the progress fulfils the condition.
    fn reaches(&self, condition: impl FnMut(&Progress) -> bool + Send + 'static) -> BoxFuture<'static, ()> {
        let mut progress = self.progress.subscribe();
        // An error means that the writer is gone.
        async move { drop(progress.wait_for(condition).await) }.boxed()
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for this long at most if a time is given.
    fn wait<'a>(&self, changes: MutexGuard<'a, Changes>, longest: Option<Duration>) -> MutexGuard<'a, Changes> {
        match longest {
            Some(longest) => self.wake.wait_timeout(changes, longest).unwrap_or_else(PoisonError::into_inner).0,
            None => self.wake.wait(changes).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Changes {
    /// Takes the pending changes out.
    fn take(&mut self) -> Self {
        Self {
            sources: std::mem::take(&mut self.sources),
            failures: self.failures.take(),
            count: self.count,
            closing: self.closing,
        }
    }
}

impl SavedState {
    fn decode(content: Content) -> Result<Self, Damage> {
        let mut records = BTreeMap::new();
        let mut counted = Failures::default();
        for (name, bytes) in content.records {
            match postcard::from_bytes::<Record>(&bytes) {
                Ok(record) => {
                    record.count(&mut counted);
                    records.insert(name, record);
                }
                Err(error) => return Err(Damage::Record { name, error }),
            }
        }
        let stored = content.failures.map(|bytes| failures_from_bytes(&bytes)).transpose().map_err(Damage::Failures)?;
        Ok(Self { records, failures: stored.unwrap_or(counted), salt: Some(content.salt) })
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many polls had failed, of all sources together.
    #[must_use]
    pub fn failures(&self) -> Failures {
        self.failures.clone()
    }

    /// Takes the state of the source of this name. None where that was another account.
    pub fn take(&mut self, about: &About, now: Moment) -> Option<SourceState> {
        let record = self.records.remove(&*about.name)?;
        let same = record.identity == salted(self.salt.as_ref()?, about);
        same.then(|| record.state(Arc::new(about.clone()), now))
    }

    /// The names of the sources whose state was not taken.
    pub fn into_names(self) -> impl Iterator<Item = String> {
        self.records.into_keys()
    }
}

/// The identity of a source, hashed with the file's salt: its settings can hold what should not be on a disk.
fn salted(salt: &hmac::Key, about: &About) -> [u8; 32] {
    let tag = hmac::sign(salt, &about.identity.0);
    tag.as_ref().try_into().unwrap_or_default()
}
