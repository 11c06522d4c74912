//! Extracts figures, texts and identifiers from a document: their accepted forms, and the error for anything else.
//!
//! The rules apply to every provider. A figure that is missing, null, empty, not a number or not finite is an error. A list is never
//! read as an object. A message names the place and the kind of the value, never the value itself.

use super::document::{Document, Value, decimal};
use crate::domain::{Figure, Label};
use std::sync::Arc;

/// A value with its place in the document.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) value: &'a Value,
    place: String,
}

/// An object with its place in the document.
#[derive(Debug)]
pub(super) struct Object<'a> {
    entries: &'a [(Arc<str>, Value)],
    place: String,
}

impl Document {
    /// The root value of the document.
    pub(super) fn whole(&self) -> Found<'_> {
        Found { value: self.root(), place: String::new() }
    }
}

impl<'a> Found<'a> {
    /// The value as an object.
    pub(super) fn object(&self) -> Result<Object<'a>, String> {
        match self.value {
            Value::Object(entries) => Ok(Object { entries, place: self.place.clone() }),
            _ => Err(self.wrong("an object")),
        }
    }

    /// The items of the value, which must be a list.
    pub(super) fn list(&self) -> Result<Vec<Self>, String> {
        match self.value {
            Value::List(items) => {
                let found = |(i, value)| Found { value, place: format!("{}[{i}]", self.place) };
                Ok(items.iter().enumerate().map(found).collect())
            }
            _ => Err(self.wrong("a list")),
        }
    }

    /// A finite number, written as a number or as a text that holds one.
    pub(super) fn figure(&self) -> Result<Figure, String> {
        match self.value {
            Value::Number(number) => Figure::new(number.value).ok_or_else(|| self.wrong("a finite number")),
            Value::Text(text) => decimal(text)
                .and_then(Figure::new)
                .ok_or_else(|| self.wrong("a number, or a text that holds one and nothing else")),
            _ => Err(self.wrong("a number, or a text that holds one")),
        }
    }

    /// An identifier: a text or an integer. It keeps every digit.
    pub(super) fn identifier(&self) -> Result<Label, String> {
        match self.value {
            Value::Text(text) => Ok(Label::new(text)),
            // `1e3` and `1.0` do not show how the identifier is spelled elsewhere.
            Value::Number(number) if !number.text.contains(['.', 'e', 'E']) => Ok(Label::new(&number.text)),
            _ => Err(self.wrong("an identifier, which is a text or a whole number without fraction and exponent")),
        }
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, String> {
        if let Value::Flag(flag) = self.value { Ok(*flag) } else { Err(self.wrong("true or false")) }
    }

    /// A text that is not blank.
    pub(super) fn text(&self) -> Result<&'a str, String> {
        match self.value {
            Value::Text(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// The error that something else was expected here.
    pub(super) fn wrong(&self, expected: &str) -> String {
        let place = if self.place.is_empty() { "the answer" } else { &self.place };
        format!("{place}: expected {expected}; found {}", self.value.kind())
    }
}

impl<'a> Object<'a> {
    /// The value of a key; `None` if the key is missing or its value is null.
    pub(super) fn get(&self, key: &str) -> Option<Found<'a>> {
        self.find(key).filter(|found| *found.value != Value::Null)
    }

    /// The value of a required key.
    pub(super) fn required(&self, key: &str) -> Result<Found<'a>, String> {
        self.find(key).ok_or_else(|| format!("{} is missing", self.below(key)))
    }

    /// The identifier at a key; empty if there is none.
    pub(super) fn label(&self, key: &str) -> Result<Label, String> {
        self.get(key).map_or_else(|| Ok(Label::default()), |found| found.identifier())
    }

    /// The values of all keys.
    pub(super) fn values(&self) -> impl Iterator<Item = Found<'a>> {
        self.entries.iter().map(|(key, value)| Found { value, place: self.below(key) })
    }

    /// The place in the document, for messages.
    pub(super) fn place(&self) -> &str {
        if self.place.is_empty() { "the answer" } else { &self.place }
    }

    fn find(&self, key: &str) -> Option<Found<'a>> {
        let (_, value) = self.entries.iter().find(|(found, _)| **found == *key)?;
        Some(Found { value, place: self.below(key) })
    }

    fn below(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of reading a document that is one value.
    fn read<T>(json: &str, take: impl FnOnce(&Found<'_>) -> Result<T, String>) -> Result<T, String> {
        let document = Document::read(json.as_bytes()).map_err(|unreadable| unreadable.detail)?;
        take(&document.whole())
    }

    fn figure(json: &str) -> Result<f64, String> {
        read(json, |found| Ok(found.figure()))?.map(Figure::get)
    }

    fn identifier(json: &str) -> Result<String, String> {
        read(json, |found| Ok(found.identifier()?.to_string()))
    }

    #[test]
    fn a_figure_is_a_number_or_a_text_that_holds_one() {
        let good = [
            ("0", 0.0),
            ("-1.5", -1.5),
            ("\"19023.9\"", 19023.9),
            ("\" 72029 \"", 72029.0),
            ("1e3", 1000.0),
            ("\"1e3\"", 1000.0),
            ("0e999", 0.0),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ];
        for (text, number) in good {
            assert_eq!(figure(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn a_figure_is_read_to_its_last_digit() {
        // Databases pad with zeros, and a fast float parser gets each of these wrong by a digit.
        let numbers = [
            ("60906404.930000000000", 60_906_404.93),
            ("60906404.910000000000", 60_906_404.91),
            ("99999999999999.99", 99_999_999_999_999.99),
            ("1000000000000040.1", 1_000_000_000_000_040.1),
            ("1e-28", 1e-28),
        ];
        for (text, number) in numbers {
            assert_eq!(figure(text), Ok(number), "{text}");
            assert_eq!(figure(&format!("\"{text}\"")), Ok(number), "{text} in quotes");
        }
    }

    #[test]
    fn nothing_else_becomes_a_figure() {
        let bad = [
            "null",
            "true",
            "[]",
            "[1]",
            "{}",
            "\"\"",
            "\" \"",
            "\"NaN\"",
            "\"nan\"",
            "\"inf\"",
            "\"-Infinity\"",
            "\"1e999\"",
            "\"1e-999\"",
            "1e999",
            "1e-999",
            "\"0x10\"",
            "\"1,5\"",
            "\"1 000\"",
            "\"12 RUB\"",
            "\"1_000\"",
            "\"--1\"",
            "\"١\"",
            "NaN",
            "Infinity",
            "",
        ];
        for text in bad {
            assert!(figure(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_identifier_keeps_every_digit() {
        let kept = [
            ("\" A1 \"", "A1"),
            ("\"1e3\"", "1e3"),
            ("7", "7"),
            ("-7", "-7"),
            ("18446744073709551616", "18446744073709551616"),
            ("123456789012345678901", "123456789012345678901"),
            ("123456789012345678902", "123456789012345678902"),
        ];
        for (text, label) in kept {
            assert_eq!(identifier(text).as_deref(), Ok(label), "{text}");
        }
        for lost in ["1e3", "1.0", "1.5", "123456789012345678901e0", "1E+20", "true", "null", "[]", "[\"A\"]", "{}"] {
            assert!(identifier(lost).is_err(), "{lost}");
        }
    }

    #[test]
    fn a_list_is_not_an_object_and_an_object_is_not_a_list() {
        let object = |json: &str| read(json, |found| found.object().map(drop));
        assert_eq!(object("[402]"), Err("the answer: expected an object; found a list".to_owned()));
        assert_eq!(object("{}"), Ok(()));
        let list = |json: &str| read(json, |found| found.list().map(drop));
        assert_eq!(list(r#"{"0":1}"#), Err("the answer: expected a list; found an object".to_owned()));
    }

    #[test]
    fn a_message_names_the_place_and_the_kind_and_never_the_value() {
        let json = r#"{"information":[{},{"num_sms":"secret"},{"num_sms":{"secret":1}}]}"#;
        let count = |row: usize| {
            read(json, |found| found.object()?.required("information")?.list()?[row].object()?.required("num_sms")?.figure())
        };
        assert_eq!(count(0), Err("information[0].num_sms is missing".to_owned()));
        let no_number = "information[1].num_sms: expected a number, or a text that holds one and nothing else; found a text";
        assert_eq!(count(1), Err(no_number.to_owned()));
        let object = "information[2].num_sms: expected a number, or a text that holds one; found an object";
        assert_eq!(count(2), Err(object.to_owned()));
    }

    #[test]
    fn a_null_is_an_error_if_it_is_required() {
        let optional = read(r#"{"a":null}"#, |found| Ok(found.object()?.get("a").is_none()));
        assert_eq!(optional, Ok(true));
        let required = read(r#"{"a":null}"#, |found| found.object()?.required("a")?.figure());
        assert_eq!(required, Err("a: expected a number, or a text that holds one; found null".to_owned()));
        assert_eq!(read(r#"{"a":null}"#, |found| found.object()?.label("a")), Ok(Label::default()));
    }
}
