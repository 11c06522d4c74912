//! What the program asks of the system in a bounded way: files that are read, standard error,
//! and blocking work that can hang.

pub(crate) mod files;
pub mod lane;
pub mod stderr;
