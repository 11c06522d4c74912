//! The providers: their requests, and how their answers are read.
//!
//! A provider turns its settings into requests, and responses into readings. It sends requests through the [`Http`] that it is given,
//! reads no clock, and does not depend on metrics or logging. A new provider is one new file here and its name in the table below.
//!
//! Every answer is read in the same steps: [`document`] parses the whole body once, [`answer`] checks it for an error and checks the
//! status, and the provider extracts the figures through [`found`].

mod answer;
mod document;
mod found;
pub mod service;
mod settings;
#[cfg(test)]
mod tests;

use crate::domain::{Answer, Failure};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::transport::Http;
use futures_util::future::BoxFuture;
use serde::de::{Deserialize, Deserializer, EnumAccess, IgnoredAny, VariantAccess, Visitor};
use std::fmt;
use std::sync::Arc;

pub use settings::{Build, Endpoint};

/// The provider of one source, ready to be polled.
pub trait Provider: Send + Sync {
    /// Polls once, with one or several calls. If one call fails, there are no readings.
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>>;

    /// Secrets that are not in the configuration, such as session tokens.
    fn session_secrets(&self) -> Vec<Secret> {
        Vec::new()
    }

    /// Texts of the last answers that messages must not quote, such as identifiers that later calls use. Labels may carry them.
    fn kept_texts(&self) -> Vec<Secret> {
        Vec::new()
    }
}

macro_rules! providers {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// The providers that are written in Rust, sorted by name.
        pub const BUILT_IN: [BuiltIn; [$(stringify!($name)),*].len()] = [$($name::BUILT_IN),*];

        /// The `provider` of a source with its settings.
        #[expect(non_camel_case_types, reason = "a variant is the provider's name in the configuration and in labels")]
        #[derive(Debug)]
        pub enum Settings {
            $(
                #[doc = concat!("Settings of `", stringify!($name), "`.")]
                $name($name::Settings),
            )*
            /// Settings of a service by description.
            Service(service::Settings),
        }

        impl Settings {
            /// The provider's name.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                    Self::Service(settings) => settings.name(),
                }
            }

            /// How often a source of it may be polled; `None` where the provider states nothing.
            #[must_use]
            pub(crate) fn pace(&self) -> Option<&service::Pace> {
                if let Self::Service(settings) = self { Some(&settings.description.pace) } else { None }
            }

            /// Checks what the settings say together. No secret is resolved.
            ///
            /// # Errors
            /// The first problem, with its place below the settings.
            pub fn check(&self) -> Result<(), Problem> {
                match self {
                    $(Self::$name(settings) => settings.check(),)*
                    // Checked when it was read.
                    Self::Service(_) => Ok(()),
                }
            }

            /// Resolves the secrets of the settings and makes the provider.
            ///
            /// # Errors
            /// The first problem, with its place below the settings.
            pub fn build(&self, build: &mut Build) -> Result<Arc<dyn Provider>, Problem> {
                match self {
                    $(Self::$name(settings) => Ok(Arc::new(settings.build(build)?)),)*
                    Self::Service(settings) => Ok(Arc::new(settings.build(build)?)),
                }
            }
        }

        /// The settings of a provider that is written in Rust, or `None` for another name.
        fn settings_of<'de, A: VariantAccess<'de>>(name: &str, variant: A) -> Result<Option<Settings>, A::Error> {
            match name {
                $(stringify!($name) => variant.newtype_variant().map(|settings| Some(Settings::$name(settings))),)*
                _ => variant.newtype_variant::<IgnoredAny>().map(|_| None),
            }
        }
    };
}

providers!(adstat, mysmpp, atisu);

/// What is shown of a provider that is written in Rust.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// As in the configuration and in labels.
    pub name: &'static str,
    /// The service.
    pub title: &'static str,
    /// Where the facts come from.
    pub documentation: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// Its settings in YAML, for a source to copy.
    pub source: &'static str,
}

/// The `provider` of a source, as the configuration states it: a name over settings.
#[derive(Debug)]
pub enum Entry {
    /// Of a provider that is written in Rust.
    BuiltIn(Settings),
    /// Of this name, which may be a service. Its settings are not read yet.
    Other(String),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("provider", &[], EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the provider's name and its settings")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Entry, A::Error> {
        let (name, variant) = access.variant::<String>()?;
        Ok(settings_of(&name, variant)?.map_or(Entry::Other(name), Entry::BuiltIn))
    }
}
