//! State on disk: what the store reports is kept in a file, and a new process begins with it.
//!
//! It observes the store and is never waited for: changes are collected, and a thread of its own writes them, all that there
//! are in one transaction. Whatever happens to the file, the program goes on in memory, and [`Health`] says so.

mod facts;
mod file;
mod record;
mod writer;

use crate::store::{About, Clock, Moment, Observer, SourceState};
use file::{Lock, Opened, Refused};
use record::Record;
use ring::hmac;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use writer::Writer;

pub use file::{DAMAGED, FILE_NAME};

/// How the storage does, for everybody to read.
#[derive(Debug, Default)]
pub struct Health {
    up: AtomicBool,
    damaged: AtomicU64,
}

impl Health {
    /// Whether state is kept on disk.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Damaged files that lie in the directory.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

/// The directory is in use by another process.
#[derive(Debug)]
pub struct InUse;

/// The storage of a running daemon.
pub struct Storage {
    shared: Arc<Shared>,
    clock: Clock,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What observers and the writer share.
struct Shared {
    changes: Mutex<Changes>,
    wake: Condvar,
    health: Arc<Health>,
}

/// What was not written yet.
#[derive(Default)]
struct Changes {
    /// The newest state of each source, or none where it is gone.
    sources: BTreeMap<Arc<str>, Option<Noted>>,
    closing: bool,
}

/// A state and when it was so.
struct Noted {
    state: SourceState,
    at: Moment,
    /// It is what the file holds already.
    stored: bool,
}

/// What the process before has left, until it is asked for.
#[derive(Default)]
pub struct Kept {
    records: BTreeMap<String, Record>,
    salt: Option<hmac::Key>,
}

impl Storage {
    /// Opens the storage in a directory and begins to write.
    ///
    /// # Errors
    /// When another process uses the directory. Anything else is logged, and the program goes on in memory.
    pub fn open(directory: &Path, clock: Clock) -> Result<(Arc<Self>, Kept), InUse> {
        let shared = Arc::new(Shared { changes: Mutex::default(), wake: Condvar::new(), health: Arc::default() });
        let mut place = Place { directory: directory.to_owned(), lock: None };
        let (opened, hopeless) = match place.open(&shared.health) {
            Ok(opened) => (Some(opened), false),
            Err(Refused::InUse) => return Err(InUse),
            Err(refused) => {
                tracing::error!(directory = %directory.display(), "{}; state is in memory", told(&refused));
                (None, matches!(refused, Refused::Newer(_)))
            }
        };
        let (file, kept) = opened.map(|(file, kept)| (Some(file), kept)).unwrap_or_default();
        if !hopeless {
            shared.health.up.store(file.is_some(), Ordering::Relaxed);
        }
        let writer = Writer::new(shared.clone(), place, file);
        let writer = if hopeless { None } else { writer.start() };
        Ok((Arc::new(Self { shared, clock, writer: Mutex::new(writer) }), kept))
    }

    /// How it does.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.shared.health.clone()
    }

    /// Writes what there is to write, and ends. It blocks.
    pub fn close(&self) {
        self.shared.changes().closing = true;
        self.shared.wake.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic there was logged by the panic itself.
        let _ = writer.map(JoinHandle::join);
    }

    fn note(&self, name: &Arc<str>, noted: Option<Noted>) {
        self.shared.changes().sources.insert(name.clone(), noted);
        self.shared.wake.notify_all();
    }
}

impl Observer for Storage {
    fn changed(&self, state: &SourceState) {
        self.note(&state.about.name, Some(Noted { state: state.clone(), at: (self.clock)(), stored: false }));
    }

    fn restored(&self, state: &SourceState) {
        self.note(&state.about.name, Some(Noted { state: state.clone(), at: (self.clock)(), stored: true }));
    }

    fn begun(&self, state: &SourceState) {
        self.changed(state);
    }

    fn removed(&self, name: &str) {
        self.note(&name.into(), None);
    }
}

impl Shared {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
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

/// Where the file is, and the right to use it.
struct Place {
    directory: PathBuf,
    lock: Option<Lock>,
}

impl Place {
    /// Opens the file. A damaged one is set aside, and a new one takes its place.
    fn open(&mut self, health: &Health) -> Result<(Opened, Kept), Refused> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => Lock::take(&self.directory)?,
        };
        let opened = self.open_or_set_aside(&lock);
        self.lock = Some(lock);
        health.damaged.store(file::damaged(&self.directory), Ordering::Relaxed);
        opened
    }

    fn open_or_set_aside(&self, lock: &Lock) -> Result<(Opened, Kept), Refused> {
        let error = match Opened::open(&self.directory, lock).and_then(decoded) {
            Err(Refused::Damaged(error)) => error,
            other => return other,
        };
        let aside = file::set_aside(&self.directory)
            .map_err(|cannot| Refused::Unusable(format!("damaged ({error}), and it cannot be set aside: {cannot}")))?;
        tracing::error!(error, set_aside = %aside.display(), "the storage is damaged: it was set aside and a new one begun");
        Opened::open(&self.directory, lock).and_then(decoded)
    }
}

/// The file with its records understood.
fn decoded(mut opened: Opened) -> Result<(Opened, Kept), Refused> {
    let mut kept = Kept { records: BTreeMap::new(), salt: Some(opened.salt.clone()) };
    for (name, bytes) in std::mem::take(&mut opened.records) {
        let record = postcard::from_bytes(&bytes).map_err(|error| Refused::Damaged(format!("source {name}: {error}")))?;
        kept.records.insert(name, record);
    }
    Ok((opened, kept))
}

/// What a source is, hashed with the file's salt: the settings themselves can hold what should not be on a disk.
fn salted(salt: &hmac::Key, about: &About) -> [u8; 32] {
    let tag = hmac::sign(salt, &about.identity);
    tag.as_ref().try_into().unwrap_or_default()
}

fn told(refused: &Refused) -> String {
    match refused {
        Refused::InUse => "the storage is in use by another process".to_owned(),
        Refused::Newer(format) => format!("the storage is from a newer version ({format}); it is left alone"),
        Refused::Damaged(error) => format!("the storage is damaged: {error}"),
        Refused::Unusable(error) => format!("the storage cannot be used: {error}"),
    }
}
