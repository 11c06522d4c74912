//! Secrets: one way in, and a mask on every way out.
//!
//! A [`SecretRef`] in the configuration resolves to a [`Secret`], which has no `Display` and a redacted `Debug`. Texts from a provider
//! pass a [`Mask`] before they are shown.

mod escapes;

use crate::domain::Label;
use crate::problem::{Text, error};
use crate::system::files::{self, NoText};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Replaces a secret in a text.
const MASKED: &str = "***";
/// Longest provider text that is shown, in characters.
const PROVIDER_TEXT_LIMIT: usize = 200;
/// Minimum length, in bytes, of a secret that is masked inside a label. A shorter one would match by chance.
const SHORTEST_IN_LABELS: usize = 6;
/// How many levels of escapes are undone to look for secrets: JSON in JSON in a URL, say.
const ESCAPE_LEVELS: usize = 3;
/// Only one level is undone in a text that is longer than this, in bytes, because each level costs time.
const LONG_TEXT: usize = 16 * 1024;
/// How many times a text is searched again for another escaped secret before it is masked as a whole.
const ESCAPED_LIMIT: usize = 8;
/// Largest secret file, in bytes.
const FILE_LIMIT: u64 = 64 * 1024;

/// A credential in memory. It is wiped when dropped.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text that must not be shown.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text, for the request that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Where to find a secret, as the configuration says it.
#[derive(Debug, Clone, PartialEq)]
pub enum SecretRef {
    /// In the configuration itself.
    Plain(Secret),
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
    /// In a file below `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` names.
    Credential(String),
}

/// Why a secret cannot be used, and the fix. The secret itself is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable of this name is not set.
    #[error("the environment variable {0} is not set; set it for this process")]
    NotSet(String),
    /// The credential's name would lead out of its directory.
    #[error("a credential is named by a plain file name; name it as LoadCredential= does")]
    NotAFileName,
    /// systemd has passed no credentials, and so not the one of this name.
    #[error("$CREDENTIALS_DIRECTORY is not set; start the service with LoadCredential={0}:PATH, or use file: PATH")]
    NoDirectory(String),
    /// The file cannot be read.
    #[error("cannot read the secret file {}: {source}; create it or correct the path", path.display())]
    Unreadable {
        /// Of the file.
        path: PathBuf,
        /// As the system reports it.
        source: io::Error,
    },
    /// The file is larger than any secret.
    #[error("the secret file {} is over 64 KiB; name the right file", .0.display())]
    TooLarge(PathBuf),
    /// It is not UTF-8 text.
    #[error("{holder} {source}; {fix}")]
    NotText {
        /// What holds the secret, in words.
        holder: String,
        /// What it is instead.
        source: NoText,
        /// How to correct it.
        fix: &'static str,
    },
    /// Nothing is there.
    #[error("the secret is empty; put the credential there")]
    Empty,
}

impl SecretRef {
    /// Reads the secret. A leading byte-order mark and one trailing newline are dropped. It blocks while a file is read.
    ///
    /// # Errors
    /// What is wrong and the fix.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let (bytes, holder, fix) = match self {
            Self::Plain(secret) => (secret.expose().as_bytes().to_vec(), "the secret".to_owned(), "correct it"),
            Self::File(path) => read_file(path)?,
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                (value.into_encoded_bytes(), format!("the environment variable {name}"), "correct its value")
            }
            Self::Credential(name) => read_credential(name)?,
        };
        let text = files::text(&bytes).map_err(|source| SecretError::NotText { holder, source, fix })?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Secret::new(text.to_owned()))
    }
}

/// What a secret was read from: its bytes, its name and how to correct it.
type Read = (Vec<u8>, String, &'static str);

fn read_credential(name: &str) -> Result<Read, SecretError> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(SecretError::NotAFileName);
    }
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| SecretError::NoDirectory(name.to_owned()))?;
    read_file(&Path::new(&directory).join(name))
}

fn read_file(path: &Path) -> Result<Read, SecretError> {
    match files::read(path, FILE_LIMIT) {
        Ok(bytes) => Ok((bytes, format!("the secret file {}", path.display()), "save it as UTF-8")),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(SecretError::TooLarge(path.to_owned())),
        Err(source) => Err(SecretError::Unreadable { path: path.to_owned(), source }),
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

const FORMS: &str = "a secret is {file: PATH}, {env: NAME}, {credential: NAME} or a text";
const QUOTES: &str = "a secret that looks like a number or a flag must stand in quotes";

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{file: PATH}, {env: NAME}, {credential: NAME} or a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretRef, E> {
        Ok(SecretRef::Plain(Secret::new(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(error(QUOTES))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(error(QUOTES))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(error(QUOTES))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(error(QUOTES))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let Some(form) = map.next_key::<String>()? else { return Err(error(FORMS)) };
        // The wrong key is not quoted: it could be the secret.
        let secret = match form.as_str() {
            "file" => SecretRef::File(place(&mut map)?.into()),
            "env" => SecretRef::Env(place(&mut map)?),
            "credential" => SecretRef::Credential(place(&mut map)?),
            _ => return Err(error(FORMS)),
        };
        match map.next_key::<String>()? {
            None => Ok(secret),
            Some(_) => Err(error(FORMS)),
        }
    }
}

/// Where to find a secret.
fn place<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    let place: Text = map.next_value()?;
    if place.trim().is_empty() { Err(error("must not be empty; write the path or the name")) } else { Ok(place.to_string()) }
}

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
        let masked = self.hide(text, 0);
        let line: String = masked.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = line.trim();
        if line.chars().count() <= PROVIDER_TEXT_LIMIT {
            return line.to_owned();
        }
        line.chars().take(PROVIDER_TEXT_LIMIT - 1).chain(['…']).collect()
    }

    /// The label with every secret masked; `None` if it holds none.
    #[must_use]
    pub fn label(&self, label: &Label) -> Option<Label> {
        let masked = self.hide(label.as_str(), SHORTEST_IN_LABELS);
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
    fn debug_shows_nothing() {
        let shown = format!("{:?} {:?}", SecretRef::Plain(Secret::new("correct horse".to_owned())), mask(&["correct horse"]));
        assert!(!shown.contains("horse"), "{shown}");
    }

    #[test]
    fn drops_one_trailing_newline_and_refuses_an_empty_secret() {
        let resolve = |text: &str| SecretRef::Plain(Secret::new(text.to_owned())).resolve().map(|s| s.expose().to_owned());
        assert_eq!(resolve("a\n\n").expect("a secret"), "a\n");
        assert_eq!(resolve("a\r\n").expect("a secret"), "a");
        assert!(matches!(resolve("\n"), Err(SecretError::Empty)));
    }
}
