//! Hostile providers and proxies: every call ends in time, and credentials go only to their origin.

use crate::peer::{Peer, TEXT, TIMEOUT, answer, client, gzip, send};
use balance_exporter::domain::Reason;
use balance_exporter::secret::Secret;
use balance_exporter::transport::Request;
use balance_exporter::transport::client::{Clients, Network};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The timeout of a call in tests that wait for it.
const SHORT: Duration = Duration::from_millis(300);

/// A peer that answers with `first` and then sends `more` for ever, with a pause before each.
async fn endless(first: impl Into<Vec<u8>>, more: impl Into<Vec<u8>>, pause: Duration) -> Peer {
    let (first, more) = (first.into(), more.into());
    Peer::start(move |mut connection| {
        let (first, more) = (first.clone(), more.clone());
        async move {
            connection.receive().await;
            connection.send(&first).await;
            while connection.stream.write_all(&more).await.is_ok() {
                if pause.is_zero() {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    })
    .await
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_response_without_end_is_a_failure_in_time() {
    const NO: Duration = Duration::ZERO;
    const SLOW: Duration = Duration::from_millis(20);
    let ok = format!("HTTP/1.1 200 OK\r\n{CHUNKED}");
    let refusal = format!("HTTP/1.1 401 No\r\n{CHUNKED}");
    let zipped = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n{CHUNKED}");
    let (chunk, flood) = ("1\r\n \r\n", format!("1000\r\n{}\r\n", " ".repeat(0x1000)));
    let member = gzip(b"");
    let member = [format!("{:x}\r\n", member.len()).as_bytes(), &member, b"\r\n"].concat().repeat(100);
    let head = "HTTP/1.1 200 OK\r\n";
    let cases = [
        ("a slow body", endless(ok.clone(), chunk, SLOW).await, Err(Reason::Timeout)),
        ("a body without end", endless(ok.clone(), flood.clone(), NO).await, Err(Reason::TooLarge)),
        ("a compressed body without end", endless(zipped, member, NO).await, Err(Reason::TooLarge)),
        ("a refusal with a slow body", endless(refusal.clone(), chunk, SLOW).await, Ok(401)),
        ("a refusal with a body without end", endless(refusal, flood, NO).await, Ok(401)),
        ("a slow head", endless(head, "X: y\r\n", SLOW).await, Err(Reason::Timeout)),
        ("a head without end", endless(head, "X: y\r\n", NO).await, Err(Reason::Decode)),
        ("a header without end", endless(format!("{head}X: "), "y".repeat(1000), NO).await, Err(Reason::Decode)),
        ("a chunk's size without end", endless(ok.clone(), "0".repeat(1000), NO).await, Err(Reason::Timeout)),
        ("a chunk extension without end", endless(format!("{ok}1;"), "x".repeat(1000), NO).await, Err(Reason::Decode)),
        ("trailers without end", endless(format!("{ok}0\r\n"), "X: y\r\n", NO).await, Err(Reason::Decode)),
        ("interim answers without end", endless("", "HTTP/1.1 100 Continue\r\n\r\n", SLOW).await, Err(Reason::Timeout)),
    ];
    let (patient, hasty) = (client(TIMEOUT), client(SHORT));
    for (what, peer, expected) in cases {
        let client = if what.contains("slow") || expected == Err(Reason::Timeout) { &hasty } else { &patient };
        let got = send(client, Request::get(peer.url())).await;
        assert_eq!(got.map(|answer| answer.0).map_err(|failure| failure.0), expected, "{what}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_or_sends_garbage_is_a_failure() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(10_000));
    let cases = [
        ("HTTP/1.1 407 Who\r\n\r\n", "tunnel error: proxy authorization required"),
        ("HTTP/1.1 403 No\r\n\r\n", "tunnel error: unsuccessful"),
        ("HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "tunnel error: unsuccessful"),
        ("", "tunnel error: unexpected end of file"),
        ("HTTP/1.1 200", "tunnel error: unexpected end of file"),
        ("\u{16}\u{3}\u{1}", "tunnel error: unsuccessful"),
        (&long, "tunnel error: proxy response headers too long"),
        ("HTTP/1.1 200 OK\r\n\r\n", "tls handshake eof"),
    ];
    for (said, detail) in cases {
        let proxy = Peer::answering(said).await;
        let address = format!("http://user:password@{}", proxy.address);
        let network = Network { proxy: Some(Secret::new(address)), ..Network::default() };
        let client = Clients::default().client(&network, TIMEOUT).expect("a client");
        let request = Request::post("https://gateway.test/secret".parse().expect("a URL"), "text/json", b"secret".to_vec());
        assert_eq!(send(&client, request).await, Err((Reason::Connect, detail.to_owned())), "{said}");
        // The proxy learns the host, but nothing about the request.
        let request = proxy.requests().concat();
        assert!(request.starts_with("CONNECT gateway.test:443 HTTP/1.1\r\n") && !request.contains("secret"), "{request}");
    }
}

#[tokio::test]
async fn a_redirect_never_sends_the_credentials_to_another_origin() {
    let elsewhere = Peer::answering(answer("200 OK", "", TEXT.as_bytes())).await;
    let (there, port) = (elsewhere.address, elsewhere.address.port());
    let peer = Peer::start(move |mut connection| async move {
        if connection.receive().await {
            let path = connection.path();
            let origin = connection.stream.local_addr().expect("an address");
            let location = match path.trim_start_matches('/') {
                "scheme" => format!("https://{origin}/end"),
                "port" => format!("http://{there}/"),
                "name" => format!("http://localhost:{port}/"),
                "slashes" => format!("//{there}/"),
                "backslashes" => format!("\\\\{there}\\"),
                "tab" => format!("/\t/{there}/"),
                "user" => format!("http://user:password@{origin}/end"),
                "at" => format!("http://{origin}@{there}/"),
                "file" => "file:///etc/passwd".to_owned(),
                "none" => "http://[".to_owned(),
                "relative" => "end".to_owned(),
                "absolute" => format!("HTTP://{origin}/a/../end?x#y"),
                _ => String::new(),
            };
            let said = if path.starts_with("/end") {
                answer("200 OK", "", TEXT.as_bytes())
            } else {
                answer("307 There", &format!("Location: {location}\r\n"), b"")
            };
            connection.send(said).await;
        }
    })
    .await;
    let client = client(TIMEOUT);
    let ask = |path: &str| {
        let url = peer.url().join(path).expect("a URL");
        Request::get(url).header("authorization", "Bearer secret".parse().expect("a value"))
    };
    for path in ["/scheme", "/port", "/name", "/slashes", "/backslashes", "/tab", "/user", "/at", "/file", "/none"] {
        assert_eq!(send(&client, ask(path)).await, Ok((307, String::new())), "{path}");
    }
    for path in ["/relative", "/absolute"] {
        assert_eq!(send(&client, ask(path)).await, Ok((200, TEXT.to_owned())), "{path}");
        assert!(peer.requests().last().is_some_and(|request| request.contains("authorization: Bearer secret")), "{path}");
    }
    let once = Request::post(peer.url().join("/relative").expect("a URL"), "text/json", b"secret".to_vec());
    assert_eq!(send(&client, once).await, Ok((307, String::new())), "a POST is sent once");
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}
