//! One call of a description.

use super::cursor::{Cursor, Mistakes, optional};
use super::reading;
use super::text::{self, Names, Use};
use crate::domain::Reason;
use crate::provider::service::description::{
    Address, Authorization, Body, Call, Described, Error, ErrorRule, Json, Method, Outcome, Piece, Slot, Template,
};
use crate::yaml::Kind;
use reqwest::header::HeaderName;
use std::ops::RangeInclusive;

const KEYS: [&str; 18] = [
    "get",
    "post",
    "head",
    "for",
    "query",
    "headers",
    "json",
    "form",
    "text",
    "content_type",
    "bearer",
    "basic",
    "answer",
    "accept",
    "error",
    "keep",
    "private",
    "readings",
];
/// Headers that the client sets, because the connection depends on them.
const OURS: [&str; 5] = ["host", "content-length", "connection", "transfer-encoding", "accept-encoding"];

/// Reads a call. `readings` says whether it may have any: a login has none.
pub(super) fn read(cursor: &Cursor<'_>, readings: bool, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Call> {
    let known: Vec<&str> = KEYS.into_iter().filter(|key| readings || *key != "readings").collect();
    cursor.only(&known, mistakes)?;
    let repeated = cursor.key("for").map(|list| repeated(&list, names, mistakes));
    let url = request_line(cursor, names, mistakes);
    let query = pairs(cursor, "query", names, mistakes);
    let headers = headers(cursor, names, mistakes);
    let authorization = authorization(cursor, names, mistakes);
    let method = url.as_ref().map(|(method, _)| *method);
    let body = body(cursor, method, names, mistakes);
    let answers = [("json", Described::Json), ("xml", Described::Xml), ("text", Described::Text), ("none", Described::None)];
    let answer = match cursor.key("answer") {
        Some(answer) => answer.word(&answers, mistakes),
        None if method == Some(Method::Head) => Some(Described::None),
        None => Some(Described::Json),
    };
    let accept = cursor.key("accept").map_or(Some(vec![200..=299]), |accept| accepted(&accept, mistakes));
    let error = cursor.key("error").map_or(Some(ErrorRule::Usual), |error| error_rule(&error, names, mistakes));
    let private = expressions(cursor, "private", names, mistakes);
    let readings = cursor.key("readings").map_or(Some(Vec::new()), |list| reading::list(&list, names, mistakes));
    let (method, url) = url?;
    Some(Call {
        method,
        url,
        repeated: repeated.map_or(Some(None), |slot| slot.map(Some))?,
        query: query?,
        headers: headers?,
        body: body?,
        authorization: authorization?,
        answer: answer?,
        accept: accept?,
        error: error?,
        keep: Vec::new(),
        private: private?,
        readings: readings?,
    })
}

