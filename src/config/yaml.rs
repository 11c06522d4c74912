//! Strict YAML for every file of the program: from bytes to types, or to one line with the place and the mend.

use super::ConfigError;
use crate::files;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::path::Path;

/// Reads a whole file as one value; `path` stands in messages.
///
/// # Errors
/// The first problem, without the value that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ConfigError> {
    let text = files::text(bytes).map_err(|problem| ConfigError::of_file(path, &format!("{problem}; save it as UTF-8")))?;
    serde_yaml::from_str::<IgnoredAny>(text).map_err(|error| ConfigError::of_syntax(path, &error))?;
    serde_yaml::from_str(text).map_err(|error| ConfigError::of_yaml(path, &error))
}
