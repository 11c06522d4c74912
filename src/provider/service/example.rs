//! Examples: a poll over answers that are written down, and what must come of it. No network, no clock.

use super::description::Description;
use super::mistake::Mistake;
use super::poll::Service;
use super::values::Values;
use crate::domain::{Answer, Failure, Quantity, Reading, Reason, Timestamp, Value};
use crate::provider::Provider;
use crate::transport::{Explained, Http, Request, Response, StatusCode, parse_retry_after};
use crate::yaml::Position;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When the answers of examples arrive: 2026-01-01 00:00:00 UTC.
pub(crate) const EXAMPLE_TIME: Timestamp = Timestamp { millis: 1_767_225_600_000 };

/// An example of a description.
#[derive(Debug)]
pub(crate) struct Example {
    /// Values of parameters that are neither their default nor their name.
    pub(crate) parameters: Vec<(Box<str>, Vec<String>)>,
    /// One for each request of the poll, in order; those of the session come first.
    pub(crate) answers: Vec<CannedAnswer>,
    /// What must come of them.
    pub(crate) expected: Expected,
}

/// A written answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CannedAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What must come of an example.
#[derive(Debug)]
pub(crate) enum Expected {
    /// Every reading, in any order.
    Readings(Vec<Reading>),
    Failure(Reason),
}

impl Example {
    /// Polls the service over the answers.
    ///
    /// # Errors
    /// How the outcome differs from what is expected.
    pub(crate) fn run(&self, description: &Arc<Description>) -> Result<(), String> {
        let http = Canned::new(self.answers.clone(), EXAMPLE_TIME, false);
        let values = Values::of_example(&description.parameters, &self.parameters);
        let result = http.poll(&Service::new(description.clone(), values));
        let (missing, left) = http.uneven();
        if missing {
            return Err("the poll sends more requests than the example has answers; add the next answer".to_owned());
        }
        match (&self.expected, result) {
            (_, Ok(_)) if left > 0 => Err(format!("{left} of its answers are not asked for; drop them or add the call")),
            (Expected::Failure(wanted), Err(failure)) if failure.reason == *wanted => Ok(()),
            (Expected::Failure(wanted), Err(failure)) => {
                Err(format!("fails with {} where {} is expected: {}", failure.reason.as_str(), wanted.as_str(), failure.detail))
            }
            (Expected::Failure(wanted), Ok(_)) => {
                Err(format!("yields readings where the failure {} is expected", wanted.as_str()))
            }
            (Expected::Readings(_), Err(failure)) => Err(failure.detail),
            (Expected::Readings(wanted), Ok(answer)) => difference(wanted, &answer),
        }
    }
}

/// The examples whose outcome differs from what they expect.
pub(crate) fn failing(description: &Arc<Description>, examples: &[(Position, String, Example)]) -> Vec<Mistake> {
    let run = |(at, place, example): &(Position, String, Example)| {
        let text = example.run(description).err()?;
        Some(Mistake { at: *at, place: place.clone(), text })
    };
    examples.iter().filter_map(run).collect()
}

fn difference(wanted: &[Reading], answer: &Answer) -> Result<(), String> {
    let wanted = Answer::new(wanted.to_vec()).readings;
    let extra = answer
        .readings
        .iter()
        .filter(|reading| !wanted.contains(reading))
        .map(|reading| format!("yields {}", described(reading)));
    let lacking = wanted
        .iter()
        .filter(|reading| !answer.readings.contains(reading))
        .map(|reading| format!("expects {}", described(reading)));
    let differences: Vec<String> = extra.chain(lacking).collect();
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}

/// A reading as the page of metrics shows it, without the labels of the source.
pub(crate) fn described(reading: &Reading) -> String {
    let labels =
        reading.labels().filter(|(.., label)| !label.is_empty()).map(|(name, _, label)| format!("{name}={:?}", label.as_str()));
    let labels = labels.collect::<Vec<_>>().join(",");
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let value = match reading.value() {
        Value::Amount(figure) | Value::Count(Quantity::Limited(figure)) => figure.get().to_string(),
        Value::Count(Quantity::Unlimited) => "+Inf".to_owned(),
        Value::Flag(flag) => u8::from(flag).to_string(),
        Value::Info => "1".to_owned(),
        Value::Time(time) => time.seconds().to_string(),
    };
    format!("{}{labels} {value}", reading.measure().definition().metric)
}

