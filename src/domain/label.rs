//! Text that is safe as a label value.

use std::borrow::Borrow;
use std::fmt;

/// A text from a provider or the configuration, cleaned so that it can be a label value.
///
/// Surrounding white space is trimmed (MySMPP answers `"МТС "`), so that two texts that look the same are equal. Control characters
/// become spaces: one raw NUL makes Prometheus reject the whole scrape.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// Cleans `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self(spaced.trim().into())
    }

    /// A currency code in upper case. `RUR`, the code of the rouble until 1998 that some gateways still send, becomes `RUB`.
    ///
    /// Codes outside ISO 4217 are accepted: providers answer `USDT`, `STAR`, `TON` and `ATIS`.
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

    /// Whether the cleaned text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// Lawful because labels compare as their texts do. Lets a map of labels be searched by a text.
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
