//! What a source is: its name, its provider, its account and how it is polled.

use super::Low;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What stays the same for a source while it is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The unique name.
    pub name: Arc<str>,
    /// The name of its provider.
    pub provider: &'static str,
    /// Whether it is the same account after a reload or a restart.
    pub identity: Identity,
    /// The configured interval.
    pub interval: Duration,
    /// How long readings outlive the beginning of failures.
    pub max_age: Duration,
    /// The configured thresholds.
    pub low: Low,
}

/// A digest of what says which account is asked. A token is in it where no login names the account, so it shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(pub [u8; 32]);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
