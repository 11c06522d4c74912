//! The real binary as a child process, and helpers of all tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for an event. Only failing tests reach it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Held by tests that load the machine and measure time, so that they do not disturb each other.
pub(crate) static TAKING_TURNS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The binary under test, in an environment without proxies or credentials.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_balance-exporter"));
    command.env_clear();
    command
}

/// Runs the binary until it exits.
pub(crate) fn run<const N: usize>(arguments: [&str; N]) -> Output {
    binary().args(arguments).output().expect("the binary runs")
}

/// Standard output or error as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A directory with a configuration file that only its owner can read.
pub(crate) struct Configured {
    pub(crate) directory: TempDir,
    pub(crate) file: PathBuf,
}

impl Configured {
    pub(crate) fn new(configuration: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("exporter.yaml");
        std::fs::write(&file, configuration).expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permissions");
        Self { directory, file }
    }

    pub(crate) fn path(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }
}

/// A running daemon on a free port. It is killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
    lines: Receiver<String>,
    /// The lines of the log that were read so far.
    pub(crate) log: Vec<String>,
}

impl Daemon {
    /// Starts the daemon with a configuration, and waits until it listens.
    pub(crate) fn start(configured: &Configured) -> Self {
        Self::start_with(configured.path(), &[], &mut binary())
    }

    /// Starts the daemon with more arguments, from a prepared command.
    pub(crate) fn start_with(configuration: &str, arguments: &[&str], command: &mut Command) -> Self {
        let listen = ["--config.file", configuration, "--web.listen-address", "127.0.0.1:0"];
        Self::spawn(command.args(listen).args(arguments))
    }

    /// Starts the prepared command, which must listen on a free port, and waits until it does.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the daemon starts");
        let stderr = child.stderr.take().expect("piped");
        let (send, lines) = channel();
        std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut daemon = Self { child, address: String::new(), lines, log: Vec::new() };
        let line = daemon.wait_for_log(&["listening"]);
        let (_, after) = line.split_once("127.0.0.1:").expect("an address");
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        daemon.address = format!("127.0.0.1:{port}");
        daemon
    }

    /// Reads the log until a line contains all these words.
    pub(crate) fn wait_for_log(&mut self, words: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if words.iter().all(|word| line.contains(word)) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line with {words:?} in the log:\n{}", self.log.join("\n")),
                Err(RecvTimeoutError::Disconnected) => panic!("the daemon ended without {words:?}:\n{}", self.log.join("\n")),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the daemon is there");
    }

    /// Waits for the exit and returns its status with the whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("the daemon ends");
        self.log.extend(self.lines.iter());
        (status, std::mem::take(&mut self.log))
    }

    /// Sends a `GET`.
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.ask(reqwest::Method::GET, path, &[]).await
    }

    /// Sends a request with headers.
    pub(crate) async fn ask(&self, method: reqwest::Method, path: &str, headers: &[(&'static str, &str)]) -> Page {
        let client = client();
        let mut request = client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()));
        let headers = headers.collect();
        Page { status, headers, body: response.bytes().await.expect("a whole answer").to_vec() }
    }

    /// The metrics as text.
    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics").await.text()
    }

    /// Scrapes until a line begins with this, and returns the metrics.
    pub(crate) async fn metrics_with(&self, line: &str) -> String {
        self.metrics_where(line, |metrics| metrics.lines().any(|found| found.starts_with(line))).await
    }

    /// Scrapes until the condition holds, and returns the metrics.
    pub(crate) async fn metrics_where(&self, condition: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics().await;
            if holds(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "never came true: {condition}\n{metrics}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response of the daemon, still compressed.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(crate) fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let tls = tls.with_safe_default_protocol_versions().expect("versions").with_root_certificates(rustls::RootCertStore::empty());
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.with_no_client_auth());
    builder.no_proxy().no_gzip().no_brotli().no_deflate().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// The lines of a page that begin with `prefix`.
pub(crate) fn lines_with<'a>(metrics: &'a str, prefix: &str) -> Vec<&'a str> {
    metrics.lines().filter(|line| line.starts_with(prefix)).collect()
}

/// A program of a Debian package. If it is missing, the test fails with the command that installs it.
pub(crate) fn debian(program: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).exists()));
    assert!(found, "{program} is missing; install it with: apt-get install -y --no-install-recommends {package}");
    Command::new(program)
}

/// How a process ends, which it must.
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::yield_now();
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
