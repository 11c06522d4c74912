//! The words the rest of the program speaks: readings, reasons, thresholds.
//!
//! Everything here is plain data. This module imports nothing but `std`; configuration, providers, store and exposition
//! meet in it and nowhere else.

mod label;
mod low;
mod reading;
mod reason;

pub use label::Label;
pub use low::{Low, Severity, Thresholds};
pub use reading::{Amount, AmountKind, Answer, Reading, Wallet, WalletKind};
pub use reason::{Failure, Reason, RetryAfter};
