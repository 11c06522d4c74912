//! A value of a document: what the readers make, and what expressions calculate with.

use std::fmt;
use std::sync::Arc;

/// A value of a document. Cloning is cheap: texts, lists and objects are shared. Objects keep the order of their keys, and each key
/// stands once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(Number),
    Text(Arc<str>),
    List(Arc<[Value]>),
    Object(Arc<[(Arc<str>, Value)]>),
}

/// A number with its original digits. Comparison is by the digits; the expressions compare figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    /// In the syntax of JSON.
    pub(crate) text: Arc<str>,
    /// The nearest float; always finite.
    pub(crate) value: f64,
}

impl Value {
    /// The kind of the value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
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

/// Formats the value as JSON without spaces.
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

/// Escapes a text as `serde_json` does, because the mask searches for secrets in that form.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", serde_json::Value::from(text))
}
