//! The schema of the YAML file, key by key. It does no I/O.

use super::scalar::{Interval, Level, MaxAge, Name, Timeout, UniqueMap};
use crate::problem;
use crate::provider::Entry;
use crate::secret::SecretRef;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the key sources")]
pub(super) struct File {
    pub defaults: Option<Defaults>,
    /// Read as a tree, whose nodes know their place.
    pub services: Option<IgnoredAny>,
    #[serde(deserialize_with = "listed")]
    pub sources: Vec<Source>,
}

/// A list, which may be empty. The parser alone would read null as an empty list, and so accept a truncated file as one that polls
/// nothing.
fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Source>, D::Error> {
    Option::deserialize(deserializer)?.ok_or_else(|| problem::error("sources: is missing; add some, or write [] for none"))
}

/// What a source inherits unless it says otherwise.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map of defaults")]
pub(super) struct Defaults {
    pub interval: Option<Interval>,
    pub timeout: Option<Timeout>,
    pub max_age: Option<MaxAge>,
    pub proxy: Option<SecretRef>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a source: a map with name and provider")]
pub(super) struct Source {
    pub name: Name,
    pub interval: Option<Interval>,
    pub timeout: Option<Timeout>,
    pub max_age: Option<MaxAge>,
    pub proxy: Option<SecretRef>,
    pub ca_file: Option<PathBuf>,
    // As a map with one key rather than as a YAML tag.
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub provider: Entry,
    pub low: Option<Low>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map of thresholds")]
pub(super) struct Low {
    pub amount: Option<Thresholds>,
    pub accounts: Option<UniqueMap<Thresholds>>,
    pub sms: Option<Thresholds>,
    pub areas: Option<UniqueMap<Thresholds>>,
    pub units: Option<UniqueMap<Thresholds>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with warning, critical or both")]
pub(super) struct Thresholds {
    pub warning: Option<Level>,
    pub critical: Option<Level>,
}
