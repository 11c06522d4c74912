//! A provider that is scripted byte by byte, and a client for it.

use balance_exporter::domain::Reason;
use balance_exporter::transport::client::{Client, Clients, Network};
use balance_exporter::transport::{Http, Request};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// The timeout of a call; reached only in tests of timeouts.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const TEXT: &str = "{\"money\":5}";

/// A server on loopback with scripted connections.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Header and body of each request, in order of arrival.
    requests: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

/// A connection of a peer.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Starts a peer that passes each connection to `serve` and closes it when that returns.
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (serve, received) = (Arc::new(serve), requests.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, requests) = (serve.clone(), received.clone());
                tokio::spawn(async move { serve(Connection { stream, requests }).await });
            }
        });
        Self { address, requests, accepting }
    }

    /// Starts a peer that answers one request per connection with these bytes and closes it.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Vec<u8> = answer.into();
        Self::start(move |mut connection| {
            let answer = answer.clone();
            async move {
                if connection.receive().await {
                    connection.send(&answer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/balance", self.address)).expect("a URL")
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Connection {
    /// Reads and records one complete request. False if the connection ends instead.
    pub(crate) async fn receive(&mut self) -> bool {
        let mut request = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    self.requests.lock().expect("no panic").push(text);
                    return true;
                }
            }
            if !matches!(self.stream.read_buf(&mut request).await, Ok(n) if n > 0) {
                return false;
            }
        }
    }

    /// The path of the last request.
    pub(crate) fn path(&self) -> String {
        let requests = self.requests.lock().expect("no panic");
        requests.last().and_then(|request| request.split(' ').nth(1)).unwrap_or_default().to_owned()
    }

    /// Sends bytes. It ignores that the client may have closed the connection.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }
}

pub(crate) fn client(timeout: Duration) -> Client {
    let network = Network { direct: true, ..Network::default() };
    Clients::default().client(&network, timeout).expect("a client")
}

/// The status and body of the response, or the reason and detail of the failure.
pub(crate) async fn send(client: &Client, request: Request) -> Result<(u16, String), (Reason, String)> {
    match client.send(request).await {
        Ok(response) => Ok((response.status.as_u16(), String::from_utf8(response.body).expect("UTF-8"))),
        Err(failure) => Err((failure.reason, failure.detail)),
    }
}

pub(crate) async fn get(peer: &Peer) -> Result<(u16, String), (Reason, String)> {
    send(&client(TIMEOUT), Request::get(peer.url())).await
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

/// A response with these header lines and this body.
pub(crate) fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
