//! The vocabulary of the program: measures, readings, reasons, thresholds.
//!
//! Everything here is plain data. This module imports only `std`. Configuration, providers, state and exposition depend on it and not
//! on each other.

mod label;
mod measure;
mod reading;
mod reason;
mod source;
mod threshold;
mod value;
mod wallet;

pub use label::Label;
pub use measure::{Definition, Measure, Role, Shown};
pub use reading::{Answer, Reading};
pub use reason::{Failure, LONGEST_WAIT, Reason, RetryAfter};
pub use source::{About, Identity};
pub use threshold::{Limits, Low, LowDefinition, LowMetric, Severity, Thresholds};
pub use value::{Figure, Quantity, Timestamp, Value, ValueKind};
pub use wallet::{Wallet, WalletKind};
