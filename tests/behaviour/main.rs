//! Behaviour of the whole program, as its users meet it. One test binary, so that it is linked once.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod cli;
mod golden;
mod lies;
mod simulation;
mod support;
