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
mod service;
mod settings;
#[cfg(test)]
mod tests;

use crate::domain::{Answer, Failure};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::transport::Http;
use futures_util::future::BoxFuture;
use serde::Deserialize;
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

        /// The `provider` of a source, as the configuration states it: the provider's name over its settings.
        #[expect(non_camel_case_types, reason = "a variant is the provider's name in the configuration and in labels")]
        #[derive(Debug, Deserialize)]
        #[serde(expecting = "a map with the provider's name and its settings")]
        pub enum Settings {
            $(
                #[doc = concat!("Settings of `", stringify!($name), "`.")]
                $name($name::Settings),
            )*
        }

        impl Settings {
            /// The provider's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// Checks what the settings say together. No secret is resolved.
            ///
            /// # Errors
            /// The first problem, with its place below the settings.
            pub fn check(&self) -> Result<(), Problem> {
                match self { $(Self::$name(settings) => settings.check(),)* }
            }

            /// Resolves the secrets of the settings and makes the provider.
            ///
            /// # Errors
            /// The first problem, with its place below the settings.
            pub fn build(&self, build: &mut Build) -> Result<Arc<dyn Provider>, Problem> {
                match self { $(Self::$name(settings) => Ok(Arc::new(settings.build(build)?)),)* }
            }
        }
    };
}

providers!(adstat, mysmpp, atisu);
