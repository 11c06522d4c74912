//! The document of an answer: parses a body once, as a whole, or fails.
//!
//! Providers read bodies only through this module. A body is UTF-8 (a byte-order mark is allowed) and one document of RFC 8259, at
//! most [`DEPTH_LIMIT`] deep and [`VALUES_LIMIT`] values long. The keys of an object are unique, and every number is finite. Duplicate
//! keys are refused because parsers disagree on which value counts. The whole body is parsed because a parser that skips unused parts
//! would take a figure from a broken answer. Described services may also answer XML, within the same limits, or a text.

mod reader;
#[cfg(test)]
mod tests;
mod value;
mod xml;

use crate::domain::Reason;

pub(crate) use value::{Number, Value};

/// The maximum nesting of lists and objects.
pub(super) const DEPTH_LIMIT: usize = 128;
/// The maximum number of values in a document, including lists and objects.
pub(super) const VALUES_LIMIT: usize = 100_000;
/// How much of a body is searched for the marks of a page, in bytes.
const BEGINNING: usize = 1024;

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

    fn too_many() -> Self {
        Self { reason: Reason::TooLarge, detail: format!("the answer holds more than {VALUES_LIMIT} values") }
    }
}

impl Document {
    /// Parses a body of JSON.
    ///
    /// # Errors
    /// The problem and its place.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unreadable> {
        if let Some(other) = other_than_json(body) {
            return Err(Unreadable::decode(other));
        }
        reader::read(utf_8(body)?).map(Self)
    }

    /// Parses a body of XML.
    ///
    /// # Errors
    /// The problem and its place.
    pub(super) fn read_xml(body: &[u8]) -> Result<Self, Unreadable> {
        let read = utf_8(body).and_then(xml::read);
        // A page can be well-formed, and an answer can quote a page.
        let page = match &read {
            Ok(Value::Object(entries)) => entries.iter().any(|(root, _)| root.eq_ignore_ascii_case("html")),
            _ => is_page(&beginning(body)),
        };
        if page { Err(Unreadable::decode("an HTML page where XML was expected; is the URL right?")) } else { read.map(Self) }
    }

    /// The whole body as one text, trimmed.
    ///
    /// # Errors
    /// The problem.
    pub(super) fn read_text(body: &[u8]) -> Result<Self, Unreadable> {
        if is_page(&beginning(body)) {
            return Err(Unreadable::decode("an HTML page where a text was expected; is the URL right?"));
        }
        let text = utf_8(body)?.trim();
        if text.is_empty() { Err(Unreadable::decode("the answer is empty")) } else { Ok(Self(Value::Text(text.into()))) }
    }

    pub(super) const fn root(&self) -> &Value {
        &self.0
    }

    pub(super) fn into_root(self) -> Value {
        self.0
    }
}

fn utf_8(body: &[u8]) -> Result<&str, Unreadable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| Unreadable::decode(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1)))
}

/// Recognises a body that is not JSON at all, which explains more than the place of the first wrong character.
fn other_than_json(body: &[u8]) -> Option<&'static str> {
    let beginning = beginning(body);
    if beginning.is_empty() {
        return (body.len() <= BEGINNING).then_some("the answer is empty");
    }
    if !beginning.starts_with('<') {
        return None;
    }
    if is_page(&beginning) {
        return Some("an HTML page where JSON was expected; is the URL right?");
    }
    Some("HTML or XML where JSON was expected; is the URL right?")
}

/// The start of a body in lower case. It identifies an error page in any encoding.
fn beginning(body: &[u8]) -> String {
    let beginning = String::from_utf8_lossy(&body[..body.len().min(BEGINNING)]).to_lowercase();
    beginning.trim_start_matches('\u{feff}').trim_start().to_owned()
}

fn is_page(beginning: &str) -> bool {
    beginning.starts_with("<!doctype html") || (beginning.starts_with('<') && beginning.contains("<html"))
}

/// The place of a byte, for messages.
fn place(text: &str, at: usize) -> String {
    let before = String::from_utf8_lossy(&text.as_bytes()[..at.min(text.len())]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("at line {line} column {column}")
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
