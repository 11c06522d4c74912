//! The directory: opens its file, sets aside a file that is damaged or became readable too late, and reads a file that cannot be
//! written.

use super::SavedState;
use super::database::{self, Content, DAMAGED, Lock, OpenFile, UNREAD};
use super::error::{Obstacle, OpenError};
use crate::state::health::Health;
use std::path::{Display, Path, PathBuf};
use std::sync::atomic::Ordering;

/// The storage directory, with its lock once it has been opened.
pub(super) struct Directory {
    path: PathBuf,
    lock: Option<Lock>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None }
    }

    /// The path, for the log.
    pub(super) fn display(&self) -> Display<'_> {
        self.path.display()
    }

    /// Opens the file. A damaged file is set aside and replaced by a new one.
    pub(super) fn open(&mut self, health: &Health) -> Result<(OpenFile, SavedState), OpenError> {
        let lock = match self.lock.take().filter(|lock| lock.is_of(&self.path)) {
            Some(lock) => lock,
            None => Lock::acquire(&self.path)?,
        };
        let opened = self.open_or_replace(&lock);
        self.lock = Some(lock);
        health.damaged.store(database::count_damaged(&self.path), Ordering::Relaxed);
        opened
    }

    fn open_or_replace(&self, lock: &Lock) -> Result<(OpenFile, SavedState), OpenError> {
        let damage = match self.open_once(lock) {
            Err(OpenError::Damaged(damage)) => damage,
            other => return other,
        };
        match database::set_aside(&self.path, DAMAGED) {
            Ok(aside) => {
                let set_aside = aside.display();
                tracing::error!(error = %damage, %set_aside, "the storage is damaged; it was set aside and a new one created");
                self.open_once(lock)
            }
            Err(error) => Err(Obstacle::CannotSetAside { damage, error }.into()),
        }
    }

    fn open_once(&self, lock: &Lock) -> Result<(OpenFile, SavedState), OpenError> {
        let (file, content) = OpenFile::open(&self.path, lock)?;
        Ok((file, SavedState::decode(content)?))
    }

    /// Opens the file for a process that started without its content. A file that holds sources is set aside: the process has a
    /// history of its own by now, and the two cannot be merged.
    pub(super) fn open_late(&mut self, health: &Health) -> Result<OpenFile, OpenError> {
        let (file, saved) = self.open(health)?;
        if saved.is_empty() {
            return Ok(file);
        }
        drop(file);
        let aside = database::set_aside(&self.path, UNREAD)?;
        let set_aside = aside.display();
        tracing::warn!(%set_aside, "the storage could not be read at the start; it was set aside and a new one created");
        Ok(self.open(health)?.0)
    }

    /// What the file holds, where it can be read though not opened.
    pub(super) fn read_copy(&self) -> Option<SavedState> {
        SavedState::decode(Content::read_copy(&self.path)?).ok()
    }
}
