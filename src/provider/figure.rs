//! How providers write numbers, texts and identifiers in JSON, and what is refused.
//!
//! The rules hold for every provider: a figure that is missing, null, empty, not a number or not finite is an error. It never
//! becomes a number.

use crate::domain::Label;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use std::fmt;

/// Reads a JSON document, with or without a byte-order mark.
///
/// # Errors
/// What could not be read, and where. It may quote the document, so it passes the mask before it is shown.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// A finite number, written as a JSON number or as a text that holds one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure(pub(super) f64);

/// Reads a decimal number: nothing before it, nothing after it but white space, and finite.
///
/// `"NaN"` and `"inf"` are numbers to the standard library, and `"1e999"` is infinite to it: all three are refused.
#[must_use]
pub(super) fn parse_figure(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FigureVisitor)
    }
}

struct FigureVisitor;

impl Visitor<'_> for FigureVisitor {
    type Value = Figure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finite number, or a text that holds one")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Figure, E> {
        if number.is_finite() { Ok(Figure(number)) } else { Err(E::custom("a number that is not finite")) }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is an f64; a whole balance over 2^53 loses its last digits there anyway"
    )]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Figure, E> {
        Ok(Figure(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as for i64")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Figure, E> {
        Ok(Figure(number as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Figure, E> {
        parse_figure(text).map(Figure).ok_or_else(|| E::custom("a text that is not a finite number"))
    }
}

/// An identifier, written as a JSON text or as a whole number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier(pub(super) Label);

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdentifierVisitor)
    }
}

struct IdentifierVisitor;

impl Visitor<'_> for IdentifierVisitor {
    type Value = Identifier;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier: a text or a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Identifier, E> {
        Ok(Identifier(Label::new(&number.to_string())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Identifier, E> {
        Ok(Identifier(Label::new(&number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Identifier, E> {
        if number.fract() == 0.0 {
            Ok(Identifier(Label::new(&number.to_string())))
        } else {
            Err(E::custom("a fraction, not an identifier"))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Identifier, E> {
        Ok(Identifier(Label::new(text)))
    }
}

/// The text of an optional identifier, empty where there is none.
#[must_use]
pub(super) fn identifier(found: Option<Identifier>) -> Label {
    found.map(|identifier| identifier.0).unwrap_or_default()
}

/// An error text as a person would read it: texts as they are, lists joined, anything else as JSON. Null is no text.
#[must_use]
pub(super) fn said(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.trim().to_owned(),
        serde_json::Value::Array(items) => items.iter().map(said).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_numbers_and_texts_that_hold_one() {
        let good = [
            ("0", 0.0),
            ("-1.5", -1.5),
            ("\"19023.9\"", 19023.9),
            ("\" 72029 \"", 72029.0),
            ("1e3", 1000.0),
            ("\"1e3\"", 1000.0),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ];
        for (text, number) in good {
            assert_eq!(json::<Figure>(text.as_bytes()), Ok(Figure(number)), "{text}");
        }
    }

    #[test]
    fn a_number_is_read_to_its_last_digit() {
        // Databases pad with noughts, and each of these is one that a quick reader misses.
        let numbers = ["60906404.930000000000", "60906404.910000000000", "99999999999999.99", "1000000000000040.1", "1e-28"];
        for number in numbers {
            assert_eq!(json::<Figure>(number.as_bytes()).map(|figure| Some(figure.0)), Ok(parse_figure(number)), "{number}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn a_number_and_a_text_are_the_same_figure(whole in 0_u64..1_u64 << 60, fraction in "[0-9]{1,17}", exponent in -30..30_i32) {
            let number = format!("{whole}.{fraction}e{exponent}");
            let (plain, quoted) = (json::<Figure>(number.as_bytes()), json::<Figure>(format!("\"{number}\"").as_bytes()));
            prop_assert_eq!(plain, quoted);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let bad = [
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\" \"",
            "\"NaN\"",
            "\"nan\"",
            "\"inf\"",
            "\"-Infinity\"",
            "\"1e999\"",
            "1e999",
            "\"0x10\"",
            "\"1,5\"",
            "\"1 000\"",
            "\"12 RUB\"",
            "\"1_000\"",
            "\"--1\"",
            "NaN",
            "Infinity",
            "",
        ];
        for text in bad {
            assert!(json::<Figure>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn accepts_a_byte_order_mark_and_refuses_bad_utf8() {
        assert_eq!(json::<Figure>(b"\xef\xbb\xbf 7"), Ok(Figure(7.0)));
        assert!(json::<String>(b"\"\xff\"").is_err());
    }
}
