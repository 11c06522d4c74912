//! What a poll explains of itself: one line a step, for people.
//!
//! The lines hold texts of the answer. Whoever shows them masks them first, with the source's secrets, kept texts and tokens.

use crate::provider::document::Value;
use crate::transport::Explained;
use std::sync::Arc;

/// Words in the name of a key whose value is hidden: vendors send secrets that nobody configured.
const SENSITIVE: [&str; 6] = ["token", "key", "secret", "password", "authorization", "cookie"];
/// Longest value that is shown beside an expression, in characters.
const VALUE_LIMIT: usize = 60;
const HIDDEN: &str = "***";

/// The lines of one answer; none where nobody asked for an explanation.
pub(super) struct Lines(Option<Vec<Explained>>);

impl Lines {
    pub(super) const fn new(wanted: bool) -> Self {
        Self(if wanted { Some(Vec::new()) } else { None })
    }

    pub(super) const fn wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn push(&mut self, line: String) {
        if let Some(lines) = &mut self.0 {
            lines.push(Explained::Line(line));
        }
    }

    /// The answer itself. Where it could not be read, as much of it as is text.
    pub(super) fn answer(&mut self, document: Option<&Value>, body: &[u8]) {
        let Some(lines) = &mut self.0 else { return };
        let text = match document {
            Some(Value::Null) if body.is_empty() => return,
            Some(document @ (Value::Object(_) | Value::List(_))) => without_sensitive(document).to_string(),
            _ => String::from_utf8_lossy(body).trim().to_owned(),
        };
        lines.push(Explained::Body(text));
    }

    pub(super) fn into_lines(self) -> Vec<Explained> {
        self.0.unwrap_or_default()
    }
}

/// A text on one line, cut to what is readable beside others.
pub(super) fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= VALUE_LIMIT { line } else { line.chars().take(VALUE_LIMIT - 1).chain(['…']).collect() }
}

/// Whether the value of such a key is hidden.
pub(super) fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    SENSITIVE.iter().any(|word| key.contains(word))
}

/// The document without the values of keys that are named like secrets.
pub(super) fn without_sensitive(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(without_sensitive).collect()),
        Value::Object(entries) => {
            let entry = |(key, value): &(Arc<str>, Value)| {
                let hidden = is_sensitive(key) && !matches!(value, Value::Null | Value::Flag(_));
                (key.clone(), if hidden { Value::Text(HIDDEN.into()) } else { without_sensitive(value) })
            };
            Value::Object(entries.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}
