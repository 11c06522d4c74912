//! The dashboard and alert rules in deploy/grafana: they match the metrics, the Prometheus rules and each other, and every query runs
//! in a Prometheus that scrapes the real binary.

use crate::real_parts::{demo, free_port, until};
use crate::support::{Configured, Daemon, PATIENCE, debian, repository, text};
use balance_exporter::standin::adstat::{Books, Cabinet};
use balance_exporter::standin::atisu::{Exchange, Wallet};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, ReceivedRequest, Reply, StandIn};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const DASHBOARD: &str = "deploy/grafana/dashboard.json";
const ALERTS: &str = "deploy/grafana/provisioning/alerting/balance-exporter.yaml";
const RULES: &str = "deploy/prometheus/balance-exporter.rules.yml";

fn read(path: &str) -> Value {
    let file = std::fs::read_to_string(repository(path)).expect("a file of the repository");
    serde_yaml::from_str(&file).expect("YAML or JSON")
}

/// Collects every text under this key, at any depth, with the title or name of the nearest object around it.
fn collect(document: &Value, key: &str, title: &str, found: &mut Vec<(String, String)>) {
    match document {
        Value::Object(fields) => {
            let own = ["title", "alert", "record", "name"].iter().find_map(|key| fields.get(*key).and_then(Value::as_str));
            let title = own.unwrap_or(title);
            if let Some(Value::String(value)) = fields.get(key) {
                found.push((title.to_owned(), value.clone()));
            }
            fields.values().for_each(|value| collect(value, key, title, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, title, found)),
        _ => {}
    }
}

pub(crate) fn expressions(path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&read(path), "expr", path, &mut found);
    assert!(!found.is_empty());
    found
}

/// Replaces the variables of a dashboard's expression as Grafana does when everything is selected.
pub(crate) fn with_variables(expression: &str, currency: &str) -> String {
    let filled = expression.replace("\"$currency\"", &format!("\"{currency}\"")).replace("$lines", "10");
    let filled = filled.replace("$__interval", "5s").replace("$__range", "7d");
    let filled =
        ["job", "provider", "source"].iter().fold(filled, |filled, name| filled.replace(&format!("\"${name}\""), "\".*\""));
    assert!(!filled.contains('$'), "an unknown variable in {filled}");
    filled
}

/// The names of metrics in an expression or a template.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|character: char| !(character.is_ascii_alphanumeric() || "_:".contains(character)));
    words.filter(|word| word.starts_with("balance_") || word.contains(":balance_")).map(str::to_owned).collect()
}

/// The metrics in README.md's table.
fn documented() -> BTreeSet<String> {
    let readme = std::fs::read_to_string(repository("README.md")).expect("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.filter(|name| name.starts_with("balance_")).map(str::to_owned).collect()
}

#[test]
fn queries_name_only_metrics_that_exist() {
    let mut known = documented();
    assert!(known.len() > 15, "cannot parse the table in README.md");
    for path in [DASHBOARD, ALERTS] {
        let mut queries = expressions(path);
        collect(&read(path), "query", path, &mut queries);
        for (title, expression) in queries {
            let unknown: Vec<_> = metrics(&expression).into_iter().filter(|name| !known.contains(name)).collect();
            assert!(unknown.is_empty(), "{path}, {title}: {unknown:?}");
        }
    }
    known.extend(recorded().into_keys());
    let mut queries = expressions(RULES);
    for annotation in ["summary", "description"] {
        collect(&read(RULES), annotation, RULES, &mut queries);
    }
    for (title, expression) in queries {
        let unknown: Vec<_> = metrics(&expression).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{RULES}, {title}: {unknown:?}");
    }
}

/// The label lists of `by` and `on`, and the selectors, without brackets.
fn lists_and_selectors(expression: &str) -> Vec<&str> {
    let after = |opening: &'static str, closing: char| {
        expression.split(opening).skip(1).map(move |rest| rest.split(closing).next().unwrap_or_default())
    };
    after("by (", ')').chain(after("on (", ')')).chain(after("{", '}')).collect()
}

