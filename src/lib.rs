//! Polls prepaid services for their balances at configured intervals and serves them to Prometheus.
//!
//! Data flows one way: configuration, scheduler, provider, readings, store, exposition, server. Each module can be read with
//! only [`domain`] in mind.

pub mod assemble;
pub mod blocking;
pub mod checked;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod exposition;
mod files;
pub mod http;
pub mod human;
mod journal;
mod listen;
pub mod log;
pub mod notify;
pub mod poll;
#[cfg(test)]
mod properties;
pub mod provider;
pub mod reload;
pub mod schedule;
pub mod scheduler;
pub mod secret;
pub mod server;
pub mod standin;
pub mod storage;
pub mod store;
pub mod sums;
pub mod web;
