//! How the storage does: whether state is kept on disk, and whether the disk is slow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the disk may take for one thing before the program goes on without it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How the storage does, for everybody to read.
#[derive(Debug, Default)]
pub struct Health {
    pub(super) up: AtomicBool,
    pub(super) damaged: AtomicU64,
    /// Since when the disk has been at something.
    busy: Mutex<Option<Instant>>,
    /// It takes too long, and the log knows.
    pub(super) slow: AtomicBool,
}

impl Health {
    /// Whether state is kept on disk.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed) && !self.is_slow()
    }

    /// Damaged files that lie in the directory.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Whether the disk has taken too long for what it is at. The first to see it logs it.
    pub(super) fn is_slow(&self) -> bool {
        let busy = self.busy();
        let slow = busy.is_some_and(|since| since.elapsed() > PATIENCE);
        if slow {
            self.tell_slow();
        }
        slow
    }

    pub(super) fn tell_slow(&self) {
        if !self.slow.swap(true, Ordering::Relaxed) {
            tracing::error!("the storage takes too long; what it has not taken yet is in memory alone");
        }
    }

    /// Does what may take long. Says whether it did not.
    pub(super) fn watch<T>(&self, slow: impl FnOnce() -> T) -> (T, bool) {
        *self.busy() = Some(Instant::now());
        let done = slow();
        let quick = !self.is_slow();
        *self.busy() = None;
        (done, quick)
    }

    fn busy(&self) -> MutexGuard<'_, Option<Instant>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
