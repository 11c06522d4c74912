//! AdStat's tokens over a network: at most one login for each expiry.

use balance_exporter::config::Config;
use balance_exporter::domain::{Answer, Failure, Measure, Reason};
use balance_exporter::poll::Target;
use balance_exporter::poll::assemble::assemble;
use balance_exporter::standin::adstat::{Books, Cabinet};
use balance_exporter::standin::{Behaviour, ReceivedRequest, Reply, StandIn};
use balance_exporter::transport::client::Clients;
use std::path::Path;

const PASSWORD: &str = "the password of a test";

/// A cabinet with two accounts.
pub(crate) fn books() -> Cabinet {
    let cabinet = Cabinet::new("me", PASSWORD);
    let account = |uid: &str, name: &str, balance| (uid.to_owned(), name.to_owned(), balance);
    let accounts = vec![account("ACC/1", "One", 1.0), account("ACC2", "Two", 2.0)];
    cabinet.set(Books { available: 10.0, active: 20.0, currency: "EUR".to_owned(), accounts, outage: None });
    cabinet
}

/// A cabinet, and a target that polls it.
async fn cabinet(settings: &str) -> (Cabinet, StandIn, Target) {
    let cabinet = books();
    let stand_in = StandIn::start(cabinet.clone()).await.expect("a port");
    let target = target(&stand_in, settings);
    (cabinet, stand_in, target)
}

/// A target that asks the cabinet at this address, without a proxy.
pub(crate) fn target_at(url: &str, settings: &str) -> Target {
    let file = format!("sources: [{{name: a, provider: {{adstat: {{url: \"{url}\", {settings}}}}}}}]");
    let mut config = Config::from_text(Path::new("test.yaml"), &file).expect("a good file");
    config.sources[0].direct = true;
    assemble(config, &mut Clients::default()).expect("a good source").sources.remove(0).target
}

fn target(stand_in: &StandIn, settings: &str) -> Target {
    target_at(&stand_in.url("/api"), settings)
}

pub(crate) fn login() -> String {
    format!("login: {{username: me, password: {PASSWORD}}}")
}

/// Method and path of the requests since the last call. `seen` counts those already returned.
fn calls(stand_in: &StandIn, seen: &mut usize) -> Vec<String> {
    let asked = stand_in.requests();
    let calls = asked[*seen..].iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    *seen = asked.len();
    calls
}

fn sorted(mut calls: Vec<String>) -> Vec<String> {
    calls.sort();
    calls
}

fn available(answer: &Answer) -> Vec<(String, f64)> {
    let available = answer.readings.iter().filter(|reading| reading.measure() == Measure::AvailableAmount);
    available.filter_map(|reading| Some((reading.label("account")?.to_string(), reading.value().figure()?.get()))).collect()
}

pub(crate) fn reason(polled: &Result<Answer, Failure>) -> Option<Reason> {
    polled.as_ref().err().map(|failure| failure.reason)
}

pub(crate) const LOGIN: &str = "POST /api/v2/login";
pub(crate) const REFRESH: &str = "GET /api/v2/access-token";
const DASHBOARD: &str = "GET /api/dashboard/balances";
const NAMES: &str = "GET /api/accounts/telegram/names";

#[tokio::test]
async fn logs_in_once_and_reuses_the_token() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    let mut seen = 0;
    let answer = target.poll().await.expect("an answer");
    let everything = vec![(String::new(), 10.0), ("ACC/1".to_owned(), 1.0), ("ACC2".to_owned(), 2.0)];
    assert_eq!(available(&answer), everything);
    assert_eq!(sorted(calls(&stand_in, &mut seen)), [NAMES, DASHBOARD, LOGIN]);
    for _ in 0..3 {
        target.poll().await.expect("an answer");
        assert_eq!(sorted(calls(&stand_in, &mut seen)), [NAMES, DASHBOARD]);
    }
    assert_eq!(cabinet.renewals(), (1, 0));
}