/// Exporters with different accounts under one source name have different jobs.
#[test]
fn a_query_that_uses_source_also_uses_job() {
    let names = |list: &str, wanted: &str| list.split([',', '=']).any(|label| label.trim() == wanted);
    let mut seen = 0;
    for path in [RULES, ALERTS, DASHBOARD] {
        let mut queries = expressions(path);
        collect(&read(path), "query", path, &mut queries);
        for annotation in ["summary", "description"].iter().filter(|_| path == RULES) {
            collect(&read(path), annotation, path, &mut queries);
        }
        for (title, expression) in queries {
            for list in lists_and_selectors(&expression).into_iter().filter(|list| names(list, "source")) {
                assert!(names(list, "job"), "{path}, {title}: ({list}) has no job");
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen} are too few: cannot parse the queries");
    let alertmanager = read("deploy/prometheus/alertmanager.yml");
    for list in [&alertmanager["route"]["group_by"], &alertmanager["inhibit_rules"][0]["equal"]] {
        assert!(list.as_array().is_some_and(|labels| labels.contains(&json!("job"))), "{list} has no job");
    }
}

#[test]
fn every_dashboard_query_selects_the_chosen_jobs() {
    for (title, expression) in expressions(DASHBOARD) {
        let (named, chosen) = (expression.matches("balance_").count(), expression.matches("{job=~\"$job\"").count());
        assert_eq!(named, chosen, "{title}: {expression}");
    }
}

#[test]
fn every_query_is_valid_promql() {
    let queries = expressions(DASHBOARD).into_iter().chain(expressions(ALERTS));
    let rules: Vec<Value> = queries
        .enumerate()
        .map(|(index, (_, expression))| json!({"record": format!("query:{index}"), "expr": with_variables(&expression, "EUR")}))
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("rules.yml");
    std::fs::write(&file, json!({"groups": [{"name": "queries", "rules": rules}]}).to_string()).expect("a file");
    let output = debian("promtool", "prometheus").args(["check", "rules"]).arg(file).output().expect("promtool");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn rules() -> Vec<Value> {
    let file = read(RULES);
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The expressions of the recording rules.
fn recorded() -> BTreeMap<String, String> {
    let pairs =
        rules().into_iter().filter_map(|rule| Some((rule["record"].as_str()?.to_owned(), rule["expr"].as_str()?.to_owned())));
    pairs.collect()
}

/// Expands the recording rules in an expression and removes whitespace. An expanded rule needs no two-hour bridge.
fn expanded(expression: &str, recorded: &BTreeMap<String, String>) -> String {
    let mut expression = expression.to_owned();
    for name in metrics(&expression).iter().filter(|name| name.contains(':')) {
        let written = format!("({})", expanded(&recorded[name], recorded));
        expression = expression.replace(&format!("last_over_time({name}[2h])"), name).replace(name, &written);
    }
    expression.split_whitespace().collect()
}

#[test]
fn grafana_alerts_are_equivalent_to_the_prometheus_rules() {
    let recorded = recorded();
    let text_of = |rule: &Value, key: &str, default: &str| rule[key].as_str().unwrap_or(default).to_owned();
    let expected: BTreeSet<_> = rules()
        .iter()
        .filter(|rule| rule.get("alert").is_some())
        .map(|rule| {
            let severity = text_of(&rule["labels"], "severity", "");
            let held = [text_of(rule, "for", "0s"), text_of(rule, "keep_firing_for", "")];
            let runbook = text_of(&rule["annotations"], "runbook_url", "");
            (text_of(rule, "alert", ""), expanded(&text_of(rule, "expr", ""), &recorded), severity, held, runbook)
        })
        .collect();
    let provisioned = read(ALERTS);
    let groups = provisioned["groups"].as_array().expect("groups");
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    let provisioned_rules: BTreeSet<_> = rules
        .iter()
        .map(|rule| {
            let severity = text_of(&rule["labels"], "severity", "");
            let held = [text_of(rule, "for", ""), text_of(rule, "keepFiringFor", "")];
            let runbook = text_of(&rule["annotations"], "runbook_url", "");
            let expression = text_of(&rule["data"][0]["model"], "expr", "").split_whitespace().collect::<String>();
            let name = text_of(rule, "title", "").split(' ').next().unwrap_or_default().to_owned();
            (name, expression, severity, held, runbook)
        })
        .collect();
    assert_eq!(provisioned_rules, expected);
    let unique = |key: &str| rules.iter().map(|rule| text_of(rule, key, "")).collect::<BTreeSet<_>>().len();
    assert_eq!((unique("uid"), unique("title")), (rules.len(), rules.len()));
    let dashboard = read(DASHBOARD);
    for rule in rules {
        assert_eq!(rule["noDataState"], "OK", "{}", rule["title"]);
        let queries: BTreeSet<_> =
            rule["data"].as_array().into_iter().flatten().map(|query| text_of(query, "refId", "")).collect();
        for named in rule["annotations"].to_string().split("$values.").skip(1) {
            assert!(queries.contains(&named[..1]), "{}: no query {named}", rule["title"]);
        }
        if let Some(panel) = rule.get("panelId") {
            let panels = dashboard["panels"].as_array().expect("panels");
            assert!(panels.iter().any(|found| found["id"] == *panel), "{}: no panel {panel}", rule["title"]);
            assert_eq!(rule["dashboardUid"], dashboard["uid"]);
        }
    }
}

/// Starts a second exporter in the states that the demo does not reach in its first seconds.
async fn low_and_failing() -> (Daemon, Vec<StandIn>) {
    let gateway = Gateway::with_token("a token");
    let information = vec![("sms".to_owned(), "Tele2".to_owned(), "5".to_owned())];
    gateway.set(Account { money: "9".to_owned(), currency: "RUR".to_owned(), information, error: None });
    let exchange = Exchange::new("a token", "64357");
    exchange.set(Wallet { balance: 5.0, id: 4712, common: true, forbidden: true, outage: None });
    let cabinet = Cabinet::new("me", "a password");
    let accounts = vec![("ACC1".to_owned(), String::new(), 5.0)];
    cabinet.set(Books { available: 70.0, currency: "EUR".to_owned(), accounts, ..Books::default() });
    let sms = StandIn::start(gateway).await.expect("a port");
    let freight = StandIn::start(exchange).await.expect("a port");
    let bare = StandIn::start(cabinet).await.expect("a port");
    let broken = StandIn::start(|_: &ReceivedRequest| Reply::new(500, "")).await.expect("a port");
    let prepaid = StandIn::start(|_: &ReceivedRequest| {
        Reply::json(200, &json!({"money": -5, "limit": 100, "left": 7, "expires": "2099-01-01", "resets": "2098-01-01"}))
    });
    let prepaid = prepaid.await.expect("a port");
    broken.always(Behaviour::HangUp);
    let configured = Configured::new(&format!(
        "defaults: {{interval: 1s}}
services:
  prepaid:
    title: Money and requests
    documentation: https://docs.prepaid.example/
    parameters: {{url: {{}}}}
    calls:
      - get: ${{url}}
        readings:
          - {{available: .money, credit_limit: .limit, currency: RUB, expires: .expires, resets: .resets}}
          - {{units: .left, unit: requests}}
sources:
  - name: prepaid
    provider: {{prepaid: {{url: {}}}}}
    low: {{units: {{requests: {{warning: 50, critical: 10}}}}}}
  - name: low
    provider: {{mysmpp: {{url: {}, token: a token}}}}
    low: {{amount: {{warning: 500, critical: 100}}, sms: {{warning: 50, critical: 10}}}}
  - name: forbidden
    provider: {{atisu: {{url: {}, token: a token, ati_code: \"64357\"}}}}
  - name: bare
    provider: {{adstat: {{url: {}, login: {{username: me, password: a password}}}}}}
    low: {{amount: {{critical: 10}}}}
  - name: broken
    provider: {{mysmpp: {{url: {}, token: a token}}}}
",
        prepaid.url("/"),
        sms.url("/json/balance.php"),
        freight.url("/v1.0/balance"),
        bare.url("/api/"),
        broken.url("/json/balance.php")
    ));
    let daemon = Daemon::start(&configured);
    daemon.metrics_where("all five were polled", |page| page.matches("\nbalance_up{").count() == 5).await;
    (daemon, vec![prepaid, sms, freight, bare, broken])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_panel_has_data() {
    let demo = demo();
    let (second, _providers) = low_and_failing().await;
    demo.metrics_where("every source of the demo is up", |page| page.matches("\nbalance_up{").count() == 5).await;

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prometheus.yml");
    let targets = format!("['{}', '{}']", demo.address, second.address);
    let scrape = format!("scrape_configs: [{{job_name: balance, static_configs: [{{targets: {targets}}}]}}]");
    std::fs::write(&file, format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{scrape}\n")).expect("a file");
    let mut prometheus = debian("prometheus", "prometheus");
    prometheus.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
    prometheus.arg(format!("--config.file={}", file.display())).stdout(Stdio::null()).stderr(Stdio::null());
    let port = free_port();
    prometheus.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = crate::real_parts::Running(prometheus.spawn().expect("a Prometheus"));
    let url = format!("http://127.0.0.1:{port}");
    until(&format!("{url}/api/v1/query?query=count(count_over_time(balance_up[1m])>3)"), |answer| answer.contains("\"10\"]"))
        .await;

    let deadline = Instant::now() + PATIENCE;
    for (title, expression) in expressions(DASHBOARD) {
        if title == "Top-ups" {
            // The demo takes minutes to top up; `every_query_is_valid_promql` covers the query.
            continue;
        }
        // A rate needs two different samples of a counter.
        while ask(&url, &with_variables(&expression, "RUB")).await.as_array().is_none_or(Vec::is_empty) {
            assert!(Instant::now() < deadline, "no data in {title}: {expression}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    for (title, expression) in expressions(ALERTS) {
        assert!(ask(&url, &expression).await.is_array(), "Prometheus rejects {title}");
    }
    // One sum for each currency, with ATI's own unit as a currency, and none for accounts whose currency is unknown.
    let panels = expressions(DASHBOARD);
    let (_, total) = panels.iter().find(|(title, _)| title == "Available by currency").expect("the panel");
    let total = ask(&url, &with_variables(total, "RUB")).await;
    let currencies: BTreeSet<_> = total.as_array().into_iter().flatten().map(|sum| sum["metric"].to_string()).collect();
    assert_eq!(currencies.len(), 4, "{total}");
}

/// The result of an instant query; null if Prometheus rejects it.
async fn ask(url: &str, query: &str) -> Value {
    let url = reqwest::Url::parse_with_params(&format!("{url}/api/v1/query"), [("query", query)]).expect("a URL");
    let answer = crate::support::client().get(url).send().await.expect("an answer").text().await.expect("a whole answer");
    serde_json::from_str::<Value>(&answer).expect("JSON")["data"]["result"].clone()
}
