//! The providers: what each is asked, and how its answers are read.
//!
//! A provider turns its settings into requests and responses into readings. It knows nothing of metrics and of logs, and it reads
//! no clock; what it sends, it sends through the [`Http`] it is handed. A new provider is one new file here and its name in the
//! table below.
//!
//! Every answer takes the same way: [`answer`] has its body read by [`document`], once and whole, and looks for an error and at
//! the status; the provider takes the figures out of the document by hand, through [`found`].

mod answer;
mod document;
mod found;
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

/// One source's provider, ready to be asked.
pub trait Provider: Send + Sync {
    /// Asks once, perhaps with several calls. All or nothing: where one call fails, there are no readings.
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>>;

    /// Secrets that are not in the configuration, such as the tokens of a session.
    fn session_secrets(&self) -> Vec<Secret> {
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
