//! Numbers as people write them: with groups of digits, a decimal comma and a unit.
//!
//! A text that does not follow the description is refused. Nothing is guessed: `1.234` is 1.234 to one vendor and 1234 to another.

use super::exact::Exact;

/// The spaces between groups of digits. They are the same to a reader, so a description that names one of them means all.
const SPACES: [char; 4] = [' ', '\u{a0}', '\u{202f}', '\u{2009}'];

/// How a number is written in a text. A plus, a minus or U+2212 may stand before it, or before the unit that begins the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    /// Between the whole number and its fraction. Without it, a number with a fraction is an error.
    pub(crate) decimal: Option<char>,
    /// Between groups of three digits. A space also means the no-break and thin ones. A number may also be written without groups.
    pub(crate) group: Option<char>,
    /// Before or after the number, with or without a space. It must be there.
    pub(crate) unit: Option<Box<str>>,
}

impl NumberFormat {
    /// The key that is wrong, and why: no number could be read, or only by a guess.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let separator = |c: char| !c.is_alphanumeric() && !is_sign(c) && !c.is_control();
        if self.decimal.is_some_and(|decimal| !separator(decimal) || decimal.is_whitespace()) {
            return Some(("decimal", "is a point, a comma or another sign; no letter, digit, space, plus or minus"));
        }
        if self.group.is_some_and(|group| !separator(group)) {
            return Some(("group", "is a space, a point, a comma or another sign; no letter, digit, plus or minus"));
        }
        if self.decimal.is_some() && self.decimal == self.group {
            return Some(("group", "is the same character as decimal; correct one"));
        }
        let unit = self.unit.as_deref().map(str::trim);
        if unit.is_some_and(|unit| unit.is_empty() || unit.contains(|c: char| c.is_numeric() || is_sign(c) || c.is_control())) {
            return Some(("unit", "is the text next to the number, without digits, plus and minus"));
        }
        None
    }

    /// The number of a text.
    pub(super) fn read(&self, text: &str) -> Option<Exact> {
        let (outer, rest) = sign(text.trim());
        let (inner, number) = self.after_unit(rest)?;
        if outer.is_some() && inner.is_some() {
            return None;
        }
        let negative = outer.or(inner).unwrap_or(false);
        let (whole, fraction) = match self.decimal.and_then(|decimal| number.split_once(decimal)) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (number, None),
        };
        // Some databases write 0.5 as `,5`.
        let whole = if whole.is_empty() && fraction.is_some() { String::new() } else { self.ungrouped(whole)? };
        let fraction = fraction.unwrap_or("0");
        if !is_digits(fraction) {
            return None;
        }
        let places = i64::try_from(fraction.len()).ok()?;
        let number = Exact::new(negative, &[&whole, fraction].concat(), -places);
        number.nearest().map(|_| number)
    }

    /// What is left without the unit, and the sign that follows a unit at the beginning.
    fn after_unit<'a>(&self, text: &'a str) -> Option<(Option<bool>, &'a str)> {
        let Some(unit) = self.unit.as_deref().map(str::trim) else {
            return Some((None, text));
        };
        match text.strip_prefix(unit) {
            Some(rest) => Some(sign(rest.trim_start())),
            None => text.strip_suffix(unit).map(|rest| (None, rest.trim_end())),
        }
    }

    /// The digits of a whole number.
    fn ungrouped(&self, whole: &str) -> Option<String> {
        if is_digits(whole) {
            return Some(whole.to_owned());
        }
        let group = self.group?;
        let between = |c: char| c == group || SPACES.contains(&c) && SPACES.contains(&group);
        let mut groups = whole.split(between);
        // A first group such as `0` shows that these are not the groups of one number.
        groups.next().filter(|first| is_digits(first) && first.len() <= 3 && !first.starts_with('0'))?;
        groups.all(|group| is_digits(group) && group.len() == 3).then(|| whole.replace(between, ""))
    }
}

/// Splits the sign off: whether it is a minus.
fn sign(text: &str) -> (Option<bool>, &str) {
    match text.chars().next().filter(|first| is_sign(*first)) {
        Some(first) => (Some(first != '+'), &text[first.len_utf8()..]),
        None => (None, text),
    }
}

const fn is_sign(c: char) -> bool {
    matches!(c, '+' | '-' | '\u{2212}')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
