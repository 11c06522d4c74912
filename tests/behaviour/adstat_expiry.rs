//! AdStat's tokens with a clock and a transport that the test controls.

use crate::adstat_session::{LOGIN, REFRESH, books, login, reason, target_at};
use balance_exporter::domain::{Failure, Reason};
use balance_exporter::poll::Target;
use balance_exporter::standin::adstat::Cabinet;
use balance_exporter::standin::{ReceivedRequest, Reply, Service};
use balance_exporter::transport::{Http, Request, Response, StatusCode};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The result of one call to a cabinet.
type CallResult = Result<Reply, Failure>;
/// Changes the answers of a cabinet for a test.
type Twist = Box<dyn FnMut(&ReceivedRequest, &Cabinet) -> CallResult + Send>;

/// A transport to a cabinet without a network, with a clock that the test sets.
#[derive(Clone)]
struct Canned(Arc<Mutex<Calls>>);

struct Calls {
    cabinet: Cabinet,
    now: Instant,
    twist: Twist,
    log: Vec<String>,
}

impl Canned {
    fn new(cabinet: &Cabinet) -> (Self, Target) {
        let twist = Box::new(honest);
        let calls = Calls { cabinet: cabinet.clone(), now: Instant::now(), twist, log: Vec::new() };
        let canned = Self(Arc::new(Mutex::new(calls)));
        let target = target_at("http://cabinet.test/api", &login());
        let target = Target { http: Box::new(canned.clone()), ..target };
        (canned, target)
    }

    fn later(&self, minutes: u64) {
        self.0.lock().expect("no panic").now += Duration::from_secs(minutes * 60);
    }

    fn twist(&self, twist: impl FnMut(&ReceivedRequest, &Cabinet) -> CallResult + Send + 'static) {
        self.0.lock().expect("no panic").twist = Box::new(twist);
    }

    /// The numbers of refreshes and logins since the last call of this function.
    fn renewal_calls(&self) -> [usize; 2] {
        let log = std::mem::take(&mut self.0.lock().expect("no panic").log);
        [REFRESH, LOGIN].map(|wanted| log.iter().filter(|call| *call == wanted).count())
    }
}

