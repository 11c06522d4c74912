//! A provider's side of the wire, byte by byte, and a client that asks it.

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

/// Of one call: never reached but where a test is about it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const TEXT: &str = "{\"money\":5}";

/// A peer on loopback that does something with each of its connections.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The head of each request, with its body, in the order of arrival.
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

/// A connection, as the peer sees it.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// A peer that hands each connection to `serve`, and closes it when that returns.
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (serve, heard) = (Arc::new(serve), asked.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, asked) = (serve.clone(), heard.clone());
                tokio::spawn(async move { serve(Connection { stream, asked }).await });
            }
        });
        Self { address, asked, accepting }
    }

    /// A peer that answers one request a connection with these bytes, and closes it.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Vec<u8> = answer.into();
        Self::start(move |mut connection| {
            let answer = answer.clone();
            async move {
                if connection.hear().await {
                    connection.say(&answer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/balance", self.address)).expect("a URL")
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Connection {
    /// Reads one request to its end, and notes it. False where the connection ends instead.
    pub(crate) async fn hear(&mut self) -> bool {
        let mut request = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    self.asked.lock().expect("no panic").push(text);
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
        let asked = self.asked.lock().expect("no panic");
        asked.last().and_then(|asked| asked.split(' ').nth(1)).unwrap_or_default().to_owned()
    }

    /// Sends bytes. A client that went away is no concern of the peer.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }
}

pub(crate) fn client(timeout: Duration) -> Client {
    let network = Network { direct: true, ..Network::default() };
    Clients::default().client(&network, timeout).expect("a client")
}

/// Status and body of the answer to a request, or why there is none.
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

/// An answer with these lines in its head, and this body.
pub(crate) fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
