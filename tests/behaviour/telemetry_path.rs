//! The path of the metrics, in every form that clients send.

use crate::support::{Configured, Daemon, binary, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status line of the response to a request for this path.
async fn status(daemon: &Daemon, path: &[u8]) -> String {
    let mut stream = TcpStream::connect(&daemon.address).await.expect("a connection");
    let request = [b"GET ", path, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat();
    stream.write_all(&request).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    text(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_path_that_is_not_ascii_is_served_encoded_and_unencoded() {
    let configured = Configured::new("sources: []\n");
    let daemon = Daemon::start_with(configured.path(), &["--web.telemetry-path", "/метрики{a}"], &mut binary());
    let good: [&[u8]; 4] = [
        "/метрики{a}".as_bytes(),
        b"/%D0%BC%D0%B5%D1%82%D1%80%D0%B8%D0%BA%D0%B8%7Ba%7D",
        b"/%d0%bc%d0%b5%d1%82%d1%80%d0%b8%d0%ba%d0%b8{a}?x=%ff",
        "/%D0%BCетрики{%61}".as_bytes(),
    ];
    for path in good {
        assert_eq!(status(&daemon, path).await, "HTTP/1.1 200 OK", "{}", String::from_utf8_lossy(path));
    }
    // An ordinary client encodes the path itself.
    assert_eq!(daemon.get("/метрики{a}").await.status, 200);
    let bad: [&[u8]; 4] = [b"/metrics", b"/%D0%BC", b"/%D0", b"/%D0%BC%D0%B5%D1%82%D1%80%D0%B8%D0%BA%D0%B8%7Ba%7D/"];
    for path in bad {
        assert_eq!(status(&daemon, path).await, "HTTP/1.1 404 Not Found", "{}", String::from_utf8_lossy(path));
    }
}
