//! Readings as lines of the status page: one for each account and currency, or area, with notes beside the figure. The texts are not
//! escaped.

use crate::domain::{Label, Low, Measure, Reading, Role, Severity, Shown, Value};
use crate::format;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// One line of a source's table.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Line {
    /// The name or identifier of the account, or the area; a word for the measure where the source itself is meant.
    pub(super) title: String,
    /// The identifier of the account where the title is its name.
    pub(super) id: String,
    /// Notes beside the figure.
    pub(super) notes: Vec<String>,
    /// What can be spent; empty where it is unknown.
    pub(super) figure: String,
    /// The currency or the type of messages.
    pub(super) unit: String,
    /// How low the figure is, and the threshold that it is below.
    pub(super) low: Option<(Severity, f64)>,
    /// Whether spending from the account is forbidden.
    pub(super) forbidden: bool,
}

/// Facts about an account that all its lines show.
#[derive(Default)]
struct Known<'a> {
    name: &'a str,
    notes: Vec<String>,
    alarm: bool,
    /// At least one line shows them.
    shown: bool,
}

/// Identifies a line: its measure and the identifying labels.
type Key<'a> = (Measure, Vec<&'a Label>);

/// Groups readings into lines, sorted by urgency: critically low, low, forbidden, then the rest in the order of the page.
pub(super) fn lines(readings: &[Reading], low: &Low, now: SystemTime) -> Vec<Line> {
    let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    let mut groups: BTreeMap<Key<'_>, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        let of_account = known.entry(reading.text(Role::Holder));
        match reading.measure().definition().shown {
            Shown::Line => groups.entry((reading.measure(), reading.identity().collect())).or_default().push(reading),
            Shown::Beside(line) => groups.entry((line, reading.identity().collect())).or_default().push(reading),
            Shown::Title => of_account.or_default().name = reading.text(Role::Content),
            Shown::Note => of_account.or_default().notes.push(note(reading, now)),
            Shown::Alarm => of_account.or_default().alarm |= reading.value() == Value::Flag(true),
        }
    }
    let mut lines = Vec::new();
    let mut without_account = Vec::new();
    for ((measure, _), readings) in &groups {
        let account = readings.iter().find_map(|reading| reading.label("account"));
        let line = Line::new(*measure, readings, low, now);
        match account {
            Some(account) => lines.push(line.with(account.as_str(), known.get_mut(account.as_str()))),
            None => without_account.push(line),
        }
    }
    let only_known = known.iter_mut().filter(|(_, known)| !known.shown);
    lines.extend(only_known.map(|(account, known)| Line::titled(Measure::AvailableAmount, account).with(account, Some(known))));
    lines.append(&mut without_account);
    lines.sort_by_key(|line| std::cmp::Reverse((line.low.map(|(severity, _)| severity), line.forbidden)));
    lines
}

