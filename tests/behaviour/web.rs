//! The web configuration: TLS, users, headers, and reloading them while the daemon runs.

use crate::pki::{Authority, Pair};
use crate::support::{Configured, Daemon, PATIENCE, TAKING_TURNS, binary, run, text};
use reqwest::{Client, StatusCode};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// A daemon with a web configuration and no sources.
struct Served {
    daemon: Daemon,
    configured: Configured,
    authority: Authority,
    scheme: &'static str,
}

impl Served {
    /// Starts the daemon with a certificate of a new CA, whose certificate is in `ca.crt`.
    fn start(web: &str) -> Self {
        let configured = Configured::new("sources: []\n");
        let authority = Authority::new();
        authority.issue().write(configured.directory.path());
        std::fs::write(configured.directory.path().join("ca.crt"), authority.pem()).expect("a file");
        let path = configured.directory.path().join("web.yml");
        std::fs::write(&path, web).expect("a file");
        let path = path.to_str().expect("UTF-8");
        let arguments = ["--web.config.file", path, "--log.level", "trace"];
        let scheme = if web.contains(TLS) { "https" } else { "http" };
        Self { daemon: Daemon::start_with(configured.path(), &arguments, &mut binary()), configured, authority, scheme }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.configured.directory.path().join(name)
    }

    /// Replaces a file atomically.
    fn replace(&self, name: &str, text: &str) {
        let new = self.file("new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(new, self.file(name)).expect("replaced");
    }

    /// Replaces the web configuration or a file that it names, and waits until it is in force.
    fn put_into_force(&mut self, name: &str, text: &str) {
        self.replace(name, text);
        self.daemon.wait_for_log(&["INFO", "web configuration reloaded"]);
    }

    /// Replaces a file with an invalid one, and waits until it is rejected.
    fn put_invalid(&mut self, name: &str, text: &str, message: &str) {
        self.replace(name, text);
        self.daemon.wait_for_log(&["WARN", "web configuration not reloaded", message]);
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.daemon.address)
    }

    async fn status(&self, client: &Client, login: Option<(&str, &str)>) -> Option<StatusCode> {
        let mut request = client.get(self.url(self.scheme, "/metrics"));
        if let Some((user, password)) = login {
            request = request.basic_auth(user, Some(password));
        }
        Some(request.send().await.ok()?.status())
    }
}

