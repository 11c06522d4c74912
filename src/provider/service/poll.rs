//! Polls a service: sends the calls of its description one after another, each for every element of its list, and collects what their
//! answers say. A poll is all or nothing.

use super::description::{Authorization, Body, Call, Description, Json, Piece, Slot, Template};
use super::evaluate::{Evaluated, Taken, Token, evaluate};
use super::evaluation::{Compiled, Job, Which};
use super::fill::{self, Slots, Unfilled};
use super::session::{Sessions, Use};
use super::values::Values;
use crate::domain::{Answer, Failure, Measure, Reading, Reason};
use crate::provider::Provider;
use crate::secret::{Mask, Secret};
use crate::system::lane::Lane;
use crate::transport::{BODY_LIMIT, Http};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// The most requests of a poll, those of a login included.
const REQUEST_LIMIT: usize = 200;
/// The most private texts in the answers of a poll.
const PRIVATE_LIMIT: usize = 100;
/// A shorter kept text, in bytes, is not masked: it would match by chance, as the identifier 1 does.
const SHORTEST_KEPT: usize = 6;
/// A larger body, in bytes, is evaluated on a thread of its own.
const LARGE: usize = 64 * 1024;
/// The stack of such a thread, in bytes: documents and expressions are nested.
const STACK: usize = 2 * 1024 * 1024;
/// Large answers are evaluated two at a time: each may take much memory.
static LARGE_ANSWERS: LazyLock<Lane> = LazyLock::new(|| Lane::new("large-answer", 2).with_stack(STACK));

/// A configured source of a service.
pub(crate) struct Service {
    compiled: Arc<Compiled>,
    sessions: Sessions,
    /// What the last poll has kept, and what its answers called private: it may be echoed.
    seen: Mutex<Seen>,
}

/// Texts of the last poll that must not be shown.
#[derive(Default)]
struct Seen {
    /// What the answers called private, and kept texts that later calls send as credentials. No label shows them.
    private: Vec<Secret>,
    /// Other kept texts. A label may show them.
    kept: Vec<Secret>,
    /// The length of all of them, in bytes.
    length: usize,
}

impl Seen {
    /// Notes texts, within the limits: every one costs memory, and a private one costs time with each label.
    fn note(&mut self, private: bool, texts: &[Secret], place: &str) -> Result<(), Failure> {
        self.length += texts.iter().map(|text| text.expose().len()).sum::<usize>();
        let list = if private { &mut self.private } else { &mut self.kept };
        list.extend_from_slice(texts);
        if self.private.len() > PRIVATE_LIMIT || self.length > BODY_LIMIT {
            let detail = format!("{place}: the answers hold more than {PRIVATE_LIMIT} private texts, or more than 1 MiB to keep");
            return Err(Failure::new(Reason::TooLarge, detail));
        }
        Ok(())
    }
}

impl Service {
    /// A source of this service.
    #[must_use]
    pub(crate) fn new(description: Arc<Description>, values: Values) -> Self {
        let parameters = values.document(&description);
        Self {
            compiled: Arc::new(Compiled { description, values, parameters }),
            sessions: Sessions::default(),
            seen: Mutex::default(),
        }
    }

    /// The same source with a session that is already open, for answers without those of a login.
    #[must_use]
    pub(crate) fn logged_in(self, now: Instant) -> Self {
        let token = Token { text: Secret::new("session-token".to_owned()), lifetime: None };
        self.sessions.keep(token, now);
        self
    }

    /// Every spelling of the configured secrets that a request carries beside the secrets themselves: basic authentication.
    #[must_use]
    pub(crate) fn encoded_secrets(description: &Description, values: &Values) -> Vec<Secret> {
        let calls = description.session.iter().flat_map(|session| &session.calls).chain(&description.calls);
        let slots = Slots { values, kept: &[], session: None, element: None };
        let basic = |call: &Call| match &call.authorization {
            Authorization::Basic { username, password } => {
                let pair = format!("{}:{}", slots.text(username).ok()?, slots.text(password).ok()?);
                Some(Secret::new(STANDARD.encode(pair)))
            }
            _ => None,
        };
        calls.filter_map(basic).collect()
    }

    async fn poll_with_session(&self, http: &dyn Http) -> Result<Answer, Failure> {
        let mut budget = REQUEST_LIMIT;
        let mut seen = Seen::default();
        let result = self.try_poll(http, &mut budget, &mut seen).await;
        let result = result.map(|readings| masked(readings, &seen.private)).and_then(distinct);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        result
    }