impl Line {
    /// A line without a figure. Its title is the holder, or the word for the measure where the holder is the source itself.
    fn titled(measure: Measure, holder: &str) -> Self {
        let title = if holder.is_empty() { measure.definition().word } else { holder };
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// A line from the readings that share it.
    fn new(measure: Measure, readings: &[&Reading], low: &Low, now: SystemTime) -> Self {
        let mut line = Self::titled(measure, readings.first().map_or("", |reading| reading.text(Role::Holder)));
        for reading in readings {
            if reading.measure() == measure {
                line.low = low.broken(reading);
                line.figure = format::value(reading);
                reading.text(Role::Unit).clone_into(&mut line.unit);
            } else {
                line.notes.push(note(reading, now));
            }
        }
        line
    }

    /// Adds the facts about its account.
    fn with(mut self, account: &str, known: Option<&mut Known<'_>>) -> Self {
        let Some(known) = known else { return self };
        known.shown = true;
        if !known.name.is_empty() && known.name != account {
            (self.title, self.id) = (known.name.to_owned(), account.to_owned());
        }
        self.notes.splice(..0, known.notes.iter().cloned());
        self.forbidden = known.alarm;
        self
    }
}

/// A reading as a note.
fn note(reading: &Reading, now: SystemTime) -> String {
    if reading.measure() == Measure::WalletInfo {
        return wallet(reading);
    }
    if let Value::Time(at) = reading.value()
        && let Some(at) = at.time()
    {
        return date(reading.measure().definition().word, at, now);
    }
    let words = format!("{} {} {}", reading.measure().definition().word, format::value(reading), reading.text(Role::Unit));
    words.trim_end().to_owned()
}

/// A date with the time until then: `expires in 16 d, 2026-12-17 00:00:00 UTC`.
fn date(word: &str, at: SystemTime, now: SystemTime) -> String {
    let when = match at.duration_since(now) {
        Ok(left) => format!("in {}", format::duration(left)),
        Err(passed) => format!("{} ago", format::duration(passed.duration())),
    };
    format!("{word} {when}, {}", format::time(at))
}

/// Whose wallet it is, with the identifier that belongs to its kind.
fn wallet(reading: &Reading) -> String {
    let (holder, id) = match reading.text(Role::Content) {
        "common" => ("firm", "firm_id"),
        "department" => ("department", "department_id"),
        "personal" => ("contact", "contact_id"),
        _ => return "wallet of unknown kind".to_owned(),
    };
    let id = reading.label(id).filter(|id| !id.is_empty());
    let of = id.map(|id| format!(" of {holder} {id}")).unwrap_or_default();
    format!("{} wallet{of}", reading.text(Role::Content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Figure, Limits, LowMetric, Quantity, Thresholds, Timestamp, Wallet, WalletKind};
    use std::time::Duration;

    fn figure(number: f64) -> Figure {
        Figure::new(number).expect("a finite number")
    }

    fn name(account: &str, name: &str) -> Reading {
        Reading::account_info(Label::new(account), Label::new(name))
    }

    fn shown(lines: &[Line]) -> Vec<String> {
        let tell = |line: &Line| format!("{}|{}|{}|{} {}", line.title, line.id, line.notes.join(", "), line.figure, line.unit);
        lines.iter().map(tell).collect()
    }

    #[test]
    fn the_facts_about_an_account_are_on_its_line() {
        let readings = [
            Reading::available_amount(Label::new(""), Label::new("EUR"), figure(900.0)),
            Reading::available_amount(Label::new("A1"), Label::new("EUR"), figure(400.5)),
            Reading::available_amount(Label::new("A1"), Label::new("USD"), figure(7.0)),
            Reading::active_amount(Label::new(""), Label::new("EUR"), figure(250.0)),
            Reading::total_amount(Label::new(""), Label::new("EUR"), figure(1150.0)),
            name("A1", "Магазин «Ромашка»"),
            name("A2", "A2"),
        ];
        let expected = [
            "available||active 250 EUR, total 1,150 EUR|900 EUR",
            "Магазин «Ромашка»|A1||400.50 EUR",
            "Магазин «Ромашка»|A1||7 USD",
            "A2||| ",
        ];
        assert_eq!(shown(&lines(&readings, &Low::default(), SystemTime::UNIX_EPOCH)), expected);
    }

    #[test]
    fn a_wallet_names_its_owner() {
        let of = |kind| Wallet {
            account: Label::new("4711"),
            kind,
            contact_id: Label::new("17"),
            department_id: Label::default(),
            firm_id: Label::new("64357"),
        };
        let cases = [
            (Some(WalletKind::Common), "common wallet of firm 64357"),
            (Some(WalletKind::Department), "department wallet"),
            (Some(WalletKind::Personal), "personal wallet of contact 17"),
            (None, "wallet of unknown kind"),
        ];
        for (kind, words) in cases {
            assert_eq!(wallet(&Reading::wallet(of(kind))), words);
        }
        let readings = [
            Reading::available_amount(Label::new("4711"), Label::new("ATIS"), figure(3.0)),
            Reading::wallet(of(None)),
            Reading::operations_forbidden(Label::new("4711"), true),
        ];
        let found = lines(&readings, &Low::default(), SystemTime::UNIX_EPOCH);
        assert_eq!((shown(&found), found[0].forbidden), (vec!["4711||wallet of unknown kind|3 ATIS".to_owned()], true));
    }

    #[test]
    fn units_dates_and_the_credit_limit_are_beside_their_figure() {
        let at = |days: i64| Timestamp { millis: days * 86_400_000 };
        let readings = [
            Reading::available_amount(Label::new(""), Label::new("USD"), figure(-12.5)),
            Reading::credit_limit_amount(Label::new(""), Label::new("USD"), figure(1000.0)),
            Reading::units_available(Label::new(""), Label::new("requests"), Quantity::Unlimited),
            Reading::units_available(Label::new("sim"), Label::new("bytes"), Quantity::Limited(figure(5.0))),
            Reading::expiry_timestamp(Label::new(""), at(10)),
            Reading::reset_timestamp(Label::new("sim"), at(2)),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(3 * 86_400);
        assert_eq!(
            shown(&lines(&readings, &Low::default(), now)),
            [
                "available||expires in 7 d, 1970-01-11 00:00:00 UTC, credit limit 1,000 USD|-12.50 USD",
                "units||expires in 7 d, 1970-01-11 00:00:00 UTC|∞ requests",
                "sim||resets 1 d ago, 1970-01-03 00:00:00 UTC|5 bytes",
            ]
        );
    }

    #[test]
    fn low_lines_come_first() {
        let sms = |area: &str, available| Reading::sms_available(Label::new("sms"), Label::new(area), available);
        let limited = |area: &str, available| sms(area, Quantity::Limited(Figure::from(available)));
        let readings = [sms("a", Quantity::Unlimited), limited("b", 40), limited("c", 5), limited("d", 30)];
        let all = Thresholds { warning: Some(50.0), critical: Some(10.0) };
        let low = Low::default().with(LowMetric::Sms, Limits { all, ..Limits::default() });
        let found = lines(&readings, &low, SystemTime::UNIX_EPOCH);
        assert_eq!(shown(&found), ["c|||5 sms", "b|||40 sms", "d|||30 sms", "a|||∞ sms"]);
        assert_eq!(found[0].low, Some((Severity::Critical, 10.0)));
    }
}
