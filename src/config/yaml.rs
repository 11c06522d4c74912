//! Strict YAML for every file of the program: from bytes to types, or to one line with the place and the mend.

use super::ConfigError;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::path::Path;

/// Reads a whole file as one value; `path` stands in messages.
///
/// # Errors
/// The first problem, without the value that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ConfigError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ConfigError::of_file(path, &format!("is not UTF-8 at byte {}; save it as UTF-8", error.valid_up_to()))
    })?;
    // A file saved by an editor of another system may begin with a byte-order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_yaml::from_str::<IgnoredAny>(text).map_err(|error| ConfigError::of_syntax(path, &error))?;
    serde_yaml::from_str(text).map_err(|error| ConfigError::of_yaml(path, &error))
}
