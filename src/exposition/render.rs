//! One source's state as lines of the text format: a pure function, called once for each poll that ends.

use super::family::{Family, Life};
use crate::domain::{AmountKind, Reading, Wallet};
use crate::state::SourceState;
use crate::state::counters::nearest;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The lines of one source, family by family.
#[derive(Debug)]
pub(super) struct Rendered {
    lines: [Box<[u8]>; Family::ALL.len()],
    /// When the families of readings must no longer be shown.
    pub(super) expires: Option<Instant>,
}

impl Rendered {
    /// The lines of a family that may be shown at this time.
    pub(super) fn lines(&self, family: Family, now: Instant) -> &[u8] {
        let expired = family.life() == Life::Readings && self.expires.is_some_and(|at| now >= at);
        if expired { &[] } else { &self.lines[family as usize] }
    }
}

/// Renders a state. Whether its readings may still be shown is decided later, by `expires`.
pub(super) fn render(state: &SourceState, now: Instant) -> Rendered {
    let mut lines = Lines::new(state);
    for reading in state.readings(now) {
        reading_lines(&mut lines, state, reading);
    }
    sum_lines(&mut lines, state);
    poll_lines(&mut lines, state);
    let readings_shown =
        Family::ALL.iter().any(|family| family.life() == Life::Readings && !lines.of[*family as usize].is_empty());
    Rendered { lines: lines.of.map(Vec::into_boxed_slice), expires: state.expires().filter(|_| readings_shown) }
}

fn reading_lines(lines: &mut Lines, state: &SourceState, reading: &Reading) {
    let low = &state.about.low;
    match reading {
        Reading::Amount(amount) => {
            let labels = [("account", amount.account.as_str()), ("currency", amount.currency.as_str())];
            let family = match amount.kind {
                AmountKind::Available => Family::AvailableAmount,
                AmountKind::Active => Family::ActiveAmount,
                AmountKind::Total => Family::TotalAmount,
            };
            lines.push(family, &labels, amount.amount);
            if amount.kind == AmountKind::Available {
                for (severity, threshold) in low.of_account(&amount.account).iter() {
                    lines.push(Family::LowAmount, &[labels[0], labels[1], ("severity", severity.as_str())], threshold);
                }
            }
        }
        Reading::Sms { sms_type, area, available } => {
            let labels = [("sms_type", sms_type.as_str()), ("area", area.as_str())];
            lines.push(Family::SmsAvailable, &labels, *available);
            for (severity, threshold) in low.of_area(area).iter() {
                lines.push(Family::SmsLow, &[labels[0], labels[1], ("severity", severity.as_str())], threshold);
            }
        }
        Reading::AccountName { account, name } => {
            lines.push(Family::AccountInfo, &[("account", account.as_str()), ("name", name.as_str())], 1.0);
        }
        Reading::Wallet(Wallet { account, kind, contact_id, department_id, firm_id }) => {
            let labels = [
                ("account", account.as_str()),
                ("wallet", kind.map_or("", |kind| kind.as_str())),
                ("contact_id", contact_id.as_str()),
                ("department_id", department_id.as_str()),
                ("firm_id", firm_id.as_str()),
            ];
            lines.push(Family::WalletInfo, &labels, 1.0);
        }
        Reading::OperationsForbidden { account, forbidden } => {
            lines.push(Family::OperationsForbidden, &[("account", account.as_str())], f64::from(u8::from(*forbidden)));
        }
    }
}

fn sum_lines(lines: &mut Lines, state: &SourceState) {
    for ((account, currency), sum) in state.sums.iter() {
        let labels = [("account", account.as_str()), ("currency", currency.as_str())];
        lines.push(Family::WithdrawnAmount, &labels, nearest(sum.withdrawn));
        lines.push(Family::DepositedAmount, &labels, nearest(sum.deposited));
    }
}

#[expect(clippy::cast_precision_loss, reason = "the text format has no integers; a count over 2^53 polls is out of reach")]
fn poll_lines(lines: &mut Lines, state: &SourceState) {
    if let Some(took) = state.took {
        lines.push(Family::Up, &[], f64::from(u8::from(state.failure.is_none())));
        lines.push(Family::PollDuration, &[], took.as_secs_f64());
    }
    if let Some(failure) = &state.failure {
        lines.push(Family::Failing, &[("reason", failure.reason.as_str())], 1.0);
    }
    if let Some(at) = state.last_success {
        lines.push(Family::LastSuccess, &[], epoch_seconds(at));
    }
    lines.push(Family::PollInterval, &[], state.about.interval.as_secs_f64());
    lines.push(Family::Polls, &[], state.polls as f64);
    lines.push(Family::PollFailures, &[], state.failures as f64);
}

/// Seconds since the epoch, to the millisecond. A clock before the epoch reads as the epoch.
pub(super) fn epoch_seconds(at: SystemTime) -> f64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Lines under construction.
struct Lines {
    of: [Vec<u8>; Family::ALL.len()],
    /// The labels that every series of the source begins with.
    head: Vec<u8>,
}

impl Lines {
    fn new(state: &SourceState) -> Self {
        let mut head = b"{provider=\"".to_vec();
        escape(&mut head, state.about.provider);
        head.extend_from_slice(b"\",source=\"");
        escape(&mut head, &state.about.name);
        head.push(b'"');
        Self { of: std::array::from_fn(|_| Vec::new()), head }
    }

    fn push(&mut self, family: Family, labels: &[(&str, &str)], value: f64) {
        let line = &mut self.of[family as usize];
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

/// A label value as the text format wants it.
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

/// A value as the text format wants it: the standard library would write `inf`.
fn number(out: &mut Vec<u8>, value: f64) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    // Adding zero turns a negative zero into a plain one. Writing into memory does not fail.
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
