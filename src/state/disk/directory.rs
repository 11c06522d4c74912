//! The directory: how its file is opened, what becomes of one that is damaged or came too late, and what can be read of one that
//! cannot be written.

use super::Kept;
use super::database::{self, Content, DAMAGED, Lock, Opened, Refused, UNREAD};
use crate::state::health::Health;
use std::path::{Display, Path, PathBuf};
use std::sync::atomic::Ordering;

/// Where the file is, and the right to use it.
pub(super) struct Place {
    directory: PathBuf,
    lock: Option<Lock>,
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), lock: None }
    }

    /// The directory, for the log.
    pub(super) fn shown(&self) -> Display<'_> {
        self.directory.display()
    }

    /// Opens the file. A damaged one is set aside, and a new one takes its place.
    pub(super) fn open(&mut self, health: &Health) -> Result<(Opened, Kept), Refused> {
        let lock = match self.lock.take().filter(|lock| lock.holds(&self.directory)) {
            Some(lock) => lock,
            None => Lock::take(&self.directory)?,
        };
        let opened = self.open_or_set_aside(&lock);
        self.lock = Some(lock);
        health.damaged.store(database::damaged(&self.directory), Ordering::Relaxed);
        opened
    }

    fn open_or_set_aside(&self, lock: &Lock) -> Result<(Opened, Kept), Refused> {
        let error = match self.open_once(lock) {
            Err(Refused::Damaged(error)) => error,
            other => return other,
        };
        let aside = database::set_aside(&self.directory, DAMAGED)
            .map_err(|cannot| Refused::Unusable(format!("damaged ({error}), and it cannot be set aside: {cannot}")))?;
        tracing::error!(error, set_aside = %aside.display(), "the storage is damaged: it was set aside and a new one begun");
        self.open_once(lock)
    }

    fn open_once(&self, lock: &Lock) -> Result<(Opened, Kept), Refused> {
        let (opened, content) = Opened::open(&self.directory, lock)?;
        Ok((opened, Kept::of(content)?))
    }

    /// Opens the file as [`Place::open`] does, for a process that began without what it holds. That is set aside: the process has
    /// gone on from nothing, and the two cannot become one.
    pub(super) fn open_late(&mut self, health: &Health) -> Result<Opened, Refused> {
        let (opened, kept) = self.open(health)?;
        if kept.is_empty() {
            return Ok(opened);
        }
        drop(opened);
        let aside = database::set_aside(&self.directory, UNREAD).map_err(|error| Refused::Unusable(error.to_string()))?;
        tracing::warn!(set_aside = %aside.display(), "the storage came too late to begin with: it was set aside and a new one begun");
        Ok(self.open(health)?.0)
    }

    /// What the file holds, where it can be read at least.
    pub(super) fn glance(&self) -> Option<Kept> {
        Kept::of(Content::glance(&self.directory)?).ok()
    }
}
