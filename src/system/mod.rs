//! Bounded use of the system: file reads, standard error, and blocking work that can hang.

pub(crate) mod files;
pub mod lane;
pub mod stderr;
