//! Stand-in providers on loopback, for the demo and for tests. They implement the real protocols and can be scripted to misbehave.
//!
//! They share no code with `provider`, so that a wrong reading of a protocol on one side shows.

pub mod adstat;
pub mod atisu;
pub mod mysmpp;
pub mod prepaid;

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

/// A request that a stand-in has received. Header names are in lower case.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// For example `GET`.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// In order of arrival.
    pub headers: Vec<(String, String)>,
    /// Empty if there is none.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// The first header with this lower-case name; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// A response of a stand-in.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// In addition to the headers that the server sets.
    pub headers: Vec<(&'static str, String)>,
    /// The encoded body.
    pub body: Bytes,
}

impl Reply {
    /// A response with a body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A response with a JSON document.
    #[must_use]
    pub fn json(status: u16, document: &serde_json::Value) -> Self {
        Self::new(status, document.to_string()).header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How a stand-in treats one request instead of letting its service answer.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Sends this response.
    Reply(Reply),
    /// Never answers.
    Hang,
    /// Closes the connection without a response.
    HangUp,
    /// Announces the length of the body, sends half of it and closes the connection.
    CutOff(Reply),
    /// Sends the body byte by byte, with this pause between the bytes.
    Trickle(Reply, Duration),
}

/// The server side of a provider's protocol.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: &ReceivedRequest) -> Reply;
}

impl<F: Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static> Service for F {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        self(request)
    }
}

/// A stand-in that listens on a free port of loopback until it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    service: Box<dyn Service>,
    script: Mutex<VecDeque<Behaviour>>,
    always: Mutex<Option<Behaviour>>,
    requests: Mutex<Vec<ReceivedRequest>>,
}

impl StandIn {
    /// Starts listening.
    ///
    /// # Errors
    /// When no port on loopback is free.
    pub async fn start(service: impl Service) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            service: Box::new(service),
            script: Mutex::default(),
            always: Mutex::default(),
            requests: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// The URL of a path, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Scripts the next requests, one behaviour each. After that, the service answers again.
    pub fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        lock(&self.shared.script).extend(behaviours);
    }

    /// Treats every request like this once the script of [`StandIn::then`] is used up.
    pub fn always(&self, behaviour: Behaviour) {
        *lock(&self.shared.always) = Some(behaviour);
    }

    /// All requests that were received so far.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.shared.requests).clone()
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
        tokio::spawn(serve_connection(stream, shared.clone()));
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| respond_to(request, shared.clone()));
    // Errors are scripted, or the client has closed the connection.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn respond_to(request: Request<Incoming>, shared: Arc<Shared>) -> BoxFuture<'static, io::Result<Response<Body>>> {
    async move {
        let request = read(request).await?;
        lock(&shared.requests).push(request.clone());
        let scripted = lock(&shared.script).pop_front();
        let scripted = scripted.or_else(|| lock(&shared.always).clone());
        match scripted.unwrap_or_else(|| Behaviour::Reply(shared.service.answer(&request))) {
            Behaviour::Reply(reply) => {
                let body = vec![Ok(reply.body.clone())];
                build(&reply, None, stream(body, Duration::ZERO))
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::HangUp => Err(io::Error::other("scripted hang-up")),
            Behaviour::CutOff(reply) => {
                let half = reply.body.slice(..reply.body.len() / 2);
                let body = vec![Ok(half), Err(io::Error::other("scripted truncation"))];
                build(&reply, Some(reply.body.len()), stream(body, Duration::ZERO))
            }
            Behaviour::Trickle(reply, pause) => {
                let body = (0..reply.body.len()).map(|i| Ok(reply.body.slice(i..=i))).collect();
                build(&reply, Some(reply.body.len()), stream(body, pause))
            }
        }
    }
    .boxed()
}

async fn read(request: Request<Incoming>) -> io::Result<ReceivedRequest> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(ReceivedRequest {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    })
}

fn build(reply: &Reply, length: Option<usize>, body: Body) -> io::Result<Response<Body>> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    if let Some(length) = length {
        builder = builder.header("content-length", length);
    }
    builder.body(body).map_err(io::Error::other)
}

/// A body that sends the pieces with this pause between them.
fn stream(pieces: Vec<io::Result<Bytes>>, pause: Duration) -> Body {
    let frames = futures_util::stream::unfold((pieces.into_iter(), false), move |(mut pieces, begun)| async move {
        let piece = pieces.next()?;
        if begun && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        } else {
            // Lets hyper send the previous piece before an error closes the connection.
            tokio::task::yield_now().await;
        }
        Some((piece.map(Frame::data), (pieces, true)))
    });
    http_body_util::StreamBody::new(frames).boxed_unsync()
}
