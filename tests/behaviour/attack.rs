//! Hostile clients: they do not disturb scrapes, and the resources that they take are bounded.

use crate::pki::Authority;
use crate::support::{Configured, Daemon, PATIENCE, TAKING_TURNS, binary};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How much longer the median scrape may take than that of a second daemon that is not under attack. This is not a performance
/// target, which would fail on a busy machine: a scrape that waits for a slot, or whose connection the kernel has dropped, takes a
/// second or more.
const LOCKED_OUT: Duration = Duration::from_secs(1);
/// The limit of the resident memory, in bytes. 512 connections with their buffers stay far below.
const MEMORY: f64 = 96.0 * 1024.0 * 1024.0;

fn daemon() -> Daemon {
    Daemon::start(&Configured::new("sources: []\n"))
}

async fn connect(daemon: &Daemon) -> TcpStream {
    TcpStream::connect(&daemon.address).await.expect("a connection")
}

/// Everything that the daemon sends in response to these bytes on a new connection.
async fn raw(daemon: &Daemon, request: &[u8]) -> String {
    let mut stream = connect(daemon).await;
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends").expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until the daemon has closed a connection.
async fn ended(stream: &mut TcpStream, patience: Duration) {
    let mut rest = vec![0; 64 * 1024];
    let read = async { while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {} };
    timeout(patience, read).await.expect("the connection ends");
}

/// Scrapes the attacked daemon and a second one in turn, each on new connections, and compares the medians.
async fn scrapes_are_quick(attacked: &Daemon) {
    let twin = daemon();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..31 {
        for (daemon, times) in [attacked, &twin].into_iter().zip(&mut times) {
            let began = Instant::now();
            let page = daemon.get("/metrics").await;
            times.push(began.elapsed());
            assert_eq!(page.status, 200);
        }
    }
    for times in &mut times {
        times.sort();
    }
    let [attacked, quiet] = &times;
    let median = attacked.len() / 2;
    assert!(attacked[median] < quiet[median] + LOCKED_OUT, "attacked {attacked:?}\nquiet {quiet:?}");
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(name);
    line.parse().expect("a number")
}

async fn is_bounded(daemon: &Daemon) {
    let metrics = daemon.metrics().await;
    let (memory, files) = (value(&metrics, "process_resident_memory_bytes"), value(&metrics, "process_open_fds"));
    assert!(memory < MEMORY && files < 640.0, "{memory} bytes, {files} descriptors");
}

/// Opens connections without end, sends `first` on each, and keeps the last `held` of them open. Once it has that many, it slows
/// down, because the daemon needs CPU time on the same machine.
async fn hold(address: String, held: usize, first: &'static [u8], opened: Arc<Semaphore>) {
    let mut streams = VecDeque::new();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    loop {
        // Refused and reset connections need no handling.
        if let Ok(mut stream) = TcpStream::connect(&address).await {
            let _ = stream.write_all(first).await;
            streams.push_back(stream);
            opened.add_permits(1);
        }
        if streams.len() > held {
            streams.pop_front();
            pace.tick().await;
        }
    }
}

fn raise_file_limit(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(most >= needed, "this test opens {needed} files and may open {most}; raise it: ulimit -Hn {needed}");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("the limit can be raised");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ten_thousand_idle_connections_do_not_disturb_scrapes() {
    raise_file_limit(11_000);
    let _turn = TAKING_TURNS.lock().await;
    let daemon = daemon();
    let opened = Arc::new(Semaphore::new(0));
    let mut attack = JoinSet::new();
    for first in [&b""[..], b"GET /metrics HTTP/1.1\r\n", b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"] {
        attack.spawn(hold(daemon.address.clone(), 2_500, first, opened.clone()));
    }
    let all = timeout(PATIENCE, opened.acquire_many(10_000)).await;
    assert!(all.is_ok(), "the attack stalls at {}", opened.available_permits());
    scrapes_are_quick(&daemon).await;
    is_bounded(&daemon).await;
    attack.shutdown().await;
    scrapes_are_quick(&daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn scrapes_succeed_when_file_descriptors_run_out() {
    let configured = Configured::new("sources: []\n");
    let _turn = TAKING_TURNS.lock().await;
    let mut command = std::process::Command::new("sh");
    let script = "ulimit -n 64; exec \"$@\"";
    command.env_clear().args(["-c", script, "sh", env!("CARGO_BIN_EXE_balance-exporter"), "--config.file", configured.path()]);
    let mut daemon = Daemon::spawn(command.args(["--web.listen-address", "127.0.0.1:0"]));
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(connect(&daemon).await);
    }
    scrapes_are_quick(&daemon).await;
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait_for_log(&["stopping"]);
    assert!(!daemon.log.iter().any(|line| line.contains("cannot accept")), "{:?}", daemon.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn silent_and_trickling_clients_are_disconnected() {
    let daemon = daemon();
    let began = Instant::now();
    let mut silent = connect(&daemon).await;
    let mut slow = connect(&daemon).await;
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n").await.expect("sent");
    let (mut reading, mut writing) = slow.split();
    let trickle = async {
        let mut answer = Vec::new();
        let mut bit = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                read = reading.read_buf(&mut answer) => if !matches!(read, Ok(n) if n > 0) { break },
                // The daemon may have closed the connection in the meantime.
                _ = bit.tick() => drop(writing.write_all(b"X: a\r\n").await),
            }
        }
    };
    let ((), trickled) = tokio::join!(ended(&mut silent, PATIENCE), timeout(PATIENCE, trickle));
    trickled.expect("the slow connection ends");
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clients_that_never_read_do_not_disturb_scrapes() {
    let _turn = TAKING_TURNS.lock().await;
    let daemon = daemon();
    let address = daemon.address.parse().expect("an address");
    let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    let mut clients = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().expect("a socket");
        // With a small window, the writes of the daemon block after few responses.
        socket.set_recv_buffer_size(4096).expect("a small window");
        let mut stream = socket.connect(address).await.expect("a connection");
        stream.write_all(&requests).await.expect("sent");
        clients.push(stream);
    }
    scrapes_are_quick(&daemon).await;
    is_bounded(&daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stalled_tls_handshakes_time_out() {
    let configured = Configured::new("sources: []\n");
    let authority = Authority::new();
    authority.issue().write(configured.directory.path());
    let web = configured.directory.path().join("web.yml");
    std::fs::write(&web, "tls_server_config: {cert_file: server.crt, key_file: server.key}\n").expect("a file");
    let arguments = ["--web.config.file", web.to_str().expect("UTF-8")];
    let daemon = Daemon::start_with(configured.path(), &arguments, &mut binary());
    let began = Instant::now();
    let mut silent = connect(&daemon).await;
    let mut half = connect(&daemon).await;
    // The first bytes of a ClientHello of 512 bytes.
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.expect("sent");
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(connect(&daemon).await);
    }
    let page = authority.client(None).get(format!("https://{}/metrics", daemon.address)).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    tokio::join!(ended(&mut silent, PATIENCE), ended(&mut half, PATIENCE));
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pipelined_requests_are_answered_in_order() {
    let daemon = daemon();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let requests = (ask("/-/healthy") + &ask("/nothing")).repeat(200) + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw(&daemon, requests.as_bytes()).await;
    let statuses: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    let mut expected = ["200 OK", "404 Not Found"].repeat(200);
    expected.push("200 OK");
    assert_eq!(statuses, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_the_exact_path_is_the_page() {
    let daemon = daemon();
    let cases = [
        ("GET /metrics", 200),
        ("GET /metrics?x=/../..", 200),
        ("GET http://other/metrics", 200),
        ("GET //metrics", 404),
        ("GET /metrics/", 404),
        ("GET /%6detrics", 404),
        ("GET /metrics%00", 404),
        ("GET /../metrics", 404),
        ("GET /./metrics", 404),
        ("GET /METRICS", 404),
        ("GET /metrics;a", 404),
        ("GET http://other", 200),
        ("GET *", 404),
        ("OPTIONS *", 404),
        ("CONNECT other:80", 404),
        ("GET metrics", 404),
        ("GET /metrics#a", 200),
        ("TRACE /metrics", 405),
        ("get /metrics", 405),
    ];
    for (line, status) in cases {
        let answer = raw(&daemon, format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_malformed_request_gets_a_client_error() {
    let daemon = daemon();
    let head = |lines: &str| format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let cases = [
        ("a huge header", head(&format!("X: {}\r\n", "a".repeat(64 * 1024))), 431),
        ("many headers", head(&"X: a\r\n".repeat(500)), 431),
        ("a huge target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64 * 1024)), 431),
        ("an endless header", format!("GET /metrics HTTP/1.1\r\nX: {}", "a".repeat(200 * 1024)), 431),
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        ("another version", "GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("a space in a name", head("X y: a\r\n"), 400),
        ("a control byte", head("X: \u{1}\r\n"), 400),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        ("a negative length", head("Content-Length: -1\r\n"), 400),
        ("a TLS hello", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
    ];
    for (what, request, status) in cases {
        let answer = raw(&daemon, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:?}");
    }
    scrapes_are_quick(&daemon).await;
}
