//! Stand-in providers on loopback, for the demo and for tests: they speak the real protocols, and lie when told to.
//!
//! They share no code with the providers that ask them, so that a misreading on one side shows.

pub mod adstat;
pub mod atisu;
pub mod mysmpp;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived. Header names are in lower case.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Such as `GET`.
    pub method: String,
    /// The path with the query.
    pub target: String,
    /// In the order of arrival.
    pub headers: Vec<(String, String)>,
    /// Empty where there was none.
    pub body: Vec<u8>,
}

impl Asked {
    /// The first header of this name, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Beside those of the transport.
    pub headers: Vec<(&'static str, String)>,
    /// As it goes over the wire.
    pub body: Bytes,
}

impl Reply {
    /// A body under a status.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A JSON document under a status.
    #[must_use]
    pub fn json(status: u16, document: &serde_json::Value) -> Self {
        Self::new(status, document.to_string()).header("content-type", "application/json")
    }

    /// The reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a script does with one request instead of the provider's own answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers so.
    Reply(Reply),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    HangUp,
    /// Announces the whole body, sends half of it and closes the connection.
    CutOff(Reply),
    /// Sends the body one byte at a time, with this pause between them.
    Trickle(Reply, Duration),
}

/// A provider's side of its protocol.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, asked: &Asked) -> Reply;
}

impl<F: Fn(&Asked) -> Reply + Send + Sync + 'static> Service for F {
    fn answer(&self, asked: &Asked) -> Reply {
        self(asked)
    }
}

/// A stand-in that is listening on a free port of loopback; it ends when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    service: Box<dyn Service>,
    script: Mutex<VecDeque<Act>>,
    always: Mutex<Option<Act>>,
    asked: Mutex<Vec<Asked>>,
}

impl StandIn {
    /// Starts to answer.
    ///
    /// # Errors
    /// When loopback has no port to give.
    pub async fn start(service: impl Service) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            service: Box::new(service),
            script: Mutex::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Does this with the next requests, one act each, before it answers by itself again.
    pub fn then(&self, acts: impl IntoIterator<Item = Act>) {
        lock(&self.shared.script).extend(acts);
    }

    /// Does this with every request once the acts before are done.
    pub fn always(&self, act: Act) {
        *lock(&self.shared.always) = Some(act);
    }

    /// Every request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, shared.clone()));
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| perform(request, shared.clone()));
    // An error here is an act, or a client that left.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn perform(request: Request<Incoming>, shared: Arc<Shared>) -> BoxFuture<'static, io::Result<Response<Body>>> {
    async move {
        let asked = read(request).await?;
        lock(&shared.asked).push(asked.clone());
        let act = lock(&shared.script).pop_front();
        let act = act.or_else(|| lock(&shared.always).clone());
        match act.unwrap_or_else(|| Act::Reply(shared.service.answer(&asked))) {
            Act::Reply(reply) => {
                let body = vec![Ok(reply.body.clone())];
                respond(&reply, None, stream(body, Duration::ZERO))
            }
            Act::Hang => std::future::pending().await,
            Act::HangUp => Err(io::Error::other("hung up")),
            Act::CutOff(reply) => {
                let half = reply.body.slice(..reply.body.len() / 2);
                let body = vec![Ok(half), Err(io::Error::other("cut off"))];
                respond(&reply, Some(reply.body.len()), stream(body, Duration::ZERO))
            }
            Act::Trickle(reply, pause) => {
                let body = (0..reply.body.len()).map(|i| Ok(reply.body.slice(i..=i))).collect();
                respond(&reply, Some(reply.body.len()), stream(body, pause))
            }
        }
    }
    .boxed()
}

async fn read(request: Request<Incoming>) -> io::Result<Asked> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Asked {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    })
}

fn respond(reply: &Reply, length: Option<usize>, body: Body) -> io::Result<Response<Body>> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    if let Some(length) = length {
        builder = builder.header("content-length", length);
    }
    builder.body(body).map_err(io::Error::other)
}

/// Sends the pieces with a pause before each but the first.
fn stream(pieces: Vec<io::Result<Bytes>>, pause: Duration) -> Body {
    let frames = futures_util::stream::unfold((pieces.into_iter(), false), move |(mut pieces, begun)| async move {
        let piece = pieces.next()?;
        if begun && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        } else {
            // What was sent before an error must be on its way first.
            tokio::task::yield_now().await;
        }
        Some((piece.map(Frame::data), (pieces, true)))
    });
    http_body_util::StreamBody::new(frames).boxed_unsync()
}
