//! Network settings: TLS with root certificates of the system or of a file, proxies, and names that hang.

use crate::pki::{Authority, Pair};
use crate::support::{Configured, Daemon, PATIENCE, binary, lines_with, text};
use balance_exporter::domain::{Failure, Reason};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{ReceivedRequest, Reply, Service, StandIn};
use balance_exporter::transport::client::{Clients, ExtraRoots, Network};
use balance_exporter::transport::{Http, Request};
use rustls::HandshakeKind;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// The timeout of a call; never reached.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a gateway with TLS that answers one request per connection, and returns its URL.
async fn tls_gateway(pair: &Pair) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    let acceptor = TlsAcceptor::from(Arc::new(pair.server()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate closes the connection.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"money\":5}";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_a_valid_certificate_of_a_trusted_ca_for_this_host_is_accepted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = tls_gateway(&ours.issue()).await;
    let expired = tls_gateway(&ours.issue_for("127.0.0.1", true)).await;
    let misnamed = tls_gateway(&ours.issue_for("192.0.2.1", false)).await;
    let foreign = tls_gateway(&theirs.issue()).await;
    let configured = Configured::new("");
    let ca_file = configured.directory.path().join("ca.pem");
    // Two CAs in one file; the second is ours.
    std::fs::write(&ca_file, Authority::new().pem() + &ours.pem()).expect("a file");
    let source = |name: &str, url: &str, more: &str| {
        format!("  - {{name: {name}, provider: {{mysmpp: {{url: \"{url}\", token: x}}}}{more}}}\n")
    };
    let trusted = format!(", ca_file: \"{}\"", ca_file.display());
    let sources = [
        source("good", &good, &trusted),
        source("expired", &expired, &trusted),
        source("misnamed", &misnamed, &trusted),
        source("foreign", &foreign, &trusted),
        source("untrusted", &good, ""),
    ];
    std::fs::write(&configured.file, format!("sources:\n{}", sources.concat())).expect("a file");
    let daemon = Daemon::start(&configured);
    let metrics = daemon.metrics_where("all were polled", |metrics| lines_with(metrics, "balance_up{").len() == 5).await;
    assert!(metrics.contains("balance_up{provider=\"mysmpp\",source=\"good\"} 1\n"), "{metrics}");
    for name in ["expired", "misnamed", "foreign", "untrusted"] {
        let line = format!("balance_failing{{provider=\"mysmpp\",source=\"{name}\",reason=\"tls\"}} 1\n");
        assert!(metrics.contains(&line), "{name}: {metrics}");
    }
}

#[tokio::test]
async fn the_detail_of_a_tls_failure_names_the_problem_and_the_fix() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let plain = StandIn::start(|_: &_| Reply::new(200, "{}")).await.expect("a port");
    let (trusting, other) = (0, 1);
    let cases = [
        (
            trusting,
            tls_gateway(&ours.as_server()).await,
            "the server's certificate is a CA certificate used as its own; give the server one with CA:FALSE, and name its issuer in ca_file",
        ),
        (
            other,
            tls_gateway(&ours.issue()).await,
            "the server's certificate is not issued by a trusted CA; name the CA's certificate in ca_file",
        ),
        (
            trusting,
            // A CA with the same name and another key.
            tls_gateway(&theirs.issue()).await,
            "the server's certificate names a trusted CA but is signed with another key; is ca_file out of date?",
        ),
        (
            trusting,
            tls_gateway(&ours.issue_for("127.0.0.1", true)).await,
            "the server's certificate expired at 2020-01-01T00:00:00Z",
        ),
        (
            trusting,
            tls_gateway(&ours.issue_for("192.0.2.1", false)).await,
            "the server's certificate cannot be verified: certificate not valid for name \"127.0.0.1\"; certificate is only valid for IpAddress(192.0.2.1)",
        ),
        (trusting, plain.url("/").replace("http:", "https:"), "the server does not speak TLS; is this its http port?"),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, ours.pem()).expect("a file");
    let network = Network { extra_roots: Some(ExtraRoots::read(&ca_file).expect("roots")), direct: true, ..Network::default() };
    let other = Network { direct: true, ..Network::default() };
    let clients = [network, other].map(|network| Clients::default().client(&network, TIMEOUT).expect("a client"));
    for (which, url, detail) in cases {
        let failure = clients[which].send(Request::get(Url::parse(&url).expect("a URL"))).await.map(|response| response.status);
        assert_eq!(failure, Err(Failure::new(Reason::Tls, detail)));
    }
}

