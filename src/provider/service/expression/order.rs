//! The order of values, as jq has it: null, false, true, numbers, texts, lists, objects.

use super::meter::{Flow, Meter};
use super::number;
use crate::provider::document::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// Compares two values.
pub(super) fn compare(meter: &Meter, left: &Value, right: &Value) -> Flow<Ordering> {
    meter.visit()?;
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            meter.look(left.text.len() + right.text.len())?;
            Ok(number::compare(left, right))
        }
        (Value::Text(left), Value::Text(right)) => {
            meter.look(left.len().min(right.len()) / 4)?;
            Ok(left.cmp(right))
        }
        (Value::List(left), Value::List(right)) if !Arc::ptr_eq(left, right) => lists(meter, left, right),
        (Value::Object(left), Value::Object(right)) if !Arc::ptr_eq(left, right) => objects(meter, left, right),
        _ => Ok(rank(left).cmp(&rank(right))),
    }
}

/// Sorts values; equal ones keep their order.
///
/// The sort of the standard library takes no comparison that fails.
pub(super) fn sort<T>(mut left: Vec<T>, compare: &impl Fn(&T, &T) -> Flow<Ordering>) -> Flow<Vec<T>> {
    if left.len() < 2 {
        return Ok(left);
    }
    let right = left.split_off(left.len() / 2);
    let mut sorted = Vec::with_capacity(left.len() + right.len());
    let (left, right) = (sort(left, compare)?, sort(right, compare)?);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let next = if compare(l, r)? == Ordering::Greater { right.next() } else { left.next() };
        sorted.extend(next);
    }
    sorted.extend(left);
    sorted.extend(right);
    Ok(sorted)
}

/// The first difference decides, then the length.
pub(super) fn lists(meter: &Meter, left: &[Value], right: &[Value]) -> Flow<Ordering> {
    for (left, right) in left.iter().zip(right) {
        let order = compare(meter, left, right)?;
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// The sorted keys decide, then the values in the order of the keys.
fn objects(meter: &Meter, left: &[(Arc<str>, Value)], right: &[(Arc<str>, Value)]) -> Flow<Ordering> {
    let (left, right) = (by_key(meter, left)?, by_key(meter, right)?);
    let order = left.iter().map(|(key, _)| key).cmp(right.iter().map(|(key, _)| key));
    if order != Ordering::Equal {
        return Ok(order);
    }
    for ((_, left), (_, right)) in left.into_iter().zip(right) {
        let order = compare(meter, left, right)?;
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

/// The entries in the order of their keys.
pub(super) fn by_key<'a>(meter: &Meter, entries: &'a [(Arc<str>, Value)]) -> Flow<Vec<&'a (Arc<str>, Value)>> {
    let mut sorted = Vec::with_capacity(entries.len());
    for entry in entries {
        meter.visit()?;
        meter.look(entry.0.len())?;
        sorted.push(entry);
    }
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(sorted)
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Flag(false) => 1,
        Value::Flag(true) => 2,
        Value::Number(_) => 3,
        Value::Text(_) => 4,
        Value::List(_) => 5,
        Value::Object(_) => 6,
    }
}