fn repeated(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Slot> {
    let list = cursor.text(mistakes)?;
    if let Some(index) = names.parameters.iter().position(|parameter| *parameter.name == *list) {
        names.used[index] = true;
        if names.parameters[index].list {
            return Some(Slot::Parameter(index));
        }
        return mistakes.note(cursor, format!("the parameter {list} is one text; declare it with list: true, or drop for"));
    }
    if let Some(index) = names.kept.iter().position(|(kept, _)| kept == list) {
        names.kept_used[index] = true;
        return Some(Slot::Kept(names.kept[index].1));
    }
    mistakes.note(cursor, format!("{list} is not a list: name a list parameter, or what an earlier call keeps"))
}

fn request_line(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<(Method, Address)> {
    let methods = [("get", Method::Get), ("post", Method::Post), ("head", Method::Head)];
    let mut stated = methods.into_iter().filter_map(|(key, method)| Some((method, cursor.key(key)?)));
    match (stated.next(), stated.next()) {
        (Some((method, url)), None) => Some((method, address(&url, names, mistakes)?)),
        (Some(_), Some((_, second))) => mistakes.note(&second, "a call has one of get, post and head; drop one"),
        (None, _) => mistakes.note(cursor, "has no request; add get, post or head with the URL"),
    }
}

/// A URL that begins with a parameter, or with a fixed scheme and host.
fn address(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Address> {
    let template = text::template(cursor, Use::One, names, mistakes)?;
    let at = cursor.clone().at_value();
    let has_fragment = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('#'));
    if template.0.iter().any(has_fragment) {
        return mistakes.note(&at, "a fragment is never sent; drop the # and what follows it");
    }
    match &*template.0 {
        [Piece::Slot(Slot::Parameter(base)), rest @ ..] => {
            Some(Address { base: Some(*base), rest: Template(rest.to_vec().into()) })
        }
        [Piece::Text(text), ..] if fixed_host(text) => Some(Address { base: None, rest: template }),
        _ => mistakes.note(&at, "must begin with a parameter such as ${url}, or with https://HOST/"),
    }
}

/// Whether scheme and host are written out, so that no value can change them.
fn fixed_host(text: &str) -> bool {
    let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = after.and_then(|after| after.split_once('/')).map(|(host, _)| host);
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && url::Url::parse(text).is_ok_and(|url| url.username().is_empty() && url.password().is_none())
}

type Pairs = Vec<(Box<str>, Template)>;

fn pairs(cursor: &Cursor<'_>, key: &str, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Pairs> {
    let Some(map) = cursor.key(key) else { return Some(Vec::new()) };
    let mut pairs = Vec::new();
    let mut whole = true;
    for (key, value) in map.map(mistakes)? {
        match text::template(&value, Use::List, names, mistakes) {
            Some(template) => pairs.push((key.into(), template)),
            None => whole = false,
        }
    }
    whole.then_some(pairs)
}

fn headers(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Vec<(HeaderName, Template)>> {
    let Some(map) = cursor.key("headers") else { return Some(Vec::new()) };
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    let mut whole = true;
    for (key, value) in map.map(mistakes)? {
        let template = text::template(&value, Use::One, names, mistakes);
        let name = match HeaderName::try_from(key) {
            Err(_) => mistakes.note(&value, "is not the name of a header"),
            Ok(name) if OURS.contains(&name.as_str()) => mistakes.note(&value, "is set by the program; drop it"),
            Ok(name) if headers.iter().any(|(known, _)| *known == name) => mistakes.note(&value, "appears twice; drop one"),
            Ok(name) => Some(name),
        };
        match (name, template) {
            (Some(name), Some(template)) => {
                let unsendable =
                    |piece: &Piece| matches!(piece, Piece::Text(text) if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                if template.0.iter().any(unsendable) {
                    mistakes.note::<()>(&value, "holds characters that cannot be sent in a header");
                    whole = false;
                }
                headers.push((name, template));
            }
            _ => whole = false,
        }
    }
    whole.then_some(headers)
}

fn authorization(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Authorization> {
    let header = cursor.key("headers").and_then(|map| {
        let entries = map.node.entries()?;
        let key = entries.iter().find(|entry| entry.key.eq_ignore_ascii_case("authorization"))?;
        map.key(&key.key)
    });
    let stated: Vec<Cursor<'_>> = [cursor.key("bearer"), cursor.key("basic"), header].into_iter().flatten().collect();
    if let [_, second, ..] = stated.as_slice() {
        return mistakes.note(second, "a call has one of bearer, basic and the header Authorization; keep one");
    }
    if let Some(bearer) = cursor.key("bearer") {
        return text::template(&bearer, Use::One, names, mistakes).map(Authorization::Bearer);
    }
    let Some(basic) = cursor.key("basic") else { return Some(Authorization::None) };
    basic.only(&["username", "password"], mistakes)?;
    let mut part = |key: &str, mistakes: &mut Mistakes| match basic.key(key) {
        Some(part) => text::template(&part, Use::One, names, mistakes),
        None => mistakes.note(&basic, format!("lacks {key}; add it, or \"\" for an empty one")),
    };
    let username = part("username", mistakes);
    let password = part("password", mistakes);
    Some(Authorization::Basic { username: username?, password: password? })
}

fn body(cursor: &Cursor<'_>, method: Option<Method>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Body> {
    let stated: Vec<(&str, Cursor<'_>)> =
        ["json", "form", "text"].into_iter().filter_map(|key| Some((key, cursor.key(key)?))).collect();
    if let [_, (_, second), ..] = stated.as_slice() {
        return mistakes.note(second, "a call has one of json, form and text; drop one");
    }
    let content_type = cursor.key("content_type");
    let Some((key, value)) = stated.into_iter().next() else {
        return match content_type {
            Some(kind) => mistakes.note(&kind, "belongs to text; drop it, or add text"),
            None => Some(Body::None),
        };
    };
    if method.is_some_and(|method| method != Method::Post) {
        return mistakes.note(&value, "only a post has a body; write post, or drop it");
    }
    match (key, content_type) {
        ("json", None) => json(&value, names, mistakes).map(Body::Json),
        ("form", None) => pairs(cursor, "form", names, mistakes).map(Body::Form),
        ("text", Some(kind)) => {
            let content_type = kind.text(mistakes)?;
            if ["json", "xml"].iter().any(|word| content_type.to_ascii_lowercase().contains(word)) {
                return mistakes.note(&kind, "a value could change the shape of such a text; write json: instead");
            }
            if reqwest::header::HeaderValue::try_from(content_type).is_err() {
                return mistakes.note(&kind, "cannot be sent in a header");
            }
            Some(Body::Text { content_type: content_type.into(), text: text::template(&value, Use::One, names, mistakes)? })
        }
        ("text", None) => mistakes.note(&value, "lacks its kind; add content_type, such as text/plain"),
        (_, Some(kind)) => mistakes.note(&kind, "belongs to text; drop it"),
        (_, None) => None,
    }
}

fn json(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Json> {
    Some(match &cursor.node.kind {
        _ if cursor.node.is_null() => Json::Null,
        Kind::Plain(text) if text == "true" || text == "false" => Json::Flag(text == "true"),
        Kind::Plain(text) if is_json_number(text) => Json::Number(text.as_str().into()),
        Kind::Plain(_) | Kind::Quoted(_) => Json::Text(text::template(cursor, Use::List, names, mistakes)?),
        Kind::List(_) => {
            let items: Vec<_> = cursor.list(mistakes)?.iter().map(|item| json(item, names, mistakes)).collect();
            Json::List(items.into_iter().collect::<Option<_>>()?)
        }
        Kind::Map(_) => {
            let entries = cursor.map(mistakes)?;
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| Some(((*key).into(), json(value, names, mistakes)?))).collect();
            Json::Object(entries.into_iter().collect::<Option<_>>()?)
        }
    })
}

fn is_json_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn accepted(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Vec<RangeInclusive<u16>>> {
    let items = cursor.list(mistakes)?;
    if items.is_empty() {
        return mistakes.note(cursor, "accepts no status; list some, or drop it");
    }
    let statuses: Vec<_> = items
        .iter()
        .map(|item| {
            let status = item.whole(100, 599, mistakes)?;
            u16::try_from(status).ok().map(|status| status..=status)
        })
        .collect();
    statuses.into_iter().collect()
}

fn expressions(
    cursor: &Cursor<'_>,
    key: &str,
    names: &mut Names<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<crate::provider::service::expression::Expression>> {
    let Some(list) = cursor.key(key) else { return Some(Vec::new()) };
    let read: Vec<_> = list.list(mistakes)?.iter().map(|item| text::expression(item, names, mistakes)).collect();
    read.into_iter().collect()
}

fn error_rule(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<ErrorRule> {
    if cursor.node.text() == Some("none") {
        return Some(ErrorRule::Off);
    }
    if cursor.node.entries().is_none() {
        return mistakes.note(cursor, "is a map with when, code, message and reasons, or the word none");
    }
    cursor.only(&["when", "code", "message", "reasons"], mistakes)?;
    let when = match cursor.key("when") {
        Some(when) => text::expression(&when, names, mistakes),
        None => mistakes.note(cursor, "lacks when, the condition of an error; add it"),
    };
    let code = cursor.key("code").map(|code| text::rule(&code, names, mistakes));
    let message = cursor.key("message").map(|message| text::rule(&message, names, mistakes));
    let (reasons, otherwise) = cursor.key("reasons").map_or(Some((Vec::new(), None)), |map| reasons(&map, mistakes))?;
    if code.is_none() && !reasons.is_empty() {
        return mistakes.note(cursor, "has reasons by code and no code; add code");
    }
    let otherwise = otherwise.unwrap_or(Outcome::Status);
    Some(ErrorRule::Described(Box::new(Error {
        when: when?,
        code: optional(code)?,
        message: optional(message)?,
        reasons,
        otherwise,
    })))
}

type Reasons = (Vec<(Box<str>, Outcome)>, Option<Outcome>);

fn reasons(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Reasons> {
    let mut words: Vec<(&str, Outcome)> =
        Reason::ALL.into_iter().map(|reason| (reason.as_str(), Outcome::Reason(reason))).collect();
    words.retain(|(_, outcome)| *outcome != Outcome::Reason(Reason::Internal));
    words.push(("status", Outcome::Status));
    let mut listed = Vec::new();
    let mut otherwise = None;
    for (code, reason) in cursor.map(mistakes)? {
        let outcome = reason.word(&words, mistakes)?;
        if code == "*" { otherwise = Some(outcome) } else { listed.push((code.into(), outcome)) }
    }
    Some((listed, otherwise))
}
