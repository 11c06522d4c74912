//! Fills the slots of a call with values, and makes its request.
//!
//! A value never changes the shape of a request: each place encodes it, or refuses what it cannot carry. Messages hold no value.

use super::description::{Address, Authorization, Body, Call, Described, Description, Json, Method, Piece, Slot, Template};
use super::values::Values;
use crate::secret::Secret;
use crate::transport::{Request, secret_header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;
use url::Url;

/// What stays as it is in a query or a form.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stays as it is in a segment of a path (RFC 3986, section 3.3: `pchar`).
const SEGMENT: AsciiSet = UNRESERVED
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Why a request cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfilled {
    /// Whose value does not fit; `None` where the request as a whole does not.
    pub(super) slot: Option<Slot>,
    /// What is wrong, without the value.
    pub(super) what: String,
}

impl Unfilled {
    fn of(slot: Slot, what: impl Into<String>) -> Self {
        Self { slot: Some(slot), what: what.into() }
    }
}

/// The values of all slots at one moment of a poll.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    pub(super) values: &'a Values,
    /// By number of the name.
    pub(super) kept: &'a [Vec<Secret>],
    pub(super) session: Option<&'a Secret>,
    pub(super) element: Option<&'a Secret>,
}

impl<'a> Slots<'a> {
    /// The texts of a slot: one, or those of a list.
    pub(super) fn texts(self, slot: Slot) -> &'a [Secret] {
        match slot {
            Slot::Parameter(index) => self.values.texts(index),
            Slot::Kept(number) => self.kept.get(number).map_or(&[], Vec::as_slice),
            Slot::Session => self.session.map_or(&[], std::slice::from_ref),
            Slot::Element => self.element.map_or(&[], std::slice::from_ref),
        }
    }

    fn one(self, slot: Slot) -> Result<&'a str, Unfilled> {
        match self.texts(slot) {
            [text] => Ok(text.expose()),
            texts => Err(Unfilled::of(slot, format!("is {} texts where one is wanted; use for", texts.len()))),
        }
    }

    /// The text as it is.
    pub(super) fn text(self, template: &Template) -> Result<String, Unfilled> {
        self.with(template, |_, text, filled| {
            filled.push_str(text);
            Ok(())
        })
    }

    /// The text, where `put` writes each value.
    fn with(
        self,
        template: &Template,
        put: impl Fn(Slot, &str, &mut String) -> Result<(), Unfilled>,
    ) -> Result<String, Unfilled> {
        let mut filled = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Slot(slot) => put(*slot, self.one(*slot)?, &mut filled)?,
            }
        }
        Ok(filled)
    }

    /// The pairs of a key in a query or a form: one, or one for each element of a list that stands alone.
    fn pairs(self, key: &str, template: &Template) -> Result<Vec<String>, Unfilled> {
        let pair = |text: &str| format!("{}={}", utf8_percent_encode(key, &UNRESERVED), utf8_percent_encode(text, &UNRESERVED));
        match &*template.0 {
            [Piece::Slot(slot @ Slot::Parameter(_))] => Ok(self.texts(*slot).iter().map(|text| pair(text.expose())).collect()),
            _ => Ok(vec![pair(&self.text(template)?)]),
        }
    }

    fn form(self, fields: &[(Box<str>, Template)]) -> Result<String, Unfilled> {
        let mut pairs = Vec::new();
        for (key, template) in fields {
            pairs.extend(self.pairs(key, template)?);
        }
        Ok(pairs.join("&"))
    }

    fn header(self, template: &Template) -> Result<HeaderValue, Unfilled> {
        let filled = self.with(template, |slot, text, filled| {
            if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(Unfilled::of(slot, "holds characters that cannot be sent in a header; correct it"));
            }
            filled.push_str(text);
            Ok(())
        })?;
        secret_header(&filled)
            .map_err(|_| Unfilled { slot: None, what: "a header holds characters that cannot be sent".to_owned() })
    }

    fn json(self, json: &Json, written: &mut String) -> Result<(), Unfilled> {
        match json {
            Json::Null => written.push_str("null"),
            Json::Flag(flag) => written.push_str(if *flag { "true" } else { "false" }),
            Json::Number(number) => written.push_str(number),
            Json::Text(template) => match &*template.0 {
                [Piece::Slot(slot @ Slot::Parameter(index))]
                    if matches!(self.values.0.get(*index), Some(super::values::Given::List(_))) =>
                {
                    let texts = self.texts(*slot).iter().map(|text| quoted(text.expose()));
                    let _ = write!(written, "[{}]", texts.collect::<Vec<_>>().join(","));
                }
                _ => written.push_str(&quoted(&self.text(template)?)),
            },
            Json::List(items) => {
                written.push('[');
                for (i, item) in items.iter().enumerate() {
                    written.push_str(if i > 0 { "," } else { "" });
                    self.json(item, written)?;
                }
                written.push(']');
            }
            Json::Object(entries) => {
                written.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    let _ = write!(written, "{}{}:", if i > 0 { "," } else { "" }, quoted(key));
                    self.json(value, written)?;
                }
                written.push('}');
            }
        }
        Ok(())
    }

    /// The address: the base as it is, then a path whose values are encoded, then the query.
    fn url(self, address: &Address, query: &[(Box<str>, Template)]) -> Result<Url, Unfilled> {
        let unusable = || Unfilled { slot: address.base.map(Slot::Parameter), what: "makes no valid URL; correct it".to_owned() };
        let (path, stated) = self.path_and_query(&address.rest)?;
        let mut url = match address.base {
            Some(parameter) => {
                let mut url = Url::parse(self.one(Slot::Parameter(parameter))?).map_err(|_| unusable())?;
                if !path.is_empty() {
                    // Exactly one slash between the base and the path, whether or not the base ends in one.
                    let joined = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
                    url.set_path(&joined);
                }
                url
            }
            None => Url::parse(&path).map_err(|_| unusable())?,
        };
        let given = url.query().map(str::to_owned);
        let queries = [given.unwrap_or_default(), stated, self.form(query)?];
        let queries: Vec<&str> = queries.iter().map(String::as_str).filter(|query| !query.is_empty()).collect();
        url.set_query((!queries.is_empty()).then(|| queries.join("&")).as_deref());
        url.set_fragment(None);
        Ok(url)
    }

    /// What follows the base, divided at the first question mark that the description writes.
    fn path_and_query(self, rest: &Template) -> Result<(String, String), Unfilled> {
        let (mut path, mut query, mut in_query) = (String::new(), String::new(), false);
        let mut last = None;
        for piece in &rest.0 {
            match piece {
                Piece::Text(text) if in_query => query.push_str(text),
                Piece::Text(text) => match text.split_once('?') {
                    Some((before, after)) => {
                        path.push_str(before);
                        query.push_str(after);
                        in_query = true;
                    }
                    None => path.push_str(text),
                },
                Piece::Slot(slot) if in_query => {
                    let _ = write!(query, "{}", utf8_percent_encode(self.one(*slot)?, &UNRESERVED));
                }
                Piece::Slot(slot) => {
                    let text = self.one(*slot)?;
                    if text.is_empty() {
                        return Err(Unfilled::of(*slot, "is empty in a path; write its value"));
                    }
                    let _ = write!(path, "{}", utf8_percent_encode(text, &SEGMENT));
                    last = Some(*slot);
                }
            }
        }
        // URL parsers resolve these segments, so that another path would be asked.
        let relative = |segment: &str| matches!(&*percent_decode_str(segment).decode_utf8_lossy(), "." | "..");
        match last {
            Some(slot) if path.split('/').any(relative) => {
                Err(Unfilled::of(slot, "makes a path that leads elsewhere; correct it"))
            }
            _ => Ok((path, query)),
        }
    }

    fn authorization(self, authorization: &Authorization) -> Result<Option<HeaderValue>, Unfilled> {
        let header = |slot: Option<Slot>, text: &str| {
            let what = "holds characters that cannot be sent in a header; correct it".to_owned();
            secret_header(text).map(Some).map_err(|_| Unfilled { slot, what })
        };
        match authorization {
            Authorization::None => Ok(None),
            Authorization::Bearer(token) => {
                let mut pieces = vec![Piece::Text("Bearer ".into())];
                pieces.extend(token.0.iter().cloned());
                self.header(&Template(pieces.into())).map(Some)
            }
            Authorization::Basic { username, password } => {
                let (name, word) = (self.text(username)?, self.text(password)?);
                if name.contains(':') {
                    return Err(Unfilled {
                        slot: first_slot(username),
                        what: "must not hold a colon in basic authentication".to_owned(),
                    });
                }
                header(None, &format!("Basic {}", STANDARD.encode(format!("{name}:{word}"))))
            }
        }
    }
}

