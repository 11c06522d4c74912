//! The HTTP server: connections, their bounds and their end. What is answered is decided in [`routes`], to whom in [`access`].

pub mod access;
mod admission;
mod connection;
pub mod lifecycle;
pub mod liveness;
pub mod routes;
mod status;

use crate::server::access::Web;
use admission::{Place, Places};
use connection::Bounded;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use liveness::Beat;
use routes::{Body, HEALTHY, Site};
use rustix::process::{Resource, getrlimit};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time; a further one takes the place of the one whose last request is longest ago.
const CONNECTION_LIMIT: usize = 512;
/// Connections that wait in the kernel to be accepted; a further one is tried again by its client only after a second. The
/// kernel has a bound of its own, `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long answers that are under way may take once the program is told to end.
const GRACE: Duration = Duration::from_secs(3);
/// A pause after the system refused a connection, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection has to do with.
#[derive(Clone)]
struct Server {
    site: Arc<Site>,
    web: Arc<Web>,
    places: Arc<Places>,
    stop: watch::Receiver<bool>,
}

/// Serves the site on all listeners until `stop` turns true, then ends what is under way.
pub async fn serve(
    listeners: impl IntoIterator<Item = (TcpListener, Beat)>,
    site: Arc<Site>,
    web: Arc<Web>,
    stop: watch::Receiver<bool>,
) {
    let server = Server { site, web, places: Places::new(connection_limit()), stop };
    let mut accepting = JoinSet::new();
    for (listener, beat) in listeners {
        accepting.spawn(accept(listener, beat, server.clone()));
    }
    while let Some(ended) = accepting.join_next().await {
        carry_on(ended);
    }
}

/// Half of the descriptors at most: the rest of the program has files and connections, too.
fn connection_limit() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    CONNECTION_LIMIT.min(descriptors / 2).max(1)
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

async fn accept(listener: TcpListener, mut beat: Beat, server: Server) {
    // Whoever opened the listener gave it a shorter queue, which does as well but for a flood.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let mut connections = JoinSet::new();
    let mut stop = server.stop.clone();
    let mut accepts = true;
    loop {
        while let Some(ended) = connections.try_join_next() {
            carry_on(ended);
        }
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            () = beat.answer() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                accepts = true;
                let place = server.places.take().await;
                connections.spawn(server.clone().connection(stream, client.ip(), place));
            }
            Err(error) => {
                if accepts {
                    tracing::warn!(%error, "cannot accept connections");
                }
                accepts = false;
                // Mostly there is no descriptor left, and idle connections hold them.
                server.places.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GRACE, all).await;
}

impl Server {
    /// Serves one client until it goes, takes too long or must give way.
    async fn connection(self, stream: TcpStream, client: IpAddr, place: Place) {
        let ended = tokio::select! {
            ended = self.talk(stream, client, &place) => ended,
            () = place.wanted() => Err("it gave way to another".into()),
        };
        if let Err(error) = ended {
            tracing::trace!(%client, error, "a connection ended early");
        }
    }

    async fn talk(&self, stream: TcpStream, client: IpAddr, place: &Place) -> Result<(), String> {
        // A page is written in few pieces; waiting to join them only delays the last.
        let _ = stream.set_nodelay(true);
        let stream = Bounded::new(stream);
        let Some(tls) = self.web.current().tls.clone() else { return self.exchange(stream, client, place).await };
        let mut stop = self.stop.clone();
        let shaken = tokio::select! {
            shaken = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)) => shaken,
            () = stopped(&mut stop) => return Ok(()),
        };
        let stream = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| error.to_string())?;
        self.exchange(stream, client, place).await
    }

    /// Answers requests.
    async fn exchange(&self, stream: impl AsyncRead + AsyncWrite + Unpin, client: IpAddr, place: &Place) -> Result<(), String> {
        let service = service_fn(|request| {
            place.touch();
            async move { Ok::<_, Infallible>(self.answer(&request, client).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_LIMIT)
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
        ended.map_err(|error| error.to_string())
    }

    async fn answer<B>(&self, request: &Request<B>, client: IpAddr) -> Response<Body> {
        let settings = self.web.current();
        // Whatever watches over the process has no login.
        let admitted = match request.uri().path() {
            HEALTHY => Ok(()),
            _ => self.web.authenticate(&settings, request.headers(), client).await,
        };
        let mut response = match admitted {
            Ok(()) => self.site.answer(request).await,
            Err(refusal) => routes::refused(refusal),
        };
        for (name, value) in &settings.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}