fn users(users: &[(&str, &str)], cost: u32) -> String {
    let lines = users.iter().map(|(user, password)| format!("  {user}: {}\n", bcrypt::hash(password, cost).expect("a hash")));
    format!("basic_auth_users:\n{}", lines.collect::<String>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_path_but_healthy_requires_a_login() {
    let headers = "http_server_config:\n  headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=60}\n";
    let served = Served::start(&format!("{TLS}{headers}{}", users(&[("alice", "correct horse")], 4)));
    let client = served.authority.client(None);
    for path in ["/metrics", "/", "/-/ready", "/-/reload", "/nothing", "//-/healthy", "/-/healthy/", "/%2d/healthy"] {
        let answer = client.get(served.url("https", path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(answer.headers()["www-authenticate"], "Basic", "{path}");
        assert_eq!(
            (&answer.headers()["x-frame-options"], answer.headers().get("retry-after")),
            (&"deny".parse().expect("good"), None)
        );
    }
    let healthy = client.get(served.url("https", "/-/healthy")).send().await.expect("an answer");
    assert_eq!(
        (healthy.status(), &healthy.headers()["strict-transport-security"]),
        (StatusCode::OK, &"max-age=60".parse().expect("good"))
    );
    for (login, status) in
        [(("alice", "correct horse"), 200), (("alice", "horse"), 401), (("bob", "correct horse"), 401), (("", ""), 401)]
    {
        assert_eq!(served.status(&client, Some(login)).await.expect("an answer"), status, "{login:?}");
    }
    assert!(client.get(served.url("http", "/metrics")).send().await.is_err(), "plain HTTP is refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_certificates_are_checked() {
    let mut served = Served::start(&format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"));
    let (own, stranger) = (served.authority.issue(), Authority::new().issue());
    let status = async |served: &Served, pair: Option<&Pair>| served.status(&served.authority.client(pair), None).await;
    let of_three = (status(&served, None).await, status(&served, Some(&stranger)).await, status(&served, Some(&own)).await);
    assert_eq!(of_three, (None, None, Some(StatusCode::OK)));

    served.put_into_force("ca.crt", &Authority::new().pem());
    assert_eq!(status(&served, Some(&own)).await, None, "the client CA has changed");
    served.put_into_force("web.yml", &format!("{TLS}  client_auth_type: RequireAnyClientCert\n"));
    assert_eq!((status(&served, None).await, status(&served, Some(&stranger)).await), (None, Some(StatusCode::OK)));
    served.put_into_force("web.yml", &format!("{TLS}  client_auth_type: RequestClientCert\n  max_version: TLS12\n"));
    assert_eq!(
        (status(&served, None).await, status(&served, Some(&stranger)).await),
        (Some(StatusCode::OK), Some(StatusCode::OK))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_certificate_is_served_and_an_invalid_one_is_not() {
    let mut served = Served::start(TLS);
    let new = Authority::new();
    let message = format!("tls_server_config.cert_file: {} holds no usable certificate", served.file("server.crt").display());
    served.put_invalid("server.crt", "half a certificate", &message);
    for _ in 0..3 {
        assert_eq!(served.status(&served.authority.client(None), None).await, Some(StatusCode::OK), "the old one stays");
    }
    new.issue().write(served.configured.directory.path());
    served.daemon.wait_for_log(&["INFO", "web configuration reloaded"]);
    assert_eq!(served.status(&new.client(None), None).await, Some(StatusCode::OK));
    assert_eq!(served.status(&served.authority.client(None), None).await, None, "the old one is no longer served");
    assert_eq!(served.daemon.log.iter().filter(|line| line.contains(&message)).count(), 1, "{:?}", served.daemon.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn users_change_without_a_restart_and_are_never_logged() {
    let web = users(&[("alice", "correct horse"), ("bob", "battery staple")], 4);
    let mut served = Served::start(&web);
    let client =
        Client::builder().no_proxy().tls_backend_preconfigured(served.authority.trusting(None)).build().expect("a client");
    let login = Some(("alice", "correct horse"));
    assert_eq!(served.status(&client, login).await, Some(StatusCode::OK));
    assert_eq!(served.status(&client, Some(("alice", "wrong horse"))).await, Some(StatusCode::UNAUTHORIZED));
    let bobs: Vec<_> = web.lines().filter(|line| !line.contains("alice")).collect();
    served.put_into_force("web.yml", &bobs.join("\n"));
    assert_eq!(served.status(&client, login).await, Some(StatusCode::UNAUTHORIZED), "on the same connection");
    served.put_invalid("web.yml", &web.replace("  bob: $2b", "  bob: $$2b"), "not a bcrypt hash");
    assert_eq!(served.status(&client, login).await, Some(StatusCode::UNAUTHORIZED), "a bad file changes nothing");
    served.put_invalid("web.yml", "{}", "basic_auth_users: was removed");
    assert_eq!(served.status(&client, None).await, Some(StatusCode::UNAUTHORIZED), "nor does one without users");
    served.daemon.signal(rustix::process::Signal::TERM);
    let (status, log) = served.daemon.wait();
    assert_eq!(status.code(), Some(0));
    let shown = log.iter().find(|line| ["horse", "staple", "$2b", "Basic"].iter().any(|secret| line.contains(secret)));
    assert_eq!(shown, None);
}

/// Sends requests with wrong passwords, one after the other, until the task is aborted.
fn guess(url: String, from: IpAddr) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let client = plain(from);
        for n in 0_u64.. {
            // The request may be refused, or its connection evicted.
            let _ = client.get(&url).basic_auth("alice", Some(n)).send().await;
        }
    })
}

fn plain(from: IpAddr) -> Client {
    let tls = Authority::new().trusting(None);
    Client::builder().no_proxy().local_address(from).tls_backend_preconfigured(tls).build().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flood_of_bad_logins_does_not_lock_out_good_ones() {
    let _turn = TAKING_TURNS.lock().await;
    // A check of this cost takes about 50 ms.
    let served = Served::start(&users(&[("alice", "correct horse"), ("bob", "battery staple")], 10));
    let client = plain([127, 0, 0, 1].into());
    let (alice, bob) = (Some(("alice", "correct horse")), Some(("bob", "battery staple")));
    assert_eq!(served.status(&client, alice).await, Some(StatusCode::OK));
    let url = served.url("http", "/metrics");
    let flood: Vec<_> = (0..32).map(|_| guess(url.clone(), [127, 0, 0, 2].into())).collect();
    // The flood has filled its queue once its own client is refused.
    let attacker = plain([127, 0, 0, 2].into());
    let deadline = Instant::now() + PATIENCE;
    while served.status(&attacker, Some(("alice", "x"))).await != Some(StatusCode::TOO_MANY_REQUESTS) {
        assert!(Instant::now() < deadline, "the flood never fills its queue");
    }
    // Compared with requests that need no check, because a busy machine delays both. Waiting behind the flood would take seconds.
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..31 {
        for ((login, status), times) in [(alice, StatusCode::OK), (None, StatusCode::UNAUTHORIZED)].into_iter().zip(&mut times) {
            let began = Instant::now();
            assert_eq!(served.status(&client, login).await, Some(status));
            times.push(began.elapsed());
        }
    }
    for times in &mut times {
        times.sort();
    }
    let [known, unchecked] = &times;
    assert!(known[15] < unchecked[15] + Duration::from_secs(1), "{times:?}");
    assert_eq!(served.status(&client, bob).await, Some(StatusCode::OK), "a first login waits for few others");
    assert_eq!(served.status(&attacker, alice).await, Some(StatusCode::OK), "a cached login is accepted from any address");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn check_reads_the_web_configuration_too() {
    let configured = Configured::new("sources: []\n");
    let path = configured.directory.path().join("web.yml");
    std::fs::write(&path, "basic_auth_users: {alice: hunter2}\n").expect("a file");
    let path = path.to_str().expect("UTF-8");
    let check = || run(["check", "--config.file", configured.path(), "--web.config.file", path, "--log.level", "error"]);
    let bad = check();
    let message = format!(
        "balance-exporter: {path}:1:27: basic_auth_users.alice: not a bcrypt hash; make one with: htpasswd -nBC 10 NAME\n"
    );
    assert_eq!((bad.status.code(), text(&bad.stdout), text(&bad.stderr)), (Some(78), String::new(), message.clone()));
    let start = run(["--config.file", configured.path(), "--web.config.file", path, "--web.listen-address", "127.0.0.1:0"]);
    assert_eq!((start.status.code(), text(&start.stderr).ends_with(&message)), (Some(78), true));
    std::fs::write(path, "{}\n").expect("a file");
    let good = check();
    assert_eq!(text(&good.stdout), format!("{}: good, 0 sources\n{path}: good\n", configured.path()));
}

/// A Prometheus that is killed when dropped.
struct Prometheus(std::process::Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Prometheus {
    /// Starts it on a free port and returns it with its address.
    fn start(served: &Served, configuration: &str) -> (Self, String) {
        std::fs::write(served.file("prometheus.yml"), configuration).expect("a file");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", served.file("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", served.file("data").display()));
        command.arg("--web.listen-address=127.0.0.1:0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("install it: apt-get install -y --no-install-recommends prometheus");
        let log = std::io::BufReader::new(child.stderr.take().expect("piped"));
        let prometheus = Self(child);
        let mut lines = std::io::BufRead::lines(log).map_while(Result::ok);
        let line = lines.find(|line| line.contains("Listening on")).expect("it listens");
        // The rest of its output must be read, or it would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let (_, address) = line.split_once("address=").expect("an address");
        (prometheus, address.split_whitespace().next().expect("an address").to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_real_prometheus_scrapes_with_a_ca_and_a_password() {
    let served = Served::start(&format!("{TLS}{}", users(&[("prometheus", "correct horse")], 10)));
    let configuration = format!(
        "global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: balances
    scheme: https
    tls_config: {{ca_file: ca.crt}}
    basic_auth: {{username: prometheus, password: correct horse}}
    static_configs: [{{targets: [\"{}\"]}}]
",
        served.daemon.address
    );
    let (_prometheus, address) = Prometheus::start(&served, &configuration);
    let client = plain([127, 0, 0, 1].into());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = format!("http://{address}/api/v1/query?query=up*on(instance)balance_exporter_build_info");
        let answer = client.get(url).send().await.expect("an answer").text().await.expect("a text");
        if answer.contains("\"value\":[") {
            assert!(answer.contains(",\"1\"]"), "{answer}");
            break;
        }
        assert!(Instant::now() < deadline, "Prometheus never scraped: {answer}");
        tokio::task::yield_now().await;
    }
}
