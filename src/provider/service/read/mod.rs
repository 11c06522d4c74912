//! Reads a description: from the tree of its YAML to a [`Description`], or to every mistake with its place.
//!
//! Expressions are compiled here, once. Values of sources play no part.

mod call;
mod cursor;
mod example;
mod reading;
#[cfg(test)]
mod tests;
mod text;

use super::description::{Call, Description, Lifetime, Pace, Parameter, Session};
use super::example::Example;
use super::mistake::Mistake;
use crate::domain::Reason;
use crate::yaml::{Node, Position};
use cursor::{Cursor, Mistakes, optional};
use std::sync::Arc;
use std::time::Duration;
use text::Names;

const KEYS: [&str; 10] =
    ["title", "documentation", "interval", "max_series", "parameters", "session", "calls", "empty", "examples", "replaces"];

/// What was read of a description.
pub(crate) struct Read {
    /// `None` if there are mistakes.
    pub(crate) description: Option<Arc<Description>>,
    /// Its examples, with their places. Those with mistakes are left out.
    pub(crate) examples: Vec<(Position, String, Example)>,
    /// Whether it replaces a service of the catalogue.
    pub(crate) replaces: bool,
    /// In the order of the text.
    pub(crate) mistakes: Vec<Mistake>,
}

/// Reads the description `name`, whose key stands at `at`. `place` names it in messages, such as `services.acme`.
#[must_use]
pub(crate) fn read(name: &str, node: &Node, at: Position, place: &str) -> Read {
    let mut mistakes = Mistakes::default();
    let cursor = Cursor::new(node, at, place);
    if !is_name(name) {
        mistakes.note::<()>(&cursor, "the name of a service has up to 32 of a-z, 0-9 and -, and does not begin with -");
    }
    let mut examples = Vec::new();
    let description = description(name, &cursor, &mut examples, &mut mistakes);
    let replaces = cursor.key("replaces").is_some_and(|replaces| replaces.word(&[("built-in", ())], &mut mistakes).is_some());
    mistakes.0.sort_by_key(|mistake| mistake.at);
    let description = description.filter(|_| mistakes.0.is_empty()).map(Arc::new);
    Read { description, examples, replaces, mistakes: mistakes.0 }
}

/// Reads a file that holds one example of a description, as below `catalogue/tests`.
///
/// # Errors
/// Every mistake.
#[cfg(test)]
pub(crate) fn read_example(node: &Node, parameters: &[Parameter]) -> Result<Example, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let example = example::read(&Cursor::new(node, node.at, "example"), parameters, &mut mistakes);
    example.filter(|_| mistakes.0.is_empty()).ok_or(mistakes.0)
}

/// Whether a text can be the name of a service.
#[must_use]
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

fn description(
    name: &str,
    cursor: &Cursor<'_>,
    examples: &mut Vec<(Position, String, Example)>,
    mistakes: &mut Mistakes,
) -> Option<Description> {
    cursor.only(&KEYS, mistakes)?;
    let title = required(cursor, "title", mistakes).map(|title| title.trim().to_owned());
    let documentation = documentation(cursor, mistakes);
    let pace = pace(cursor, mistakes);
    let max_series = cursor.key("max_series").map_or(Some(1000), |most| most.whole(1, 10_000, mistakes));
    let empties = [("fail", false), ("allowed", true)];
    let empty_allowed = cursor.key("empty").map_or(Some(false), |empty| empty.word(&empties, mistakes));
    let parameters = parameters(cursor, mistakes)?;
    let asked = Asked::read(cursor, &parameters, mistakes);
    if let Some(list) = cursor.key("examples") {
        for item in list.list(mistakes)? {
            let read = example::read(&item, &parameters, mistakes);
            examples.extend(read.map(|example| (item.node.at, item.place.clone(), example)));
        }
    }
    let Asked { session, calls } = asked?;
    Some(Description {
        name: name.into(),
        fingerprint: cursor.node.canonical().into(),
        title: title?,
        documentation: documentation?,
        pace: pace?,
        max_series: max_series?,
        parameters,
        session,
        calls,
        empty_allowed: empty_allowed?,
    })
}

fn required<'n>(cursor: &Cursor<'n>, key: &str, mistakes: &mut Mistakes) -> Option<&'n str> {
    let Some(value) = cursor.key(key) else { return mistakes.note(cursor, format!("lacks {key}; add it")) };
    let text = value.text(mistakes)?;
    if text.trim().is_empty() { mistakes.note(&value, "is empty; write it") } else { Some(text) }
}

fn documentation(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let text = required(cursor, "documentation", mistakes)?;
    let is_web = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let key = cursor.key("documentation")?;
    if is_web { Some(text.to_owned()) } else { mistakes.note(&key, "is the URL of the documentation, with http:// or https://") }
}

