//! The functions that make a value from values.

use super::access;
use super::meter::{Flow, Meter, Stop};
use super::number;
use super::order;
use crate::provider::document::{Document, Number, Value};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Whether a condition holds: everything but false and null does.
pub(super) const fn holds(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Flag(false))
}

#[expect(clippy::unnecessary_wraps, reason = "functions are called through one type")]
pub(super) fn not(_: &Meter, value: &Value) -> Flow<Value> {
    Ok(Value::Flag(!holds(value)))
}

/// Joins and adds. Null is no zero: a field that has been renamed must not look like a figure.
pub(super) fn plus(meter: &Meter, left: &Value, right: &Value) -> Flow<Value> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            meter.build(left.len() + right.len())?;
            Ok(Value::Text([&**left, &**right].concat().into()))
        }
        (Value::List(left), Value::List(right)) => list(meter, left.len() + right.len(), left.iter().chain(&**right).cloned()),
        (Value::Object(left), Value::Object(right)) => merge(meter, left, right),
        _ => math(meter, number::Operation::Add, left, right),
    }
}

/// Calculates with two numbers.
pub(super) fn math(meter: &Meter, operation: number::Operation, left: &Value, right: &Value) -> Flow<Value> {
    if let (Value::Number(left), Value::Number(right)) = (left, right) {
        meter.look(left.text.len() + right.text.len())?;
        meter.build(64)?;
        return number::calculate(operation, left, right).map(Value::Number);
    }
    let (left, right, sign) = (left.kind(), right.kind(), operation.sign());
    let also = if operation == number::Operation::Add { ", two texts, two lists or two objects" } else { "" };
    Err(Stop::Failed(format!("`{sign}` takes two numbers{also}; here are {left} and {right}")))
}

pub(super) fn add(meter: &Meter, value: &Value) -> Flow<Value> {
    let mut sum = None;
    for item in access::items(value)? {
        meter.visit()?;
        sum = Some(match sum {
            None => item.clone(),
            Some(sum) => plus(meter, &sum, item)?,
        });
    }
    Ok(sum.unwrap_or(Value::Null))
}

/// Null has no length here: a field that has been renamed must not look like an empty list.
pub(super) fn length(meter: &Meter, value: &Value) -> Flow<Value> {
    match value {
        Value::Text(text) => {
            meter.look(text.len() / 8)?;
            whole(meter, text.chars().count())
        }
        Value::List(items) => whole(meter, items.len()),
        Value::Object(entries) => whole(meter, entries.len()),
        Value::Number(number) if number.value < 0.0 => Ok(Value::Number(number::negate(number))),
        Value::Number(_) => Ok(value.clone()),
        Value::Null | Value::Flag(_) => Err(wrong("length", "a text, a list, an object or a number", value)),
    }
}

pub(super) fn keys(meter: &Meter, value: &Value) -> Flow<Value> {
    match value {
        Value::Object(entries) => {
            let sorted = order::by_key(meter, entries)?;
            list(meter, sorted.len(), sorted.into_iter().map(|(key, _)| Value::Text(key.clone())))
        }
        Value::List(items) => {
            let indexes = (0..items.len()).map(|index| whole(meter, index)).collect::<Flow<Vec<_>>>()?;
            list(meter, indexes.len(), indexes.into_iter())
        }
        _ => Err(wrong("keys", "an object or a list", value)),
    }
}

pub(super) fn has(meter: &Meter, value: &Value, key: &Value) -> Flow<Value> {
    match (value, key) {
        (Value::Object(_), Value::Text(key)) => Ok(Value::Flag(access::key(meter, value, key)?.is_some())),
        (Value::List(items), Value::Number(index)) => {
            Ok(Value::Flag(index.value >= 0.0 && access::position(index, items.len()).is_some()))
        }
        (Value::Object(_) | Value::List(_), _) => Err(wrong("has", "a text for an object or a number for a list", key)),
        _ => Err(wrong("has", "an object or a list", value)),
    }
}

pub(super) fn to_entries(meter: &Meter, value: &Value) -> Flow<Value> {
    let Value::Object(entries) = value else { return Err(wrong("to_entries", "an object", value)) };
    let names: [Arc<str>; 2] = ["key".into(), "value".into()];
    let mut items = Vec::new();
    for (key, value) in &**entries {
        meter.build(4 * size_of::<Value>())?;
        items.push(Value::Object([(names[0].clone(), Value::Text(key.clone())), (names[1].clone(), value.clone())].into()));
    }
    Ok(Value::List(items.into()))
}

