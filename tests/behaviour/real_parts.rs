//! The demo's metrics, read by promtool, by a Pushgateway (the strictest parser available) and by Prometheus.

use crate::support::{Daemon, PATIENCE, binary, debian, text};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A child process that is killed when the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago, for programs that do not report the port they chose.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

pub(crate) fn demo() -> Daemon {
    let daemon = Daemon::spawn(binary().args(["demo", "--web.listen-address", "127.0.0.1:0"]));
    assert!(!daemon.address.is_empty());
    daemon
}

async fn whole_page(daemon: &Daemon) -> String {
    daemon.metrics_where("every source of the demo is up", |page| page.matches("\nbalance_up{").count() == 5).await
}

/// Polls a URL until its answer matches, because these programs do not announce when they are ready.
pub(crate) async fn until(url: &str, wanted: impl Fn(&str) -> bool) -> String {
    let client = crate::support::client();
    let deadline = Instant::now() + PATIENCE;
    let mut last = String::new();
    while Instant::now() < deadline {
        if let Ok(response) = client.get(url).send().await {
            last = response.text().await.unwrap_or_default();
            if wanted(&last) {
                return last;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never came true: {url}: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn promtool_finds_no_problem() {
    let daemon = demo();
    let page = whole_page(&daemon).await;
    let mut promtool = debian("promtool", "prometheus")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    promtool.stdin.take().expect("piped").write_all(page.as_bytes()).expect("read by promtool");
    let output = promtool.wait_with_output().expect("promtool ends");
    assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(0), String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pushgateway_accepts_the_page() {
    let daemon = demo();
    let port = free_port();
    let mut command = debian("prometheus-pushgateway", "prometheus-pushgateway");
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    let _pushgateway = Running(command.spawn().expect("a Pushgateway"));
    let gateway = format!("http://127.0.0.1:{port}");
    until(&format!("{gateway}/-/ready"), |answer| answer.contains("OK")).await;
    let push = |page: String| {
        let request = crate::support::client().put(format!("{gateway}/metrics/job/test")).body(page);
        async { request.send().await.expect("an answer").status().as_u16() }
    };
    let page = whole_page(&daemon).await;
    assert_eq!(push(page.clone()).await, 200);
    let doubled = page.lines().find(|line| line.starts_with("balance_up{")).expect("a line");
    assert_eq!(push(format!("{page}{doubled}\n")).await, 400, "it must refuse a duplicate series");
    let pushed = until(&format!("{gateway}/metrics"), |metrics| metrics.contains("balance_sms_available{")).await;
    assert!(pushed.lines().any(|line| line.contains("area=\"Россия\"") && line.ends_with("} +Inf")), "{pushed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn prometheus_scrapes_the_demo() {
    let daemon = demo();
    whole_page(&daemon).await;
    let directory = tempfile::tempdir().expect("a directory");
    let (_prometheus, url) = prometheus(directory.path(), &daemon.address);
    let query = format!("{url}/api/v1/query?query=balance_sms_available%7Barea%3D%22%D0%A0%D0%BE%D1%81%D1%81%D0%B8%D1%8F%22%7D");
    let answer = until(&query, |answer| answer.contains("\"value\"")).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let found = &answer["data"]["result"][0];
    assert_eq!((found["value"][1].as_str(), found["metric"]["area"].as_str()), (Some("+Inf"), Some("Россия")), "{answer}");
    let targets = until(&format!("{url}/api/v1/targets"), |targets| targets.contains("\"health\":\"up\"")).await;
    assert!(targets.contains("\"lastError\":\"\""), "{targets}");
}

fn prometheus(directory: &Path, target: &str) -> (Running, String) {
    let file = directory.join("prometheus.yml");
    let scrape = "global: {scrape_interval: 1s, scrape_timeout: 1s}";
    std::fs::write(
        &file,
        format!("{scrape}\nscrape_configs: [{{job_name: balance, static_configs: [{{targets: ['{target}']}}]}}]\n"),
    )
    .expect("a file");
    let port = free_port();
    let mut command = debian("prometheus", "prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    (Running(command.spawn().expect("a Prometheus")), format!("http://127.0.0.1:{port}"))
}
