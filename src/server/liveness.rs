//! Liveness of the accept loops: a [`LivenessProbe`] queries each loop, which replies through its [`LivenessResponder`].

use tokio::sync::{mpsc, oneshot};

/// Queries all accept loops.
pub struct LivenessProbe(Vec<mpsc::Sender<oneshot::Sender<()>>>);

/// The end that an accept loop holds.
pub struct LivenessResponder(mpsc::Receiver<oneshot::Sender<()>>);

/// A probe, and a responder for each of `loops` accept loops.
#[must_use]
pub fn probe(loops: usize) -> (LivenessProbe, Vec<LivenessResponder>) {
    // At most one query is in flight.
    let (senders, responders) =
        (0..loops).map(|_| mpsc::channel(1)).map(|(sender, receiver)| (sender, LivenessResponder(receiver))).unzip();
    (LivenessProbe(senders), responders)
}

impl LivenessProbe {
    /// Returns once every loop has replied. It never returns if one of them hangs or has ended.
    pub async fn all_alive(&self) {
        for sender in &self.0 {
            let (reply, replied) = oneshot::channel();
            if sender.send(reply).await.is_err() || replied.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl LivenessResponder {
    /// Waits for a query and replies to it. Cancel-safe: no query is lost.
    pub async fn respond(&mut self) {
        match self.0.recv().await {
            // The probe may have been dropped while it waited.
            Some(reply) => drop(reply.send(())),
            None => std::future::pending().await,
        }
    }
}
