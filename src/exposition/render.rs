//! Renders the state of a source as lines of the text format. A pure function, called once when a poll ends.

use super::family::{Family, OfSource};
use crate::domain::{Quantity, Reading, Value};
use crate::state::SourceState;
use crate::state::counters::nearest;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The lines of one source, family by family.
#[derive(Debug)]
pub(super) struct Rendered {
    lines: [Box<[u8]>; Family::COUNT],
    /// When the readings expire and their families are no longer shown.
    pub(super) expires: Option<Instant>,
}

impl Rendered {
    /// The lines of a family; empty where they have expired.
    pub(super) fn lines(&self, family: Family, now: Instant) -> &[u8] {
        let expired = family.expires() && self.expires.is_some_and(|at| now >= at);
        if expired { &[] } else { &self.lines[family.index()] }
    }
}

/// Renders a state. [`Rendered::lines`] leaves out readings that expire later.
pub(super) fn render(state: &SourceState, now: Instant) -> Rendered {
    let mut lines = Lines::new(state);
    for reading in state.readings(now) {
        reading_lines(&mut lines, state, reading);
    }
    counter_lines(&mut lines, state);
    poll_lines(&mut lines, state);
    let readings_shown = Family::all().any(|family| family.expires() && !lines.of[family.index()].is_empty());
    Rendered { lines: lines.of.map(Vec::into_boxed_slice), expires: state.expires().filter(|_| readings_shown) }
}

fn reading_lines(lines: &mut Lines, state: &SourceState, reading: &Reading) {
    let labels = || reading.labels().map(|(name, _, label)| (name, label.as_str()));
    lines.push(Family::Measure(reading.measure()), labels(), sample(reading.value()));
    let Some(low) = reading.measure().definition().low else { return };
    for (severity, threshold) in state.about.low.of(reading).iter() {
        lines.push(Family::Low(low), labels().chain([("severity", severity.as_str())]), threshold);
    }
}

/// The sample of a value. The text format writes unlimited as infinity.
fn sample(value: Value) -> f64 {
    match value {
        Value::Amount(figure) | Value::Count(Quantity::Limited(figure)) => figure.get(),
        Value::Count(Quantity::Unlimited) => f64::INFINITY,
        Value::Flag(flag) => f64::from(u8::from(flag)),
        Value::Info => 1.0,
        Value::Time(time) => time.seconds(),
    }
}

fn counter_lines(lines: &mut Lines, state: &SourceState) {
    for ((account, currency), sum) in state.sums.iter() {
        let labels = [("account", account.as_str()), ("currency", currency.as_str())];
        lines.push(Family::OfSource(OfSource::WithdrawnAmount), labels, nearest(sum.withdrawn));
        lines.push(Family::OfSource(OfSource::DepositedAmount), labels, nearest(sum.deposited));
    }
}

#[expect(clippy::cast_precision_loss, reason = "the text format has no integers; a count over 2^53 polls is out of reach")]
fn poll_lines(lines: &mut Lines, state: &SourceState) {
    let mut push = |family, value| lines.push(Family::OfSource(family), [], value);
    if let Some(took) = state.took {
        push(OfSource::Up, f64::from(u8::from(state.failure.is_none())));
        push(OfSource::PollDuration, took.as_secs_f64());
    }
    if let Some(at) = state.last_success {
        push(OfSource::LastSuccess, epoch_seconds(at));
    }
    push(OfSource::PollInterval, state.about.interval.as_secs_f64());
    push(OfSource::Polls, state.polls as f64);
    push(OfSource::PollFailures, state.failures as f64);
    if let Some(failure) = &state.failure {
        lines.push(Family::OfSource(OfSource::Failing), [("reason", failure.reason.as_str())], 1.0);
    }
}

/// Seconds since the epoch, rounded to the millisecond; 0 for a time before it.
pub(super) fn epoch_seconds(at: SystemTime) -> f64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Lines under construction.
struct Lines {
    of: [Vec<u8>; Family::COUNT],
    /// The labels that every series of the source begins with.
    head: Vec<u8>,
}

impl Lines {
    fn new(state: &SourceState) -> Self {
        let mut head = b"{provider=\"".to_vec();
        escape(&mut head, &state.about.provider);
        head.extend_from_slice(b"\",source=\"");
        escape(&mut head, &state.about.name);
        head.push(b'"');
        Self { of: std::array::from_fn(|_| Vec::new()), head }
    }

    fn push<'a>(&mut self, family: Family, labels: impl IntoIterator<Item = (&'a str, &'a str)>, value: f64) {
        let line = &mut self.of[family.index()];
        line.extend_from_slice(family.name().as_bytes());
        line.extend_from_slice(&self.head);
        for (name, text) in labels {
            line.push(b',');
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"=\"");
            escape(line, text);
            line.push(b'"');
        }
        line.extend_from_slice(b"} ");
        number(line, value);
        line.push(b'\n');
    }
}

/// Escapes a label value.
fn escape(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
}

/// Writes a number. The standard library would write infinity as `inf`.
fn number(out: &mut Vec<u8>, value: f64) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    // Adding zero makes a negative zero a plain one. Writing into memory cannot fail.
    let _ = write!(out, "{}", value + 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        number(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_are_shortest_and_infinity_is_spelled_out() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (19023.9, "19023.9"),
            (-1.5, "-1.5"),
            (1e21, "1000000000000000000000"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn escapes_what_would_end_a_label() {
        let mut out = Vec::new();
        escape(&mut out, "a\"b\\c\nРоссия");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "a\\\"b\\\\c\\nРоссия");
    }

    #[test]
    fn timestamps_have_milliseconds() {
        assert!((epoch_seconds(UNIX_EPOCH + Duration::from_micros(1_234_567)) - 1.235).abs() < 1e-9);
        assert!(epoch_seconds(UNIX_EPOCH - Duration::from_secs(1)).abs() < 1e-9);
    }
}
