//! Errors of a configuration file, each as one line: where, what is wrong, the fix.
//!
//! serde's messages quote the wrong value, which can be a secret in the wrong place. This module removes it.

use crate::nearest::nearest;
use crate::problem::{self, Cause, Problem};
use crate::provider::service::Mistake;
use crate::yaml::Malformed;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A configuration that cannot be used. It prints as one line.
#[derive(Debug, Clone)]
pub struct ConfigError {
    line: String,
    /// Further problems of the same file, each as one line.
    more: Vec<String>,
    cause: Option<Cause>,
}

impl ConfigError {
    pub(crate) fn of_file(path: &Path, text: &str) -> Self {
        Self::new(&format!("{}: {text}", path.display()), None)
    }

    /// A file that cannot be read; `option` names another.
    pub(crate) fn unreadable(path: &Path, error: io::Error, option: &str) -> Self {
        let line = format!("{}: cannot be read: {error}; name another with {option}", path.display());
        Self::new(&line, Some(Arc::new(error)))
    }

    pub(crate) fn of_problem(path: &Path, problem: &Problem) -> Self {
        Self::new(&format!("{}: {}: {}", path.display(), problem.place, problem.text), problem.cause.clone())
    }

    /// The parser's error is not kept as the cause: it can quote a secret.
    pub(super) fn of_yaml(path: &Path, error: &serde_yaml::Error) -> Self {
        Self::at_location(path, error, &plain(&without_position(error)))
    }

    /// A file that is not YAML. The parser's own message quotes nothing of the file.
    pub(super) fn of_syntax(path: &Path, error: &serde_yaml::Error) -> Self {
        let text = without_position(error);
        let fix = "fix the YAML there: look for a wrong indentation, a tab or a missing quote";
        Self::at_location(path, error, &format!("{text}; {fix}"))
    }

    /// A tree that cannot be read.
    pub(super) fn of_malformed(path: &Path, malformed: &Malformed) -> Self {
        let Malformed { at, text } = malformed;
        Self::new(&format!("{}:{}:{}: {text}", path.display(), at.line, at.column), None)
    }

    /// Every mistake, one line each. There is at least one.
    pub(crate) fn of_mistakes(path: &Path, mistakes: &[Mistake]) -> Self {
        let line = |Mistake { at, place, text }: &Mistake| {
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            one_line(&format!("{}:{}:{}: {place}{text}", path.display(), at.line, at.column))
        };
        let mut lines = mistakes.iter().map(line);
        let first = lines.next().unwrap_or_default();
        Self { line: first, more: lines.collect(), cause: None }
    }

