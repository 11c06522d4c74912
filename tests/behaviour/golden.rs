//! The exposition of the real binary against scripted stand-ins, byte for byte.

use crate::support::{Configured, Daemon, binary, repository};
use balance_exporter::standin::adstat::{Books, Cabinet};
use balance_exporter::standin::atisu::{Exchange, Wallet};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};

/// The page with the values that differ between runs replaced by a letter.
fn normalized(metrics: &str) -> String {
    let varying = [
        "balance_last_success_timestamp_seconds",
        "balance_poll_duration_seconds",
        "balance_exporter_config_last_reload_success_timestamp_seconds",
        "process_",
    ];
    let mut normalized = String::new();
    for line in metrics.lines() {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        if varying.iter().any(|prefix| line.starts_with(prefix)) {
            normalized.push_str(series);
            normalized.push_str(" T");
        } else {
            normalized.push_str(line);
        }
        normalized.push('\n');
    }
    let revision = normalized.split("revision=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    let normalized = normalized.replace(&format!("revision=\"{revision}\""), "revision=\"R\"");
    normalized.replace(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), "version=\"V\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_page_is_the_golden_page() {
    let cabinet = Cabinet::new("me@example.com", "golden password");
    cabinet.set(Books {
        available: 1234.5,
        active: 0.1,
        currency: "eur".to_owned(),
        accounts: vec![("ACC2".to_owned(), "«Ромашка» \"\\".to_owned(), -3.0), ("ACC1".to_owned(), "A & B".to_owned(), 0.0)],
        outage: None,
    });
    let gateway = Gateway::with_token("golden token");
    let row = |kind: &str, area: &str, count: &str| (kind.to_owned(), area.to_owned(), count.to_owned());
    gateway.set(Account {
        money: "19023.9".to_owned(),
        currency: "RUR".to_owned(),
        information: vec![
            row("sms", "Россия", "Безлимит"),
            row("sms", "МТС ", " 1.5 "),
            row("viber", "Tele2", "72029"),
            row("sms", "МТС", "9"),
        ],
        error: None,
    });
    let exchange = Exchange::new("golden token", "64357");
    exchange.set(Wallet { balance: 0.5, id: 4711, common: true, forbidden: true, outage: None });
    let ads = StandIn::start(cabinet).await.expect("a port");
    let sms = StandIn::start(gateway).await.expect("a port");
    let freight = StandIn::start(exchange).await.expect("a port");
    let prepaid = r#"{"accounts":[{"id":"A","money":-12.5,"limit":1000,"used":"2.25"},{"id":"B","money":0,"limit":0,"used":0}],
        "left":-1,"minutes":"99.5","until":"2031-05-25","again":1924992000}"#;
    let prepaid = StandIn::start(move |_: &_| Reply::new(200, prepaid)).await.expect("a port");
    let broken = StandIn::start(|_: &_| Reply::new(403, "{\"detail\":\"not your role\"}")).await.expect("a port");
    let hanging = StandIn::start(|_: &_| Reply::new(200, "")).await.expect("a port");
    hanging.then([Behaviour::Hang]);

    let configured = Configured::new(&format!(
        "defaults: {{interval: 1h}}
services:
  prepaid:
    title: Every measure that a service can have
    documentation: https://docs.prepaid.example/
    parameters: {{url: {{}}}}
    calls:
      - get: ${{url}}
        readings:
          - each: .accounts[]
            account: .id
            available: .money
            active: .used
            total: .money
            credit_limit: .limit
            currency: USD
          - {{units: .left, unit: requests, unlimited: [-1], expires: .until, resets: .again}}
          - {{units: .minutes, unit: minutes}}
sources:
  - name: prepaid
    provider: {{prepaid: {{url: {prepaid}}}}}
    low: {{amount: {{warning: 5}}, units: {{requests: {{warning: 100}}, minutes: {{warning: 100, critical: 10}}}}}}
  - name: zz.ads
    provider: {{adstat: {{url: {ads}, login: {{username: me@example.com, password: golden password}}, account_currency: usdt}}}}
    low: {{amount: {{warning: 500, critical: 100}}, accounts: {{ACC1: {{critical: 50}}, \"\": {{warning: 2000}}}}}}
  - name: sms
    provider: {{mysmpp: {{url: {sms}, token: golden token}}}}
    low: {{sms: {{warning: 1000}}, areas: {{Tele2: {{critical: 100.5}}}}}}
  - name: freight
    provider: {{atisu: {{url: {freight}, token: golden token, ati_code: \"64357\"}}}}
    low: {{amount: {{critical: -10}}}}
  - name: broken
    interval: 90s
    provider: {{adstat: {{url: {broken}, token: golden token}}}}
  - name: hanging
    provider: {{mysmpp: {{url: {hanging}, token: golden token}}}}
    timeout: 59m
",
        ads = ads.url("/api"),
        sms = sms.url("/json/balance.php"),
        freight = freight.url("/v1.0/balance"),
        broken = broken.url("/"),
        hanging = hanging.url("/"),
        prepaid = prepaid.url("/"),
    ));
    let state = configured.directory.path().join("state");
    let storage = ["--storage.path", state.to_str().expect("UTF-8")];
    let daemon = Daemon::start_with(configured.path(), &storage, &mut binary());
    let ended = |metrics: &str| metrics.lines().filter(|line| line.starts_with("balance_up{")).count() == 5;
    let page = normalized(&daemon.metrics_where("five polls have ended", ended).await);

    let file = repository("tests/golden/metrics.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &page).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&file).expect("a golden file; make it with UPDATE_GOLDEN=1");
    assert!(page == golden, "the page is not the golden page; look at `UPDATE_GOLDEN=1 cargo test golden; git diff`:\n{page}");
}
