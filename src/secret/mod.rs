//! Secrets: one way in, and a mask on every way out.
//!
//! A [`SecretRef`] in the configuration resolves to a [`Secret`], which has no `Display` and a redacted `Debug`. Texts from a provider
//! pass a [`Mask`] before they are shown.

mod escapes;
mod mask;

use crate::problem::{Text, error};
use crate::system::files::{self, NoText};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use mask::Mask;

/// Where credentials are looked for if systemd passes none: where an installed service has them, so that `check` and `poll` find them.
const CREDENTIALS: &str = "/etc/balance-exporter/credentials";
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
    /// In a file below `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` names. Where that is not set, below
    /// `/etc/balance-exporter/credentials`.
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
    /// systemd has passed no credentials, and the directory of an installed service does not have this one.
    #[error(
        "$CREDENTIALS_DIRECTORY is not set and {CREDENTIALS}/{name} cannot be read: {source}; start the service with LoadCredential={name}:PATH, put the secret there, or use file: PATH"
    )]
    NoDirectory {
        /// Of the credential.
        name: String,
        /// As the system reports it.
        source: io::Error,
    },
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
    match read_file(&credential_file(name)) {
        Err(SecretError::Unreadable { source, .. }) if std::env::var_os("CREDENTIALS_DIRECTORY").is_none() => {
            Err(SecretError::NoDirectory { name: name.to_owned(), source })
        }
        read => read,
    }
}

/// The file of a credential.
#[must_use]
pub fn credential_file(name: &str) -> PathBuf {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").unwrap_or_else(|| CREDENTIALS.into());
    Path::new(&directory).join(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let shown = format!(
            "{:?} {:?}",
            SecretRef::Plain(Secret::new("correct horse".to_owned())),
            Mask::new(&[Secret::new("correct horse".to_owned())])
        );
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
