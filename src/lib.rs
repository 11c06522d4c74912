//! Polls prepaid services for their balances at configured intervals and serves them to Prometheus.
//!
//! Data flows one way: configuration, scheduler, provider, readings, state, exposition, server. To read a module, you need to know only
//! [`domain`].

pub mod commands;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod exposition;
pub mod format;
pub mod nearest;
pub mod poll;
pub mod problem;
#[cfg(test)]
mod properties;
pub mod provider;
pub mod secret;
pub mod server;
pub mod standin;
pub mod state;
pub mod system;
pub mod transport;
