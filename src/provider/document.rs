//! The document of an answer: parses a body once, as a whole, or fails.
//!
//! Providers read bodies only through this module. A body is UTF-8 (a byte-order mark is allowed) and one document of RFC 8259, at
//! most [`DEPTH_LIMIT`] deep and [`VALUES_LIMIT`] values long. The keys of an object are unique, and every number is finite. Duplicate
//! keys are refused because parsers disagree on which value counts. The whole body is parsed because a parser that skips unused parts
//! would take a figure from a broken answer.

mod reader;
#[cfg(test)]
mod tests;
mod value;

use crate::domain::Reason;

pub(crate) use value::{Number, Value};

/// The maximum nesting of lists and objects.
pub(super) const DEPTH_LIMIT: usize = 128;
/// The maximum number of values in a document, including lists and objects.
pub(super) const VALUES_LIMIT: usize = 100_000;

/// A completely parsed document.
#[derive(Debug)]
pub(crate) struct Document(Value);

/// Why a body is not a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// `decode`, or `too_large` if there are too many values.
    pub(super) reason: Reason,
    /// The problem and its place. It may quote a key, but never a value.
    pub(super) detail: String,
}

impl Unreadable {
    fn decode(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Decode, detail: detail.into() }
    }
}

impl Document {
    /// Parses a body.
    ///
    /// # Errors
    /// The problem and its place.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unreadable> {
        if let Some(other) = other_than_json(body) {
            return Err(Unreadable::decode(other));
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let text = std::str::from_utf8(body)
            .map_err(|error| Unreadable::decode(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1)))?;
        reader::read(text).map(Self)
    }

    pub(super) fn read_xml(_: &[u8]) -> Result<Self, Unreadable> {
        Err(Unreadable::decode(""))
    }

    pub(super) fn read_text(_: &[u8]) -> Result<Self, Unreadable> {
        Err(Unreadable::decode(""))
    }

    pub(super) const fn root(&self) -> &Value {
        &self.0
    }

    pub(super) fn into_root(self) -> Value {
        self.0
    }
}

/// Recognises a body that is not JSON at all, which explains more than the place of the first wrong character.
fn other_than_json(body: &[u8]) -> Option<&'static str> {
    // The start of an error page identifies it in any encoding.
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

/// Parses a decimal number in the range of a float, with nothing before it and only white space after it.
///
/// The standard library parses `"NaN"` and `"inf"`, turns `"1e999"` into infinity and `"1e-999"` into 0. All of these are refused.
#[must_use]
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let vanished = number == 0.0 && digits.contains(|c: char| matches!(c, '1'..='9'));
    (!vanished).then_some(number)
}
