//! The HTTP interface: pages, methods, headers, timeouts and graceful shutdown.

use crate::support::{Configured, Daemon, PATIENCE, binary};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use reqwest::Method;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

async fn gateway() -> StandIn {
    let gateway = Gateway::with_token("x");
    let row = |area: &str, count: &str| ("sms".to_owned(), area.to_owned(), count.to_owned());
    gateway.set(Account {
        money: "1234.5".to_owned(),
        currency: "RUB".to_owned(),
        information: vec![row("<b>Россия</b>", "Безлимит"), row("Tele2", "50")],
        error: None,
    });
    StandIn::start(gateway).await.expect("a port")
}

fn configured(url: &str) -> Configured {
    Configured::new(&format!(
        "sources:\n  - name: sms\n    provider: {{mysmpp: {{url: \"{url}\", token: x}}}}\n    low: {{amount: {{warning: 5000}}, areas: {{Tele2: {{critical: 100}}}}}}\n"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_path_allows_its_methods_only() {
    let stand_in = gateway().await;
    let daemon = Daemon::start(&configured(&stand_in.url("/json/balance.php")));
    daemon.metrics_with("balance_up").await;
    let cases = [
        (Method::GET, "/metrics", 200, ""),
        (Method::GET, "/metrics?name[]=x", 200, ""),
        (Method::HEAD, "/metrics", 200, ""),
        (Method::POST, "/metrics", 405, "GET, HEAD"),
        (Method::OPTIONS, "/metrics", 405, "GET, HEAD"),
        (Method::GET, "/", 200, ""),
        (Method::HEAD, "/", 200, ""),
        (Method::DELETE, "/", 405, "GET, HEAD"),
        (Method::GET, "/-/healthy", 200, ""),
        (Method::PUT, "/-/healthy", 405, "GET, HEAD"),
        (Method::GET, "/-/ready", 200, ""),
        (Method::GET, "/-/reload", 405, "POST"),
        (Method::POST, "/-/reload", 403, ""),
        (Method::GET, "/metrics/", 404, ""),
        (Method::GET, "//metrics", 404, ""),
        (Method::GET, "/%6detrics", 404, ""),
        (Method::POST, "/nothing", 404, ""),
    ];
    for (method, path, status, allow) in cases {
        let page = daemon.ask(method.clone(), path, &[]).await;
        assert_eq!((page.status, page.header("allow")), (status, allow), "{method} {path}");
        assert_eq!(page.body.is_empty(), method == Method::HEAD, "{method} {path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn head_returns_the_headers_of_get() {
    let stand_in = gateway().await;
    let daemon = Daemon::start(&configured(&stand_in.url("/json/balance.php")));
    daemon.metrics_with("balance_up").await;
    let head = daemon.ask(Method::HEAD, "/metrics", &[]).await;
    let get = daemon.get("/metrics").await;
    assert_eq!(get.header("content-length"), get.body.len().to_string());
    assert_eq!(head.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(get.header("content-type"), head.header("content-type"));
    // The process metrics can change in length between the two.
    let length: usize = head.header("content-length").parse().expect("a length");
    assert!(length.abs_diff(get.body.len()) < 50, "{length}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn gzip_is_sent_on_request_and_holds_the_same_page() {
    let stand_in = gateway().await;
    let daemon = Daemon::start(&configured(&stand_in.url("/json/balance.php")));
    daemon.metrics_with("balance_up").await;
    let plain = daemon.get("/metrics").await;
    let zipped = daemon.ask(Method::GET, "/metrics", &[("accept-encoding", "gzip, deflate")]).await;
    assert_eq!((plain.header("content-encoding"), zipped.header("content-encoding")), ("", "gzip"));
    assert_eq!((plain.header("vary"), zipped.header("vary")), ("Accept-Encoding", "Accept-Encoding"));
    let mut unzipped = String::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_string(&mut unzipped).expect("gzip");
    let balances = |page: &str| page.lines().filter(|line| !line.contains("process_")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(balances(&unzipped), balances(&plain.text()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_daemon_is_ready_once_every_source_was_polled() {
    let stand_in = StandIn::start(|_: &_| Reply::new(200, "{}")).await.expect("a port");
    stand_in.always(Behaviour::Hang);
    let file =
        format!("sources: [{{name: sms, timeout: 4m, provider: {{mysmpp: {{url: \"{}\", token: x}}}}}}]\n", stand_in.url("/"));
    let daemon = Daemon::start(&Configured::new(&file));
    assert_eq!((daemon.get("/-/ready").await.status, daemon.get("/-/healthy").await.status), (503, 200));
    let metrics = daemon.metrics().await;
    assert!(
        !metrics.contains("balance_up{") && metrics.contains("balance_polls_total{provider=\"mysmpp\",source=\"sms\"} 0\n"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scrape_never_causes_a_poll() {
    let stand_in = gateway().await;
    let daemon = Daemon::start(&configured(&stand_in.url("/json/balance.php")));
    daemon.metrics_with("balance_up").await;
    for _ in 0..50 {
        daemon.metrics().await;
        daemon.get("/").await;
    }
    assert_eq!(stand_in.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_status_page_is_complete_and_escaped() {
    let stand_in = gateway().await;
    let daemon = Daemon::start(&configured(&stand_in.url("/json/balance.php")));
    daemon.metrics_with("balance_up").await;
    let page = daemon.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let html = page.text();
    for shown in
        ["sms", "mysmpp", "1,234.50", "RUB", "∞", "&#60;b&#62;Россия&#60;/b&#62;", "low", "critically low", " ago", "in 4 min"]
    {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert!(!html.contains("<b>"), "{html}");

    let failing = StandIn::start(|_: &_| Reply::new(200, "{\"error\":\"<script>alert(1)</script>\"}")).await.expect("a port");
    let daemon = Daemon::start(&configured(&failing.url("/")));
    daemon.metrics_with("balance_up").await;
    let html = daemon.get("/").await.text();
    for shown in ["rejected", "&#60;script&#62;alert(1)&#60;/script&#62;", "never"] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert!(!html.contains("<script"), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_telemetry_path_and_the_addresses_are_configurable() {
    let configured = Configured::new("sources: []\n");
    let mut daemon = Daemon::start_with(
        configured.path(),
        &["--web.listen-address", "[::1]:0", "--web.telemetry-path", "/a/b"],
        &mut binary(),
    );
    assert_eq!((daemon.get("/a/b").await.status, daemon.get("/metrics").await.status), (200, 404));
    assert!(daemon.get("/").await.text().contains("<a href=\"/a/b\">"));
    daemon.wait_for_log(&["listening", "[::1]:"]);
}

#[test]
fn silent_and_slow_clients_are_disconnected() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let open = |sent: &str| {
        let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(sent.as_bytes()).expect("sent");
        stream
    };
    let began = std::time::Instant::now();
    let streams = ["", "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "].map(open);
    for mut stream in streams {
        let mut answer = Vec::new();
        // A reset is as good as an orderly close.
        let _ = stream.read_to_end(&mut answer);
        let waited = began.elapsed().as_secs();
        assert!((9..25).contains(&waited), "{waited} s");
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_graceful_shutdown_finishes_requests_in_progress() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n").expect("half a request");
    assert_eq!(daemon.get("/-/healthy").await.status, 200, "the half request was accepted before this one");
    daemon.signal(Signal::TERM);
    stream.write_all(b"\r\n").expect("the other half");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("healthy\n"), "{answer}");
    assert_eq!(daemon.wait().0.code(), Some(0));
}