    /// Polls with the token that there is, and once more with a new one if that is refused.
    async fn try_poll(&self, http: &dyn Http, budget: &mut usize, seen: &mut Seen) -> Result<Vec<Reading>, Failure> {
        let Some(session) = &self.compiled.description.session else {
            return self.calls(http, None, budget, seen).await;
        };
        let (token, fresh) = match self.sessions.usable(http.now()) {
            Use::Token(token) => (token, false),
            Use::LogIn => (self.log_in(http, budget, seen).await?, true),
        };
        let failure = match self.calls(http, Some(&token), budget, seen).await {
            Err(failure) if session.refused.contains(&failure.reason) => failure,
            other => return other,
        };
        self.sessions.forget();
        if fresh {
            return Err(failure);
        }
        let token = self.log_in(http, budget, seen).await?;
        let again = self.calls(http, Some(&token), budget, seen).await;
        if again.as_ref().is_err_and(|failure| session.refused.contains(&failure.reason)) {
            self.sessions.forget();
        }
        again
    }

    async fn log_in(&self, http: &dyn Http, budget: &mut usize, seen: &mut Seen) -> Result<Secret, Failure> {
        let count = self.compiled.description.session.as_ref().map_or(0, |session| session.calls.len());
        let mut run = Run::new(self, http, None, budget, seen);
        let mut token = None;
        for i in 0..count {
            token = run.call(Which::Session(i)).await?.or(token);
        }
        let (token, received) = token.ok_or_else(|| Failure::new(Reason::Internal, "a login without a token"))?;
        let text = token.text.clone();
        self.sessions.keep(token, received);
        Ok(text)
    }

    async fn calls(
        &self,
        http: &dyn Http,
        token: Option<&Secret>,
        budget: &mut usize,
        seen: &mut Seen,
    ) -> Result<Vec<Reading>, Failure> {
        let mut run = Run::new(self, http, token, budget, seen);
        for i in 0..self.compiled.description.calls.len() {
            run.call(Which::Main(i)).await?;
        }
        let readings = run.readings;
        if readings.is_empty() && !self.compiled.description.empty_allowed {
            let detail = "the poll has no reading at all; where an empty answer is documented, say empty: allowed";
            return Err(Failure::new(Reason::Decode, detail));
        }
        Ok(readings)
    }
}

/// Masks private texts in labels.
fn masked(mut readings: Vec<Reading>, private: &[Secret]) -> Vec<Reading> {
    if private.is_empty() {
        return readings;
    }
    let mask = Mask::new(private);
    for label in readings.iter_mut().flat_map(Reading::labels_mut) {
        if let Some(masked) = mask.label(label) {
            *label = masked;
        }
    }
    readings
}

/// Each series once. Only a name may be stated twice, if both state the same.
fn distinct(mut readings: Vec<Reading>) -> Result<Answer, Failure> {
    let mut known = HashSet::new();
    let mut names: Vec<Reading> = Vec::new();
    let mut twice = None;
    readings.retain(|reading| {
        let key = (reading.measure(), reading.identity().cloned().collect::<Vec<_>>());
        if known.insert(key) {
            if reading.measure() == Measure::AccountInfo {
                names.push(reading.clone());
            }
            return true;
        }
        if !names.contains(reading) {
            twice.get_or_insert_with(|| reading.measure().definition().metric);
        }
        false
    });
    match twice {
        Some(metric) => {
            Err(Failure::new(Reason::Decode, format!("two readings are one series of {metric}; a label must tell them apart")))
        }
        None => Ok(Answer::new(readings)),
    }
}

/// Whether a call sends what is kept under this number as a credential: in a header or a body rather than in its URL.
fn sends_as_credential(call: &Call, number: usize) -> bool {
    let is_kept = |piece: &Piece| match piece {
        Piece::Slot(Slot::Kept(kept)) => *kept == number,
        Piece::Slot(Slot::Element) => call.repeated == Some(Slot::Kept(number)),
        _ => false,
    };
    let kept = |template: &Template| template.0.iter().any(is_kept);
    let authorized = match &call.authorization {
        Authorization::None => false,
        Authorization::Bearer(token) => kept(token),
        Authorization::Basic { username, password } => kept(username) || kept(password),
    };
    let carried = match &call.body {
        Body::None => false,
        Body::Json(json) => json_has(json, &kept),
        Body::Form(fields) => fields.iter().any(|(_, template)| kept(template)),
        Body::Text { text, .. } => kept(text),
    };
    authorized || carried || call.headers.iter().any(|(_, template)| kept(template))
}

fn json_has(json: &Json, kept: &impl Fn(&Template) -> bool) -> bool {
    match json {
        Json::Null | Json::Flag(_) | Json::Number(_) => false,
        Json::Text(template) => kept(template),
        Json::List(items) => items.iter().any(|item| json_has(item, kept)),
        Json::Object(entries) => entries.iter().any(|(_, value)| json_has(value, kept)),
    }
}

