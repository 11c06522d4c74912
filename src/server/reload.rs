//! Requests to reload the configuration, by signal or over HTTP, and their results.
//!
//! This module only carries requests and results; the daemon reads the files and applies them, one reload at a time. A reload answers
//! all requests that were made before it began, so requests do not queue up.

use futures_util::FutureExt;
use std::error::Error;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Why the old configuration stays in force. It prints as one line.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotReloaded {
    /// The new one, or a file that it names, cannot be used. All waiting requests share the error.
    #[error("{0}")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// Nobody reads it any more.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

/// Requests reloads.
#[derive(Clone)]
pub struct Reloader {
    requested: Arc<Notify>,
    rounds: watch::Receiver<Rounds>,
}

/// Receives the requests and publishes the results.
pub struct ReloadRequests {
    requested: Arc<Notify>,
    rounds: watch::Sender<Rounds>,
}

/// Counts of reloads.
struct Rounds {
    begun: u64,
    answered: u64,
    /// Of the last reload that was answered.
    result: Result<(), NotReloaded>,
}

/// The two ends of a channel for reload requests.
#[must_use]
pub fn channel() -> (Reloader, ReloadRequests) {
    let requested = Arc::new(Notify::new());
    let (sender, receiver) = watch::channel(Rounds { begun: 0, answered: 0, result: Ok(()) });
    (Reloader { requested: requested.clone(), rounds: receiver }, ReloadRequests { requested, rounds: sender })
}

impl Reloader {
    /// Requests a reload and waits for its result.
    ///
    /// # Errors
    /// Why the old configuration stays in force.
    pub async fn reload(&self) -> Result<(), NotReloaded> {
        let mut rounds = self.rounds.clone();
        // A reload that is in progress may have read the files before they were changed, so its result does not count.
        let begun = rounds.borrow().begun;
        self.requested.notify_one();
        let answered = rounds.wait_for(|rounds| rounds.answered > begun).await;
        answered.map_or(Err(NotReloaded::ShuttingDown), |rounds| rounds.result.clone())
    }
}

impl ReloadRequests {
    /// Waits for a request and begins a reload.
    pub async fn next(&mut self) {
        self.requested.notified().await;
        self.rounds.send_modify(|rounds| rounds.begun += 1);
    }

    /// Publishes the result to all requests that were made before the reload began.
    pub fn answer(&mut self, result: Result<(), NotReloaded>) {
        self.rounds.send_modify(|rounds| {
            rounds.answered = rounds.begun;
            rounds.result = result;
        });
    }

    /// Publishes the result also to the requests that were made since, because another reload would have the same result.
    pub fn answer_everybody(&mut self, result: Result<(), NotReloaded>) {
        // First, so that a request that arrives from here on starts a new reload.
        let _ = self.requested.notified().now_or_never();
        self.rounds.send_modify(|rounds| rounds.begun += 1);
        self.answer(result);
    }
}
