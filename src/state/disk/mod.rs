//! State on disk: what the store reports is kept in a file, and a new process begins with it.
//!
//! It observes the store and holds up nobody: changes are collected, and a thread of its own writes them, all that there are in
//! one transaction. Whatever happens to the file, the program goes on in memory, and [`Health`] says so.

mod database;
mod directory;
mod reading;
mod record;
mod writer;

use crate::domain::About;
use crate::state::clock::{Clock, Moment};
use crate::state::health::{Health, PATIENCE};
use crate::state::{Failures, Observer, SourceState};
use database::{Content, Refused};
use directory::Place;
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
use writer::Writer;

pub use database::{DAMAGED, FILE_NAME};

/// How long polls may have to wait for the disk when they begin.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// The directory is in use by another process.
#[derive(Debug)]
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
    /// How far the writer is, for those who wait as tasks: they hold no thread.
    progress: watch::Sender<Progress>,
    health: Arc<Health>,
}

/// How far the writer is.
#[derive(Default)]
struct Progress {
    /// Of how many changes it is done, be it in vain.
    done: u64,
    /// Its thread has ended, and has let go of the file.
    ended: bool,
}

/// What was not written yet.
#[derive(Default)]
struct Changes {
    /// The newest state of each source, or none where it is gone.
    sources: BTreeMap<Arc<str>, Option<Noted>>,
    /// The newest count of failures of all sources. It is written with the next change of a source.
    failures: Option<Failures>,
    /// How many changes there were.
    noted: u64,
    closing: bool,
}

/// A state and when it was so.
struct Noted {
    state: SourceState,
    at: Moment,
}

/// What the process before has left, until it is asked for.
#[derive(Default)]
pub struct Kept {
    records: BTreeMap<String, Record>,
    failures: Failures,
    salt: Option<hmac::Key>,
}

impl Storage {
    /// Opens the storage in a directory and begins to write. It blocks, for [`PATIENCE`] at most.
    ///
    /// # Errors
    /// When another process uses the directory. Anything else is logged, and the program goes on in memory.
    pub fn open(directory: &Path, clock: Clock) -> Result<(Arc<Self>, Kept), InUse> {
        let shared = Arc::new(Shared {
            changes: Mutex::default(),
            wake: Condvar::new(),
            progress: watch::Sender::default(),
            health: Arc::default(),
        });
        // Without room, so that an answer which nobody waits for any more is known to be one.
        let (tell, found) = sync_channel(0);
        let (place, sharing) = (Place::new(directory), shared.clone());
        let writing = move || {
            let write = || Writer::open(sharing.clone(), place, &tell).map(Writer::run);
            // The panic itself is logged where it happens.
            if catch_unwind(AssertUnwindSafe(write)).is_err() {
                sharing.health.up.store(false, Ordering::Relaxed);
                tracing::error!("the storage's thread has ended; state is in memory");
            }
            sharing.progress.send_modify(|progress| progress.ended = true);
        };
        if let Err(error) = std::thread::Builder::new().name("storage".to_owned()).spawn(writing) {
            tracing::error!(%error, "no thread for the storage; state is in memory");
            shared.progress.send_modify(|progress| progress.ended = true);
        }
        let kept = match found.recv_timeout(PATIENCE) {
            Ok(found) => {
                let (kept, up) = found?;
                shared.health.up.store(up, Ordering::Relaxed);
                kept
            }
            Err(RecvTimeoutError::Timeout) => {
                shared.health.tell_slow();
                Kept::default()
            }
            // Why the thread is not there was logged.
            Err(RecvTimeoutError::Disconnected) => Kept::default(),
        };
        Ok((Arc::new(Self { shared, clock }), kept))
    }

    /// How it does.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.shared.health.clone()
    }

    /// Writes what there is to write. Completes once that is done and the file is closed, which can take as long as the disk likes.
    pub async fn close(&self) {
        self.shared.changes().closing = true;
        self.shared.wake.notify_one();
        self.shared.progressed(|progress| progress.ended).await;
    }

    fn note(&self, name: &Arc<str>, noted: Option<Noted>) {
        self.shared.health.is_slow();
        let mut changes = self.shared.changes();
        changes.sources.insert(name.clone(), noted);
        changes.noted += 1;
        drop(changes);
        self.shared.wake.notify_one();
    }
}

impl Observer for Storage {
    fn changed(&self, state: &SourceState) {
        self.note(&state.about.name, Some(Noted { state: state.clone(), at: (self.clock)() }));
    }

    fn begun(&self, state: &SourceState) {
        self.changed(state);
    }

    fn failed(&self, failures: &Failures) {
        self.shared.changes().failures = Some(failures.clone());
    }

    fn removed(&self, name: &str) {
        self.note(&name.into(), None);
    }

    /// Waits until the writer is done with all that was noted so far, but not for a file that is not written, and not for long.
    fn settled(&self) -> BoxFuture<'static, ()> {
        if !self.shared.health.is_up() {
            return ready(()).boxed();
        }
        let noted = self.shared.changes().noted;
        let done = self.shared.progressed(move |progress| progress.ended || progress.done >= noted);
        timeout(SHORT_PATIENCE, done).map(drop).boxed()
    }
}

impl Shared {
    /// Completes when the writer is as far as wanted.
    fn progressed(&self, wanted: impl FnMut(&Progress) -> bool + Send + 'static) -> BoxFuture<'static, ()> {
        let mut progress = self.progress.subscribe();
        // An error means that nobody writes any more.
        async move { drop(progress.wait_for(wanted).await) }.boxed()
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(content: Content) -> Result<Self, Refused> {
        let (mut records, mut failures) = (BTreeMap::new(), Failures::default());
        for (name, bytes) in content.records {
            let record = postcard::from_bytes(&bytes).map_err(|error| Refused::Damaged(format!("source {name}: {error}")))?;
            Record::count(&record, &mut failures);
            records.insert(name, record);
        }
        if let Some(bytes) = content.failures {
            failures = failures_from_bytes(&bytes).map_err(|error| Refused::Damaged(format!("failures: {error}")))?;
        }
        Ok(Self { records, failures, salt: Some(content.salt) })
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many polls had failed, of all sources together.
    #[must_use]
    pub fn failures(&self) -> Failures {
        self.failures.clone()
    }

    /// The state that a source of this name was left in; none where it was not the same source.
    pub fn take(&mut self, about: &About, now: Moment) -> Option<SourceState> {
        let record = self.records.remove(&*about.name)?;
        let same = record.identity == salted(self.salt.as_ref()?, about);
        same.then(|| record.state(Arc::new(about.clone()), now))
    }

    /// The names of the sources that nobody has asked for.
    pub fn into_names(self) -> impl Iterator<Item = String> {
        self.records.into_keys()
    }
}

/// What a source is, hashed with the file's salt: the settings themselves can hold what should not be on a disk.
fn salted(salt: &hmac::Key, about: &About) -> [u8; 32] {
    let tag = hmac::sign(salt, &about.identity.0);
    tag.as_ref().try_into().unwrap_or_default()
}

fn text(refused: &Refused) -> String {
    match refused {
        Refused::InUse => "the storage is in use by another process".to_owned(),
        Refused::Newer(format) => format!("the storage is from a newer version ({format}); it is left alone"),
        Refused::Damaged(error) => format!("the storage is damaged: {error}"),
        Refused::Unusable(error) => format!("the storage cannot be used: {error}"),
    }
}
