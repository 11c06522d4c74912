//! Services by description: a provider whose requests and readings are described in YAML instead of Rust.
//!
//! A [`Description`] is compiled once and shared by all sources that use it. It owns no connection, clock or metric.

#[doc(hidden)]
pub mod bench;
pub(crate) mod catalogue;
mod description;
mod evaluate;
mod evaluation;
mod example;
mod expression;
mod figure;
mod fill;
mod hint;
mod lifetime;
mod lines;
mod mistake;
mod poll;
mod read;
mod readings;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod time;
mod values;

pub(crate) use description::{Description, Pace};
#[cfg(test)]
pub(crate) use example::EXAMPLE_TIME;
pub(crate) use example::{Canned, CannedAnswer, Example, described, failing};
pub(crate) use mistake::Mistake;
pub(crate) use poll::Service;
pub(crate) use read::{Read, is_name, read};
pub use settings::Settings;
pub use values::{Given, Values};