#[tokio::test]
async fn tls_sessions_are_resumed_on_new_connections() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("https://{}/", listener.local_addr().expect("an address"))).expect("a URL");
    let acceptor = TlsAcceptor::from(Arc::new(authority.issue().server()));
    let serving = tokio::spawn(async move {
        let mut kinds = Vec::new();
        while kinds.len() < 3 {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = acceptor.accept(stream).await.expect("a session");
            kinds.push(stream.get_ref().1.handshake_kind().expect("a whole handshake"));
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        }
        kinds
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).expect("a file");
    let network = Network { extra_roots: Some(ExtraRoots::read(&ca_file).expect("roots")), direct: true, ..Network::default() };
    let mut clients = Clients::default();
    // Like two sources on one host.
    let (one, other) = (clients.client(&network, TIMEOUT), clients.client(&network, TIMEOUT));
    for client in [one.as_ref(), one.as_ref(), other.as_ref()] {
        client.expect("a client").send(Request::get(url.clone())).await.map_err(|e| e.detail).expect("an answer");
    }
    assert_eq!(serving.await.expect("no panic"), [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
}

/// How many threads a process has.
fn threads(daemon: &Daemon) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("a running daemon");
    tasks.count()
}

/// For names without a dot, the C library reads the file that HOSTALIASES names, after /etc/hosts and before it asks a name server.
/// Reading a pipe without a writer blocks for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hundreds_of_hanging_names_block_neither_reloads_nor_other_polls_nor_the_shutdown() {
    const HANGING: usize = 600;
    let gateway = Gateway::with_token("token of a test");
    gateway.set(Account { money: "5".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
    let gateway = StandIn::start(gateway).await.expect("a port");
    let url = gateway.url("/json/balance.php");
    let source = |name: &str, url: &str, interval: &str| {
        format!("  - {{name: {name}, interval: {interval}, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}}}\n")
    };
    let healthy = source("by-name", &url.replace("127.0.0.1", "localhost"), "1s") + &source("by-address", &url, "1s");
    let hanging = (0..HANGING).map(|i| source(&format!("hanging{i}"), &format!("http://hanging{i}/"), "1h"));
    let configured = Configured::new(&format!("sources:\n{healthy}{}", hanging.collect::<String>()));
    let (aliases, state) = (configured.directory.path().join("aliases"), configured.directory.path().join("state"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &aliases, 0o600.into()).expect("a pipe");
    let arguments = ["--web.enable-lifecycle", "--storage.path", state.to_str().expect("UTF-8")];
    let mut daemon = Daemon::start_with(configured.path(), &arguments, binary().env("HOSTALIASES", &aliases));
    let deadline = Instant::now() + PATIENCE;
    while threads(&daemon) < HANGING {
        assert!(Instant::now() < deadline, "{} threads; does the C library read HOSTALIASES?", threads(&daemon));
        tokio::task::yield_now().await;
    }

    let reloaded = tokio::time::timeout(PATIENCE, daemon.ask(reqwest::Method::POST, "/-/reload", &[])).await.expect("an answer");
    assert_eq!((reloaded.status, reloaded.text().as_str()), (200, "reloaded\n"));
    let polls = |metrics: &str| -> Vec<u32> {
        let polls = metrics
            .lines()
            .filter(|line| line.contains("source=\"by-"))
            .filter_map(|line| line.strip_prefix("balance_polls_total"));
        polls.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
    };
    let before = polls(&daemon.metrics().await);
    let after = daemon.metrics_where("healthy sources are polled", |metrics| {
        let now = polls(metrics);
        now.len() == 2 && now.iter().zip(&before).all(|(now, before)| now > before)
    });
    let after = after.await;
    for name in ["by-name", "by-address"] {
        assert!(after.contains(&format!("balance_up{{provider=\"mysmpp\",source=\"{name}\"}} 1\n")), "{name}");
    }
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait_for_log(&["stopping"]);
    let (status, log) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    assert!(!log.iter().any(|line| line.contains("the storage takes too long")), "{log:?}");
}

/// A proxy that answers requests itself, in place of the gateway.
async fn proxy() -> StandIn {
    let gateway = Gateway::with_token("token of a test");
    gateway.set(Account { money: "5".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
    let answer = move |request: &ReceivedRequest| match request.target.strip_prefix("http://gateway.test") {
        Some(target) => gateway.answer(&ReceivedRequest { target: target.to_owned(), ..request.clone() }),
        None => Reply::new(400, ""),
    };
    StandIn::start(answer).await.expect("a port")
}

const SOURCE: &str = "name: a, provider: {mysmpp: {url: \"http://gateway.test/json/balance.php\", token: token of a test}}";
const UP: &str = "balance_up{provider=\"mysmpp\",source=\"a\"} 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_configured_proxy_is_used_with_its_password() {
    let proxy = proxy().await;
    let address = proxy.url("").replace("http://", "http://user:the%20password@");
    let daemon = Daemon::start(&Configured::new(&format!("defaults: {{proxy: \"{address}\"}}\nsources: [{{{SOURCE}}}]\n")));
    daemon.metrics_with(UP).await;
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), "Basic dXNlcjp0aGUgcGFzc3dvcmQ=");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proxy_from_the_environment_is_used_unless_one_is_configured() {
    let (environment, own) = (proxy().await, proxy().await);
    let start = |configuration: String| {
        let configured = Configured::new(&configuration);
        Daemon::start_with(configured.path(), &[], binary().env("HTTP_PROXY", environment.url("")))
    };
    start(format!("sources: [{{{SOURCE}}}]\n")).metrics_with(UP).await;
    assert_eq!((environment.requests().len(), own.requests().len()), (1, 0));
    start(format!("sources: [{{{SOURCE}, proxy: \"{}\"}}]\n", own.url(""))).metrics_with(UP).await;
    assert_eq!((environment.requests().len(), own.requests().len()), (1, 1));
}

/// Runs `poll` with a configuration and these environment variables.
async fn poll_with(configured: &Configured, variables: &[(&str, &str)]) -> Output {
    let mut command = binary();
    command.args(["poll", "--config.file", configured.path()]).envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_proxy_covers_addresses_as_well_as_names() {
    let (proxy, gateway) = (proxy().await, Gateway::with_token("token of a test"));
    gateway.set(Account { money: "5".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
    let gateway = StandIn::start(gateway).await.expect("a port");
    let url = gateway.url("/json/balance.php");
    let configured =
        Configured::new(&format!("sources: [{{name: a, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}}}]\n"));
    let host = url.trim_start_matches("http://").split('/').next().expect("a host");
    let (proxy_url, lists) = (proxy.url(""), ["*", "*.test, *", "127.0.0.1", "127.0.0.0/8", host, "::1 127.0.0.1"]);
    let mut polls = 0;
    for list in lists {
        for name in ["NO_PROXY", "no_proxy"] {
            let output = poll_with(&configured, &[("HTTP_PROXY", &proxy_url), (name, list)]).await;
            assert!(output.status.success(), "{name}={list}: {}", text(&output.stdout));
            polls += 1;
            assert_eq!((proxy.requests().len(), gateway.requests().len()), (0, polls), "{name}={list}");
        }
    }
    for list in ["", "127.0.0.1:1", "10.0.0.0/8"] {
        poll_with(&configured, &[("HTTP_PROXY", &proxy_url), ("NO_PROXY", list)]).await;
        assert_eq!(gateway.requests().len(), polls, "NO_PROXY={list}");
    }
    assert_eq!(proxy.requests().len(), 3);
}

#[test]
fn an_invalid_proxy_in_the_environment_is_an_error() {
    let configured = Configured::new("sources: [{name: a, provider: {atisu: {token: x, ati_code: 1}}}]\n");
    let check = |variable: &str, value: &str| {
        let output = binary().args(["check", "--config.file", configured.path()]).env(variable, value).output();
        output.expect("the binary runs")
    };
    for variable in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        let refused = check(variable, "socks5://user:canary@127.0.0.1:1080");
        assert_eq!(refused.status.code(), Some(78));
        let message = format!(
            "balance-exporter: source a: the environment variable {variable} is not the address of a proxy; write http://HOST:PORT\n"
        );
        assert_eq!(text(&refused.stderr), message);
        assert_eq!(check(variable, "").status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proxy_cannot_make_the_daemon_print_its_password() {
    let parrot = |request: &ReceivedRequest| {
        let header = request.header("proxy-authorization");
        let said = serde_json::json!({"error": format!("{header} is not canary pass nor canary%20pass")});
        Reply::json(407, &said)
    };
    let parrot = StandIn::start(parrot).await.expect("a port");
    let address = parrot.url("").replace("http://", "http://user:canary%20pass@");
    let message = "rejected: HTTP 407: Basic *** is not *** nor ***";
    let own = Configured::new(&format!("sources: [{{{SOURCE}, proxy: \"{address}\"}}]\n"));
    let output = poll_with(&own, &[]).await;
    assert!(text(&output.stdout).contains(message), "{}", text(&output.stdout));
    let environment = Configured::new(&format!("sources: [{{{SOURCE}}}]\n"));
    let output = poll_with(&environment, &[("ALL_PROXY", &address)]).await;
    assert!(text(&output.stdout).contains(message), "{}", text(&output.stdout));
}
