//! The rules in deploy/prometheus: their promtool tests, and end to end with Prometheus and Alertmanager.

use crate::real_parts::{Running, demo, free_port, until};
use crate::support::{Configured, Daemon, PATIENCE, debian, repository, text};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RULES: &str = "deploy/prometheus/balance-exporter.rules.yml";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).expect("a file of the repository")
}

/// Runs a program, which must succeed, and returns its output.
fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let output_text = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{output_text}");
    output_text
}

fn promtool() -> Command {
    debian("promtool", "prometheus")
}

#[test]
fn the_shipped_files_pass_promtool_and_amtool() {
    succeed(promtool().args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(repository(RULES)));
    succeed(promtool().args(["check", "config"]).arg(repository("deploy/prometheus/prometheus.yml")));
    let mut amtool = debian("amtool", "prometheus-alertmanager");
    succeed(amtool.arg("check-config").arg(repository("deploy/prometheus/alertmanager.yml")));
}

#[test]
fn every_alert_fires_and_resolves_as_its_tests_say() {
    let files = std::fs::read_dir(repository("tests/prometheus")).expect("the tests");
    let files: BTreeSet<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(!files.is_empty());
    succeed(promtool().args(["test", "rules"]).args(&files));
    let tested: String = files.iter().map(|file| std::fs::read_to_string(file).expect("a test")).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap_or_default();
        assert!(tested.contains(&format!("alertname: {name}")), "no test names {name}");
    }
}

/// The alert rules of the shipped file.
fn alerts() -> Vec<Value> {
    let file: Value = serde_yaml::from_str(&read(RULES)).expect("YAML");
    let groups = file["groups"].as_array().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.filter(|rule| rule.get("alert").is_some()).cloned().collect()
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_says_what_is_wrong() {
    let runbook = read("docs/runbook.md");
    let mut sections: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let annotations = &alert["annotations"];
        assert_eq!(annotations["runbook_url"], format!("docs/runbook.md#{}", name.to_lowercase()), "{name}");
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no section in docs/runbook.md");
        for annotation in ["summary", "description"] {
            assert!(annotations[annotation].as_str().is_some_and(|text| text.len() > 20), "{name} has no {annotation}");
        }
    }
    for alert in alerts() {
        sections.remove(alert["alert"].as_str().unwrap_or_default());
    }
    assert!(sections.is_empty(), "sections without an alert: {sections:?}");
}

/// Starts a program that serves on this port, and returns its base URL.
fn serve(program: &mut Command, port: u16) -> (Running, String) {
    program.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    (Running(program.spawn().expect("it starts")), format!("http://127.0.0.1:{port}"))
}

/// Prometheus and Alertmanager with the shipped files and short intervals.
struct Monitoring {
    prometheus: String,
    alertmanager: String,
    webhook: StandIn,
    _running: [Running; 2],
    _directory: TempDir,
}

impl Monitoring {
    /// Scrapes the exporters of each job and sends alerts to the webhook.
    async fn start(jobs: &[(&str, &[&Daemon])]) -> Self {
        let webhook = StandIn::start(|_: &ReceivedRequest| Reply::new(200, "")).await.expect("a port");
        let directory = tempfile::tempdir().expect("a directory");
        let (at, port) = (directory.path(), free_port());
        write_configuration(at, jobs, port, &webhook.url("/"));
        let mut program = debian("prometheus-alertmanager", "prometheus-alertmanager");
        program.arg("--cluster.listen-address=").arg(format!("--storage.path={}", at.join("alertmanager").display()));
        program.arg(format!("--config.file={}", at.join("alertmanager.yml").display()));
        let (first, alertmanager) = serve(&mut program, port);
        until(&format!("{alertmanager}/-/ready"), |answer| answer.contains("OK")).await;
        let mut program = debian("prometheus", "prometheus");
        program.arg(format!("--storage.tsdb.path={}", at.join("data").display()));
        program.arg(format!("--config.file={}", at.join("prometheus.yml").display()));
        let (second, prometheus) = serve(&mut program, free_port());
        Self { prometheus, alertmanager, webhook, _running: [first, second], _directory: directory }
    }

