//! A log that nobody reads stops nothing, and what of it is missing is said.

use crate::support::{Configured, PATIENCE, binary, client, end_of, lines_with, text};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use reqwest::Method;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io::{PipeReader, PipeWriter, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

const DROPPED: &str = "balance_exporter_log_lines_dropped_total ";

/// A small pipe that is full. Where `nonblocking`, writing to it fails at once instead of waiting.
fn full_pipe(nonblocking: bool) -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    let blocking = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, blocking | OFlags::NONBLOCK).expect("set");
    while rustix::io::write(&writer, b"\n").is_ok() {}
    if !nonblocking {
        fcntl_setfl(&writer, blocking).expect("set");
    }
    (reader, writer)
}

/// A daemon whose log is not read. It is killed when dropped.
struct Unread(Child);

impl Unread {
    fn start(command: &mut Command) -> Self {
        Self(command.args(["--web.listen-address", "127.0.0.1:0"]).stdin(Stdio::null()).spawn().expect("the daemon starts"))
    }

    /// Where it listens, once it does: the log cannot tell.
    async fn address(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let process = Process::new(self.0.id().try_into().expect("a pid")).expect("a process");
        loop {
            let own: Vec<u64> = process
                .fd()
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|fd| match fd.target {
                    FDTarget::Socket(inode) => Some(inode),
                    _ => None,
                })
                .collect();
            for socket in procfs::net::tcp().expect("sockets") {
                let address = socket.local_address.to_string();
                if socket.state == TcpState::Listen && own.contains(&socket.inode) && is_served(&address).await {
                    return address;
                }
            }
            assert!(Instant::now() < deadline, "it never listens");
            tokio::task::yield_now().await;
        }
    }

    fn end(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        end_of(&mut self.0)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether it is the daemon that listens there: the stand-ins of the demo do as well.
async fn is_served(address: &str) -> bool {
    match client().get(format!("http://{address}/-/healthy")).send().await {
        Ok(answer) => answer.text().await.is_ok_and(|text| text == "healthy\n"),
        Err(_) => false,
    }
}

async fn metrics(address: &str) -> String {
    client().get(format!("http://{address}/metrics")).send().await.expect("an answer").text().await.expect("a text")
}

async fn metrics_where(address: &str, is_so: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = metrics(address).await;
        if is_so(&metrics) {
            return metrics;
        }
        assert!(Instant::now() < deadline, "never so:\n{metrics}");
        tokio::task::yield_now().await;
    }
}

fn dropped(metrics: &str) -> u64 {
    lines_with(metrics, DROPPED)[0].trim_start_matches(DROPPED).parse().expect("a number")
}

