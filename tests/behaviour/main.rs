//! Behaviour of the whole program, as its users meet it. One test binary, so that it is linked once.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod adstat_session;
mod alerts;
mod attack;
mod cli;
mod clock;
mod config_files;
mod deploy;
mod direction;
mod documents;
mod ending;
mod files;
mod generated;
mod golden;
mod grafana;
mod hanging;
mod http;
mod kept;
mod lies;
mod network;
mod notify;
mod page;
mod panels;
mod pki;
mod real_parts;
mod reload;
mod restore;
mod secrets;
mod simulated;
mod simulation;
mod simulation_reload;
mod storage;
mod storage_damage;
mod support;
mod transport;
mod web;
