//! The two clocks: one that never jumps, for waiting and ages, and one that people read.

use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;

/// A moment, on the clock that never jumps and on the one that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// For waiting and for ages.
    pub instant: Instant,
    /// For timestamps.
    pub wall: SystemTime,
}

impl Moment {
    /// Now, by the system's clocks.
    #[must_use]
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }
}

/// Tells the time. Handed in, so that a test can run a week in a second.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;