pub(super) fn flatten(meter: &Meter, value: &Value, depth: &Value) -> Flow<Value> {
    let Value::Number(depth) = depth else { return Err(wrong("flatten", "a number of levels", depth)) };
    if depth.value < 0.0 {
        return Err(Stop::Failed("flatten takes a number of levels that is not negative".to_owned()));
    }
    let mut flat = Vec::new();
    flatten_into(meter, access::items(value)?, depth.value, &mut flat)?;
    Ok(Value::List(flat.into()))
}

fn flatten_into(meter: &Meter, items: access::Items<'_>, depth: f64, flat: &mut Vec<Value>) -> Flow {
    for item in items {
        match item {
            Value::List(_) if depth > 0.0 => {
                meter.visit()?;
                flatten_into(meter, access::items(item)?, depth - 1.0, flat)?;
            }
            _ => {
                meter.build(size_of::<Value>())?;
                flat.push(item.clone());
            }
        }
    }
    Ok(())
}

pub(super) fn reverse(meter: &Meter, value: &Value) -> Flow<Value> {
    match value {
        Value::List(items) => list(meter, items.len(), items.iter().rev().cloned()),
        Value::Null => Ok(Value::List([].into())),
        _ => Err(wrong("reverse", "a list", value)),
    }
}

/// Null is no empty text here: with it, a field that has been renamed would make `"12."` or `".50"` of an amount.
pub(super) fn join(meter: &Meter, value: &Value, separator: &Value) -> Flow<Value> {
    let separator = text("join", separator)?;
    let mut joined = String::new();
    for (i, item) in access::items(value)?.enumerate() {
        let item = match item {
            Value::Null | Value::List(_) | Value::Object(_) => {
                return Err(wrong("join", "texts, numbers and flags in the list", item));
            }
            _ => as_text(meter, item)?,
        };
        let before = if i > 0 { separator } else { "" };
        meter.build(before.len() + item.len())?;
        joined.push_str(before);
        joined.push_str(&item);
    }
    Ok(Value::Text(joined.into()))
}

pub(super) fn split(meter: &Meter, value: &Value, separator: &Value) -> Flow<Value> {
    let (whole, separator) = (text("split", value)?, text("split", separator)?);
    let mut parts = Vec::new();
    let mut push = |part: &str| {
        meter.build(size_of::<Value>() + 32 + part.len())?;
        parts.push(Value::Text(part.into()));
        Ok(())
    };
    if separator.is_empty() {
        let mut buffer = [0; 4];
        whole.chars().try_for_each(|c| push(c.encode_utf8(&mut buffer)))?;
    } else if !whole.is_empty() {
        whole.split(separator).try_for_each(push)?;
    }
    Ok(Value::List(parts.into()))
}

pub(super) fn startswith(meter: &Meter, value: &Value, prefix: &Value) -> Flow<Value> {
    let (value, prefix) = (text("startswith", value)?, text("startswith", prefix)?);
    meter.look(prefix.len() / 4)?;
    Ok(Value::Flag(value.starts_with(prefix)))
}

pub(super) fn endswith(meter: &Meter, value: &Value, suffix: &Value) -> Flow<Value> {
    let (value, suffix) = (text("endswith", value)?, text("endswith", suffix)?);
    meter.look(suffix.len() / 4)?;
    Ok(Value::Flag(value.ends_with(suffix)))
}

pub(super) fn ltrimstr(meter: &Meter, value: &Value, prefix: &Value) -> Flow<Value> {
    let (value, prefix) = (text("ltrimstr", value)?, text("ltrimstr", prefix)?);
    new_text(meter, value.strip_prefix(prefix).unwrap_or(value))
}

pub(super) fn rtrimstr(meter: &Meter, value: &Value, suffix: &Value) -> Flow<Value> {
    let (value, suffix) = (text("rtrimstr", value)?, text("rtrimstr", suffix)?);
    new_text(meter, value.strip_suffix(suffix).unwrap_or(value))
}

