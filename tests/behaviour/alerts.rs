//! The rules in deploy/prometheus, as promtool judges them and as Prometheus and Alertmanager live by them.

use crate::real_parts::{Running, free_port, until};
use crate::support::{Configured, Daemon, PATIENCE, TAKING_TURNS, debian, repository, text};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Asked, Reply, StandIn};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const RULES: &str = "deploy/prometheus/balance-exporter.rules.yml";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).expect("a file of the repository")
}

/// Runs a program to its end, which must be a good one.
fn good(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

/// Tries three times: promtool 2.42 loses an evaluation now and then when the machine is busy. A rule that is wrong is wrong each
/// time.
fn good_at_last(run: impl Fn() -> Output) {
    let said: Vec<String> =
        (0..3).map(|_| run()).map_while(|output| (!output.status.success()).then(|| text(&output.stdout))).collect();
    assert!(said.len() < 3, "{}", said.concat());
}

fn promtool() -> Command {
    debian("promtool", "prometheus")
}

#[test]
fn promtool_finds_nothing_in_the_shipped_files() {
    good(promtool().args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(repository(RULES)));
    good(promtool().args(["check", "config"]).arg(repository("deploy/prometheus/prometheus.yml")));
    let mut amtool = debian("amtool", "prometheus-alertmanager");
    good(amtool.arg("check-config").arg(repository("deploy/prometheus/alertmanager.yml")));
}

#[test]
fn every_alert_fires_and_resolves_as_its_tests_say() {
    let files = std::fs::read_dir(repository("tests/prometheus")).expect("the tests");
    let files: BTreeSet<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(!files.is_empty());
    let _turn = TAKING_TURNS.blocking_lock();
    for file in &files {
        good_at_last(|| promtool().args(["test", "rules"]).arg(file).output().expect("it runs"));
    }
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

/// The shipped files, at the pace of a test and with its addresses.
fn write_configuration(directory: &Path, exporters: [&str; 2], alertmanager: u16, webhook: &str) {
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
    let second = format!("- {}", exporters[1]);
    let scrape = "scrape_interval: 1s\n  scrape_timeout: 1s";
    let pace = [("scrape_interval: 1m", scrape), ("evaluation_interval: 1m", "evaluation_interval: 1s")];
    let places = [("127.0.0.1:9093", &*alerting), ("127.0.0.1:10120", exporters[0]), ("# - 192.0.2.7:10120", &*second)];
    replaced("deploy/prometheus/prometheus.yml", &[&pace[..], &places[..]].concat());
    let pace = [("group_wait: 30s", "group_wait: 0s"), ("group_interval: 5m", "group_interval: 1s")];
    replaced("deploy/prometheus/alertmanager.yml", &[pace[0], pace[1], ("http://127.0.0.1:9095/", webhook)]);
}

/// The alerts of one name and severity that a webhook has got, oldest first: their state, summary and description.
fn received(webhook: &StandIn, name: &str, severity: &str) -> Vec<[String; 3]> {
    let mut alerts = Vec::new();
    for asked in webhook.asked() {
        let message: Value = serde_json::from_slice(&asked.body).expect("JSON");
        for alert in message["alerts"].as_array().expect("alerts") {
            if alert["labels"]["alertname"] == name && alert["labels"]["severity"] == severity {
                let said = [&alert["status"], &alert["annotations"]["summary"], &alert["annotations"]["description"]];
                alerts.push(said.map(|text| text.as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    alerts
}

/// Waits until the webhook has got such an alert in this state, and returns its summary and description.
async fn told(webhook: &StandIn, [status, name, severity]: [&str; 3]) -> [String; 2] {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let received = received(webhook, name, severity);
        if let Some([_, summary, description]) = received.into_iter().rev().find(|[state, ..]| state == status) {
            return [summary, description];
        }
        let bodies = || webhook.asked().iter().map(|asked| text(&asked.body)).collect::<Vec<_>>().join("\n");
        assert!(Instant::now() < deadline, "no {severity} {name} is {status}:\n{}", bodies());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn account(money: &str, count: &str) -> Account {
    let row = |area: &str, count: &str| ("sms".to_owned(), area.to_owned(), count.to_owned());
    let information = vec![row("МТС", count), row("Россия", "Безлимит")];
    Account { money: money.to_owned(), currency: "RUR".to_owned(), information, error: None }
}

/// A program that serves on a port which is not its to choose, and its address.
fn serve(program: &mut Command, port: u16) -> (Running, String) {
    program.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    (Running(program.spawn().expect("it starts")), format!("http://127.0.0.1:{port}"))
}

/// Two exporters of one source, as one Prometheus sees them.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fall_reaches_the_webhook_once_and_a_top_up_resolves_it() {
    let gateway = Gateway::with_token("a token");
    gateway.set(account("640.5", "320"));
    let sms = StandIn::start(gateway.clone()).await.expect("a port");
    let webhook = StandIn::start(|_: &Asked| Reply::new(200, "")).await.expect("a port");
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

    let directory = tempfile::tempdir().expect("a directory");
    let (at, port) = (directory.path(), free_port());
    write_configuration(at, [&first.address, &second.address], port, &webhook.url("/"));
    let mut alertmanager = debian("prometheus-alertmanager", "prometheus-alertmanager");
    alertmanager.arg("--cluster.listen-address=").arg(format!("--storage.path={}", at.join("alertmanager").display()));
    let (_alertmanager, alertmanager) =
        serve(alertmanager.arg(format!("--config.file={}", at.join("alertmanager.yml").display())), port);
    until(&format!("{alertmanager}/-/ready"), |answer| answer.contains("OK")).await;
    let mut prometheus = debian("prometheus", "prometheus");
    prometheus.arg(format!("--storage.tsdb.path={}", at.join("data").display()));
    let (_prometheus, prometheus) =
        serve(prometheus.arg(format!("--config.file={}", at.join("prometheus.yml").display())), free_port());
    // Both are scraped, nothing is low, and the rules have seen it.
    let count = format!("{prometheus}/api/v1/query?query=count(balance_up==1)%20and%20on()%20account:balance_low_amount:max");
    until(&count, |answer| answer.contains("\"2\"]")).await;
    assert_eq!(webhook.asked().len(), 0);

    gateway.set(account("499.9", "249"));
    let low = "mysmpp source sms: 499.90 RUB available, below the warning threshold of 500.00.";
    assert_eq!(told(&webhook, ["firing", "BalanceLow", "warning"]).await, ["sms: 499.90 RUB left", low]);

    gateway.set(account("99.25", "49"));
    let low = "mysmpp source sms: 99.25 RUB available, below the critical threshold of 100.00.";
    assert_eq!(told(&webhook, ["firing", "BalanceLow", "critical"]).await, ["sms: 99.25 RUB left", low]);
    let low = "mysmpp source sms can send 49 more sms messages to МТС, below the warning threshold of 50.";
    assert_eq!(told(&webhook, ["firing", "BalanceSmsLow", "warning"]).await, ["sms / МТС: 49 sms messages left", low]);
    // The shipped inhibition.
    let suppressed = format!("{alertmanager}/api/v2/alerts?filter=alertname=BalanceLow&filter=severity=warning");
    until(&suppressed, |answer| answer.contains("\"state\":\"suppressed\"")).await;
    let firing = until(&format!("{prometheus}/api/v1/alerts"), |answer| answer.contains("BalanceSmsLow")).await;
    assert_eq!(firing.matches("\"alertname\"").count(), 3, "two exporters, and each alert once: {firing}");

    gateway.set(account("900", "450"));
    for [name, severity] in [["BalanceLow", "critical"], ["BalanceLow", "warning"], ["BalanceSmsLow", "warning"]] {
        told(&webhook, ["resolved", name, severity]).await;
    }
    let everything = received(&webhook, "BalanceLow", "critical");
    let states: Vec<&str> = everything.iter().map(|[state, ..]| state.as_str()).collect();
    assert_eq!(states, ["firing", "resolved"], "nothing fired again");
}
