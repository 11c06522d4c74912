//! Elements of lists, keys of objects, and slices.

use super::meter::{Flow, Meter, Stop};
use crate::provider::document::{Number, Value};
use std::sync::Arc;

/// The elements of a list, or the values of an object.
pub(super) enum Items<'a> {
    List(std::slice::Iter<'a, Value>),
    Object(std::slice::Iter<'a, (Arc<str>, Value)>),
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a Value;

    fn next(&mut self) -> Option<&'a Value> {
        match self {
            Self::List(items) => items.next(),
            Self::Object(entries) => entries.next().map(|(_, value)| value),
        }
    }
}

/// The elements of a list, or the values of an object.
pub(super) fn items(value: &Value) -> Flow<Items<'_>> {
    match value {
        Value::List(items) => Ok(Items::List(items.iter())),
        Value::Object(entries) => Ok(Items::Object(entries.iter())),
        _ => Err(Stop::Failed(format!("only a list or an object has elements; this is {}", value.kind()))),
    }
}

/// The value of a key; `None` if an object does not have it or the value is null itself.
pub(super) fn key<'a>(meter: &Meter, value: &'a Value, key: &str) -> Flow<Option<&'a Value>> {
    match value {
        Value::Object(entries) => {
            meter.look(entries.len())?;
            Ok(entries.iter().find(|(found, _)| **found == *key).map(|(_, value)| value))
        }
        Value::Null => Ok(None),
        _ => Err(Stop::Failed(format!("only an object has keys; this is {}", value.kind()))),
    }
}

/// The value of a key that is a text, or of an index that is a number.
pub(super) fn index<'a>(meter: &Meter, value: &'a Value, index: &Value) -> Flow<Option<&'a Value>> {
    match (value, index) {
        (_, Value::Text(name)) => key(meter, value, name),
        (Value::List(items), Value::Number(number)) => Ok(position(number, items.len()).and_then(|at| items.get(at))),
        (Value::Null, Value::Number(_)) => Ok(None),
        (_, Value::Number(_)) => Err(Stop::Failed(format!("only a list has numbered elements; this is {}", value.kind()))),
        _ => Err(Stop::Failed(format!("an index is a number and a key is a text; this is {}", index.kind()))),
    }
}

/// A part of a list or a text. Negative positions count from the end.
pub(super) fn slice(meter: &Meter, value: &Value, from: Option<&Value>, to: Option<&Value>) -> Flow<Value> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::List(items) => {
            let (from, to) = bounds(from, to, items.len())?;
            meter.build((to - from) * size_of::<Value>())?;
            Ok(Value::List(items[from..to].into()))
        }
        Value::Text(text) => {
            meter.look(text.len() / 8)?;
            let (from, to) = bounds(from, to, text.chars().count())?;
            meter.build(text.len())?;
            Ok(Value::Text(text.chars().skip(from).take(to - from).collect::<String>().into()))
        }
        _ => Err(Stop::Failed(format!("only a list or a text has parts; this is {}", value.kind()))),
    }
}

/// The position of an index in a list of this length.
#[expect(clippy::cast_precision_loss, reason = "no list reaches 2^53 elements")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(super) fn position(index: &Number, length: usize) -> Option<usize> {
    let index = index.value.floor();
    let index = if index < 0.0 { index + length as f64 } else { index };
    (index >= 0.0 && index < length as f64).then_some(index as usize)
}

fn bounds(from: Option<&Value>, to: Option<&Value>, length: usize) -> Flow<(usize, usize)> {
    let from = bound(from, length, f64::floor)?.unwrap_or(0);
    let to = bound(to, length, f64::ceil)?.unwrap_or(length);
    Ok((from.min(to), to))
}

#[expect(clippy::cast_precision_loss, reason = "no list reaches 2^53 elements")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn bound(bound: Option<&Value>, length: usize, round: fn(f64) -> f64) -> Flow<Option<usize>> {
    match bound {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            let at = if number.value < 0.0 { number.value + length as f64 } else { number.value };
            Ok(Some(round(at).clamp(0.0, length as f64) as usize))
        }
        Some(other) => Err(Stop::Failed(format!("the bounds of a part are numbers; this is {}", other.kind()))),
    }
}
