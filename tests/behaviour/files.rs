//! Unusual files: endless ones, pipes, and files in other encodings.

use crate::pki::Authority;
use crate::support::{Configured, binary, text};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use rustix::fs::{CWD, mkfifoat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

/// The binary with a memory limit, so that an unbounded read fails at once.
fn with_memory_limit() -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_balance-exporter")]);
    shell
}

fn result(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

#[test]
fn an_endless_file_is_a_configuration_error() {
    let configuration = ["--config.file", "/dev/zero"];
    let expected = "balance-exporter: /dev/zero: cannot be read: it is over 32 MiB; name another with --config.file\n";
    for command in [&["check"][..], &[], &["poll"]] {
        let output = with_memory_limit().args(configuration).args(command).output().expect("the binary runs");
        assert_eq!(result(&output), (Some(78), expected.to_owned()), "{command:?}");
    }
    let configured = Configured::new("defaults: {ca_file: /dev/zero}\nsources: []\n");
    let output = with_memory_limit().args(["check", "--config.file", configured.path()]).output().expect("the binary runs");
    let expected = format!(
        "balance-exporter: {}: defaults.ca_file: cannot read certificates from /dev/zero: it is over 4 MiB; name a PEM file\n",
        configured.path()
    );
    assert_eq!(result(&output), (Some(78), expected));
}

#[test]
fn a_web_configuration_and_its_files_have_a_size_limit() {
    let configured = Configured::new("sources: []\n");
    let directory = configured.directory.path();
    let web = directory.join("web.yml");
    let check = || {
        let arguments = ["check", "--log.level", "error", "--config.file", configured.path(), "--web.config.file"];
        result(&with_memory_limit().args(arguments).arg(&web).output().expect("the binary runs"))
    };
    let large = |name: &str| {
        let file = std::fs::File::create(directory.join(name)).expect("a file");
        file.set_len(5 * 1024 * 1024).expect("a length");
    };
    large("web.yml");
    let (code, line) = check();
    assert_eq!((code, line.contains("cannot be read: it is over 4 MiB")), (Some(78), true), "{line}");
    large("large.pem");
    std::fs::write(&web, "tls_server_config: {cert_file: large.pem, key_file: /dev/zero}\n").expect("a file");
    let (code, line) = check();
    assert_eq!((code, line.contains("tls_server_config.cert_file: cannot read")), (Some(78), true), "{line}");
    std::fs::write(&web, "tls_server_config: {cert_file: /dev/zero, key_file: /dev/zero}\n").expect("a file");
    let (code, line) = check();
    assert_eq!((code, line.contains("/dev/zero: it is not a regular file")), (Some(78), true), "{line}");
    // Nothing ever writes to this pipe.
    mkfifoat(CWD, directory.join("pipe"), 0o600.into()).expect("a pipe");
    std::fs::write(&web, "tls_server_config: {cert_file: pipe, key_file: pipe}\n").expect("a file");
    let (code, line) = check();
    assert_eq!((code, line.contains("pipe: it is not a regular file")), (Some(78), true), "{line}");
}

#[test]
fn root_certificates_of_the_environment_have_a_size_limit() {
    let configured = Configured::new("sources: [{name: a, provider: {mysmpp: {url: \"https://127.0.0.1/\", token: x}}}]\n");
    let mut check = with_memory_limit();
    check.args(["check", "--config.file", configured.path()]).env("SSL_CERT_FILE", "/dev/zero");
    let output = check.output().expect("the binary runs");
    let (code, line) = result(&output);
    assert_eq!((code, line.contains("cannot read SSL_CERT_FILE")), (Some(0), true), "{line}");
}

#[test]
fn a_configuration_can_come_through_a_pipe() {
    let mut check = binary();
    check.args(["check", "--config.file", "/dev/stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().expect("the binary runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"sources: []\n").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(text(&output.stdout), "/dev/stdin: good, 0 sources\n", "{}", text(&output.stderr));
}

/// Polls three sources once, with this secret in a file, in the environment and in a credential. Returns the bodies that the gateway
/// received, the exit code and the standard error.
async fn sent(secret: &'static [u8]) -> (Vec<String>, Option<i32>, String) {
    let gateway =
        StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":"1","currency":"RUB"}"#)).await.expect("a port");
    let configured = Configured::new("");
    let file = configured.directory.path().join("token");
    std::fs::write(&file, secret).expect("a file");
    let url = gateway.url("/");
    let source =
        |name: &str, token: &str| format!("  - {{name: {name}, provider: {{mysmpp: {{url: \"{url}\", token: {token}}}}}}}\n");
    let file = source("file", &format!("{{file: \"{}\"}}", file.display()));
    let sources = file + &source("environment", "{env: TOKEN}") + &source("credential", "{credential: token}");
    std::fs::write(&configured.file, format!("sources:\n{sources}")).expect("a file");
    let mut poll = binary();
    poll.args(["poll", "--log.level", "error", "--config.file", configured.path()]);
    poll.env("CREDENTIALS_DIRECTORY", configured.directory.path());
    // The environment cannot hold a NUL.
    let in_environment: &[u8] = if secret.contains(&0) { b"x" } else { secret };
    poll.env("TOKEN", OsStr::from_bytes(in_environment));
    let output = tokio::task::spawn_blocking(move || poll.output()).await.expect("no panic").expect("the binary runs");
    let sent = gateway.requests().iter().map(|asked| String::from_utf8_lossy(&asked.body).into_owned()).collect();
    (sent, output.status.code(), text(&output.stderr).replace(&configured.directory.path().display().to_string(), "D"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_byte_order_mark_is_not_part_of_a_secret() {
    for secret in [&b"hunter2"[..], b"\xef\xbb\xbfhunter2", b"\xef\xbb\xbfhunter2\n", b"\xef\xbb\xbfhunter2\r\n"] {
        let (sent, code, logged) = sent(secret).await;
        assert_eq!((code, sent), (Some(0), vec![r#"{"token":"hunter2"}"#.to_owned(); 3]), "{secret:?}: {logged}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_secret_that_is_not_text_is_refused_and_not_quoted() {
    let cases: [(&[u8], &str); 6] = [
        (b"\xff\xfeh\0u\0n\0", "the secret file D/token is UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
        (b"\xfe\xff\0h\0u\0n", "the secret file D/token is UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
        (b"h\0u\0n\0", "the secret file D/token is not text: byte 1 is NUL; save it as UTF-8"),
        (b"hunter\0", "the secret file D/token is not text: byte 6 is NUL; save it as UTF-8"),
        (b"hunt\xe9r", "the secret file D/token is not UTF-8 at byte 4; save it as UTF-8"),
        (b"\xef\xbb\xbf\n", "the secret is empty; put the credential there"),
    ];
    for (secret, problem) in cases {
        let (sent, code, logged) = sent(secret).await;
        let line = format!("balance-exporter: D/exporter.yaml: sources[0].provider.mysmpp.token: {problem}\n");
        assert_eq!((sent.len(), code, logged), (0, Some(78), line), "{secret:?}");
    }
}

#[test]
fn certificates_and_keys_may_start_with_a_byte_order_mark() {
    let authority = Authority::new();
    let configured = Configured::new("");
    let directory = configured.directory.path();
    authority.issue().write(directory);
    std::fs::write(directory.join("ca.crt"), authority.pem()).expect("a file");
    for name in ["ca.crt", "server.crt", "server.key"] {
        let path = directory.join(name);
        let marked = format!("\u{feff}{}", std::fs::read_to_string(&path).expect("a file"));
        std::fs::write(&path, marked).expect("a file");
    }
    let roots = directory.join("ca.crt");
    std::fs::write(&configured.file, format!("defaults: {{ca_file: \"{}\"}}\nsources: []\n", roots.display())).expect("a file");
    let web = directory.join("web.yml");
    std::fs::write(&web, "tls_server_config: {cert_file: server.crt, key_file: server.key}\n").expect("a file");
    let mut check = binary();
    check.args(["check", "--config.file", configured.path(), "--web.config.file"]).arg(web);
    let output = check.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_secret_of_the_environment_must_be_text() {
    let configured = Configured::new("sources: [{name: a, provider: {mysmpp: {token: {env: TOKEN}}}}]\n");
    for (secret, problem) in [(&b"hunt\xe9r"[..], "is not UTF-8 at byte 4"), (b"\xff\xfeh", "is UTF-16 or UTF-32, not UTF-8")] {
        let mut check = binary();
        check.args(["check", "--config.file", configured.path()]).env("TOKEN", OsStr::from_bytes(secret));
        let line = format!(
            "balance-exporter: {}: sources[0].provider.mysmpp.token: the environment variable TOKEN {problem}; correct its value\n",
            configured.path()
        );
        assert_eq!(result(&check.output().expect("the binary runs")), (Some(78), line));
    }
}
