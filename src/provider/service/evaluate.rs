//! From one response to what the description takes from it: kept texts, a session's token, and readings; or the failure that it states.
//!
//! Pure: it needs no network, and large answers are evaluated on a thread of their own. Messages name places, expressions and kinds of
//! values, never a value.

use super::description::{Described, Error, ErrorRule, Outcome, Session, TextRule};
use super::evaluation::{Evaluation, Job, Which, said};
use super::expression::{Meter, Scope};
use super::lines::Lines;
use super::{figure, lifetime, readings};
use crate::domain::{Failure, Reading, Reason};
use crate::provider::answer::{says_nothing, stated_errors};
use crate::provider::document::{Document, Number, Unreadable, Value};
use crate::secret::Secret;
use crate::transport::{Response, reason_of_status};
use std::sync::Arc;
use std::time::Duration;

/// The longest token of a session, in bytes.
const TOKEN_LIMIT: usize = 16 * 1024;

/// What came of a response.
pub(super) struct Evaluated {
    pub(super) result: Result<Taken, Failure>,
    pub(super) lines: Lines,
    /// What of the answer must not be shown.
    pub(super) private: Vec<Secret>,
}

/// What the description takes from a response.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) kept: Vec<(usize, Vec<Secret>)>,
    pub(super) readings: Vec<Reading>,
    /// Of the last call of a session.
    pub(super) token: Option<Token>,
}

/// A session's token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: Secret,
    /// How long it can be used after the answer; `None` until it is refused.
    pub(super) lifetime: Option<Duration>,
}

/// Evaluates a response.
pub(super) fn evaluate(job: &Job) -> Evaluated {
    let mut lines = Lines::new(job.explains);
    let Some(call) = job.compiled.call(job.which) else {
        let result = Err(Failure::new(Reason::Internal, "a call that the description lacks"));
        return Evaluated { result, lines, private: Vec::new() };
    };
    let document = read(call.answer, &job.response.body);
    lines.answer(document.as_ref().ok(), &job.response.body);
    let answer = document.as_ref().map_or(Value::Null, Clone::clone);
    let (headers, status) = (headers_of(&job.response), status_of(&job.response));
    let scope = Scope { answer: &answer, headers: &headers, status: &status, parameters: &job.compiled.parameters };
    let mut evaluation = Evaluation { job, call, scope, meter: Meter::new(), lines };
    let private = evaluation.private();
    let result = evaluation.take(&document);
    if let Err(failure) = &result {
        evaluation.lines.push(format!("  failed    {}: {}", failure.reason.as_str(), failure.detail));
    }
    Evaluated { result, lines: evaluation.lines, private }
}

fn read(kind: Described, body: &[u8]) -> Result<Value, Unreadable> {
    Ok(match kind {
        Described::Json => Document::read(body)?.into_root(),
        Described::Xml => Document::read_xml(body)?.into_root(),
        Described::Text => Document::read_text(body)?.into_root(),
        Described::None => Value::Null,
    })
}

/// `$headers`: by lower-case name. Several of one name are joined with a comma. A header that is not text is left out.
fn headers_of(response: &Response) -> Value {
    let entry = |name: &reqwest::header::HeaderName| {
        let values = response.headers.get_all(name).iter().map(|value| value.to_str().ok());
        let joined = values.collect::<Option<Vec<_>>>()?.join(", ");
        Some((Arc::from(name.as_str()), Value::Text(joined.into())))
    };
    Value::Object(response.headers.keys().filter_map(entry).collect())
}

fn status_of(response: &Response) -> Value {
    let status = response.status.as_u16();
    Value::Number(Number { text: status.to_string().into(), value: status.into() })
}

