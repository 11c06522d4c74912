//! The document of an answer: bytes are read here, once and whole, or not at all.
//!
//! This is the only way from bytes to anything in a provider. A body is UTF-8 (a byte-order mark is allowed) and one document of
//! RFC 8259, at most [`DEPTH_LIMIT`] deep and [`VALUES_LIMIT`] values long, in which each key of an object stands once and every
//! number is finite. Half of the readers of a doubled key would see the other half of the answer, and a reader that skips what
//! it does not need would take a figure out of an answer that is broken, so both are refused.

mod reader;
#[cfg(test)]
mod tests;

use crate::domain::Reason;
use std::fmt;

/// How deep lists and objects may be nested.
pub(super) const DEPTH_LIMIT: usize = 128;
/// How many values a document may hold, lists and objects included.
pub(super) const VALUES_LIMIT: usize = 100_000;

/// A document that was read to its end.
#[derive(Debug)]
pub(super) struct Document(Value);

/// A value of a document. Objects keep the order of their keys.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Number(Number),
    Text(Box<str>),
    List(Vec<Value>),
    Object(Vec<(Box<str>, Value)>),
}

/// A number, with every digit that it came with.
#[derive(Debug, PartialEq)]
pub(super) struct Number {
    pub(super) text: Box<str>,
    /// The nearest float. It is finite.
    pub(super) value: f64,
}

/// Why a body is no document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// `decode`, or `too_large` where there are too many values.
    pub(super) reason: Reason,
    /// What is wrong and where; a key may be quoted, a value never.
    pub(super) detail: String,
}

impl Unreadable {
    fn decode(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Decode, detail: detail.into() }
    }
}

impl Document {
    /// Reads a body.
    ///
    /// # Errors
    /// What could not be read, and where.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unreadable> {
        if let Some(other) = other_than_json(body) {
            return Err(Unreadable::decode(other));
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let text = std::str::from_utf8(body)
            .map_err(|error| Unreadable::decode(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1)))?;
        reader::read(text).map(Self)
    }

    pub(super) const fn root(&self) -> &Value {
        &self.0
    }
}

/// What a body is that cannot be JSON, where that says more than the place of its first wrong character.
fn other_than_json(body: &[u8]) -> Option<&'static str> {
    // An error page tells what it is at its beginning, in whatever encoding.
    let beginning = String::from_utf8_lossy(&body[..body.len().min(1024)]).to_lowercase();
    let beginning = beginning.trim_start_matches('\u{feff}').trim_start();
    if beginning.is_empty() {
        return (body.len() <= 1024).then_some("the answer is empty");
    }
    if !beginning.starts_with('<') {
        return None;
    }
    if beginning.starts_with("<!doctype html") || beginning.contains("<html") {
        return Some("an HTML page where JSON was expected; is the URL right?");
    }
    Some("HTML or XML where JSON was expected; is the URL right?")
}

/// Reads a decimal number: nothing before it, nothing after it but white space, and within what a float can hold.
///
/// `"NaN"` and `"inf"` are numbers to the standard library, `"1e999"` is infinite to it, and `"1e-999"` is 0: all are refused.
#[must_use]
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let vanished = number == 0.0 && digits.contains(|c: char| matches!(c, '1'..='9'));
    (!vanished).then_some(number)
}

impl Value {
    /// What kind of value it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(text) if text.trim().is_empty() => "an empty text",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// As JSON without spaces.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => f.write_str(&number.text),
            Self::Text(text) => quoted(text, f),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    quoted(key, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Escapes as the mask expects it, which looks for a secret as this library writes it.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", serde_json::Value::from(text))
}
