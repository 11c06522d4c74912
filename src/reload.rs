//! Requests to read the configuration again, from a signal or over HTTP, and what becomes of them.
//!
//! It reads no file and applies nothing: the daemon does, one request after the other.

use tokio::sync::{mpsc, oneshot};

/// Asks for reloads.
#[derive(Clone)]
pub struct Reloader(mpsc::Sender<Request>);

/// Where requests arrive.
pub struct Requests(mpsc::Receiver<Request>);

/// One request, to be answered.
pub struct Request(oneshot::Sender<Result<(), String>>);

/// A way to ask, and its other end.
#[must_use]
pub fn channel() -> (Reloader, Requests) {
    // Those who ask while a reload is under way wait for their own.
    let (ask, answer) = mpsc::channel(1);
    (Reloader(ask), Requests(answer))
}

impl Reloader {
    /// Has the configuration read again, and waits until it is in force.
    ///
    /// # Errors
    /// Why the old one stays, in one line.
    pub async fn reload(&self) -> Result<(), String> {
        let ending = |()| "the program is ending".to_owned();
        let (answer, answered) = oneshot::channel();
        self.0.send(Request(answer)).await.map_err(|_| ending(()))?;
        answered.await.map_err(|_| ending(()))?
    }
}

impl Requests {
    /// The next request; none ever where nobody can ask any more.
    pub async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Request {
    /// Says how it went. Whoever asked may have stopped waiting.
    pub fn answer(self, result: Result<(), String>) {
        let _ = self.0.send(result);
    }
}