/// Has the daemon log this many lines of 50 KB: a reload fails each time, at a path that is too long.
async fn log_much(address: &str, configured: &Configured, lines: usize) {
    let token = format!("{{file: /{}}}", "x".repeat(50_000));
    std::fs::write(&configured.file, format!("sources: [{{name: a, provider: {{mysmpp: {{token: {token}}}}}}}]\n"))
        .expect("a file");
    for _ in 0..lines {
        let answer = client().request(Method::POST, format!("http://{address}/-/reload")).send().await.expect("an answer");
        assert_eq!(answer.status(), 500);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_that_is_full_from_the_start_stops_nothing_and_what_is_missing_is_said() {
    for nonblocking in [false, true] {
        let gateway = StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":"1"}"#)).await.expect("a port");
        let source = format!("  - {{name: a, provider: {{mysmpp: {{url: \"{}\", token: x}}}}}}\n", gateway.url("/"));
        let configured = Configured::new(&format!("defaults: {{interval: 1s}}\nsources:\n{source}"));
        let (mut reader, writer) = full_pipe(nonblocking);
        let mut command = binary();
        command.args(["--config.file", configured.path(), "--web.enable-lifecycle", "--log.level", "debug"]);
        let mut daemon = Unread::start(command.stderr(writer));
        // The pipe ends with the daemon.
        drop(command);
        let address = daemon.address().await;
        let polled = |metrics: &str| lines_with(metrics, "balance_polls_total{").iter().any(|line| !line.ends_with(" 0"));
        assert_eq!(dropped(&metrics_where(&address, polled).await), 0, "the queue is not full yet");
        log_much(&address, &configured, 30).await;
        let missing = dropped(&metrics_where(&address, |metrics| dropped(metrics) > 0).await);
        assert!(missing <= 30, "{missing}");

        // Somebody reads at last.
        let reading = tokio::task::spawn_blocking(move || {
            let mut log = Vec::new();
            reader.read_to_end(&mut log).map(|_| log)
        });
        let last = std::thread::spawn(move || daemon.end());
        let log = text(&reading.await.expect("no panic").expect("a log"));
        assert_eq!(last.join().expect("no panic").code(), Some(0));
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        // In each place where lines are missing.
        let summary =
            lines.iter().filter_map(|line| line.split_once("WARN log lines were dropped: nobody read them in time lines="));
        let said: u64 = summary.map(|(_, lines)| lines.parse::<u64>().expect("a number")).sum();
        let kept = lines.iter().filter(|line| line.contains("configuration not reloaded")).count();
        assert!((10..30).contains(&kept), "{kept} lines of 50 KB are kept");
        assert!(said >= missing && kept as u64 + said >= 30, "{kept} kept, {missing} missing, {said} said to be");
        assert!(lines.iter().any(|line| line.contains("listening")), "the oldest lines are kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_log_that_is_never_read_does_not_hold_up_the_end() {
    let configured = Configured::new("sources: []\n");
    for (_reader, writer) in [full_pipe(false), full_pipe(true)] {
        let mut command = binary();
        command.args(["--config.file", configured.path()]).stderr(writer);
        let mut daemon = Unread::start(&mut command);
        daemon.address().await;
        let began = Instant::now();
        assert_eq!(daemon.end().code(), Some(0));
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reader_that_has_gone_does_not_end_it() {
    let configured = Configured::new("sources: []\n");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = binary();
    let mut daemon = Unread::start(command.args(["--config.file", configured.path()]).stderr(writer));
    let address = daemon.address().await;
    metrics_where(&address, |metrics| dropped(metrics) > 0).await;
    assert_eq!(daemon.end().code(), Some(0));
}

#[test]
fn the_last_line_does_not_hold_up_the_end_either() {
    let good = Configured::new("sources: []\n");
    let cases: [(&[&str], i32); 5] =
        [(&["--nonsense"], 2), (&["check"], 78), (&[], 78), (&["poll"], 78), (&["check", "--config.file", good.path()], 0)];
    for (arguments, code) in cases {
        let (_reader, writer) = full_pipe(false);
        let mut command = binary();
        command.args(["--config.file", "no/such.yaml"]).args(arguments);
        if code == 0 {
            command = binary();
            command.args(arguments);
        }
        let status = end_of(&mut command.stderr(writer).stdout(Stdio::null()).spawn().expect("the binary runs"));
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_demo_waits_for_no_reader() {
    let ((_output, stdout), (_log, stderr)) = (full_pipe(false), full_pipe(false));
    let mut command = binary();
    let mut demo = Unread::start(command.arg("demo").stdout(stdout).stderr(stderr));
    let address = demo.address().await;
    metrics_where(&address, |metrics| lines_with(metrics, "balance_available_amount{").len() > 2).await;
    assert_eq!(demo.end().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_loses_no_line() {
    const AREAS: usize = 9000;
    let gateway =
        StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":"1","currency":"RUB"}"#)).await.expect("a port");
    // A threshold that applies to nothing is a warning.
    let areas: Vec<String> = (0..AREAS).map(|n| format!("X{n:04}: {{warning: 1}}")).collect();
    let configured = Configured::new(&format!(
        "sources: [{{name: a, provider: {{mysmpp: {{url: \"{}\", token: x}}}}, low: {{areas: {{{}}}}}}}]\n",
        gateway.url("/"),
        areas.join(", ")
    ));
    let mut poll = binary();
    poll.args(["poll", "--config.file", configured.path()]);
    let output = tokio::task::spawn_blocking(move || poll.output()).await.expect("no panic").expect("the binary runs");
    let log = text(&output.stderr);
    assert_eq!((log.lines().count(), output.status.code()), (AREAS, Some(0)));
    assert!(log.len() > 1024 * 1024, "more than the queue can hold");
    assert!(log.lines().enumerate().all(|(n, line)| line.contains(&format!(".X{n:04}"))), "in order");
}

/// On a terminal, standard output and standard error are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn on_a_terminal_lines_stand_in_order() {
    let gateway =
        StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":"1","currency":"RUB"}"#)).await.expect("a port");
    let source = format!(
        "  - {{name: a, provider: {{mysmpp: {{url: \"{}\", token: x}}}}, low: {{areas: {{X: {{warning: 1}}}}}}}}\n",
        gateway.url("/")
    );
    let configured = Configured::new(&format!("sources:\n{source}"));
    let mut script = Command::new("script");
    let poll = format!("{} poll --config.file {}", env!("CARGO_BIN_EXE_balance-exporter"), configured.path());
    script.env_clear().env("PATH", "/usr/bin:/bin").args(["-qec", &poll, "/dev/null"]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || script.output()).await.expect("no panic").expect("script runs");
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.split("\r\n").collect();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(
        lines[0].starts_with("\rpolled 0 of 1\rpolled 1 of 1\r\u{1b}[K") && lines[0].contains("is it misspelt?"),
        "{shown:?}"
    );
    assert!(lines[1].starts_with("SOURCE") && lines[2].starts_with("a ") && lines.len() == 4, "{shown:?}");
}