    /// Each problem as one line.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.line.as_str()).chain(self.more.iter().map(String::as_str))
    }

    fn at_location(path: &Path, error: &serde_yaml::Error, text: &str) -> Self {
        let Some(location) = error.location() else { return Self::of_file(path, text) };
        Self::new(&format!("{}:{}:{}: {text}", path.display(), location.line(), location.column()), None)
    }

    fn new(line: &str, cause: Option<Cause>) -> Self {
        Self { line: one_line(line), more: Vec::new(), cause }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)?;
        match self.more.len() {
            0 => Ok(()),
            more => write!(f, " (and {more} more; `check` lists them)"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as &(dyn std::error::Error + 'static))
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The message without the position that the library appends. This module puts it in front.
fn without_position(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    match message.rsplit_once(" at line ") {
        Some((text, _)) if error.location().is_some() => text.to_owned(),
        _ => message,
    }
}

/// Rewrites a message of serde: moves keys into the place, removes values and adds the fix. It shows no part of an unknown message,
/// because that could be a value.
fn plain(message: &str) -> String {
    if let Some((place, text)) = problem::own(message) {
        return format!("{place}{text}");
    }
    known(message).unwrap_or_else(|| "is not understood; compare it with the example configuration".to_owned())
}

fn known(message: &str) -> Option<String> {
    if let Some((place, rest)) = message.split_once("unknown field `") {
        // A key can contain these words too; only the last ones end it.
        let (key, expected) = rest.rsplit_once("`, expected ")?;
        // Anything but a word can be a key and its value without a space between, `password:hunter2`.
        let word = key.len() <= 20 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let meant = nearest(key, expected.split('`').skip(1).step_by(2)).filter(|_| word);
        let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        let place = if word { under(place, key) } else { place.trim_end_matches(": ").to_owned() };
        let place = if place.is_empty() { place } else { format!("{place}: ") };
        return Some(format!("{place}unknown key; expected {expected}{meant}"));
    }
    if let Some((place, key)) = around(message, "missing field `", "`") {
        return Some(format!("{}: is missing; add it", under(place, key)));
    }
    if let Some((place, key)) = around(message, "duplicate field `", "`") {
        return Some(format!("{}: appears twice; drop one", under(place, key)));
    }
    if let Some((place, rest)) = message.split_once("unknown variant `") {
        return Some(format!("{place}unknown name; expected {}", rest.rsplit_once("`, expected ")?.1));
    }
    if message == "repetition limit exceeded" {
        return Some("the aliases expand to too much; use fewer aliases".to_owned());
    }
    let (place, found) = ["invalid type: ", "invalid value: "].iter().find_map(|begins| message.split_once(begins))?;
    // The expectation holds no value, so the last such words end the quotation.
    let (found, expected) = found.rsplit_once(", expected ")?;
    Some(match expected {
        "map with a single key" => format!("{place}must name exactly one provider; give each its own source"),
        "newtype variant" => format!("{place}is a name without settings; write {{NAME: SETTINGS}}"),
        // problem::text asks for an enum.
        "a YAML tag starting with '!'" => format!("{place}found {}, expected a text", kind(found)),
        _ => format!("{place}found {}, expected {expected}", kind(found)),
    })
}

/// The kind of a value, in this program's own words.
fn kind(found: &str) -> &'static str {
    let kinds = [
        ("unit value", "nothing"),
        ("boolean", "boolean"),
        ("integer", "integer"),
        ("floating point", "floating point"),
        ("string", "string"),
        ("sequence", "sequence"),
        ("map", "map"),
    ];
    kinds.iter().find(|(begins, _)| found.starts_with(begins)).map_or("something else", |(_, kind)| kind)
}

/// Splits `before OPEN inner CLOSE` at the end of a message.
fn around<'a>(message: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let (before, rest) = message.split_once(open)?;
    Some((before, rest.strip_suffix(close)?))
}

/// `place: ` and a key as `place.key`.
fn under(place: &str, key: &str) -> String {
    let place = place.trim_end_matches(": ");
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: &str = "is not understood; compare it with the example configuration";

    #[test]
    fn values_are_removed_and_keys_stay() {
        let cases = [
            (
                "a.b: unknown field `pasword`, expected one of `login`, `password`",
                "a.b.pasword: unknown key; expected one of `login`, `password`; did you mean password?",
            ),
            ("a.b: unknown field `password:hunter2`, expected `x`", "a.b: unknown key; expected `x`"),
            ("unknown field `Hunter 2`, expected `x`", "unknown key; expected `x`"),
            ("missing field `sources`", "sources: is missing; add it"),
            ("a: duplicate field `x`", "a.x: appears twice; drop one"),
            ("a: invalid type: string \"hunter2, expected x\", expected a map", "a: found string, expected a map"),
            ("a: invalid type: integer `12345`, expected a map", "a: found integer, expected a map"),
            ("a: invalid type: unit value, expected a map", "a: found nothing, expected a map"),
            (
                "p: invalid type: map, expected map with a single key",
                "p: must name exactly one provider; give each its own source",
            ),
            ("a: unknown field `a`, hunter2`, expected `x`", "a: unknown key; expected `x`"),
            ("a: unknown field `b`, there are no fields", UNKNOWN),
            ("p: unknown variant `a`, hunter2`, expected `x`", "p: unknown name; expected `x`"),
            ("a: invalid type: hunter2, expected a map", "a: found something else, expected a map"),
            ("a: invalid length 2, expected hunter2", UNKNOWN),
            ("cannot make hunter2 of it", UNKNOWN),
            ("a: unknown field `\u{1}hunter2`, expected `x`", "a: unknown key; expected `x`"),
            ("a: \u{1}our own words: `these`", "a: our own words: `these`"),
            (
                "p: unknown variant `hunter2`, expected one of `adstat`, `mysmpp`",
                "p: unknown name; expected one of `adstat`, `mysmpp`",
            ),
        ];
        for (message, wanted) in cases {
            assert_eq!(plain(message), wanted);
        }
    }
}