impl Evaluation<'_> {
    fn take(&mut self, document: &Result<Value, Unreadable>) -> Result<Taken, Failure> {
        self.stated(document)?;
        let accepted = self.call.accept.iter().any(|statuses| statuses.contains(&self.job.response.status.as_u16()));
        if !accepted {
            return Err(self.by_status(""));
        }
        if let Err(unreadable) = document {
            return Err(self.failure(unreadable.reason, unreadable.detail.clone()));
        }
        self.lines
            .push(format!("  error     {}", if matches!(self.call.error, ErrorRule::Off) { "not looked for" } else { "none" }));
        let kept = self.keep()?;
        let token = self.token()?;
        let readings = readings::read(self)?;
        Ok(Taken { kept, readings, token })
    }

    fn by_status(&self, text: &str) -> Failure {
        let status = self.job.response.status;
        let detail =
            if text.is_empty() { format!("HTTP {}", status.as_u16()) } else { format!("HTTP {}: {text}", status.as_u16()) };
        self.failure(reason_of_status(status).unwrap_or(Reason::Decode), detail)
    }

    /// The error that the answer states, whatever the status is.
    fn stated(&mut self, document: &Result<Value, Unreadable>) -> Result<(), Failure> {
        let call = self.call;
        if let (ErrorRule::Described(error), Ok(_)) = (&call.error, document) {
            match self.one(&error.when, self.scope.answer) {
                Ok(Value::Flag(true)) => return Err(self.described(error)),
                Ok(Value::Flag(false)) => {}
                other => {
                    let what = match other {
                        Ok(value) => format!("yields {} where true or false is wanted", value.kind()),
                        Err(what) => what,
                    };
                    if self.call.accept.iter().any(|statuses| statuses.contains(&self.job.response.status.as_u16())) {
                        return Err(self.decode("error.when", &said(&error.when, &what)));
                    }
                }
            }
        }
        let (Value::Object(root), false) = (self.scope.answer, matches!(call.error, ErrorRule::Off)) else { return Ok(()) };
        let mut errors = stated_errors(root);
        if call.answer == Described::Xml {
            // The keys of an answer in XML stand in its root element.
            let elements =
                root.iter().filter_map(|(_, value)| if let Value::Object(inside) = value { Some(inside) } else { None });
            errors.extend(elements.flat_map(|inside| stated_errors(inside)));
        }
        if errors.is_empty() {
            return Ok(());
        }
        let text = errors.join("; ");
        match reason_of_status(self.job.response.status) {
            Some(_) => Err(self.by_status(&text)),
            None => Err(self.failure(Reason::Rejected, text)),
        }
    }

    fn described(&mut self, error: &Error) -> Failure {
        let code = error.code.as_ref().and_then(|rule| self.words(rule));
        let message = error.message.as_ref().and_then(|rule| self.words(rule));
        let known = error.reasons.iter().find(|(known, _)| Some(&**known) == code.as_deref());
        let status = reason_of_status(self.job.response.status);
        let reason = match known.map_or(error.otherwise, |(_, outcome)| *outcome) {
            Outcome::Reason(reason) => reason,
            Outcome::Status => status.unwrap_or(Reason::Rejected),
        };
        let text = match (message, code) {
            (Some(message), Some(code)) if message != code => format!("{message} (code {code})"),
            (Some(text), _) => text,
            (None, Some(code)) => format!("code {code}"),
            (None, None) => "the answer states an error".to_owned(),
        };
        let text = if status.is_some() { format!("HTTP {}: {text}", self.job.response.status.as_u16()) } else { text };
        self.failure(reason, text)
    }

    /// The words of an error; none where there are none: an error needs no text.
    fn words(&mut self, rule: &TextRule) -> Option<String> {
        let value = match rule {
            TextRule::Fixed(template) => return self.slots().text(template).ok(),
            TextRule::Read(expression) => self.one(expression, self.scope.answer).ok()?,
        };
        let text = match value {
            Value::Text(text) => text.trim().to_owned(),
            Value::Null => return None,
            Value::List(_) | Value::Object(_) if says_nothing(&value) => return None,
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// What of the answer is secret. An expression that fails finds nothing to hide.
    fn private(&mut self) -> Vec<Secret> {
        let call = self.call;
        let mut found = Vec::new();
        for expression in &call.private {
            for value in self.outputs(expression, self.scope.answer, 1000).unwrap_or_default() {
                match value {
                    Value::Text(text) if !text.trim().is_empty() => found.push(Secret::new(text.to_string())),
                    Value::Number(number) => found.push(Secret::new(number.text.to_string())),
                    _ => {}
                }
            }
        }
        found
    }

    fn keep(&mut self) -> Result<Vec<(usize, Vec<Secret>)>, Failure> {
        let call = self.call;
        let mut kept = Vec::new();
        for (number, name, expression) in &call.keep {
            let place = format!("keep.{name}");
            let outputs = self
                .outputs(expression, self.scope.answer, 1000)
                .map_err(|fault| self.decode(&place, &said(expression, &fault.message)))?;
            if outputs.is_empty() && !self.job.compiled.description.empty_allowed {
                return Err(self.decode(&place, &said(expression, "yields nothing where a text is wanted")));
            }
            let mut texts = Vec::with_capacity(outputs.len());
            for output in &outputs {
                // Tokens are longer than labels.
                let text = match figure::whole(output) {
                    Ok("") => Err("yields an empty text where a text is wanted".to_owned()),
                    Ok(text) if text.len() > TOKEN_LIMIT => Err(format!("yields a text of more than {TOKEN_LIMIT} bytes")),
                    Ok(text) => Ok(Secret::new(text.to_owned())),
                    Err(what) => Err(format!("yields {what}")),
                };
                texts.push(text.map_err(|what| self.decode(&place, &said(expression, &what)))?);
            }
            self.lines.push(format!("  keep      {name:<10} {:<29} {} kept", expression.text(), texts.len()));
            kept.push((*number, texts));
        }
        Ok(kept)
    }

    /// The token, where this is the last call of a session.
    fn token(&mut self) -> Result<Option<Token>, Failure> {
        let compiled = self.job.compiled.clone();
        let Some(session) = &compiled.description.session else { return Ok(None) };
        if self.job.which != Which::Session(session.calls.len() - 1) {
            return Ok(None);
        }
        let text = self.one(&session.token, self.scope.answer).and_then(|value| match value {
            Value::Text(text) if !text.trim().is_empty() && text.len() <= TOKEN_LIMIT => Ok(Secret::new(text.trim().to_owned())),
            Value::Number(number) => Ok(Secret::new(number.text.to_string())),
            other => Err(format!("yields {} where a token is wanted", other.kind())),
        });
        let text = text.map_err(|what| self.failure(Reason::Decode, format!("session.token {}", said(&session.token, &what))))?;
        let lifetime = self.lifetime(session)?;
        let until = lifetime.map_or_else(|| "until it is refused".to_owned(), |lifetime| format!("for {} s", lifetime.as_secs()));
        self.lines.push(format!("  session   {:<40} ***, {until}", session.token.text()));
        Ok(Some(Token { text, lifetime }))
    }

    fn lifetime(&mut self, session: &Session) -> Result<Option<Duration>, Failure> {
        use super::description::Lifetime;
        match &session.lifetime {
            None => Ok(None),
            Some(Lifetime::Fixed(lifetime)) => Ok(Some(*lifetime)),
            Some(Lifetime::Stated(expression)) => {
                let read = self.one(expression, self.scope.answer);
                let read = read.and_then(|value| lifetime::read(&value, self.job.response.received_at));
                let place = |what: &String| format!("session.lifetime {}", said(expression, what));
                read.map(Some).map_err(|what| self.failure(Reason::Decode, place(&what)))
            }
        }
    }
}