/// Answers requests from a list, without a network.
pub(crate) struct Canned {
    state: Mutex<State>,
    received_at: Timestamp,
    explains: bool,
}

#[derive(Default)]
struct State {
    answers: VecDeque<CannedAnswer>,
    /// Whether there was a request without an answer.
    missing: bool,
    explained: Vec<Explained>,
}

impl Canned {
    /// Answers in this order, all at `received_at`.
    pub(crate) fn new(answers: Vec<CannedAnswer>, received_at: Timestamp, explains: bool) -> Self {
        let state = Mutex::new(State { answers: answers.into(), ..State::default() });
        Self { state, received_at, explains }
    }

    /// Polls a service over the answers.
    ///
    /// # Errors
    /// As [`Provider::poll`].
    pub(crate) fn poll(&self, service: &Service) -> Result<Answer, Failure> {
        let waited = || Failure::new(Reason::Internal, "an example that waits");
        service.poll(self).now_or_never().unwrap_or_else(|| Err(waited()))
    }

    /// Whether a request found no answer, and how many answers are left.
    pub(crate) fn uneven(&self) -> (bool, usize) {
        let state = self.state();
        (state.missing, state.answers.len())
    }

    /// The explanations so far.
    pub(crate) fn explained(&self) -> Vec<Explained> {
        self.state().explained.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let mut state = self.state();
        let Some(CannedAnswer { status, headers, body }) = state.answers.pop_front() else {
            state.missing = true;
            return Err(Failure::new(Reason::Internal, "there is no answer for this request"));
        };
        if self.explains {
            let line = format!("{} {}    {status}, {} bytes", request.method, request.url, body.len());
            state.explained.push(Explained::Line(line));
        }
        drop(state);
        let unusable = || Failure::new(Reason::Internal, "an example with an unusable status or header");
        let mut map = HeaderMap::new();
        for (name, value) in &headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
            map.append(name, HeaderValue::try_from(value.as_str()).map_err(|_| unusable())?);
        }
        let status = StatusCode::from_u16(status).map_err(|_| unusable())?;
        let retry_after = map.get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?));
        let (received, received_at) = (self.now(), self.received_at);
        Ok(Response { status, headers: map, retry_after, body, received, received_at })
    }
}

impl Http for Canned {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        std::future::ready(self.answer(&request)).boxed()
    }

    fn explains(&self) -> bool {
        self.explains
    }

    fn explain(&self, lines: Vec<Explained>) {
        self.state().explained.extend(lines);
    }

    fn is_inline(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::provider::service::read;
    use crate::yaml::Node;

    /// Runs the example of a service that reads XML.
    fn run(body: &str, expected: &str) -> Result<(), String> {
        let text = format!(
            "title: Acme\n\
             documentation: https://acme.example/\n\
             parameters: {{url: {{default: https://acme.example/}}}}\n\
             calls:\n\
             \x20 - get: ${{url}}\n\
             \x20   answer: xml\n\
             \x20   readings: [{{available: .response.money}}]\n\
             examples:\n\
             \x20 - answers: [{{status: 200, body: '{body}'}}]\n\
             \x20   {expected}\n"
        );
        let node = Node::parse(&text).expect("YAML");
        let read = read("acme", &node, node.at, "services.acme");
        let mistakes: Vec<String> = read.mistakes.iter().map(|mistake| format!("{mistake:?}")).collect();
        assert_eq!(mistakes, Vec::<String>::new());
        read.examples[0].2.run(&read.description.expect("a description"))
    }

    #[test]
    fn an_error_in_the_root_element_fails_the_poll() {
        assert_eq!(run("<response><error>no</error><money>0</money></response>", "reason: rejected"), Ok(()));
        assert_eq!(run("<Error>no</Error>", "reason: rejected"), Ok(()));
        assert_eq!(run("<response><a><error>no</error></a></response>", "reason: decode"), Ok(()), "as it is with JSON");
    }
}
