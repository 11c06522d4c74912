//! Dates and durations of readings by description: the accepted forms, and the error for anything else.
//!
//! No clock is read here. Every date is in the years 2000 to 9999: 0, 0000-00-00, 0001-01-01 and 1970-01-01 are how programs write that
//! there is no date, and one of them would read as "expired long ago". A message names the kind of a value, never the value.

#[cfg(test)]
mod tests;
mod written;

use crate::domain::Timestamp;
use crate::provider::document::{Value, decimal};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use std::time::Duration;

/// 2000-01-01T00:00:00Z in seconds.
const FIRST_SECOND: i64 = 946_684_800;
/// 9999-12-31T23:59:59Z in seconds.
const LAST_SECOND: i64 = 253_402_300_799;
/// What looks like seconds, and is a date such as `202612312359` without separators.
const COMPACT_MINUTES: std::ops::RangeInclusive<i64> = 200_001_010_000..=209_912_312_359;
/// What looks like milliseconds, and is a date such as `20261231235959` without separators.
const COMPACT_SECONDS: std::ops::RangeInclusive<i64> = 20_000_101_000_000..=20_991_231_235_959;
/// Ten years of 365.25 days.
const LONGEST: f64 = 315_576_000.0;
const MINUTE: i64 = 60_000;

/// The time zone of dates that state none. The database of zones is part of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub(crate) const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of a name such as `Europe/Moscow`, in any case.
    pub(crate) fn named(iana: &str) -> Option<Self> {
        // `Etc/Unknown` is UTC to jiff, which would hide a mistake.
        TimeZone::get(iana).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The offset of a local time. Where clocks are set back, a time stands for two moments, and where they are set forward, for none.
    /// The offset from before the change counts then, as in RFC 5545: the earlier moment of two, and as if the clock had not been set.
    /// So a day whose midnight is skipped starts with its first moment.
    fn offset(&self, local: DateTime) -> Offset {
        match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        }
    }
}

/// A point in time. The accepted forms, where texts are trimmed:
/// - seconds (946684800…253402300799) or milliseconds (946684800000…253402300799999) since the epoch, as a number or in a text, with or
///   without a fraction; the two ranges do not meet. Numbers that read as a date of this century without separators are refused;
/// - RFC 3339 with any offset; the offset may lack its colon;
/// - `YYYY-MM-DD`, `YYYY-MM-DD HH:MM`, `YYYY-MM-DD HH:MM:SS`, also with `T` instead of the space, in the zone;
/// - `DD.MM.YYYY`, `DD.MM.YYYY HH:MM`, `DD.MM.YYYY HH:MM:SS` in the zone.
///
/// A date without a time is 00:00, the start of that day: a warning comes early rather than late.
///
/// # Errors
/// The kind of the value and what is wanted.
pub(crate) fn timestamp(value: &Value, zone: &Zone) -> Result<Timestamp, String> {
    let number = match value {
        Value::Number(number) => Some(number.value),
        Value::Text(text) => decimal(text),
        _ => None,
    };
    if let Some(number) = number {
        return epoch(number);
    }
    let Value::Text(text) = value else {
        return Err(format!("{} where a date is wanted", value.kind()));
    };
    let (local, stated) = written::read(text.trim()).ok_or_else(|| {
        let forms = "seconds or milliseconds since 1970, RFC 3339, YYYY-MM-DD HH:MM:SS or DD.MM.YYYY";
        format!("{} where a date is wanted: {forms}", value.kind())
    })?;
    let offset = stated.unwrap_or_else(|| zone.offset(local));
    let since_epoch = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_millis();
    let millis = i64::try_from(since_epoch).unwrap_or(i64::MAX) - i64::from(offset.seconds()) * 1000;
    if millis < FIRST_SECOND * 1000 {
        return Err("a date before 2000 where a date is wanted; is it a placeholder for no date?".to_owned());
    }
    // West of Greenwich, the last evening of 9999, which means "never", is in the year 10000 of UTC. Formats of time end before it.
    Ok(Timestamp { millis: millis.min(LAST_SECOND * 1000 + 999) })
}

/// A point in time by its seconds or milliseconds since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "a float is cut to a whole number, and a value beyond i64 becomes its end")]
fn epoch(number: f64) -> Result<Timestamp, String> {
    let whole = number.floor() as i64;
    if COMPACT_MINUTES.contains(&whole) || COMPACT_SECONDS.contains(&whole) {
        return Err("a number that may be a date without separators where a date is wanted".to_owned());
    }
    let millis = match whole {
        FIRST_SECOND..=LAST_SECOND => (number * 1000.0).floor() as i64,
        _ => whole,
    };
    if (FIRST_SECOND * 1000..=LAST_SECOND * 1000 + 999).contains(&millis) {
        return Ok(Timestamp { millis });
    }
    let wanted = "a number of seconds or milliseconds since 1970 is wanted, in the years 2000 to 9999";
    let hint = if (0..FIRST_SECOND).contains(&whole) { "; a time from now is `expires_in` or `resets_in`" } else { "" };
    Err(format!("a number out of range where {wanted}{hint}"))
}

/// A duration in seconds: a number or a text that holds one, from 0 to ten years.
///
/// # Errors
/// The kind of the value and what is wanted.
pub(crate) fn seconds(value: &Value) -> Result<Duration, String> {
    let number = match value {
        Value::Number(number) => Some(number.value),
        Value::Text(text) => decimal(text),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("{} where a number of seconds is wanted", value.kind()))?;
    if !(0.0..=LONGEST).contains(&number) {
        return Err("a number out of range where seconds from now are wanted: 0 to ten years".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

/// The point in time that is `after` the answer, rounded to the minute: delays in the network do not move it from poll to poll, unless
/// it lies close to half a minute.
pub(crate) fn from_now(received_at: Timestamp, after: Duration) -> Timestamp {
    let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let exact = received_at.millis.saturating_add(after);
    Timestamp { millis: exact.saturating_add(MINUTE / 2).div_euclid(MINUTE).saturating_mul(MINUTE) }
}

/// A date in UTC, for explanations.
pub(crate) fn shown(date: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(date.millis).map_or_else(|_| "beyond the calendar".to_owned(), |date| date.to_string())
}
