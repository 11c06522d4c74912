//! Formats figures, times, durations and readings for people.

use crate::domain::{Low, Quantity, Reading, Role, Severity, Value, ValueKind};
use std::time::{Duration, SystemTime};

/// Groups thousands. Rounds to two decimals unless the figure is below one: `1,234.56`, `0.004`.
#[must_use]
pub fn figure(value: f64) -> String {
    let value = value + 0.0;
    // A small balance rounded to 0.00 would look empty.
    let text = if value.fract() == 0.0 || value.abs() < 1.0 { value.to_string() } else { format!("{value:.2}") };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or_else(|| format!("{sign}{grouped}"), |fraction| format!("{sign}{grouped}.{fraction}"))
}

/// A duration in its largest unit, rounded down: `12 s`, `3 min`, `5 h`, `2 d`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..60 => format!("{secs} s"),
        secs @ 60..3600 => format!("{} min", secs / 60),
        secs @ 3600..86400 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86400),
    }
}

/// A time in UTC to the second: `2026-01-31 12:00:00 UTC`.
#[must_use]
pub fn time(at: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    text.replacen('T', " ", 1).replace('Z', " UTC")
}

/// A row of a table. The texts are not escaped.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The word for the measure.
    pub what: &'static str,
    /// The account or the area; empty for the source itself.
    pub of: String,
    /// A number, or the text that was read.
    pub figure: String,
    /// The currency or the type of messages.
    pub unit: String,
    /// How low it is; absent where it is not.
    pub low: Option<Severity>,
}

/// The mark of a low figure.
#[must_use]
pub const fn low_mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "low",
        Severity::Critical => "critically low",
    }
}

/// A reading as a row of a table.
#[must_use]
pub fn row(reading: &Reading, low: &Low) -> Row {
    Row {
        what: reading.measure().definition().word,
        of: reading.text(Role::Holder).to_owned(),
        figure: value(reading),
        unit: reading.text(Role::Unit).to_owned(),
        low: low.broken(reading).map(|(severity, _)| severity),
    }
}

/// The value of a reading without its unit: a figure, `∞` for unlimited, a word, a time, or the text that was read.
#[must_use]
pub fn value(reading: &Reading) -> String {
    let kind = reading.measure().definition().value;
    match (reading.value(), kind) {
        (Value::Amount(amount) | Value::Count(Quantity::Limited(amount)), _) => figure(amount.get()),
        (Value::Count(Quantity::Unlimited), _) => "∞".to_owned(),
        (Value::Flag(flag), ValueKind::Flag { yes, no }) => if flag { yes } else { no }.to_owned(),
        (Value::Flag(flag), _) => flag.to_string(),
        (Value::Info, kind) => match (reading.text(Role::Content), kind) {
            ("", ValueKind::Info { unknown }) => unknown.to_owned(),
            (content, _) => content.to_owned(),
        },
        (Value::Time(at), _) => at.time().map_or_else(|| "beyond the calendar".to_owned(), time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_and_never_rounded_to_zero() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
            (19023.9, "19,023.90"),
            (-1234.567, "-1,234.57"),
            (0.004, "0.004"),
            (-0.5, "-0.5"),
            (999_999.999, "1,000,000.00"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn durations_have_one_unit() {
        let cases = [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172_800, "2 d")];
        for (secs, text) in cases {
            assert_eq!(duration(Duration::from_secs(secs)), text);
        }
    }
}