#[tokio::test]
async fn concurrent_401s_cause_one_refresh() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    target.poll().await.expect("an answer");
    for n in 1..=3 {
        let mut seen = stand_in.requests().len();
        cabinet.expire_access();
        target.poll().await.expect("an answer");
        let calls = calls(&stand_in, &mut seen);
        assert_eq!(calls.iter().filter(|call| *call == REFRESH).count(), 1, "{calls:?}");
        assert_eq!(cabinet.renewals(), (1, n));
    }
}

#[tokio::test]
async fn an_expired_refresh_token_causes_one_login() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    target.poll().await.expect("an answer");
    cabinet.expire_access();
    cabinet.expire_refresh();
    let mut seen = stand_in.requests().len();
    target.poll().await.expect("an answer");
    let calls = calls(&stand_in, &mut seen);
    assert_eq!([REFRESH, LOGIN].map(|wanted| calls.iter().filter(|call| *call == wanted).count()), [1, 1], "{calls:?}");
    assert_eq!(cabinet.renewals(), (2, 0));
    target.poll().await.expect("an answer");
    assert_eq!(cabinet.renewals(), (2, 0));
}

/// A cabinet that issues tokens and accepts none of them.
async fn rejecting_cabinet() -> StandIn {
    let answer = |asked: &ReceivedRequest| match asked.target.as_str() {
        "/api/v2/access-token" => Reply::json(200, &serde_json::json!({"access_token": "useless", "token_type": "Bearer"})),
        "/api/v2/login" => Reply::json(200, &serde_json::json!({"access_token": "useless", "refresh_token": "useless"})),
        _ => Reply::json(401, &serde_json::json!({"detail": "Token Expired"})),
    };
    StandIn::start(answer).await.expect("a port")
}

#[tokio::test]
async fn a_refused_token_causes_one_refresh_and_one_login_a_poll_and_then_auth() {
    let stand_in = rejecting_cabinet().await;
    let target = target(&stand_in, &login());
    let mut seen = 0;
    for poll in 1..=3 {
        assert_eq!(reason(&target.poll().await), Some(Reason::Auth));
        let calls = calls(&stand_in, &mut seen);
        let count = [LOGIN, REFRESH].map(|wanted| calls.iter().filter(|call| *call == wanted).count());
        assert_eq!(count, [1, 1], "poll {poll}: {calls:?}");
    }
}

#[tokio::test]
async fn a_login_in_progress_is_not_cancelled() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    target.poll().await.expect("an answer");
    cabinet.expire_access();
    cabinet.expire_refresh();
    // The dashboard's 401 leads to a refresh and a login, which must survive the earlier failure of the other call.
    let mut seen = stand_in.requests().len();
    stand_in.then([Behaviour::Reply(Reply::new(401, "{}")), Behaviour::Reply(Reply::new(500, "{}"))]);
    assert_eq!(reason(&target.poll().await), Some(Reason::Server));
    target.poll().await.expect("an answer");
    let calls = calls(&stand_in, &mut seen);
    assert_eq!(calls.iter().filter(|call| *call == LOGIN).count(), 1, "{calls:?}");
    assert_eq!(cabinet.renewals(), (2, 0));
}

#[tokio::test]
async fn tokens_stay_masked_however_often_they_are_refreshed() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    for _ in 0..6 {
        target.poll().await.expect("an answer");
        cabinet.expire_access();
    }
    let said = |asked: &ReceivedRequest| asked.headers.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ");
    let echoed =
        stand_in.requests().iter().rev().find(|asked| !asked.header("refresh_token").is_empty()).map(said).expect("a refresh");
    assert!(echoed.contains("stand-in-refresh-1"), "{echoed}");
    stand_in.always(Behaviour::Reply(Reply::json(503, &serde_json::json!({"detail": echoed}))));
    let detail = target.poll().await.expect_err("a failure").detail;
    assert!(detail.contains("***") && !detail.contains("stand-in-refresh"), "{detail}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_a_poll() {
    let (cabinet, stand_in, _) = cabinet(&login()).await;
    let target = target(&stand_in, "login: {username: me, password: wrong}");
    for polls in 1..=3 {
        let polled = target.poll().await;
        assert_eq!(polled, Err(Failure::new(Reason::Auth, "HTTP 401: Incorrect username or password")));
        assert_eq!(stand_in.requests().len(), polls);
    }
    assert_eq!(cabinet.renewals(), (0, 0));
}

