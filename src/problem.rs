//! What is wrong in a configuration, and texts that are checked where they stand, so that a message has their line and column.

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

/// Begins a message of this program within an error of the parser. The parser's own messages can quote a value.
const OWN: char = '\u{1}';

/// An error for the parser to put the place in front of. The text holds no value of the file.
pub(crate) fn error<E: Error>(text: &str) -> E {
    E::custom(format_args!("{OWN}{text}"))
}

/// The place and the text of an [`error`] that came back from the parser; none where the message is the parser's own.
pub(crate) fn own(message: &str) -> Option<(&str, &str)> {
    // The parser puts nothing but the place in front. A key or a value could begin with the same character.
    message.split_once(OWN).filter(|(place, _)| place.is_empty() || place.ends_with(": "))
}

/// Deserialises a text through `check`, whose error says what is wrong and how to fix it, without the text itself. A number or a
/// flag is taken as it is written.
///
/// # Errors
/// What `check` says, or that there is no text.
pub(crate) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    check: fn(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    // Asked for a text, the parser takes nothing for the text "null"; asked for an option, it does not say where that is, and
    // asked for anything, it takes 007 apart. Asked for an enum, it does all of it right.
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
