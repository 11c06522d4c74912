//! Whether the accept loops still turn: somebody asks through the [`Pulse`], each loop answers through its [`Beat`].

use tokio::sync::{mpsc, oneshot};

/// Asks every accept loop for a sign of life.
pub struct Pulse(Vec<mpsc::Sender<oneshot::Sender<()>>>);

/// An accept loop's end: answers whoever asks.
pub struct Beat(mpsc::Receiver<oneshot::Sender<()>>);

/// A pulse of so many loops.
#[must_use]
pub fn pulse(loops: usize) -> (Pulse, Vec<Beat>) {
    // One question at a time is all that is ever under way.
    let (ask, answer) = (0..loops).map(|_| mpsc::channel(1)).map(|(ask, answer)| (ask, Beat(answer))).unzip();
    (Pulse(ask), answer)
}

impl Pulse {
    /// Returns once every loop has answered; never when one hangs or is gone.
    pub async fn felt(&self) {
        for ask in &self.0 {
            let (answer, answered) = oneshot::channel();
            if ask.send(answer).await.is_err() || answered.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Beat {
    /// Answers the next question. It can be dropped between questions without losing one.
    pub async fn answer(&mut self) {
        match self.0.recv().await {
            // Whoever asked may have stopped waiting.
            Some(asked) => drop(asked.send(())),
            None => std::future::pending().await,
        }
    }
}
