//! The same account in other words: its state is found again, and the words that are new are in force.

use crate::kept::{Setup, value};
use balance_exporter::standin::{ReceivedRequest, Reply, StandIn};
use reqwest::Method;
use rustix::process::Signal;

const POLLS: &str = "balance_polls_total{provider=\"mysmpp\",source=\"a\"}";

fn source(url: &str, more: &str) -> String {
    format!("  - {{name: a, provider: {{mysmpp: {{url: \"{url}\", login: me, password: a password{more}}}}}}}\n")
}

async fn gateway() -> StandIn {
    StandIn::start(|_: &ReceivedRequest| Reply::new(200, r#"{"money":"1","currency":"RUB"}"#)).await.expect("a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_restart_finds_the_state_of_an_account_that_is_written_in_another_way() {
    let gateway = gateway().await;
    let setup = Setup::new(&source(&gateway.url("/balance"), ""));
    let daemon = setup.start();
    daemon.metrics_with(&format!("{POLLS} 1")).await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    let shouted = gateway.url("/balance/?").replace("http://", "HTTP://");
    setup.configure(&source(&shouted, " of today"));
    let daemon = setup.start();
    let metrics = daemon.metrics_with("balance_exporter_build_info").await;
    assert!(value(&metrics, POLLS) >= Some(1.0), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_asks_at_the_new_address_of_the_same_account() {
    let gateway = gateway().await;
    let setup = Setup::new(&source(&gateway.url("/balance"), ""));
    let daemon = setup.start();
    daemon.metrics_with(&format!("{POLLS} 1")).await;
    setup.configure(&source(&gateway.url("/balance/"), ""));
    assert_eq!(daemon.ask(Method::POST, "/-/reload", &[]).await.status, 200);
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while gateway.requests().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "never polled again");
        tokio::task::yield_now().await;
    }
    let asked: Vec<String> = gateway.requests().iter().map(|asked| asked.target.clone()).collect();
    assert_eq!(asked, ["/balance", "/balance/"]);
}
