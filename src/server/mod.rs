//! The HTTP server: accepts connections, bounds them and shuts them down. [`routes`] answers requests; [`access`] authenticates them.

pub mod access;
mod connection_slots;
pub mod liveness;
pub mod reload;
pub mod routes;
mod status;
mod timed_stream;

use crate::server::access::Web;
use connection_slots::{ConnectionSlots, Slot};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use liveness::LivenessResponder;
use routes::{Body, HEALTHY, Site};
use rustix::process::{Resource, getrlimit};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use timed_stream::TimedStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to send the header of a request, and how long an idle connection is kept open.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest header of a request, in bytes.
const HEADER_LIMIT: usize = 16 * 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Concurrent connections; a further one evicts the least recently used one.
const CONNECTION_LIMIT: usize = 512;
/// Connections that wait in the kernel to be accepted. Beyond it, clients retry after a second. The kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long responses in progress may take during a graceful shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause after a failed `accept`; usually the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone)]
struct Server {
    site: Arc<Site>,
    web: Arc<Web>,
    slots: Arc<ConnectionSlots>,
    stop: watch::Receiver<bool>,
}

/// Serves the site on all listeners until `stop` is true, then shuts down gracefully.
///
/// # Panics
/// When a task of the server has panicked: a process that is restarted is better than a server that works in part.
pub async fn serve(
    listeners: impl IntoIterator<Item = (TcpListener, LivenessResponder)>,
    site: Arc<Site>,
    web: Arc<Web>,
    stop: watch::Receiver<bool>,
) {
    let server = Server { site, web, slots: ConnectionSlots::new(connection_limit()), stop };
    let mut accepting = JoinSet::new();
    for (listener, responder) in listeners {
        accepting.spawn(accept(listener, responder, server.clone()));
    }
    while let Some(ended) = accepting.join_next().await {
        propagate_panic(ended);
    }
}

/// At most half of the file descriptors, because the rest of the program needs some as well.
fn connection_limit() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    CONNECTION_LIMIT.min(descriptors / 2).max(1)
}

fn propagate_panic(ended: Result<(), JoinError>) {
    if let Err(panic) = ended.map_err(JoinError::try_into_panic) {
        std::panic::resume_unwind(panic.unwrap_or_else(|cancelled| Box::new(cancelled.to_string())));
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped, which also means to stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(listener: TcpListener, mut responder: LivenessResponder, server: Server) {
    // The listener was opened with a shorter queue. If this fails, only bursts of connections suffer.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let mut connections = JoinSet::new();
    let mut stop = server.stop.clone();
    let mut accepting = true;
    loop {
        while let Some(ended) = connections.try_join_next() {
            propagate_panic(ended);
        }
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            () = responder.respond() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                accepting = true;
                let slot = server.slots.acquire().await;
                connections.spawn(server.clone().connection(stream, client.ip(), slot));
            }
            Err(error) => {
                if accepting {
                    tracing::warn!(%error, "cannot accept connections; retrying");
                }
                accepting = false;
                // Usually there are no file descriptors left; evicting a connection frees one.
                server.slots.evict_least_recently_used();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(SHUTDOWN_TIMEOUT, all).await;
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("it was evicted for a new connection")]
    Evicted,
}

impl Server {
    /// Serves one connection until it ends or is evicted.
    async fn connection(self, stream: TcpStream, client: IpAddr, slot: Slot) {
        let ended = tokio::select! {
            ended = self.serve_tcp(stream, client, &slot) => ended,
            () = slot.evicted() => Err(ConnectionError::Evicted),
        };
        if let Err(error) = ended {
            tracing::trace!(%client, %error, "connection ended early");
        }
    }

    /// Serves HTTP, over TLS if that is configured.
    async fn serve_tcp(&self, stream: TcpStream, client: IpAddr, slot: &Slot) -> Result<(), ConnectionError> {
        // A response is written in few pieces; Nagle's algorithm would only delay the last one.
        let _ = stream.set_nodelay(true);
        let stream = TimedStream::new(stream);
        let Some(tls) = self.web.current().tls.clone() else { return self.serve_http(stream, client, slot).await };
        let mut stop = self.stop.clone();
        let handshake = tokio::select! {
            handshake = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)) => handshake,
            () = stopped(&mut stop) => return Ok(()),
        };
        let stream = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(ConnectionError::Handshake)?;
        self.serve_http(stream, client, slot).await
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        client: IpAddr,
        slot: &Slot,
    ) -> Result<(), ConnectionError> {
        let service = service_fn(|request| {
            slot.touch();
            async move { Ok::<_, Infallible>(self.answer(&request, client).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_LIMIT)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = stopped(&mut stop) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        Ok(ended?)
    }

    async fn answer<B>(&self, request: &Request<B>, client: IpAddr) -> Response<Body> {
        let settings = self.web.current();
        // Health checks have no login.
        let authenticated = match request.uri().path() {
            HEALTHY => Ok(()),
            _ => self.web.authenticate(&settings, request.headers(), client).await,
        };
        let mut response = match authenticated {
            Ok(()) => self.site.answer(request).await,
            Err(refusal) => routes::refused(refusal),
        };
        for (name, value) in &settings.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}