fn first_slot(template: &Template) -> Option<Slot> {
    template.0.iter().find_map(|piece| if let Piece::Slot(slot) = piece { Some(*slot) } else { None })
}

/// A text in JSON. The mask searches for secrets in this spelling.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The request of a call.
///
/// # Errors
/// When a value does not fit its place.
pub(super) fn request(call: &Call, slots: Slots<'_>) -> Result<Request, Unfilled> {
    let mut request = Request::get(slots.url(&call.url, &call.query)?);
    request.redirects = false;
    request.method = match call.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Head => reqwest::Method::HEAD,
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accepted(call.answer)));
    let (content_type, body) = body(&call.body, slots)?;
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    request.body = body.or_else(|| (call.method == Method::Post).then(Vec::new));
    for (name, template) in &call.headers {
        headers.insert(HeaderName::clone(name), slots.header(template)?);
    }
    if let Some(value) = slots.authorization(&call.authorization)? {
        headers.insert(AUTHORIZATION, value);
    }
    request.headers = headers;
    Ok(request)
}

const fn accepted(answer: Described) -> &'static str {
    match answer {
        Described::Json => "application/json",
        Described::Xml => "application/xml, text/xml",
        Described::Text => "text/plain, */*;q=0.5",
        Described::None => "*/*",
    }
}

