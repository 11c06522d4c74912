//! Polls of described services: what is asked, and what becomes of the answers.

mod answers;
mod attack;
mod document;
mod requests;
mod sessions;

use super::example::CannedAnswer;
use super::{Given, Service, Values, read};
use crate::domain::{Answer, Failure, Reason};
use crate::provider::Provider;
use crate::provider::service::description::Description;
use crate::secret::Secret;
use crate::transport::{Http, Request, Response, StatusCode, parse_retry_after};
use crate::yaml::{Node, Position};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A network that answers from a list, on a clock that the test sets.
struct Script {
    answers: Mutex<VecDeque<CannedAnswer>>,
    sent: Mutex<Vec<Sent>>,
    now: Mutex<Instant>,
}

impl Script {
    fn new<const N: usize>(answers: [CannedAnswer; N]) -> Self {
        Self { answers: Mutex::new(answers.into()), sent: Mutex::default(), now: Mutex::new(Instant::now()) }
    }

    fn then<const N: usize>(&self, answers: [CannedAnswer; N]) {
        self.answers.lock().expect("no panic").extend(answers);
    }

    fn pass(&self, time: Duration) {
        *self.now.lock().expect("no panic") += time;
    }

    /// The requests since the last call of this function.
    fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().expect("no panic"))
    }

    /// Their first lines.
    fn lines(&self) -> Vec<String> {
        self.sent().into_iter().map(|sent| sent.line).collect()
    }

    fn poll(&self, service: &Service) -> Result<Answer, Failure> {
        service.poll(self).now_or_never().expect("nothing to wait for")
    }
}

impl Http for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().expect("text").to_owned());
        let sent = Sent {
            line: format!("{} {}", request.method, request.url),
            headers: request.headers.iter().map(header).collect(),
            body: String::from_utf8(request.body.unwrap_or_default()).expect("UTF-8"),
        };
        assert!(!request.redirects, "a described service follows no redirect");
        self.sent.lock().expect("no panic").push(sent);
        let CannedAnswer { status, headers, body } = self.answers.lock().expect("no panic").pop_front().expect("an answer");
        let mut map = HeaderMap::new();
        for (name, value) in &headers {
            map.append(
                HeaderName::try_from(name.as_str()).expect("a name"),
                HeaderValue::try_from(value.as_str()).expect("a value"),
            );
        }
        let retry_after = map.get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?));
        let status = StatusCode::from_u16(status).expect("a status");
        let received = *self.now.lock().expect("no panic");
        let received_at = super::example::EXAMPLE_TIME;
        std::future::ready(Ok(Response { status, headers: map, retry_after, body, received, received_at })).boxed()
    }

    fn now(&self) -> Instant {
        *self.now.lock().expect("no panic")
    }

    fn is_inline(&self) -> bool {
        true
    }
}

fn answer(status: u16, body: &str) -> CannedAnswer {
    CannedAnswer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

fn ok(body: &str) -> CannedAnswer {
    answer(200, body)
}

/// A description with these parameters, and with what follows them.
fn description(parameters: &str, rest: &str) -> Arc<Description> {
    let rest = rest.trim_end().replace('\n', "\n  ");
    let text =
        format!("acme:\n  title: Acme\n  documentation: https://docs.acme.example/\n  parameters: {{{parameters}}}\n  {rest}\n");
    let tree = Node::parse(&text).expect("YAML");
    let read = read("acme", tree.get("acme").expect("the description"), Position { line: 1, column: 1 }, "acme");
    read.description.unwrap_or_else(|| panic!("{text}\n{:?}", read.mistakes))
}

/// A source of a service. A list is separated by commas.
fn service<const N: usize>(description: &Arc<Description>, values: [&str; N]) -> Service {
    Service::new(description.clone(), given(description, values))
}

fn given<const N: usize>(description: &Description, values: [&str; N]) -> Values {
    let secret = |text: &str| Secret::new(text.to_owned());
    let value = |(i, text): (usize, &str)| {
        let list = description.parameters[i].list;
        if list { Given::List(text.split(',').map(secret).collect()) } else { Given::One(secret(text)) }
    };
    Values(values.into_iter().enumerate().map(value).collect())
}

/// The readings as a page shows them, or the reason and the detail.
fn shown(result: Result<Answer, Failure>) -> Result<Vec<String>, (Reason, String)> {
    match result {
        Ok(answer) => Ok(answer.readings.iter().map(super::described).collect()),
        Err(failure) => Err((failure.reason, failure.detail)),
    }
}

fn reason<T>(result: Result<T, (Reason, String)>) -> Option<Reason> {
    result.err().map(|(reason, _)| reason)
}

/// Polls a service of one call that reads `.balance`, where the call has these further keys.
fn poll_once(keys: &str, answered: CannedAnswer) -> Result<Vec<String>, (Reason, String)> {
    let calls = format!("calls:\n  - get: ${{url}}v1\n    {}\n", keys.replace('\n', "\n    "));
    let description = description("url: {default: https://api.acme.example/}", &calls);
    shown(Script::new([answered]).poll(&service(&description, ["https://api.acme.example/"])))
}
