//! One line for whoever wrote the file: where it is wrong, what is wrong, how to mend it.
//!
//! serde's messages quote the value that is wrong, and that value can be a secret in the wrong place. Here it is taken out.

use crate::checked::Problem;
use std::fmt;
use std::path::Path;

/// A configuration that cannot be used. It prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(crate) fn of_file(path: &Path, text: &str) -> Self {
        Self::line(&format!("{}: {text}", path.display()))
    }

    pub(crate) fn of_problem(path: &Path, problem: &Problem) -> Self {
        Self::line(&format!("{}: {}: {}", path.display(), problem.place, problem.text))
    }

    pub(super) fn of_yaml(path: &Path, error: &serde_yaml::Error) -> Self {
        let message = error.to_string();
        let Some(location) = error.location() else { return Self::of_file(path, &plain(&message)) };
        // The library appends the position, which stands in front here.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        Self::line(&format!("{}:{}:{}: {}", path.display(), location.line(), location.column(), plain(message)))
    }

    /// A file that is not even YAML.
    pub(super) fn of_syntax(path: &Path, error: &serde_yaml::Error) -> Self {
        let Self(line) = Self::of_yaml(path, error);
        Self(format!("{line}; mend the YAML there: mostly it is the indentation, a tab or a missing quote"))
    }

    fn line(text: &str) -> Self {
        Self(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

/// Rewrites a message of serde: keys become part of the place, values disappear, and the mend is named.
fn plain(message: &str) -> String {
    if let Some((place, key, rest)) = around(message, "unknown field `", "`, ") {
        // What is no word can be a value that lost its colon, `password:hunter2`.
        let word = key.len() <= 20 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let place = if word { under(place, key) } else { place.trim_end_matches(": ").to_owned() };
        return if place.is_empty() { format!("unknown key; {rest}") } else { format!("{place}: unknown key; {rest}") };
    }
    if let Some((place, key, _)) = around(message, "missing field `", "`") {
        return format!("{}: is missing; add it", under(place, key));
    }
    if let Some((place, key, _)) = around(message, "duplicate field `", "`") {
        return format!("{}: stands there twice; drop one", under(place, key));
    }
    if let Some((place, _, rest)) = around(message, "unknown variant `", "`, ") {
        return format!("{place}unknown name; {rest}");
    }
    for kind in ["invalid type: ", "invalid value: "] {
        let Some((place, found)) = message.split_once(kind) else { continue };
        // What was expected never holds a value, so the last such words end the quotation.
        let Some((found, expected)) = found.rsplit_once(", expected ") else { continue };
        if expected == "map with a single key" {
            return format!("{place}names several providers; give each its own source");
        }
        let sort = found.split(['`', '"', '(']).next().unwrap_or_default().trim();
        return format!("{place}found {}, expected {expected}", if sort == "unit value" { "nothing" } else { sort });
    }
    message.to_owned()
}

/// Splits `before OPEN inner CLOSE after`.
fn around<'a>(message: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = message.split_once(open)?;
    let (inner, after) = rest.split_once(close)?;
    Some((before, inner, after))
}

/// `place: ` and a key as `place.key`.
fn under(place: &str, key: &str) -> String {
    let place = place.trim_end_matches(": ");
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_disappear_and_keys_stay() {
        let cases = [
            (
                "a.b: unknown field `pasword`, expected one of `login`, `password`",
                "a.b.pasword: unknown key; expected one of `login`, `password`",
            ),
            ("a.b: unknown field `password:hunter2`, expected `x`", "a.b: unknown key; expected `x`"),
            ("unknown field `Hunter 2`, expected `x`", "unknown key; expected `x`"),
            ("missing field `sources`", "sources: is missing; add it"),
            ("a: duplicate field `x`", "a.x: stands there twice; drop one"),
            ("a: invalid type: string \"hunter2, expected x\", expected a map", "a: found string, expected a map"),
            ("a: invalid type: integer `12345`, expected a map", "a: found integer, expected a map"),
            ("a: invalid type: unit value, expected a map", "a: found nothing, expected a map"),
            ("p: invalid type: map, expected map with a single key", "p: names several providers; give each its own source"),
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
