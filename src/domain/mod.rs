//! The words the rest of the program speaks: readings, reasons, thresholds.
//!
//! Everything here is plain data. This module imports nothing but `std`; configuration, providers, store and exposition
//! meet in it and nowhere else.

mod label;
mod reading;
mod reason;
mod source;
mod threshold;

pub use label::Label;
pub use reading::{Amount, AmountKind, Answer, Reading, Wallet, WalletKind};
pub use reason::{Failure, LONGEST_WAIT, Reason, RetryAfter};
pub use source::{About, Identity};
pub use threshold::{Low, Severity, Thresholds};