impl Provider for Service {
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.poll_with_session(http).boxed()
    }

    fn session_secrets(&self) -> Vec<Secret> {
        self.sessions.secrets()
    }

    fn kept_texts(&self) -> Vec<Secret> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = seen.kept.iter().filter(|text| text.expose().len() >= SHORTEST_KEPT);
        seen.private.iter().chain(kept).cloned().collect()
    }
}

/// The calls of one poll, or of one login.
struct Run<'a> {
    service: &'a Service,
    http: &'a dyn Http,
    token: Option<&'a Secret>,
    budget: &'a mut usize,
    seen: &'a mut Seen,
    /// By number of the name.
    kept: Vec<Vec<Secret>>,
    readings: Vec<Reading>,
}

/// A token, and when it was received.
type Received = (Token, Instant);

impl<'a> Run<'a> {
    fn new(
        service: &'a Service,
        http: &'a dyn Http,
        token: Option<&'a Secret>,
        budget: &'a mut usize,
        seen: &'a mut Seen,
    ) -> Self {
        Self { service, http, token, budget, seen, kept: Vec::new(), readings: Vec::new() }
    }

    /// Sends a call, for each element of its list if it has one.
    async fn call(&mut self, which: Which) -> Result<Option<Received>, Failure> {
        let compiled = &self.service.compiled;
        let Some(call) = compiled.call(which) else { return Ok(None) };
        let Some(list) = call.repeated else { return self.send(which, call, None).await };
        let slots = Slots { values: &compiled.values, kept: &self.kept, session: self.token, element: None };
        let elements = slots.texts(list).to_vec();
        let mut received = None;
        for element in elements {
            received = self.send(which, call, Some(element)).await?;
        }
        Ok(received)
    }

    async fn send(&mut self, which: Which, call: &Call, element: Option<Secret>) -> Result<Option<Received>, Failure> {
        let compiled = self.service.compiled.clone();
        let place = which.place();
        let slots = Slots { values: &compiled.values, kept: &self.kept, session: self.token, element: element.as_ref() };
        let request = fill::request(call, slots).map_err(|unfilled| unsendable(&compiled.description, &place, &unfilled))?;
        *self.budget = self.budget.checked_sub(1).ok_or_else(|| {
            Failure::new(
                Reason::TooLarge,
                format!("{place}: the poll needs more than {REQUEST_LIMIT} requests; split the list over several sources"),
            )
        })?;
        let response = self.http.send(request).await?;
        let received = response.received;
        let room = compiled.description.max_series.saturating_sub(self.readings.len());
        let explains = self.http.explains();
        let job = Job { compiled, which, response, kept: self.kept.clone(), element, room, explains };
        let Evaluated { result, lines, private } = evaluated(job, self.http.is_inline()).await?;
        self.http.explain(lines.into_lines());
        self.seen.note(true, &private, &place)?;
        let Taken { kept, readings, token } = result?;
        for (number, texts) in kept {
            let description = &self.service.compiled.description;
            // A login numbers its names by itself.
            let calls = match which {
                Which::Session(_) => description.session.as_ref().map_or(&[][..], |session| &session.calls),
                Which::Main(_) => &description.calls,
            };
            self.seen.note(calls.iter().any(|call| sends_as_credential(call, number)), &texts, &place)?;
            if self.kept.len() <= number {
                self.kept.resize(number + 1, Vec::new());
            }
            self.kept[number].extend(texts);
        }
        self.readings.extend(readings);
        Ok(token.map(|token| (token, received)))
    }
}

fn unsendable(description: &Description, place: &str, unfilled: &Unfilled) -> Failure {
    let whose = match unfilled.slot {
        Some(Slot::Parameter(index)) => {
            description.parameters.get(index).map_or_else(String::new, |parameter| format!("the parameter {} ", parameter.name))
        }
        Some(Slot::Kept(_)) => "a kept text ".to_owned(),
        Some(Slot::Session) => "the session's token ".to_owned(),
        Some(Slot::Element) => "an element of the list ".to_owned(),
        None => String::new(),
    };
    Failure::new(Reason::Decode, format!("{place}: {whose}{}", unfilled.what))
}

async fn evaluated(job: Job, inline: bool) -> Result<Evaluated, Failure> {
    if inline || job.response.body.len() <= LARGE {
        return Ok(evaluate(&job));
    }
    let evaluated = LARGE_ANSWERS.run(move || evaluate(&job)).await;
    evaluated.map_err(|error| Failure::new(Reason::Internal, format!("cannot evaluate the answer: {error}")))
}
