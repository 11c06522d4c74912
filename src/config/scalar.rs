//! Single values of the file, each checked while it is parsed, so that the message has its line and column.

use crate::problem;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// Maximum of a duration: a year, which can be added to any clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The name of a source.
pub(super) struct Name(pub String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        problem::text(deserializer, |name| {
            let good = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            if good { Ok(Self(name.to_owned())) } else { Err("not a source name; use 1 to 64 of a-z A-Z 0-9 _ . -") }
        })
    }
}

macro_rules! durations {
    ($($(#[$doc:meta])* $name:ident from $shortest:expr, $shortest_text:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name(pub Duration);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                problem::text(deserializer, |text| {
                    let duration = parse_duration(text)?;
                    let too_short = concat!("too short; write ", $shortest_text, " or more");
                    if duration < $shortest { Err(too_short) } else { Ok(Self(duration)) }
                })
            }
        }
    )* };
}

durations! {
    /// Between two polls.
    Interval from Duration::from_secs(1), "1s";
    /// Of one HTTP call.
    Timeout from Duration::from_millis(1), "1ms";
    /// How long old readings are served.
    MaxAge from Duration::from_secs(1), "1s";
}

fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    if text.trim().parse::<f64>().is_ok() {
        return Err("a bare number has no unit; write 30s, 5m or 1h");
    }
    // humantime takes 1M for a month where people mean a minute; a month has no fixed length anyway.
    if text.contains('M') || text.contains("mon") || text.contains('y') {
        return Err("months and years are not accepted; write minutes as 5m, days as 30d");
    }
    let duration = humantime::parse_duration(text).map_err(|_| "not a duration; write 30s, 5m or 1h 30m")?;
    if duration > LONGEST { Err("too long; write 366d or less") } else { Ok(duration) }
}

/// A duration in the notation of the file.
pub(super) fn show(duration: Duration) -> impl fmt::Display {
    humantime::format_duration(duration)
}

/// The value of a threshold. It is finite.
pub(super) struct Level(pub f64);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LevelVisitor)
    }
}

struct LevelVisitor;

impl Visitor<'_> for LevelVisitor {
    type Value = Level;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number without quotes")
    }

    fn visit_f64<E: Error>(self, level: f64) -> Result<Level, E> {
        if level.is_finite() { Ok(Level(level)) } else { Err(problem::error("a threshold must be finite; write a number")) }
    }

    #[expect(clippy::cast_precision_loss, reason = "thresholds are compared with gauges, which are f64")]
    fn visit_i64<E: Error>(self, level: i64) -> Result<Level, E> {
        Ok(Level(level as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as for i64")]
    fn visit_u64<E: Error>(self, level: u64) -> Result<Level, E> {
        Ok(Level(level as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as for i64")]
    fn visit_i128<E: Error>(self, level: i128) -> Result<Level, E> {
        Ok(Level(level as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as for i64")]
    fn visit_u128<E: Error>(self, level: u128) -> Result<Level, E> {
        Ok(Level(level as f64))
    }
}

/// A map whose keys the user chooses. A duplicate key is an error; the parser alone would keep the last.
pub(crate) struct UniqueMap<V>(pub(crate) BTreeMap<String, V>);

impl<V> Default for UniqueMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMapVisitor(PhantomData))
    }
}

struct UniqueMapVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueMapVisitor<V> {
    type Value = UniqueMap<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with a name for each entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some(UniqueKey(key)) = map.next_key()? {
            if unique.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            let value = map.next_value()?;
            unique.insert(key, value);
        }
        Ok(UniqueMap(unique))
    }
}

struct UniqueKey(String);

impl<'de> Deserialize<'de> for UniqueKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_mean_what_they_look_like() {
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["5", "0.5", "1M", "1month", "1y", "5 parsecs", "", "-5m", "400d", "∞"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