#[tokio::test]
async fn an_outage_does_not_cause_a_login() {
    let (cabinet, stand_in, target) = cabinet(&login()).await;
    target.poll().await.expect("an answer");
    cabinet.expire_access();
    // Both calls get a 401, and then the refresh gets a 503.
    let refused = || Behaviour::Reply(Reply::new(401, "{}"));
    stand_in.then([refused(), refused(), Behaviour::Reply(Reply::new(503, "{\"detail\":[\"closed\",\"for an hour\"]}"))]);
    assert_eq!(target.poll().await, Err(Failure::new(Reason::Server, "HTTP 503: closed; for an hour")));
    assert_eq!(cabinet.renewals(), (1, 0));
    target.poll().await.expect("an answer");
    assert_eq!(cabinet.renewals(), (1, 1));
}

#[tokio::test]
async fn a_fixed_token_is_used_and_never_renewed() {
    let (cabinet, stand_in, target) = cabinet("token: fixed").await;
    assert_eq!(reason(&target.poll().await), Some(Reason::Auth));
    assert_eq!(stand_in.requests()[0].header("authorization"), "Bearer fixed");
    assert_eq!(cabinet.renewals(), (0, 0));
    assert!(stand_in.requests().iter().all(|asked| !asked.target.contains("/v2/")));
}

#[tokio::test]
async fn listed_accounts_are_asked_one_by_one_and_all_or_nothing() {
    let (_, stand_in, target) = cabinet(&format!("{}, accounts: [ACC2, ACC/1], account_currency: usd", login())).await;
    let unlisted = target.poll().await;
    assert_eq!(reason(&unlisted), Some(Reason::NotFound), "the stand-in does not undo percent-encoding");
    let targets: Vec<String> = stand_in.requests().into_iter().map(|asked| asked.target).collect();
    assert!(targets.contains(&"/api/accounts/telegram/ACC%2F1".to_owned()), "{targets:?}");

    let listed = self::target(&stand_in, &format!("{}, accounts: [ACC2]", login()));
    assert_eq!(available(&listed.poll().await.expect("an answer")), [(String::new(), 10.0), ("ACC2".to_owned(), 2.0)]);
    stand_in.then((0..3).map(|_| Behaviour::Reply(Reply::json(200, &serde_json::json!({"account_uid": "ACC9", "balance": 5})))));
    assert_eq!(reason(&listed.poll().await), Some(Reason::Decode), "an answer about another account");
}

#[tokio::test]
async fn accounts_that_look_alike_are_asked_once() {
    let twice = |accounts: &str| {
        let file = format!("sources: [{{name: a, provider: {{adstat: {{token: t, accounts: {accounts}}}}}}}]");
        Config::from_text(Path::new("test.yaml"), &file).err().map(|error| error.to_string())
    };
    for accounts in ["[A, A]", "[A, \"A \"]", "[\" A\", \"A\\t\"]", "[\"A\", \"A\\u00a0\"]", "[\"A\\nB\", \"A B\"]"] {
        let problem = twice(accounts).unwrap_or_default();
        assert!(problem.contains("accounts[1]") && problem.contains("is listed twice; drop one"), "{accounts}: {problem}");
    }
    assert_eq!(twice("[A, a, B]"), None);
    let (_, stand_in, _) = cabinet(&login()).await;
    let target = target(&stand_in, &format!("{}, accounts: [\" ACC2 \"]", login()));
    assert_eq!(available(&target.poll().await.expect("an answer")), [(String::new(), 10.0), ("ACC2".to_owned(), 2.0)]);
}
