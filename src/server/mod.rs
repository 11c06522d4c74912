//! The HTTP server: connections, their bounds and their end. What is answered is decided in [`site`].

pub mod pulse;
pub mod site;
mod status;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pulse::Beat;
use site::Site;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// Connections that are served at a time; others wait in the kernel's queue.
const CONNECTION_LIMIT: usize = 512;
/// How long answers that are under way may take once the program is told to end.
const GRACE: Duration = Duration::from_secs(3);
/// A pause after the system refused a connection, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the site on all listeners until `stop` turns true, then ends what is under way.
pub async fn serve(listeners: impl IntoIterator<Item = (TcpListener, Beat)>, site: Arc<Site>, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut accepting = JoinSet::new();
    for (listener, beat) in listeners {
        accepting.spawn(accept(listener, beat, site.clone(), places.clone(), stop.clone()));
    }
    while let Some(ended) = accepting.join_next().await {
        carry_on(ended);
    }
}

/// Ends the process, by way of whoever waits for the server, where a task has panicked: a half-working server goes unnoticed.
fn carry_on(ended: Result<(), JoinError>) {
    if let Err(panic) = ended.map_err(JoinError::try_into_panic) {
        std::panic::resume_unwind(panic.unwrap_or_else(|cancelled| Box::new(cancelled.to_string())));
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say "stop" is gone, which is as good.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(listener: TcpListener, mut beat: Beat, site: Arc<Site>, places: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            () = beat.answer() => continue,
            // The place is taken before the connection, so that those beyond the bound cost nothing here.
            accepted = async { (places.clone().acquire_owned().await, listener.accept().await) } => accepted,
            Some(ended) = connections.join_next() => {
                carry_on(ended);
                continue;
            }
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let connection = connection(stream, site.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn connection(stream: TcpStream, site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    // A page is written in few pieces; waiting to join them only delays the last.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let response = site.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}
