//! What goes over the wire between a provider and the client that asks it, byte by byte.

use balance_exporter::domain::Reason;
use balance_exporter::http::client::{Client, Clients, Network};
use balance_exporter::http::{BODY_LIMIT, Http, Request};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// Of one call: never reached but where a test is about it.
const TIMEOUT: Duration = Duration::from_secs(20);
const TEXT: &str = "{\"money\":5}";

/// A peer on loopback that does something with each of its connections.
struct Peer {
    address: SocketAddr,
    /// The head of each request, with its body, in the order of arrival.
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

/// A connection, as the peer sees it.
struct Connection {
    stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// A peer that hands each connection to `serve`, and closes it when that returns.
    async fn start<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(Connection) -> F + Send + Sync + 'static) -> Self {
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
    async fn saying(answer: impl Into<Vec<u8>>) -> Self {
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

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/balance", self.address)).expect("a URL")
    }

    fn asked(&self) -> Vec<String> {
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
    async fn hear(&mut self) -> bool {
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

    /// Sends bytes. A client that went away is no concern of the peer.
    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }
}

fn client(timeout: Duration) -> Client {
    let network = Network { direct: true, ..Network::default() };
    Clients::default().client(&network, timeout).expect("a client")
}

/// Status and body of the answer to a request, or why there is none.
async fn send(client: &Client, request: Request) -> Result<(u16, String), (Reason, String)> {
    match client.send(request).await {
        Ok(response) => Ok((response.status.as_u16(), String::from_utf8(response.body).expect("UTF-8"))),
        Err(failure) => Err((failure.reason, failure.detail)),
    }
}

async fn get(peer: &Peer) -> Result<(u16, String), (Reason, String)> {
    send(&client(TIMEOUT), Request::get(peer.url())).await
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

/// An answer with these lines in its head, and this body.
fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn content_codings_are_undone_whatever_they_are_called() {
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    raw.write_all(TEXT.as_bytes()).expect("memory");
    let (first, second) = TEXT.as_bytes().split_at(4);
    let cases = [
        ("Content-Encoding: GZIP\r\n", gzip(TEXT.as_bytes())),
        ("Content-Encoding: x-gzip\r\n", gzip(TEXT.as_bytes())),
        ("Content-Encoding: gzip\r\n", [gzip(first), gzip(second)].concat()),
        ("Content-Encoding: deflate\r\n", raw.finish().expect("memory")),
        ("Content-Encoding: gzip\r\nContent-Encoding: identity, Gzip\r\n", gzip(&gzip(TEXT.as_bytes()))),
    ];
    for (lines, body) in cases {
        let peer = Peer::saying(answer("200 OK", lines, &body)).await;
        assert_eq!(get(&peer).await, Ok((200, TEXT.to_owned())), "{lines}");
    }
    let followed = [gzip(TEXT.as_bytes()), b"{\"error\":\"down\"}".to_vec()].concat();
    for (lines, body) in [("Content-Encoding: gzip\r\n", followed.as_slice()), ("Content-Encoding: zstd\r\n", TEXT.as_bytes())] {
        let peer = Peer::saying(answer("200 OK", lines, body)).await;
        assert_eq!(get(&peer).await.map_err(|e| e.0), Err(Reason::Decode), "{lines}");
    }
}

#[tokio::test]
async fn the_status_of_a_failure_needs_no_readable_body() {
    let encoded = "Content-Encoding: gzip\r\n";
    let huge = gzip(&vec![b' '; 4 * BODY_LIMIT]);
    let cases = [
        (answer("401 Unauthorized", encoded, b"not gzip"), 401, ""),
        (answer("401 Unauthorized", encoded, &gzip(TEXT.as_bytes())), 401, TEXT),
        (answer("503 Busy", encoded, &huge), 503, ""),
        (answer("503 Busy", "Content-Encoding: lzma\r\n", TEXT.as_bytes()), 503, ""),
        (b"HTTP/1.1 401 No\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b".to_vec(), 401, ""),
        (b"HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\n{\"error\":\"x\"}".to_vec(), 400, "{\"error\":\"x\"}"),
        (b"HTTP/1.1 204 None\r\nContent-Encoding: gzip\r\n\r\n".to_vec(), 204, ""),
        (b"HTTP/1.1 304 Same\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n".to_vec(), 304, ""),
        (answer("200 OK", encoded, b""), 200, ""),
    ];
    for (said, status, body) in cases {
        let peer = Peer::saying(said.clone()).await;
        assert_eq!(get(&peer).await, Ok((status, body.to_owned())), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn a_request_names_the_codings_that_are_decoded_unless_its_provider_does() {
    let peer = Peer::saying(answer("200 OK", "", b"{}")).await;
    get(&peer).await.expect("an answer");
    let own = Request::get(peer.url()).header("accept-encoding", "gzip, deflate, br".parse().expect("a value"));
    send(&client(TIMEOUT), own).await.expect("an answer");
    let lines: Vec<String> = peer
        .asked()
        .iter()
        .flat_map(|asked| asked.lines().filter(|line| line.starts_with("accept-encoding:")).map(str::to_owned))
        .collect();
    assert_eq!(lines, ["accept-encoding: gzip,deflate,br", "accept-encoding: gzip, deflate, br"]);
}
