//! HTTP between the client and a provider, byte by byte: codings, connections and framing.

use crate::peer::{Peer, TEXT, TIMEOUT, answer, client, get, gzip, send};
use crate::support::{Configured, Daemon, lines_with};
use balance_exporter::domain::Reason;
use balance_exporter::transport::{BODY_LIMIT, Request};
use std::io::Write;

#[tokio::test]
async fn content_codings_are_decoded_under_all_their_names() {
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
        let peer = Peer::answering(answer("200 OK", lines, &body)).await;
        assert_eq!(get(&peer).await, Ok((200, TEXT.to_owned())), "{lines}");
    }
    let followed = [gzip(TEXT.as_bytes()), b"{\"error\":\"down\"}".to_vec()].concat();
    for (lines, body) in [("Content-Encoding: gzip\r\n", followed.as_slice()), ("Content-Encoding: zstd\r\n", TEXT.as_bytes())] {
        let peer = Peer::answering(answer("200 OK", lines, body)).await;
        assert_eq!(get(&peer).await.map_err(|e| e.0), Err(Reason::Decode), "{lines}");
    }
}

#[tokio::test]
async fn a_failure_status_counts_even_if_its_body_is_unreadable() {
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
        let peer = Peer::answering(said.clone()).await;
        assert_eq!(get(&peer).await, Ok((status, body.to_owned())), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn a_request_lists_the_supported_codings_unless_the_provider_sets_its_own() {
    let peer = Peer::answering(answer("200 OK", "", b"{}")).await;
    get(&peer).await.expect("an answer");
    let own = Request::get(peer.url()).header("accept-encoding", "gzip, deflate, br".parse().expect("a value"));
    send(&client(TIMEOUT), own).await.expect("an answer");
    let lines: Vec<String> = peer
        .requests()
        .iter()
        .flat_map(|request| request.lines().filter(|line| line.starts_with("accept-encoding:")).map(str::to_owned))
        .collect();
    assert_eq!(lines, ["accept-encoding: gzip,deflate,br", "accept-encoding: gzip, deflate, br"]);
}

/// A gateway that keeps connections open and closes each when the next request arrives on it.
async fn closes_when_reused() -> Peer {
    Peer::start(|mut connection| async move {
        if connection.receive().await {
            connection.send(answer("200 OK", "", TEXT.as_bytes())).await;
            connection.receive().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_closes_reused_connections_loses_no_request() {
    let peer = closes_when_reused().await;
    let client = client(TIMEOUT);
    for turn in 1..=5 {
        let post = || Request::post(peer.url(), "text/json", b"{}".to_vec());
        let (one, other) = tokio::join!(send(&client, post()), send(&client, post()));
        assert_eq!((one, other), (Ok((200, TEXT.to_owned())), Ok((200, TEXT.to_owned()))), "turn {turn}");
        assert_eq!(send(&client, Request::get(peer.url())).await, Ok((200, TEXT.to_owned())), "turn {turn}");
    }
    assert_eq!(peer.requests().len(), 15, "each request was sent once");
    assert!(peer.requests().iter().all(|request| request.contains("\r\nconnection: close\r\n")), "{:?}", peer.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sources_of_a_host_that_closes_reused_connections_stay_up() {
    let gateway = closes_when_reused().await;
    let cabinet = Peer::start(|mut connection| async move {
        if connection.receive().await {
            let account = |uid: &str| format!("{{\"account_uid\":\"{uid}\",\"balance\":1}}");
            let path = connection.path();
            let sum = "{\"amount\":1,\"currency\":\"EUR\"}";
            let body = match path.rsplit('/').next() {
                Some("balances") => format!("{{\"active\":{sum},\"available\":{sum},\"total\":{sum}}}"),
                uid => account(uid.unwrap_or_default()),
            };
            connection.send(answer("200 OK", "", body.as_bytes())).await;
            connection.receive().await;
        }
    })
    .await;
    let mut configuration = format!(
        "defaults: {{interval: 1s}}\nsources:\n  - {{name: ads, provider: {{adstat: {{url: \"{}\", token: x, accounts: [A, B, C]}}}}}}\n",
        cabinet.url()
    );
    for i in 0..4 {
        let source = format!("  - {{name: sms{i}, provider: {{mysmpp: {{url: \"{}\", token: x}}}}}}\n", gateway.url());
        configuration.push_str(&source);
    }
    let daemon = Daemon::start(&Configured::new(&configuration));
    let polled_thrice = |metrics: &str| {
        let polls = lines_with(metrics, "balance_polls_total{");
        polls.len() == 5
            && polls.iter().all(|line| line.rsplit(' ').next().is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n >= 3)))
    };
    let metrics = daemon.metrics_where("every source was polled three times", polled_thrice).await;
    assert_eq!(lines_with(&metrics, "balance_failing{"), Vec::<&str>::new());
    let up = lines_with(&metrics, "balance_up{");
    assert!(up.len() == 5 && up.iter().all(|line| line.ends_with(" 1")), "{up:?}");
    let failures = lines_with(&metrics, "balance_poll_failures_total{");
    assert!(failures.iter().all(|line| line.ends_with(" 0")), "{failures:?}");
}

#[tokio::test]
async fn only_a_request_with_retry_reset_is_retried_and_only_once() {
    let closed = Peer::start(|mut connection| async move {
        connection.receive().await;
    })
    .await;
    let reset = Peer::start(|mut connection| async move {
        if connection.receive().await {
            connection.stream.set_zero_linger().expect("an option");
        }
    })
    .await;
    let client = client(TIMEOUT);
    for peer in [closed, reset] {
        let mut again = Request::get(peer.url());
        again.retry_reset = true;
        let requests = [(again, 2), (Request::get(peer.url()), 1), (Request::post(peer.url(), "text/json", b"{}".to_vec()), 1)];
        let mut sent = 0;
        for (request, times) in requests {
            assert_eq!(send(&client, request).await.map_err(|e| e.0), Err(Reason::Connect));
            sent += times;
            assert_eq!(peer.requests().len(), sent);
        }
    }
}

#[tokio::test]
async fn the_framing_of_a_response_is_respected() {
    let ok = || Ok((200, TEXT.to_owned()));
    let chunks = "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"mone\r\n5\r\ny\":5}\r\n";
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    let cases = [
        ("HTTP/1.0", format!("HTTP/1.0 200 OK\r\n\r\n{TEXT}"), ok()),
        ("HTTP/1.0 with a length", format!("HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\n{TEXT}"), ok()),
        ("no length", format!("HTTP/1.1 200 OK\r\n\r\n{TEXT}"), ok()),
        ("connection: close", format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\n{TEXT}"), ok()),
        ("interim answers", format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{TEXT}"), ok()),
        ("trailers", format!("HTTP/1.1 200 OK\r\n{chunks}0\r\nExpires: never\r\nX: y\r\n\r\n"), ok()),
        ("a chunk extension", format!("HTTP/1.1 200 OK\r\n{}0\r\n\r\n", chunks.replace("6\r\n", "6;a=b\r\n")), ok()),
        ("junk after the body", format!("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{TEXT}junk"), ok()),
        ("a second answer", format!("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{TEXT}HTTP/1.1 408 Late\r\n\r\n"), ok()),
        ("a short length", format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{TEXT}"), Ok((200, TEXT[..5].to_owned()))),
        ("a long length", format!("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{TEXT}"), Err(Reason::Connect)),
        ("no last chunk", format!("HTTP/1.1 200 OK\r\n{chunks}"), Err(Reason::Connect)),
        ("half a chunk", format!("HTTP/1.1 200 OK\r\n{}", &chunks[..chunks.len() - 4]), Err(Reason::Connect)),
        ("no chunk", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{TEXT}"), Err(Reason::Decode)),
        ("two lengths", format!("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 5\r\n\r\n{TEXT}"), Err(Reason::Decode)),
        ("a negative length", format!("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{TEXT}"), Err(Reason::Decode)),
        (
            "another protocol",
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
            Ok((101, String::new())),
        ),
        ("no HTTP", "220 mail.test ESMTP\r\n".to_owned(), Err(Reason::Decode)),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le".to_owned(), Err(Reason::Connect)),
        ("nothing", String::new(), Err(Reason::Connect)),
    ];
    for (what, said, expected) in cases {
        let peer = Peer::answering(said).await;
        assert_eq!(get(&peer).await.map_err(|e| e.0), expected, "{what}");
        assert_eq!(peer.requests().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_response_before_the_request_is_a_failure() {
    for said in ["HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "220 mail.test ESMTP\r\n"] {
        let peer = Peer::start(move |mut connection| async move {
            connection.send(said).await;
            connection.receive().await;
        })
        .await;
        // The result depends on whether the response arrives before the request is sent.
        let got = get(&peer).await;
        let expected = matches!(got, Ok((408, _)) | Err((Reason::Connect | Reason::Decode, _)));
        assert!(expected, "{said}: {got:?}");
    }
}
