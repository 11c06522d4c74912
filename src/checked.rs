//! What is wrong in a configuration, and texts that are checked where they stand, so that a message has their line and column.

use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What is wrong with the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Keys and indices from the place of whoever reports, such as `login.password`; may be empty.
    pub place: String,
    /// What is wrong and how to mend it. No secret stands in it.
    pub text: String,
}

impl Problem {
    /// A problem at a place.
    pub fn at(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

/// Deserialises a text through `check`, whose error says what is wrong and how to mend it, without the text itself.
///
/// # Errors
/// What `check` says, or that there is no text.
pub(crate) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    check: fn(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    // The check runs inside the visitor: outside of it the parser no longer knows where it is.
    deserializer.deserialize_str(Checked { check, output: PhantomData })
}

struct Checked<T> {
    check: fn(&str) -> Result<T, &'static str>,
    output: PhantomData<T>,
}

impl<T> Visitor<'_> for Checked<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.check)(text).map_err(E::custom)
    }
}