fn pace(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Pace> {
    let Some(interval) = cursor.key("interval") else { return Some(Pace { default: None, minimum: Duration::from_secs(1) }) };
    interval.only(&["default", "minimum"], mistakes)?;
    let default = interval.key("default").map(|default| default.duration(mistakes));
    let minimum = interval.key("minimum").map_or(Some(Duration::from_secs(1)), |minimum| minimum.duration(mistakes));
    let (default, minimum) = (optional(default)?, minimum?);
    // Where no default is stated, it is five minutes.
    let (usual, key) = (Duration::from_secs(5 * 60), interval.key("default").unwrap_or_else(|| interval.clone()));
    if default.unwrap_or(usual) < minimum {
        return mistakes.note(&key, "the default is shorter than the minimum; lengthen it");
    }
    Some(Pace { default, minimum })
}

fn parameters(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Vec<Parameter>> {
    let Some(map) = cursor.key("parameters") else {
        return mistakes.note(cursor, "lacks parameters; add them, url among them");
    };
    let mut parameters = Vec::new();
    for (name, value) in map.map(mistakes)? {
        // A parameter with a mistake stays known, so that its uses are not reported too.
        parameters.push(parameter(name, &value, mistakes).unwrap_or_else(|| {
            let list = value.key("list").is_some_and(|list| list.node.text() == Some("true"));
            Parameter { name: name.into(), secret: false, list, default: None }
        }));
    }
    if !map.node.entries()?.iter().any(|entry| entry.key == "url") {
        return mistakes.note(&map, "lacks url; add it, such as url: {default: https://api.example.com/}");
    }
    Some(parameters)
}

fn parameter(name: &str, cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Parameter> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > 32 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name == "session" {
        return mistakes
            .note(cursor, "the name of a parameter has up to 32 of a-z, 0-9 and _, begins with a letter, and is not session");
    }
    cursor.only(&["secret", "default", "list"], mistakes)?;
    let secret = cursor.key("secret").map_or(Some(false), |secret| secret.flag(mistakes));
    let list = cursor.key("list").map_or(Some(false), |list| list.flag(mistakes));
    let default = cursor.key("default").map(|default| default.text(mistakes));
    let parameter = Parameter { name: name.into(), secret: secret?, list: list?, default: optional(default)?.map(Into::into) };
    match &parameter {
        Parameter { default: Some(_), secret: true, .. } => mistakes.note(cursor, "a secret has no default; drop one"),
        Parameter { default: Some(_), list: true, .. } => mistakes.note(cursor, "a list has no default; drop one"),
        Parameter { list: true, .. } if name == "url" => mistakes.note(cursor, "url is one address; drop list"),
        Parameter { default: Some(text), .. } if name == "url" => match crate::provider::Endpoint::parse(text) {
            Ok(_) => Some(parameter),
            Err(what) => mistakes.note(cursor, what),
        },
        _ => Some(parameter),
    }
}

/// What a poll asks.
struct Asked {
    session: Option<Session>,
    calls: Vec<Call>,
}

impl Asked {
    fn read(cursor: &Cursor<'_>, parameters: &[Parameter], mistakes: &mut Mistakes) -> Option<Self> {
        let mut used = vec![false; parameters.len()];
        let session = cursor.key("session").map(|session| read_session(&session, parameters, &mut used, mistakes));
        let before = mistakes.0.len();
        let (calls, kept, number) = match cursor.key("calls") {
            Some(list) => {
                let mut kept = Kept { names: Vec::new(), used: Vec::new(), session: session.is_some() };
                let calls = read_calls(&list, true, parameters, &mut used, &mut kept, mistakes);
                (calls, Some(kept), list)
            }
            None => (mistakes.note(cursor, "lacks calls; add what is asked"), None, cursor.clone()),
        };
        if let (Some(calls), true) = (&calls, mistakes.0.len() == before)
            && calls.iter().all(|call| call.readings.is_empty())
        {
            mistakes.note::<()>(&number, "no call has readings; add some");
        }
        let kept = kept.unwrap_or_default();
        let map = cursor.key("parameters").unwrap_or_else(|| cursor.clone());
        // After other mistakes, a parameter may only seem unused.
        if calls.is_some() && mistakes.0.is_empty() {
            for (parameter, _) in parameters.iter().zip(&used).filter(|(_, used)| !**used) {
                let at = map.key(&parameter.name).unwrap_or_else(|| map.clone());
                mistakes.note::<()>(&at, "is never used; use it in a call, or drop it");
            }
            for ((name, _), _) in kept.names.iter().zip(&kept.used).filter(|(_, used)| !**used) {
                mistakes.note::<()>(&number, format!("what keep calls {name} is never used; use it in a later call, or drop it"));
            }
        }
        Some(Self { session: optional(session)?, calls: calls? })
    }
}

/// The names that calls keep.
#[derive(Default)]
struct Kept {
    names: Vec<(String, usize)>,
    used: Vec<bool>,
    session: bool,
}

fn read_calls(
    list: &Cursor<'_>,
    readings: bool,
    parameters: &[Parameter],
    used: &mut Vec<bool>,
    kept: &mut Kept,
    mistakes: &mut Mistakes,
) -> Option<Vec<Call>> {
    let items = list.list(mistakes)?;
    if !(1..=20).contains(&items.len()) {
        return mistakes.note(list, "has 1 to 20 calls");
    }
    let mut calls = Vec::new();
    for item in &items {
        let element = item.key("for").and_then(|list| list.node.text());
        let mut names =
            Names { parameters, used: &mut *used, kept: &kept.names, kept_used: &mut kept.used, session: kept.session, element };
        let call = call::read(item, readings, &mut names, mistakes);
        let own = keep(item, &mut names, mistakes);
        match (call, own) {
            (Some(call), Some(own)) => {
                let first = kept.names.len();
                let numbered =
                    own.into_iter().enumerate().map(|(i, (name, expression))| (first + i, Box::from(name), expression));
                let call = Call { keep: numbered.collect(), ..call };
                kept.names.extend(call.keep.iter().map(|(number, name, _)| (name.to_string(), *number)));
                kept.used.resize(kept.names.len(), false);
                calls.push(call);
            }
            _ => keep_names(item, kept),
        }
    }
    (calls.len() == items.len()).then_some(calls)
}

/// After a mistake, so that later calls that use the names are not mistakes too.
fn keep_names(item: &Cursor<'_>, kept: &mut Kept) {
    for entry in item.key("keep").and_then(|map| map.node.entries()).unwrap_or_default() {
        kept.names.push((entry.key.clone(), kept.names.len()));
        kept.used.push(true);
    }
}

fn keep<'n>(
    item: &Cursor<'n>,
    names: &mut Names<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<(&'n str, super::expression::Expression)>> {
    let Some(map) = item.key("keep") else { return Some(Vec::new()) };
    let mut own = Vec::new();
    let entries = map.map(mistakes)?;
    let count = entries.len();
    for (name, value) in entries {
        let taken = names.parameters.iter().any(|parameter| *parameter.name == *name)
            || names.kept.iter().any(|(kept, _)| kept == name)
            || name == "session";
        if taken {
            return mistakes.note(&value, format!("the name {name} is taken; rename it"));
        }
        own.extend(text::expression(&value, names, mistakes).map(|expression| (name, expression)));
    }
    (own.len() == count).then_some(own)
}

fn read_session(cursor: &Cursor<'_>, parameters: &[Parameter], used: &mut Vec<bool>, mistakes: &mut Mistakes) -> Option<Session> {
    cursor.only(&["calls", "token", "lifetime", "refused"], mistakes)?;
    let mut kept = Kept::default();
    let calls = match cursor.key("calls") {
        Some(list) => read_calls(&list, false, parameters, used, &mut kept, mistakes),
        None => mistakes.note(cursor, "lacks calls; add the login"),
    };
    let mut names =
        Names { parameters, used: &mut *used, kept: &kept.names, kept_used: &mut kept.used, session: false, element: None };
    let token = match cursor.key("token") {
        Some(token) => text::expression(&token, &mut names, mistakes),
        None => mistakes.note(cursor, "lacks token, the expression that finds it in the last answer; add it"),
    };
    let lifetime = cursor.key("lifetime").map(|lifetime| {
        if lifetime.node.text().is_some_and(text::is_expression) {
            text::expression(&lifetime, &mut names, mistakes).map(Lifetime::Stated)
        } else {
            lifetime.duration(mistakes).map(Lifetime::Fixed)
        }
    });
    let refused = cursor.key("refused").map_or(Some(vec![Reason::Auth]), |list| {
        let words: Vec<(&str, Reason)> = Reason::ALL.into_iter().map(|reason| (reason.as_str(), reason)).collect();
        let items: Vec<_> = list.list(mistakes)?.iter().map(|item| item.word(&words, mistakes)).collect();
        items.into_iter().collect()
    });
    let calls = calls?;
    if calls.iter().any(|call| !call.keep.is_empty() && call.repeated.is_some()) {
        return mistakes.note(cursor, "a login is one chain of calls; drop for");
    }
    Some(Session { calls, token: token?, lifetime: optional(lifetime)?, refused: refused? })
}
