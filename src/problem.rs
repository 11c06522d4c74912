//! Problems of a configuration, and texts that are checked while they are parsed, so that a message has their line and column.

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// What is wrong with the configuration, and where.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Keys and indices from the place of the reporter, such as `login.password`; may be empty.
    pub place: String,
    /// What is wrong and how to fix it, without any secret.
    pub text: String,
    /// The error that the text states, if another module reported one.
    pub cause: Option<Cause>,
}

/// An error behind a message.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

impl Problem {
    /// A problem at a place.
    pub fn at(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into(), cause: None }
    }

    /// An error as a problem at a place. Its text must hold no secret.
    pub fn caused(place: impl Into<String>, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { text: error.to_string(), place: place.into(), cause: Some(Arc::new(error)) }
    }

    /// The same problem as seen from above `place`.
    #[must_use]
    pub fn below(self, place: &str) -> Self {
        Self { place: join(place, &self.place), ..self }
    }
}

/// A place and what stands below it, such as `sources[0]` and `provider`; either may be empty.
pub(crate) fn join(place: &str, below: &str) -> String {
    if place.is_empty() || below.is_empty() { format!("{place}{below}") } else { format!("{place}.{below}") }
}

/// Marks a message of this program inside a parser error. The parser's own messages can quote a value.
const OWN: char = '\u{1}';

/// An error to which the parser adds the place. The text must hold no value of the file.
pub(crate) fn error<E: Error>(text: &str) -> E {
    E::custom(format_args!("{OWN}{text}"))
}

/// The place and the text of an [`error`] that the parser returns; `None` for the parser's own messages.
pub(crate) fn own(message: &str) -> Option<(&str, &str)> {
    // Only a place may precede the mark: a key or a value could contain the same character.
    message.split_once(OWN).filter(|(place, _)| place.is_empty() || place.ends_with(": "))
}

/// Deserialises a text through `check`, whose error says what is wrong and how to fix it, without the text itself. A number or a
/// flag counts as the text it is written as.
///
/// # Errors
/// The error of `check`, or that the text is missing.
pub(crate) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    check: fn(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    // deserialize_str reads null as the text "null", deserialize_option gives null no position, and deserialize_any reads 007 as a
    // number. deserialize_enum gets all three right.
    deserializer.deserialize_enum("", &[], Checked { check, output: PhantomData })
}

struct Checked<T> {
    check: fn(&str) -> Result<T, &'static str>,
    output: PhantomData<T>,
}

impl<'de, T> Visitor<'de> for Checked<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        match access.variant::<Option<String>>()?.0 {
            Some(text) => (self.check)(&text).map_err(error),
            None => Err(error("is missing; write a text, in quotes where it is the word null")),
        }
    }
}

/// A text as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| Ok(Self(text.to_owned())))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
