//! Lanes for blocking work that can hang: reading files, looking names up, checking passwords.
//!
//! The runtime has one pool of blocking threads, where hanging work of one kind would stop all other kinds. A lane runs its work on
//! threads of its own, up to a limit of its own. A thread that hangs cannot be stopped: it keeps its slot until it returns. It does
//! not delay the exit of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// In bytes. Enough for a look-up, a parse or a hash; the default of 2 MiB adds up with hundreds of threads.
const STACK: usize = 512 * 1024;

/// One kind of blocking work, with the number of threads that it may use.
#[derive(Clone)]
pub struct Lane {
    name: &'static str,
    slots: Arc<Semaphore>,
    stack: usize,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The system cannot start a thread.
    #[error("no thread for it: {0}")]
    NoThread(#[source] std::io::Error),
    /// The work panicked; the panic itself is in the log.
    #[error("it failed in an unexpected way")]
    Panicked,
}

impl Lane {
    /// A lane with this many threads, one or more, of this name.
    #[must_use]
    pub fn new(name: &'static str, slots: usize) -> Self {
        Self { name, slots: Arc::new(Semaphore::new(slots)), stack: STACK }
    }

    /// Sets the stack of each thread, in bytes, for work that recurses deeply.
    #[must_use]
    pub fn with_stack(self, stack: usize) -> Self {
        Self { stack, ..self }
    }

    /// Waits for a free slot and runs the work. Dropping the future does not stop work that has begun, which frees its slot when it
    /// returns.
    ///
    /// # Errors
    /// When the work could not be started or has panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LaneError> {
        // The semaphore is never closed.
        let slot = self.slots.clone().acquire_owned().await.ok();
        let (answer, answered) = oneshot::channel();
        let work = move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            // Freed before the result arrives, so that the next caller finds the slot.
            drop(slot);
            let _ = done.map(|done| answer.send(done));
        };
        std::thread::Builder::new().name(self.name.to_owned()).stack_size(self.stack).spawn(work).map_err(LaneError::NoThread)?;
        answered.await.map_err(|_| LaneError::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn hanging_work_blocks_only_its_own_slot() {
        let (narrow, other) = (Lane::new("narrow", 1), Lane::new("other", 1));
        let (release, hang) = channel::<()>();
        let hanging = narrow.clone();
        let hanging = tokio::spawn(async move { hanging.run(move || hang.recv()).await });
        // The slot is taken once the thread has begun.
        while narrow.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut next = Box::pin(narrow.run(|| 2));
        assert!(next.as_mut().now_or_never().is_none());
        assert_eq!(other.run(|| 1).await.ok(), Some(1));
        release.send(()).expect("still hanging");
        assert_eq!(next.await.ok(), Some(2));
        assert!(hanging.await.expect("ended").is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_slot() {
        let lane = Lane::new("lane", 1);
        assert!(matches!(lane.run(|| panic!("on purpose")).await, Err(LaneError::Panicked)));
        assert_eq!(lane.run(|| 1).await.ok(), Some(1));
    }
}
