//! Dates as vendors write them. Which form a text has is clear from its digits and signs alone.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// The local time of a text, with the offset where the text states one.
pub(super) fn read(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let mut rest = Rest(text);
    let iso = text.as_bytes().get(4) == Some(&b'-');
    let date = if iso { iso_date(&mut rest)? } else { russian_date(&mut rest)? };
    if rest.0.is_empty() {
        return Some((date.to_datetime(Time::midnight()), None));
    }
    let separator = if iso { rest.take(' ') || rest.take('T') || rest.take('t') } else { rest.take(' ') };
    let time = separator.then(|| time(&mut rest))??;
    let offset = if iso && !rest.0.is_empty() { Some(offset(&mut rest)?) } else { None };
    rest.0.is_empty().then(|| (date.to_datetime(time), offset))
}

fn iso_date(rest: &mut Rest<'_>) -> Option<Date> {
    let year = rest.digits(4)?;
    let month = rest.take('-').then(|| rest.digits(2))??;
    let day = rest.take('-').then(|| rest.digits(2))??;
    date(year, month, day)
}

fn russian_date(rest: &mut Rest<'_>) -> Option<Date> {
    let day = rest.digits(2)?;
    let month = rest.take('.').then(|| rest.digits(2))??;
    let year = rest.take('.').then(|| rest.digits(4))??;
    date(year, month, day)
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`.
fn time(rest: &mut Rest<'_>) -> Option<Time> {
    let hour = rest.digits(2)?;
    let minute = rest.take(':').then(|| rest.digits(2))??;
    let second = if rest.take(':') { Some(rest.digits(2)?) } else { None };
    let millis = if second.is_some() && rest.take('.') { rest.millis()? } else { 0 };
    // A leap second, which no clock of a computer shows.
    let second = second.unwrap_or(0);
    let second = if second == 60 { 59 } else { second };
    Time::new(hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?, millis * 1_000_000).ok()
}

/// `Z`, `+03:00` or `+0300`.
fn offset(rest: &mut Rest<'_>) -> Option<Offset> {
    if rest.take('Z') || rest.take('z') {
        return Some(Offset::UTC);
    }
    let west = rest.take('-');
    if !west && !rest.take('+') {
        return None;
    }
    let hours = rest.digits(2)?;
    let _ = rest.take(':');
    let minutes = rest.digits(2)?;
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    let valid = hours < 24 && minutes < 60;
    valid.then(|| Offset::from_seconds(if west { -seconds } else { seconds }).ok())?
}

/// What is left of a text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Takes exactly so many digits off.
    fn digits(&mut self, count: usize) -> Option<i16> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    /// Takes the digits of a fraction off, and cuts them to milliseconds.
    fn millis(&mut self) -> Option<i32> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        (count > 0).then(|| format!("{digits:0<3}")[..3].parse().ok())?
    }

    /// Takes this character off if it is the next one.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}
