//! The mask: hides a source's secrets in texts that a provider wrote, in whatever spelling.

use super::{Secret, escapes};
use crate::domain::Label;
use std::collections::BTreeSet;

/// Replaces a secret in a text.
const MASKED: &str = "***";
/// Longest provider text that is shown, in characters.
const PROVIDER_TEXT_LIMIT: usize = 200;
/// Minimum length, in bytes, of a secret that is masked inside a label. A shorter one would match by chance.
const SHORTEST_IN_LABELS: usize = 6;
/// Minimum length, in characters, of the beginning of a secret that is masked where a text was cut.
const SHORTEST_BEGINNING: usize = 4;
/// A label of more characters than this may be one that was cut. Labels of described services are cut before they are masked.
const LONG_LABEL: usize = 100;
/// A line of more bytes than this was not cut before: values are cut to a few characters.
const LONG_LINE: usize = 4096;
/// How many levels of escapes are undone to look for secrets: JSON in JSON in a URL, say.
const ESCAPE_LEVELS: usize = 3;
/// Only one level is undone in a text that is longer than this, in bytes, because each level costs time.
const LONG_TEXT: usize = 16 * 1024;
/// How many times a text is searched again for another escaped secret before it is masked as a whole.
const ESCAPED_LIMIT: usize = 8;

/// Masks a source's secrets in texts that a provider wrote.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// In lower case, longest first, so that a secret which contains another is masked whole.
    needles: Vec<Secret>,
}

impl Mask {
    /// A mask for these secrets, in plain, JSON and URL spelling.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        let written = secrets.iter().flat_map(|secret| spellings(secret.expose()));
        let mut texts: Vec<String> = written.map(|text| lower(&text)).filter(|text| !text.is_empty()).collect();
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self { needles: texts.into_iter().map(Secret::new).collect() }
    }

    /// The text with every secret masked, as one line, cut to 200 characters.
    #[must_use]
    pub fn provider_text(&self, text: &str) -> String {
        let line = self.line(text);
        let line = line.trim();
        if line.chars().count() <= PROVIDER_TEXT_LIMIT {
            return line.to_owned();
        }
        line.chars().take(PROVIDER_TEXT_LIMIT - 1).chain(['…']).collect()
    }

    /// The text with every secret masked, as one line. Where a value in it was cut, which `…` marks, the beginning of a secret is masked.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let mut shown = self.hide(text, 0);
        if shown.contains('…') && shown.len() <= LONG_LINE {
            let mut parts: Vec<String> = shown.split('…').map(ToOwned::to_owned).collect();
            let last = parts.len() - 1;
            parts[..last].iter_mut().for_each(|part| *part = self.hide_beginning(part));
            shown = parts.join("…");
        }
        shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// The label with every secret masked, also one at its end that was cut; `None` if it holds none.
    #[must_use]
    pub fn label(&self, label: &Label) -> Option<Label> {
        let mut masked = self.hide(label.as_str(), SHORTEST_IN_LABELS);
        if masked.chars().count() > LONG_LABEL {
            masked = self.hide_beginning(&masked);
        }
        (masked != label.as_str()).then(|| Label::new(&masked))
    }

    /// Masks secrets as they are, and those that are escaped in ways which [`spellings`] does not foresee. The latter are found in
    /// the text without its escapes, which is then returned instead.
    fn hide(&self, text: &str, shortest: usize) -> String {
        let mut shown = self.hide_plain(text, shortest);
        for _ in 0..ESCAPED_LIMIT {
            match self.hide_escaped(&shown, shortest) {
                Some(masked) => shown = masked,
                None => return shown,
            }
        }
        // More than a provider has a reason to echo: show nothing of it.
        MASKED.to_owned()
    }

    /// Undoes escapes in every order until a secret appears. None if none does.
    fn hide_escaped(&self, text: &str, shortest: usize) -> Option<String> {
        let levels = if text.len() > LONG_TEXT { 1 } else { ESCAPE_LEVELS };
        let mut texts = vec![text.to_owned()];
        for _ in 0..levels {
            let undone = texts.iter().flat_map(|text| escapes::UNDO.iter().map(move |undo| (text, undo(text))));
            let changed: BTreeSet<String> = undone.filter(|(before, after)| *before != after).map(|(_, after)| after).collect();
            for plain in &changed {
                let masked = self.hide_plain(plain, shortest);
                if masked != *plain {
                    return Some(masked);
                }
            }
            texts = changed.into_iter().collect();
        }
        None
    }

    /// Masks the beginning of a secret at the end of a text.
    fn hide_beginning(&self, text: &str) -> String {
        let lowered: Vec<char> = lower(text).chars().collect();
        let at_end = |needle: &Secret| {
            let needle: Vec<char> = needle.expose().chars().collect();
            let mut counts = (SHORTEST_BEGINNING..=needle.len().min(lowered.len())).rev();
            counts.find(|count| lowered.ends_with(&needle[..*count]))
        };
        match self.needles.iter().filter_map(at_end).max() {
            Some(count) => text.chars().take(lowered.len() - count).chain(MASKED.chars()).collect(),
            None => text.to_owned(),
        }
    }

    fn hide_plain(&self, text: &str, shortest: usize) -> String {
        let (mut text, mut lowered) = (text.to_owned(), lower(text));
        for needle in &self.needles {
            let needle = needle.expose();
            // A short one is hidden where it is the whole text, too.
            let sought = needle.len() >= shortest || lowered == needle;
            if sought && lowered.contains(needle) {
                text = replace(&text, needle);
                lowered = lower(&text);
            }
        }
        text
    }
}