pub(super) fn trim(meter: &Meter, value: &Value) -> Flow<Value> {
    new_text(meter, text("trim", value)?.trim())
}

pub(super) fn tostring(meter: &Meter, value: &Value) -> Flow<Value> {
    as_text(meter, value).map(Value::Text)
}

/// A number of RFC 8259: jq also takes `nan`.
pub(super) fn tonumber(meter: &Meter, value: &Value) -> Flow<Value> {
    let text = match value {
        Value::Number(_) => return Ok(value.clone()),
        Value::Text(text) => text.trim(),
        _ => return Err(wrong("tonumber", "a text or a number", value)),
    };
    meter.build(text.len())?;
    // A longer text can hold a whole document.
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = is_number.then(|| Document::read(text.as_bytes()).ok()).flatten();
    let number = number.map(|document| document.root().clone()).filter(|number| matches!(number, Value::Number(_)));
    number.ok_or_else(|| Stop::Failed("tonumber takes a text that holds a number and nothing else; this one does not".to_owned()))
}

pub(super) fn downcase(meter: &Meter, value: &Value) -> Flow<Value> {
    new_text(meter, &text("ascii_downcase", value)?.to_ascii_lowercase())
}

pub(super) fn upcase(meter: &Meter, value: &Value) -> Flow<Value> {
    new_text(meter, &text("ascii_upcase", value)?.to_ascii_uppercase())
}

/// The names of jq, which people compare with.
pub(super) fn kind(meter: &Meter, value: &Value) -> Flow<Value> {
    let name = match value {
        Value::Null => "null",
        Value::Flag(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Object(_) => "object",
    };
    new_text(meter, name)
}

/// A text as it is, and any other value as JSON.
pub(super) fn as_text(meter: &Meter, value: &Value) -> Flow<Arc<str>> {
    if let Value::Text(text) = value {
        return Ok(text.clone());
    }
    let mut paid = Paid { text: String::new(), meter, stop: None };
    let written = write!(paid, "{value}");
    match (paid.stop, written) {
        (Some(stop), _) => Err(stop),
        (None, Ok(())) => Ok(paid.text.into()),
        (None, Err(fmt::Error)) => Err(Stop::Failed("a value that has no text".to_owned())),
    }
}

/// A text whose every byte is paid before it is written. One list can be in another many times, so that its text is far longer than
/// its value.
struct Paid<'a> {
    text: String,
    meter: &'a Meter,
    stop: Option<Stop>,
}

impl fmt::Write for Paid<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.meter.build(text.len()) {
            Ok(()) => {
                self.text.push_str(text);
                Ok(())
            }
            Err(stop) => {
                self.stop = Some(stop);
                Err(fmt::Error)
            }
        }
    }
}

/// An object with the entries of both; those of the right replace others.
fn merge(meter: &Meter, left: &[(Arc<str>, Value)], right: &[(Arc<str>, Value)]) -> Flow<Value> {
    meter.build((left.len() + right.len()) * size_of::<(Arc<str>, Value)>())?;
    let mut entries = left.to_vec();
    for (key, value) in right {
        meter.look(left.len())?;
        match entries[..left.len()].iter_mut().find(|(found, _)| found == key) {
            Some((_, old)) => *old = value.clone(),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Ok(Value::Object(entries.into()))
}

fn list(meter: &Meter, length: usize, items: impl Iterator<Item = Value>) -> Flow<Value> {
    meter.build(length * size_of::<Value>())?;
    Ok(Value::List(items.collect()))
}

fn new_text(meter: &Meter, text: &str) -> Flow<Value> {
    meter.build(text.len())?;
    Ok(Value::Text(text.into()))
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "no count here reaches 2^53")]
fn whole(meter: &Meter, count: usize) -> Flow<Value> {
    meter.build(32)?;
    Ok(Value::Number(Number { text: count.to_string().into(), value: count as f64 }))
}

fn text<'a>(function: &str, value: &'a Value) -> Flow<&'a str> {
    if let Value::Text(text) = value { Ok(text) } else { Err(wrong(function, "a text", value)) }
}

/// The error that something else was expected. It names the kind of a value and never the value.
pub(super) fn wrong(function: &str, expected: &str, found: &Value) -> Stop {
    Stop::Failed(format!("{function} takes {expected}; this is {}", found.kind()))
}
