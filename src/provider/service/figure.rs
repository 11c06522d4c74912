//! Figures, scales and labels of readings by description: which values of an answer are numbers, and which mean that there is no limit.
//!
//! Numbers are calculated with exactly and rounded once, to the nearest float, when the figure is made. A message names the kind of a
//! value, never the value.

mod exact;
mod number;
#[cfg(test)]
mod tests;

use crate::domain::{Figure, Label, Quantity};
use crate::provider::document::Value;
use exact::Exact;
use rust_decimal::Decimal;

pub(crate) use number::NumberFormat;

/// The longest label, in characters.
const LABEL_LIMIT: usize = 200;

/// How figures are written. By default, as every provider accepts them: a JSON number, or a text that holds one decimal number.
#[derive(Debug, Default)]
pub(crate) struct FigureFormat {
    /// How numbers are written in texts.
    pub(crate) number: Option<NumberFormat>,
    /// With 16, only texts such as `0x1bc16d674ec80000` are numbers.
    pub(crate) base: Base,
    /// The texts, numbers and null that mean that there is no limit. Texts are compared trimmed and in any case. Numbers are compared
    /// before they are scaled and however they are written: a listed -1, also as a text, is -1, -1.0 and "-1" in the answer.
    pub(crate) unlimited: Vec<Value>,
}

/// The base of a number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    #[default]
    Ten,
    Sixteen,
}

impl FigureFormat {
    /// The figure that a value holds, multiplied by `scale`. A null is an error unless it is listed as unlimited.
    ///
    /// # Errors
    /// The kind of the value and what is wanted.
    pub(crate) fn read(&self, value: &Value, scale: Decimal) -> Result<Quantity, String> {
        let number = self.number(value);
        if self.unlimited.iter().any(|listed| same(listed, value, number.as_ref())) {
            return Ok(Quantity::Unlimited);
        }
        let number = number.ok_or_else(|| self.wrong(value))?;
        let scaled = number.times(scale).nearest().and_then(Figure::new);
        scaled.map(Quantity::Limited).ok_or_else(|| "a number that no float can hold after `scale`".to_owned())
    }

    fn number(&self, value: &Value) -> Option<Exact> {
        match (value, self.base, &self.number) {
            (Value::Text(text), Base::Sixteen, _) => Exact::hexadecimal(text),
            (_, Base::Sixteen, _) => None,
            (Value::Text(text), Base::Ten, Some(format)) => format.read(text),
            (_, Base::Ten, _) => plain(value),
        }
    }

    fn wrong(&self, value: &Value) -> String {
        let wanted = match (value, self.base, &self.number) {
            (_, Base::Sixteen, _) => "a text with a hexadecimal number is wanted: `0x` and 1 to 64 digits",
            (Value::Text(text), Base::Ten, Some(_)) if !text.trim().is_empty() => {
                "a number is wanted that is written as `number` describes"
            }
            (Value::Text(text), Base::Ten, None) if !text.trim().is_empty() => {
                "a number is wanted; `number` describes numbers with units, groups or a comma"
            }
            _ => "a number is wanted",
        };
        format!("{} where {wanted}", value.kind())
    }
}

/// Whether a value is what is listed. `number` is the number that the value holds.
fn same(listed: &Value, value: &Value, number: Option<&Exact>) -> bool {
    let folded = |text: &str| text.trim().to_lowercase();
    match (listed, value) {
        (Value::Null, Value::Null) => true,
        (Value::Text(listed), Value::Text(text)) if folded(listed) == folded(text) => true,
        // With base 16, a JSON number is no figure, but it can be a listed one.
        (_, Value::Number(_)) => plain(listed).is_some_and(|listed| plain(value) == Some(listed)),
        _ => number.is_some_and(|number| plain(listed).as_ref() == Some(number)),
    }
}

/// The number that a value holds, in the form that every provider accepts.
fn plain(value: &Value) -> Option<Exact> {
    match value {
        Value::Number(number) => Exact::decimal(&number.text),
        Value::Text(text) => Exact::decimal(text),
        _ => None,
    }
}

/// By what figures are multiplied: a number of at most 28 digits that is not 0, or a text that holds one.
///
/// # Errors
/// The kind of the value and what is wanted.
pub(crate) fn scale(value: &Value) -> Result<Decimal, String> {
    let number = plain(value).ok_or_else(|| format!("{} where a number is wanted", value.kind()))?;
    let scale = number.to_decimal().ok_or("a number of more than 28 digits where a scale is wanted")?;
    if scale.is_zero() { Err("0 where a scale is wanted, which is never 0".to_owned()) } else { Ok(scale) }
}

/// A text as a label: clean, trimmed, and cut to 200 characters. An integer becomes its digits, and keeps every one of them.
///
/// # Errors
/// The kind of the value and what is wanted.
pub(crate) fn label(value: &Value) -> Result<String, String> {
    whole(value).map(cut)
}

/// A text, trimmed, or the digits of an integer, however long.
///
/// # Errors
/// The kind of the value and what is wanted.
pub(crate) fn whole(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text.trim()),
        // `1e3` and `1.0` do not show how the identifier is spelled elsewhere.
        Value::Number(number) if number.text.contains(['.', 'e', 'E']) => {
            Err("a number with a fraction or an exponent where a text or an integer is wanted".to_owned())
        }
        Value::Number(number) => Ok(&number.text),
        _ => Err(format!("{} where a text is wanted", value.kind())),
    }
}

/// A text as a label: clean, trimmed, and cut to 200 characters.
pub(crate) fn cut(text: &str) -> String {
    let clean = Label::new(text);
    let end = clean.as_str().char_indices().nth(LABEL_LIMIT).map_or(clean.as_str().len(), |(at, _)| at);
    clean.as_str()[..end].trim_end().to_owned()
}
