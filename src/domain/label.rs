//! Text that is fit to be a label value.

use std::borrow::Borrow;
use std::fmt;

/// A text from a provider or the configuration, cleaned so that it can be a label value.
///
/// Surrounding white space is gone (a gateway of this family really answers `"МТС "`), and control characters have become
/// spaces: one raw NUL would make Prometheus refuse the whole scrape. Two texts that look alike are therefore equal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// Cleans `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self(spaced.trim().into())
    }

    /// A currency code: upper case, with `RUR`, the rouble before 1998 that gateways still write, as `RUB`.
    ///
    /// The code need not be in ISO 4217: `USDT`, `STAR`, `TON` and `ATIS` are real answers.
    #[must_use]
    pub fn currency(code: &str) -> Self {
        let code = Self::new(&code.to_uppercase());
        if code.as_str() == "RUR" { Self::new("RUB") } else { code }
    }

    /// The cleaned text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is left of the text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// Labels are equal and ordered as their texts are, so a map of labels can be searched by a text.
impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_and_replaces_control_characters() {
        assert_eq!(Label::new(" МТС \n").as_str(), "МТС");
        assert_eq!(Label::new("a\u{0}b\r\nc").as_str(), "a b  c");
        assert!(Label::new(" \t ").is_empty());
    }

    #[test]
    fn currencies_are_upper_case_and_rur_is_rub() {
        assert_eq!(Label::currency(" rur ").as_str(), "RUB");
        assert_eq!(Label::currency("usdt").as_str(), "USDT");
        assert_eq!(Label::currency("").as_str(), "");
    }
}