    async fn query(&self, query: &str, wanted: impl Fn(&str) -> bool) -> String {
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.prometheus), [("query", query)]);
        until(url.expect("a url").as_str(), wanted).await
    }

    /// The messages that the webhook has received, oldest first.
    fn messages(&self) -> Vec<Value> {
        self.webhook.requests().iter().map(|asked| serde_json::from_slice(&asked.body).expect("JSON")).collect()
    }

    /// The alerts of one name and severity that the webhook has received, oldest first: state, summary and description.
    fn received(&self, name: &str, severity: &str) -> Vec<[String; 3]> {
        let mut alerts = Vec::new();
        for message in self.messages() {
            for alert in message["alerts"].as_array().expect("alerts") {
                if alert["labels"]["alertname"] == name && alert["labels"]["severity"] == severity {
                    let fields = [&alert["status"], &alert["annotations"]["summary"], &alert["annotations"]["description"]];
                    alerts.push(fields.map(|text| text.as_str().unwrap_or_default().to_owned()));
                }
            }
        }
        alerts
    }

    /// Waits until the webhook has received this alert in this state, and returns its summary and description.
    async fn wait_for(&self, [status, name, severity]: [&str; 3], patience: Duration) -> [String; 2] {
        let deadline = Instant::now() + patience;
        loop {
            let received = self.received(name, severity);
            if let Some([_, summary, description]) = received.into_iter().rev().find(|[state, ..]| state == status) {
                return [summary, description];
            }
            let bodies = || self.webhook.requests().iter().map(|asked| text(&asked.body)).collect::<Vec<_>>().join("\n");
            assert!(Instant::now() < deadline, "no {severity} {name} is {status}:\n{}", bodies());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Replaces the one job of the shipped scrape configuration with these jobs.
fn scrapes(file: &str, jobs: &[(&str, &[&Daemon])]) -> String {
    let begin = file.find("  - job_name: balance-exporter\n").expect("a job");
    let (head, job) = file.split_at(begin);
    let scrape = |(name, exporters): &(&str, &[&Daemon])| {
        let targets: Vec<&str> = exporters.iter().map(|daemon| daemon.address.as_str()).collect();
        let named = job.replacen("job_name: balance-exporter", &format!("job_name: {name}"), 1);
        assert!(named.contains("127.0.0.1:10120"), "{named}");
        named.replace("127.0.0.1:10120", &targets.join("\n          - "))
    };
    format!("{head}{}", jobs.iter().map(scrape).collect::<String>())
}

fn write_configuration(directory: &Path, jobs: &[(&str, &[&Daemon])], alertmanager: u16, webhook: &str) {
    let replaced = |path: &str, replacements: &[(&str, &str)]| {
        let mut file = read(path);
        for (from, to) in replacements {
            assert!(file.contains(from), "{from} is not in {path}");
            file = file.replace(from, to);
        }
        std::fs::write(directory.join(path.rsplit('/').next().expect("a name")), file).expect("a file");
    };
    replaced(RULES, &[]);
    let alerting = format!("127.0.0.1:{alertmanager}");
    let scrape = "scrape_interval: 1s\n  scrape_timeout: 1s";
    let pace = [("scrape_interval: 1m", scrape), ("evaluation_interval: 1m", "evaluation_interval: 1s")];
    replaced("deploy/prometheus/prometheus.yml", &[pace[0], pace[1], ("127.0.0.1:9093", &*alerting)]);
    let file = directory.join("prometheus.yml");
    std::fs::write(&file, scrapes(&std::fs::read_to_string(&file).expect("the file"), jobs)).expect("a file");
    let pace = [("group_wait: 30s", "group_wait: 0s"), ("group_interval: 5m", "group_interval: 1s")];
    replaced("deploy/prometheus/alertmanager.yml", &[pace[0], pace[1], ("http://127.0.0.1:9095/", webhook)]);
}

fn account(money: &str, count: &str) -> Account {
    let row = |area: &str, count: &str| ("sms".to_owned(), area.to_owned(), count.to_owned());
    let information = vec![row("МТС", count), row("Россия", "Безлимит")];
    Account { money: money.to_owned(), currency: "RUR".to_owned(), information, error: None }
}

/// Two replicas are scraped by one Prometheus.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fall_reaches_the_webhook_once_and_a_top_up_resolves_it() {
    let gateway = Gateway::with_token("a token");
    gateway.set(account("640.5", "320"));
    let sms = StandIn::start(gateway.clone()).await.expect("a port");
    let configured = Configured::new(&format!(
        "defaults: {{interval: 1s}}
sources:
  - name: sms
    provider: {{mysmpp: {{url: {}, token: a token}}}}
    low: {{amount: {{warning: 500, critical: 100}}, sms: {{warning: 50}}}}
",
        sms.url("/json/balance.php")
    ));
    let (first, second) = (Daemon::start(&configured), Daemon::start(&configured));
    first.metrics_with("balance_low_amount{").await;
    let monitoring = Monitoring::start(&[("balance-exporter", &[&first, &second])]).await;
    // Both are scraped, nothing is low, and the rules have been evaluated.
    let both = "count(balance_up == 1) and on () account:balance_low_amount:max";
    monitoring.query(both, |answer| answer.contains("\"2\"]")).await;
    assert_eq!(monitoring.webhook.requests().len(), 0);
    let wait_for = |alert| monitoring.wait_for(alert, PATIENCE);

    gateway.set(account("499.9", "249"));
    let low = "mysmpp source sms (job balance-exporter): 499.90 RUB available, below the warning threshold of 500.00.";
    assert_eq!(wait_for(["firing", "BalanceLow", "warning"]).await, ["sms: 499.90 RUB left", low]);

    gateway.set(account("99.25", "49"));
    let low = "mysmpp source sms (job balance-exporter): 99.25 RUB available, below the critical threshold of 100.00.";
    assert_eq!(wait_for(["firing", "BalanceLow", "critical"]).await, ["sms: 99.25 RUB left", low]);
    let low = "mysmpp source sms (job balance-exporter) can send 49 more sms messages to МТС, below the warning threshold of 50.";
    assert_eq!(wait_for(["firing", "BalanceSmsLow", "warning"]).await, ["sms / МТС: 49 sms messages left", low]);
    // The shipped inhibition.
    let suppressed = format!("{}/api/v2/alerts?filter=alertname=BalanceLow&filter=severity=warning", monitoring.alertmanager);
    until(&suppressed, |answer| answer.contains("\"state\":\"suppressed\"")).await;
    let firing = until(&format!("{}/api/v1/alerts", monitoring.prometheus), |answer| answer.contains("BalanceSmsLow")).await;
    assert_eq!(firing.matches("\"alertname\"").count(), 3, "two exporters, and each alert once: {firing}");

    gateway.set(account("900", "450"));
    for [name, severity] in [["BalanceLow", "critical"], ["BalanceLow", "warning"], ["BalanceSmsLow", "warning"]] {
        wait_for(["resolved", name, severity]).await;
    }
    let everything = monitoring.received("BalanceLow", "critical");
    let states: Vec<&str> = everything.iter().map(|[state, ..]| state.as_str()).collect();
    assert_eq!(states, ["firing", "resolved"], "it fired again");
}

/// A gateway with this balance, and an exporter whose source `sms` polls it.
async fn exporter(money: &str) -> (StandIn, Daemon) {
    let gateway = Gateway::with_token("a token");
    gateway.set(account(money, "320"));
    let sms = StandIn::start(gateway).await.expect("a port");
    let configured = Configured::new(&format!(
        "defaults: {{interval: 1s}}
sources:
  - name: sms
    provider: {{mysmpp: {{url: {}, token: a token}}}}
    low: {{amount: {{warning: 500, critical: 100}}}}
",
        sms.url("/json/balance.php")
    ));
    let daemon = Daemon::start(&configured);
    daemon.metrics_with("balance_low_amount{").await;
    (sms, daemon)
}

/// Prod is critical and staging is not. Neither hides the other, and prod's critical alert does not silence staging's warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_jobs_with_one_source_name_alert_separately() {
    let (_first, prod) = exporter("10").await;
    let (_second, staging) = exporter("400").await;
    let monitoring = Monitoring::start(&[("prod", &[&prod]), ("staging", &[&staging])]).await;
    let wait_for = |alert| monitoring.wait_for(alert, PATIENCE);
    let low = "mysmpp source sms (job prod): 10.00 RUB available, below the critical threshold of 100.00.";
    assert_eq!(wait_for(["firing", "BalanceLow", "critical"]).await, ["sms: 10.00 RUB left", low]);
    let low = "mysmpp source sms (job staging): 400.00 RUB available, below the warning threshold of 500.00.";
    let deadline = Instant::now() + PATIENCE;
    while !monitoring.received("BalanceLow", "warning").iter().any(|[_, _, description]| description == low) {
        assert!(Instant::now() < deadline, "staging's warning did not arrive: {:?}", monitoring.messages());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for message in monitoring.messages() {
        let jobs: BTreeSet<_> =
            message["alerts"].as_array().into_iter().flatten().map(|alert| alert["labels"]["job"].to_string()).collect();
        assert_eq!(jobs.len(), 1, "a message must be about one source: {message}");
    }
}

/// In the demo, the account ACC0002 falls below its threshold within a minute and is topped up at the end of that minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_demo_fires_and_resolves_an_alert() {
    let demo = demo();
    let monitoring = Monitoring::start(&[("demo", &[&demo])]).await;
    let [summary, description] = monitoring.wait_for(["firing", "BalanceLow", "critical"], PATIENCE * 4).await;
    let left = summary.strip_prefix("ads / ACC0002: ").and_then(|rest| rest.strip_suffix(" EUR left")).expect("the account");
    let low = "below the critical threshold of 40.00.";
    assert_eq!(description, format!("adstat source ads (job demo), account ACC0002 (Coffee & Co): {left} EUR available, {low}"));
    // The number in the alert is one that was scraped.
    let values = monitoring.query("balance_available_amount{account=\"ACC0002\"}[10m]", |answer| answer.contains("values")).await;
    let left: f64 = left.parse().expect("a number");
    assert!(left < 40.0 && values.contains(&format!("\"{left}\"]")), "{left} is not in {values}");
    monitoring.wait_for(["resolved", "BalanceLow", "critical"], PATIENCE * 4).await;
}
