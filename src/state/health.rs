//! The health of the storage: whether state is kept on disk, and whether the disk is slow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An operation that takes longer counts as slow. The program does not wait for it any longer.
pub(super) const SLOW_AFTER: Duration = Duration::from_secs(5);

/// The health of the storage, written by its thread and read by all others.
#[derive(Debug, Default)]
pub struct Health {
    pub(super) up: AtomicBool,
    pub(super) damaged: AtomicU64,
    /// When the operation under way began.
    busy_since: Mutex<Option<Instant>>,
    /// The log says that the disk is slow, and not yet that it is fast again.
    slow_logged: AtomicBool,
}

/// The result of an operation on the disk.
pub(super) struct Timed<T> {
    pub(super) result: T,
    /// It took no longer than [`SLOW_AFTER`].
    pub(super) in_time: bool,
}

impl Health {
    /// Whether state is kept on disk.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed) && !self.is_slow()
    }

    /// The number of damaged files in the directory.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Whether the operation under way takes longer than [`SLOW_AFTER`]. The first caller that finds so logs it.
    pub(super) fn is_slow(&self) -> bool {
        let slow = self.busy_since().is_some_and(|since| since.elapsed() > SLOW_AFTER);
        if slow {
            self.log_slow();
        }
        slow
    }

    pub(super) fn log_slow(&self) {
        if !self.slow_logged.swap(true, Ordering::Relaxed) {
            tracing::error!("the storage takes too long; changes that are not written yet are in memory only");
        }
    }

    /// Runs an operation on the disk. While it runs, [`Health::is_slow`] can tell that it takes too long.
    pub(super) fn timed<T>(&self, operation: impl FnOnce() -> T) -> Timed<T> {
        *self.busy_since() = Some(Instant::now());
        let result = operation();
        let in_time = !self.is_slow();
        *self.busy_since() = None;
        Timed { result, in_time }
    }

    /// Notes a successful write.
    pub(super) fn written(&self, in_time: bool) {
        if !self.up.swap(true, Ordering::Relaxed) {
            tracing::info!("the storage is written again");
        }
        if in_time && self.slow_logged.swap(false, Ordering::Relaxed) {
            tracing::info!("the storage responds in time again");
        }
    }

    fn busy_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.busy_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