/// The spellings of a secret that can occur in a provider's quotation of the request, or after this program has cleaned a label.
fn spellings(secret: &str) -> Vec<String> {
    let spaced: String = secret.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut written = vec![secret.to_owned(), secret.trim().to_owned(), spaced.trim().to_owned()];
    for text in [secret, secret.trim()] {
        let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let json = serde_json::Value::from(text).to_string();
        written.extend([form.replace('+', "%20"), form, json.trim_matches('"').to_owned()]);
    }
    written
}

/// In lower case, one character for each, because a provider or a label can change the case.
fn lower(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

/// Masks each match of `needle`, ignoring case.
fn replace(text: &str, needle: &str) -> String {
    let (haystack, needle): (Vec<char>, Vec<char>) = (lower(text).chars().collect(), needle.chars().collect());
    let original: Vec<char> = text.chars().collect();
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    while at < original.len() {
        if haystack[at..].starts_with(&needle) {
            replaced.push_str(MASKED);
            at += needle.len();
        } else {
            replaced.push(original[at]);
            at += 1;
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(&secrets.iter().map(|s| Secret::new((*s).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn masks_every_spelling_and_the_longest_first() {
        let mask = mask(&["correct horse", "correct", "qu\"ote"]);
        assert_eq!(mask.provider_text("no correct horse, CORRECT, correct+horse, qu\\\"ote"), "no ***, ***, ***, ***");
    }

    #[test]
    fn masks_secrets_that_a_provider_escapes() {
        let cases = [
            ("a/b/longsecret", r"bad: a\/b\/longsecret"),
            ("Пароль-Секрет", r"bad: \u041f\u0430\u0440\u043e\u043b\u044c-\u0421\u0435\u043a\u0440\u0435\u0442"),
            ("p~sslongsecret&x", "bad: p~sslongsecret%26x"),
            ("a&b<longsecret", "bad: a&amp;b&lt;longsecret"),
            ("x\"y'longsecret", "bad: x&quot;y&#039;longsecret"),
            ("qu\"ote\\longsecret", r#"bad: qu\\\"ote\\\\longsecret"#),
        ];
        for (secret, echoed) in cases {
            let mask = mask(&[secret]);
            assert_eq!(mask.provider_text(echoed), "bad: ***", "{echoed}");
            assert_eq!(mask.label(&Label::new(echoed)), Some(Label::new("bad: ***")), "{echoed}");
        }
        let mixed = mask(&["a%2Fb/longsecret"]);
        assert_eq!(mixed.provider_text(r"bad: a%2Fb\/longsecret"), "bad: ***", "what looks like an escape belongs to the secret");
        let two = mask(&["a/longsecret", "b&longsecret"]);
        assert_eq!(two.provider_text(r"a\/longsecret, b&amp;longsecret"), "***, ***");
        let many = r"a\/longsecret \\\/ ".repeat(3);
        assert!(!two.provider_text(&many).contains("longsecret"), "{many}");
        assert_eq!(mask(&["longsecret"]).provider_text(r"100%25 \/ &amp;"), r"100%25 \/ &amp;", "nothing to hide");
    }

    #[test]
    fn masks_before_it_cuts() {
        let text = format!("{}{}", "x".repeat(195), "correct horse");
        let shown = mask(&["correct horse"]).provider_text(&text);
        assert_eq!(shown, format!("{}***", "x".repeat(195)));
        let long = mask(&[]).provider_text(&"ж".repeat(300));
        assert_eq!(long.chars().count(), 200);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_label_that_only_contains_a_short_secret_is_kept() {
        assert_eq!(mask(&["p"]).label(&Label::new("Shop")), None);
        assert_eq!(mask(&["correct horse"]).label(&Label::new("my correct horse")), Some(Label::new("my ***")));
    }

    #[test]
    fn a_secret_is_masked_after_cleaning_and_in_any_case() {
        let mask = mask(&["two ends\n", "Пароль-Секрет", "tab\there it is", "s3c"]);
        for echoed in ["two ends", "TWO ENDS", "пароль-секрет", "ПАРОЛЬ-СЕКРЕТ", "tab here it is", "s3c", "S3C"]
        {
            assert_eq!(mask.label(&Label::new(echoed)), Some(Label::new("***")), "{echoed}");
        }
        assert_eq!(mask.provider_text("tab%09here%20it%20is two%20ends two+ends"), "*** *** ***");
    }

    #[test]
    fn the_beginning_of_a_secret_is_masked_where_a_text_was_cut() {
        let token = "eyJhbGciOi".repeat(40);
        let mask = mask(&[&token, "correct horse"]);
        let cut = |text: String| Label::new(&text.chars().take(200).collect::<String>());
        assert_eq!(mask.label(&cut(token.clone())), Some(Label::new("***")));
        let before = "x".repeat(190);
        assert_eq!(mask.label(&cut(format!("{before}Correct horse"))), Some(Label::new(&format!("{before}***"))));
        assert_eq!(
            mask.label(&cut(format!("{}correct horse", "x".repeat(192)))),
            Some(Label::new(&format!("{}***", "x".repeat(192))))
        );
        assert_eq!(mask.label(&cut(format!("{}correct horse", "x".repeat(197)))), None, "three characters say little");
        assert_eq!(mask.label(&Label::new("all is correct")), None, "a short label was not cut");
        assert_eq!(mask.line(&format!(".id \"{}… → {}…", &token[..59], &token[..50])), ".id \"***… → ***…");
        assert_eq!(mask.line("is it correct? eyJhbGci"), "is it correct? eyJhbGci");
    }
}