fn body(body: &Body, slots: Slots<'_>) -> Result<(Option<HeaderValue>, Option<Vec<u8>>), Unfilled> {
    Ok(match body {
        Body::None => (None, None),
        Body::Json(json) => {
            let mut written = String::new();
            slots.json(json, &mut written)?;
            (Some(HeaderValue::from_static("application/json")), Some(written.into_bytes()))
        }
        Body::Form(fields) => {
            let form = slots.form(fields)?;
            (Some(HeaderValue::from_static("application/x-www-form-urlencoded")), Some(form.into_bytes()))
        }
        Body::Text { content_type, text } => {
            let content_type = HeaderValue::try_from(&**content_type)
                .map_err(|_| Unfilled { slot: None, what: "content_type cannot be sent in a header".to_owned() })?;
            (Some(content_type), Some(slots.text(text)?.into_bytes()))
        }
    })
}

/// Checks that the values of a source fit every call, with stand-ins for what is known only during a poll.
///
/// # Errors
/// The parameter whose value does not fit, if it is one, and what is wrong.
pub(crate) fn check(description: &Description, values: &Values) -> Result<(), (Option<usize>, String)> {
    let stand_in = Secret::new("x".to_owned());
    let calls = || description.session.iter().flat_map(|session| &session.calls).chain(&description.calls);
    let kept = vec![vec![stand_in.clone()]; calls().map(|call| call.keep.len()).sum()];
    for call in calls() {
        let elements = match call.repeated {
            Some(slot @ Slot::Parameter(_)) => {
                let Slot::Parameter(index) = slot else { continue };
                values.texts(index).iter().map(|text| (Some(index), text)).collect()
            }
            _ => vec![(None, &stand_in)],
        };
        for (parameter, element) in elements {
            let slots = Slots { values, kept: &kept, session: Some(&stand_in), element: Some(element) };
            request(call, slots).map_err(|unfilled| match unfilled.slot {
                Some(Slot::Parameter(index)) => (Some(index), unfilled.what),
                Some(Slot::Element) => (parameter, unfilled.what),
                _ => (None, unfilled.what),
            })?;
        }
    }
    Ok(())
}
