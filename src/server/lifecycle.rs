//! Requests to read the configuration again, from a signal or over HTTP, and what becomes of them.
//!
//! It reads no file and applies nothing: the daemon does, in one round after the other. Everybody who has asked before a round begins
//! is answered by it, so requests do not queue, however many there are.

use futures_util::FutureExt;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Asks for reloads.
#[derive(Clone)]
pub struct Reloader {
    wanted: Arc<Notify>,
    rounds: watch::Receiver<Rounds>,
}

/// Where requests arrive.
pub struct Requests {
    wanted: Arc<Notify>,
    rounds: watch::Sender<Rounds>,
}

/// The rounds so far, counted.
struct Rounds {
    begun: u64,
    answered: u64,
    /// How the last one that was answered went.
    result: Result<(), String>,
}

/// A way to ask, and its other end.
#[must_use]
pub fn channel() -> (Reloader, Requests) {
    let wanted = Arc::new(Notify::new());
    let (tell, rounds) = watch::channel(Rounds { begun: 0, answered: 0, result: Ok(()) });
    (Reloader { wanted: wanted.clone(), rounds }, Requests { wanted, rounds: tell })
}

impl Reloader {
    /// Has the configuration read again, and waits until it is in force.
    ///
    /// # Errors
    /// Why the old one stays, in one line.
    pub async fn reload(&self) -> Result<(), String> {
        let mut rounds = self.rounds.clone();
        // A round that is under way may have read the files before they were changed.
        let begun = rounds.borrow().begun;
        self.wanted.notify_one();
        let answered = rounds.wait_for(|rounds| rounds.answered > begun).await;
        answered.map_or_else(|_| Err("the program is ending".to_owned()), |rounds| rounds.result.clone())
    }
}

impl Requests {
    /// Waits until somebody asks, and begins a round.
    pub async fn next(&mut self) {
        self.wanted.notified().await;
        self.rounds.send_modify(|rounds| rounds.begun += 1);
    }

    /// Says how the round went to everybody who had asked before it began.
    pub fn answer(&mut self, result: Result<(), String>) {
        self.rounds.send_modify(|rounds| (rounds.answered, rounds.result) = (rounds.begun, result));
    }

    /// Says it to those, too, who have asked since: another round would go no better for them.
    pub fn answer_everybody(&mut self, result: Result<(), String>) {
        // Before they are answered, so that whoever asks from then on is not forgotten.
        let _ = self.wanted.notified().now_or_never();
        self.rounds.send_modify(|rounds| rounds.begun += 1);
        self.answer(result);
    }
}