impl Http for Canned {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        let mut calls = self.0.lock().expect("no panic");
        let header = |name: &reqwest::header::HeaderName, value: &reqwest::header::HeaderValue| {
            (name.to_string(), value.to_str().expect("ASCII").to_owned())
        };
        let asked = ReceivedRequest {
            method: request.method.to_string(),
            target: request.url.path().to_owned(),
            headers: request.headers.iter().map(|(name, value)| header(name, value)).collect(),
            body: request.body.unwrap_or_default(),
        };
        calls.log.push(format!("{} {}", asked.method, asked.target));
        let Calls { cabinet, now, twist, .. } = &mut *calls;
        let received = *now;
        let response = twist(&asked, cabinet).map(|reply| {
            let status = StatusCode::from_u16(reply.status).expect("a status");
            let headers = reqwest::header::HeaderMap::new();
            let received_at = balance_exporter::domain::Timestamp { millis: 0 };
            Response { status, headers, retry_after: None, body: reply.body.to_vec(), received, received_at }
        });
        Box::pin(std::future::ready(response))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it has the type of the other ways to answer")]
fn honest(asked: &ReceivedRequest, cabinet: &Cabinet) -> CallResult {
    Ok(cabinet.answer(asked))
}

/// Replaces status 401 with this one.
fn refuses_with(status: u16) -> impl FnMut(&ReceivedRequest, &Cabinet) -> CallResult {
    move |asked, cabinet| {
        let reply = cabinet.answer(asked);
        Ok(if reply.status == 401 { Reply { status, ..reply } } else { reply })
    }
}

/// Answers this to a refresh.
fn refreshes_with(answer: fn() -> CallResult) -> impl FnMut(&ReceivedRequest, &Cabinet) -> CallResult {
    move |asked, cabinet| if asked.target.ends_with("access-token") { answer() } else { honest(asked, cabinet) }
}

#[tokio::test]
async fn a_403_on_a_token_older_than_an_hour_counts_as_expiry_once() {
    let cabinet = books();
    let (canned, target) = Canned::new(&cabinet);
    target.poll().await.expect("an answer");
    canned.twist(refuses_with(403));
    cabinet.expire_access();
    canned.later(60);
    canned.renewal_calls();
    assert_eq!(reason(&target.poll().await), Some(Reason::Forbidden), "not older than an hour");
    assert_eq!(canned.renewal_calls(), [0, 0]);
    canned.later(1);
    target.poll().await.expect("an answer");
    assert_eq!((canned.renewal_calls(), cabinet.renewals()), ([1, 0], (1, 1)));

    // The role lacks the right: a new token does not help, and is not requested at each poll.
    canned.twist(|asked, cabinet| if asked.target.contains("/v2/") { honest(asked, cabinet) } else { Ok(Reply::new(403, "{}")) });
    canned.later(61);
    for expected in [[1, 0], [0, 0], [0, 0]] {
        assert_eq!(reason(&target.poll().await), Some(Reason::Forbidden));
        assert_eq!(canned.renewal_calls(), expected);
    }
}

#[tokio::test]
async fn a_403_on_an_old_token_leads_to_a_login_if_the_refresh_is_refused() {
    let cabinet = books();
    let (canned, target) = Canned::new(&cabinet);
    target.poll().await.expect("an answer");
    canned.twist(refuses_with(403));
    cabinet.expire_access();
    cabinet.expire_refresh();
    canned.later(24 * 60);
    canned.renewal_calls();
    target.poll().await.expect("an answer");
    assert_eq!((canned.renewal_calls(), cabinet.renewals()), ([1, 1], (2, 0)));
}

#[tokio::test]
async fn a_refresh_that_fails_in_three_polls_is_replaced_by_a_login() {
    let ways: [(fn() -> CallResult, Reason); 4] = [
        (|| Ok(Reply::new(503, "{}")), Reason::Server),
        (|| Ok(Reply::new(429, "{}")), Reason::RateLimited),
        (|| Ok(Reply::new(200, "{\"detail\":\"later\",\"status_code\":503}")), Reason::Server),
        (|| Err(Failure::new(Reason::Timeout, "no answer")), Reason::Timeout),
    ];
    for (answer, expected) in ways {
        let cabinet = books();
        let (canned, target) = Canned::new(&cabinet);
        target.poll().await.expect("an answer");
        canned.twist(refreshes_with(answer));
        cabinet.expire_access();
        canned.renewal_calls();
        for _ in 0..3 {
            assert_eq!(reason(&target.poll().await), Some(expected));
            assert_eq!(canned.renewal_calls(), [1, 0]);
        }
        target.poll().await.expect("an answer");
        assert_eq!((canned.renewal_calls(), cabinet.renewals()), ([0, 1], (2, 0)));
        // The count of failed refreshes starts again.
        cabinet.expire_access();
        assert_eq!(reason(&target.poll().await), Some(expected));
        assert_eq!(canned.renewal_calls(), [1, 0]);
    }
}

#[tokio::test]
async fn a_successful_refresh_resets_the_count_of_failures() {
    let cabinet = books();
    let (canned, target) = Canned::new(&cabinet);
    target.poll().await.expect("an answer");
    for renewed in 1..=3 {
        cabinet.expire_access();
        canned.twist(refreshes_with(|| Ok(Reply::new(502, ""))));
        for _ in 0..2 {
            assert_eq!(reason(&target.poll().await), Some(Reason::Server));
        }
        canned.twist(honest);
        target.poll().await.expect("an answer");
        assert_eq!(cabinet.renewals(), (1, renewed));
    }
}

#[tokio::test]
async fn a_login_refused_inside_a_200_is_auth_and_tried_once_a_poll() {
    let refusals = [
        serde_json::json!({"detail": "Incorrect username or password", "status_code": 401}),
        serde_json::json!({"detail": ["Incorrect username", "or password"], "status_code": "401"}),
        serde_json::json!({"detail": "Incorrect username or password"}),
        serde_json::json!({"access_token": "a", "refresh_token": "r", "status_code": 401}),
    ];
    for refusal in refusals {
        let (canned, target) = Canned::new(&books());
        canned.twist(move |_, _| Ok(Reply::json(200, &refusal)));
        for _ in 0..2 {
            assert_eq!(reason(&target.poll().await), Some(Reason::Auth));
            assert_eq!(canned.renewal_calls(), [0, 1]);
        }
    }
}

#[tokio::test]
async fn a_401_inside_a_200_also_renews_the_token() {
    let cabinet = books();
    let (canned, target) = Canned::new(&cabinet);
    target.poll().await.expect("an answer");
    canned.twist(refuses_with(200));
    cabinet.expire_access();
    target.poll().await.expect("an answer");
    assert_eq!(cabinet.renewals(), (1, 1));
    cabinet.expire_access();
    cabinet.expire_refresh();
    target.poll().await.expect("an answer");
    assert_eq!(cabinet.renewals(), (2, 1));
}

#[tokio::test]
async fn a_token_replaced_twice_in_one_poll_stays_masked() {
    let cabinet = books();
    let (canned, target) = Canned::new(&cabinet);
    target.poll().await.expect("an answer");
    cabinet.expire_access();
    // The dashboard refuses the old and the refreshed token; the answer about accounts quotes the first one.
    canned.twist(|asked, cabinet| {
        let first = asked.header("authorization").contains("stand-in-access-1.");
        Ok(match asked.target.rsplit('/').next() {
            Some("balances") if first => Reply::new(401, "{}"),
            Some("names") => Reply::json(500, &serde_json::json!({"detail": "stand-in-access-1.0 is not accepted"})),
            _ => cabinet.answer(asked),
        })
    });
    let detail = target.poll().await.expect_err("a failure").detail;
    assert_eq!((cabinet.renewals(), detail.as_str()), ((2, 1), "HTTP 500: *** is not accepted"));
}
