//! The configured properties of a source: its name, provider, identity and schedule.

use super::Low;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The configured properties of a source. Only a reload changes them.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The unique name.
    pub name: Arc<str>,
    /// The name of its provider.
    pub provider: Arc<str>,
    /// Shows whether it is the same account after a reload or a restart.
    pub identity: Identity,
    /// The configured interval.
    pub interval: Duration,
    /// How long readings are served after the first failed poll.
    pub max_age: Duration,
    /// The configured thresholds.
    pub low: Low,
}

/// A digest of the settings that select the account. It can include a token, where no login names the account, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(pub [u8; 32]);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
