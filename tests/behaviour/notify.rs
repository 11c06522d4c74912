//! The service manager: notifications to it, and sockets from it.

use crate::support::{Configured, Daemon, PATIENCE, binary, text};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use rustix::process::Signal;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A service manager's end of `$NOTIFY_SOCKET`.
struct Manager {
    directory: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        Self { directory, socket }
    }

    /// The binary, as a service of this manager.
    fn command(&self) -> Command {
        let mut command = binary();
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        command
    }

    /// The next message; none within this time.
    fn receive(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).expect("a timeout");
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(text(&buffer[..length]).trim_end().to_owned()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                None
            }
        }
    }

    /// All messages up to this one.
    fn receive_until(&self, wanted: &str) -> Vec<String> {
        let mut received = Vec::new();
        while received.last().is_none_or(|last| last != wanted) {
            match self.receive(PATIENCE) {
                Some(message) => received.push(message),
                None => panic!("never sent {wanted:?}, only {received:?}"),
            }
        }
        received
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_service_manager_is_notified_of_start_changes_and_shutdown() {
    let gateway = Gateway::with_token("secret token");
    gateway.set(Account { money: "1".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
    let sms = StandIn::start(gateway).await.expect("a port");
    let configured = Configured::new(&format!(
        "defaults: {{interval: 1s}}\nsources:\n  - name: sms\n    provider: {{mysmpp: {{url: {}, token: secret token}}}}\n",
        sms.url("/json/balance.php")
    ));
    let manager = Manager::new();
    let daemon = Daemon::start_with(configured.path(), &[], &mut manager.command());
    let mut received = manager.receive_until("STATUS=1 source, none failing");
    sms.then((0..50).map(|_| Behaviour::Reply(Reply::new(503, ""))));
    received.extend(manager.receive_until("STATUS=1 source, 1 failing: sms (server)"));
    daemon.signal(Signal::TERM);
    received.extend(manager.receive_until("STOPPING=1"));
    assert_eq!(daemon.wait().0.code(), Some(0));

    // The first poll may end before the first summary.
    received.retain(|message| message != "STATUS=1 source, none failing, 1 not polled yet");
    let expected = ["READY=1", "STATUS=1 source, none failing", "STATUS=1 source, 1 failing: sms (server)", "STOPPING=1"];
    assert_eq!(received, expected, "a summary is sent only when it changes, and without a watchdog there are no signs of life");
}

#[test]
fn readiness_is_not_reported_with_a_bad_configuration_or_a_busy_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let good = Configured::new("sources: []\n");
    for (file, code) in [("no/such.yaml", 78), (good.path(), 1)] {
        let manager = Manager::new();
        let output = manager.command().args(["--config.file", file, "--web.listen-address", &address]).output();
        assert_eq!(output.expect("the binary runs").status.code(), Some(code));
        assert_eq!(manager.receive(Duration::from_millis(1)), None);
    }
}

#[test]
fn a_hang_silences_the_watchdog_until_it_ends() {
    const PERIOD: Duration = Duration::from_millis(100);
    let manager = Manager::new();
    let mut command = manager.command();
    command.env("WATCHDOG_USEC", (2 * PERIOD).as_micros().to_string());
    let daemon = Daemon::start_with(Configured::new("sources: []\n").path(), &[], &mut command);
    manager.receive_until("WATCHDOG=1");
    daemon.signal(Signal::STOP);
    let deadline = Instant::now() + PATIENCE;
    while manager.receive(10 * PERIOD).is_some() {
        assert!(Instant::now() < deadline, "the watchdog is fed though the process is stopped");
    }
    daemon.signal(Signal::CONT);
    manager.receive_until("WATCHDOG=1");
    daemon.signal(Signal::TERM);
    manager.receive_until("STOPPING=1");
    assert_eq!(daemon.wait().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_manager_that_reads_nothing_delays_nothing() {
    let manager = Manager::new();
    let other = UnixDatagram::unbound().expect("a socket");
    other.connect(manager.directory.path().join("notify")).expect("the manager is there");
    other.set_nonblocking(true).expect("a flag");
    while other.send(b"X_OTHER=1").is_ok() {}

    let stand_in = StandIn::start(Gateway::with_token("secret token")).await.expect("a port");
    let configured = Configured::new(&format!(
        "sources:\n  - {{name: sms, interval: 1s, provider: {{mysmpp: {{url: \"{}\", token: secret token}}}}}}\n",
        stand_in.url("/json/balance.php")
    ));
    let arguments = ["--web.enable-lifecycle"];
    let daemon = Daemon::start_with(configured.path(), &arguments, manager.command().env("WATCHDOG_USEC", "200000"));
    daemon.metrics_with("balance_polls_total{provider=\"mysmpp\",source=\"sms\"} 2").await;
    assert_eq!(daemon.ask(reqwest::Method::POST, "/-/reload", &[]).await.status, 200);

    // It reads again, and receives in order what is still current.
    let mut received = Vec::new();
    while !["RELOADING", "READY", "STATUS", "WATCHDOG"].iter().all(|kind| received.contains(&(*kind).to_owned())) {
        let message = manager.receive(PATIENCE).expect("a message");
        received.push(message.split('=').next().expect("a kind").to_owned());
    }
    let first = |kind: &str| received.iter().position(|received| received == kind);
    assert!(first("RELOADING") < first("READY"), "{received:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().0.code(), Some(0));
}

/// The binary with a socket of systemd as its standard input's copy.
fn with_socket(socket: OwnedFd) -> Command {
    let mut shell = Command::new("/bin/sh");
    let program = binary();
    shell.env_clear().args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0"]);
    shell.arg(program.get_program()).arg("--web.systemd-socket").stdin(Stdio::from(socket));
    shell
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn listens_on_a_socket_of_systemd() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    let configured = Configured::new("sources: []\n");
    let mut shell = with_socket(socket.into());
    let mut child = shell.args(["--config.file", configured.path()]).stderr(Stdio::null()).spawn().expect("the daemon starts");
    let asked = tokio::net::TcpStream::connect(&address).await;
    assert!(asked.is_ok(), "the socket is there before the program is");
    let health = || binary().args(["healthcheck", "--web.listen-address", &address]).output().expect("the binary runs");
    let output = health();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    child.kill().expect("the daemon is there");
    child.wait().expect("the daemon ends");
}

#[test]
fn without_a_good_socket_of_systemd_it_ends_with_1() {
    let configured = Configured::new("sources: []\n");
    let failure = |command: &mut Command| {
        let output =
            command.args(["--config.file", configured.path(), "--log.level", "error"]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    assert_eq!(
        failure(binary().arg("--web.systemd-socket")),
        "balance-exporter: --web.systemd-socket: there is no socket from systemd; start the program through a socket unit, or drop the option\n"
    );
    let datagram = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let message = failure(&mut with_socket(datagram.into()));
    assert!(
        message.contains("socket 0 of systemd cannot be used: ")
            && message.ends_with("; use ListenStream=HOST:PORT and Accept=no\n")
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let connected = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let message = failure(&mut with_socket(connected.into()));
    assert!(message.contains("socket 0 of systemd cannot be used: it does not listen; "), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn healthcheck_says_whether_the_daemon_serves() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let check = |address: &str| {
        let output = binary().args(["healthcheck", "--web.listen-address", address]).output().expect("the binary runs");
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(check(&daemon.address), (Some(0), String::new()));
    let everywhere = daemon.address.replace("127.0.0.1", "");
    assert_eq!(check(&everywhere), (Some(0), String::new()));
    let other = StandIn::start(|_: &_| Reply::new(503, "")).await.expect("a port");
    let other = other.url("").trim_start_matches("http://").to_owned();
    assert_eq!(check(&other), (Some(1), format!("balance-exporter: {other} is not healthy: HTTP 503\n")));
    let gone = daemon.address.clone();
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(check(&gone), (Some(1), format!("balance-exporter: {gone} is not healthy: Connection refused (os error 111)\n")));
}
